#include "services/data/kv_ledger.h"

static ow_code read_scope(ow_db_conn *db, const kv_scope *scope, kv_ledger *ledger, ow_err *err) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code = ow_db_query(
        db, &rows, err, "SELECT sequence, keys, bytes, ended_us FROM kv_scopes WHERE scope = $1",
        "t", scope->text);
    code = code == OW_OK ? ow_rows_next(rows, &found, err) : code;
    if (code == OW_OK && found) {
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
    ow_code code = ow_db_query(
        db, &rows, err, "SELECT keys, bytes FROM kv_titles WHERE title_id = $1", "t", scope->title);
    code = code == OW_OK ? ow_rows_next(rows, &found, err) : code;
    if (code == OW_OK && found) {
        ledger->title = (kv_quota){ow_rows_int(rows, 0), ow_rows_int(rows, 1)};
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
    return ow_db_exec(db, NULL, err,
                      "INSERT INTO kv_titles (title_id, keys, bytes) VALUES ($1, $2, $3)"
                      " ON CONFLICT (title_id) DO UPDATE SET keys = kv_titles.keys + excluded.keys,"
                      " bytes = kv_titles.bytes + excluded.bytes",
                      "tii", scope->title, more->keys, more->bytes);
}
