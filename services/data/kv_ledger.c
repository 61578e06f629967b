#include "services/data/kv_ledger.h"

static ow_code read_scope(ow_db_conn *db, const kv_scope *scope, kv_ledger *ledger, ow_err *err) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code = ow_db_query(
        db, &rows, err, "SELECT sequence, keys, bytes, ended_us FROM kv_scopes WHERE scope = $1",
        "t", scope->text);
    code = code == OW_OK ? ow_rows_next(rows, &found, err) : code;
    if (code == OW_OK && found) {
        ledger->has_row = true;
        ledger->sequence = ow_rows_int(rows, 0);
        ledger->scope = (kv_quota){ow_rows_int(rows, 1), ow_rows_int(rows, 2)};
        ledger->ended_us = ow_rows_int(rows, 3);
    }
    ow_rows_close(rows);
    return code;
}

static ow_code read_title(ow_db_conn *db, const kv_scope *scope, kv_ledger *ledger, ow_err *err) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT keys, bytes, sequence FROM kv_titles WHERE title_id = $1",
                               "t", scope->title);
    code = code == OW_OK ? ow_rows_next(rows, &found, err) : code;
    if (code == OW_OK && found) {
        ledger->title = (kv_quota){ow_rows_int(rows, 0), ow_rows_int(rows, 1)};
        ledger->sequence = ledger->has_row ? ledger->sequence : ow_rows_int(rows, 2);
    }
    ow_rows_close(rows);
    return code;
}

ow_code kv_ledger_read(ow_db_conn *db, const kv_scope *scope, kv_ledger *ret_ledger, ow_err *err) {
    kv_ledger ledger = {0};
    ow_code code = read_scope(db, scope, &ledger, err);
    code = code == OW_OK ? read_title(db, scope, &ledger, err) : code;
    if (code == OW_OK) {
        *ret_ledger = ledger;
    }
    return code;
}

// Of players and virtual servers that are made up, nothing shall stay; those that are there may come back.
static ow_code drop_empty(ow_db_conn *db, const kv_scope *scope, int64_t sequence, ow_err *err) {
    int64_t dropped = 0;
    ow_code code = ow_db_exec(db, &dropped, err,
                              "DELETE FROM kv_scopes WHERE scope = $1 AND keys = 0"
                              " AND ended_us = 0 AND deployment = 0",
                              "t", scope->text);
    return code == OW_OK && dropped > 0
               ? ow_db_exec(
                     db, NULL, err,
                     "UPDATE kv_titles SET sequence = $1 WHERE title_id = $2 AND sequence < $3",
                     "iti", sequence, scope->title, sequence)
               : code;
}

ow_code kv_ledger_add(ow_db_conn *db, const kv_scope *scope, const kv_ledger *ledger,
                      const kv_quota *more, ow_err *err) {
    ow_code code =
        ow_db_exec(db, NULL, err,
                   "INSERT INTO kv_scopes (scope, title_id, sequence, keys, bytes, ended_us)"
                   " VALUES ($1, $2, $3, $4, $5, 0) ON CONFLICT (scope) DO UPDATE SET"
                   " sequence = excluded.sequence, keys = kv_scopes.keys + excluded.keys,"
                   " bytes = kv_scopes.bytes + excluded.bytes",
                   "ttiii", scope->text, scope->title, ledger->sequence, more->keys, more->bytes);
    if (code != OW_OK || (more->keys == 0 && more->bytes == 0)) {
        return code;
    }
    code = ow_db_exec(db, NULL, err,
                      "INSERT INTO kv_titles (title_id, keys, bytes) VALUES ($1, $2, $3)"
                      " ON CONFLICT (title_id) DO UPDATE SET keys = kv_titles.keys + excluded.keys,"
                      " bytes = kv_titles.bytes + excluded.bytes",
                      "tii", scope->title, more->keys, more->bytes);
    return code == OW_OK && ledger->scope.keys + more->keys == 0
               ? drop_empty(db, scope, ledger->sequence, err)
               : code;
}
