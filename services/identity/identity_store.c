#include "services/identity/identity_store.h"

#include "services/identity/identity_logic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void copy_text(char *to, size_t size, ow_rows *rows, int column) {
    const char *text = ow_rows_text(rows, column);
    snprintf(to, size, "%s", text != NULL ? text : "");
}

// ---- Server keys ----

#define KEY_COLUMNS "key_id, title_id, name, created_us, revoked_us, limit_calls, etag"

static void key_read(ow_rows *rows, server_key_row *row) {
    copy_text(row->key_id, sizeof row->key_id, rows, 0);
    copy_text(row->title, sizeof row->title, rows, 1);
    copy_text(row->name, sizeof row->name, rows, 2);
    row->created_us = ow_rows_int(rows, 3);
    row->revoked_us = ow_rows_int(rows, 4);
    row->limit_calls = ow_rows_int(rows, 5);
    row->etag = ow_rows_int(rows, 6);
}

ow_code store_server_key_find(ow_db_conn *db, const char *key_id, server_key_row *ret_row,
                              ow_err *err) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code = ow_db_query(
        db, &rows, err, "SELECT " KEY_COLUMNS " FROM server_keys WHERE key_id = $1", "t", key_id);
    if (code == OW_OK) {
        code = ow_rows_next(rows, &found, err);
    }
    if (code == OW_OK && found) {
        key_read(rows, ret_row);
    }
    ow_rows_close(rows);
    if (code == OW_OK && !found) {
        return ow_fail(err, OW_NOT_FOUND, "no_key", "there is no server key %s", key_id);
    }
    return code;
}

static ow_code fail_if_revoked(ow_db_conn *db, const char *key_id, ow_err *err) {
    server_key_row row = {0};
    ow_code code = store_server_key_find(db, key_id, &row, err);
    if (code == OW_OK && row.revoked_us != 0) {
        return ow_fail(err, OW_NOT_FOUND, "no_key", "the server key %s is revoked", key_id);
    }
    return code;
}

ow_code store_nonce_use(ow_db_conn *db, const char *key_id, const char *nonce, int64_t expires_us,
                        int64_t now_us, ow_err *err) {
    ow_code code = fail_if_revoked(db, key_id, err);
    if (code == OW_OK) {
        code = ow_db_exec(db, NULL, err, "DELETE FROM nonces WHERE expires_us < $1", "i", now_us);
    }
    int64_t stored = 0;
    if (code == OW_OK) {
        code = ow_db_exec(db, &stored, err,
                          "INSERT INTO nonces (key_id, nonce, expires_us) VALUES ($1, $2, $3) "
                          "ON CONFLICT DO NOTHING",
                          "tti", key_id, nonce, expires_us);
    }
    if (code == OW_OK && stored == 0) {
        return ow_fail(err, OW_UNAUTHENTICATED, "nonce_used",
                       "this nonce was used before; sign each login anew");
    }
    return code;
}

static const char *key_state(const author *by, const server_key_row *row) {
    return ow_audit_state_in(by->arena, "tib", "name", row->name, "limit_calls", row->limit_calls,
                             "revoked", (int)(row->revoked_us != 0));
}

static ow_code audit_key(ow_db_conn *db, const author *by, const char *action,
                         const server_key_row *before, const server_key_row *after, ow_err *err) {
    ow_audit_entry entry = by->entry;
    entry.action = action;
    entry.object = after->key_id;
    entry.before = before != NULL ? key_state(by, before) : "";
    entry.after = key_state(by, after);
    return ow_audit_append(db, &entry, err);
}

static ow_code count_of(ow_db_conn *db, int64_t *ret_count, ow_err *err, const char *sql,
                        const char *title) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code = ow_db_query(db, &rows, err, sql, title != NULL ? "t" : "", title);
    if (code == OW_OK) {
        code = ow_rows_next(rows, &found, err);
    }
    *ret_count = code == OW_OK ? ow_rows_int(rows, 0) : 0;
    ow_rows_close(rows);
    return code;
}

static ow_code fail_if_too_many(ow_db_conn *db, const char *title, ow_err *err) {
    int64_t count = 0;
    ow_code code =
        count_of(db, &count, err,
                 "SELECT count(*) FROM server_keys WHERE title_id = $1 AND revoked_us = 0", title);
    return code != OW_OK || count < SERVER_KEYS_MAX
               ? code
               : ow_fail(err, OW_RESOURCE_EXHAUSTED, "too_many_keys",
                         "the title has %d server keys; revoke some", SERVER_KEYS_MAX);
}

#define COUNT_LIMITS "SELECT count(*) FROM server_keys WHERE limit_calls > 0 AND revoked_us = 0"

static ow_code fail_if_too_many_limits(ow_db_conn *db, ow_err *err) {
    int64_t count = 0;
    ow_code code = count_of(db, &count, err, COUNT_LIMITS, NULL);
    return code != OW_OK || count < KEY_LIMITS_MAX
               ? code
               : ow_fail(err, OW_RESOURCE_EXHAUSTED, "too_many_limits",
                         "%d server keys have limits of their own, more cannot", KEY_LIMITS_MAX);
}

ow_code store_key_create(ow_db_conn *db, const author *by, const server_key_row *row, ow_err *err) {
    ow_code code = fail_if_too_many(db, row->title, err);
    if (code == OW_OK && row->limit_calls > 0) {
        code = fail_if_too_many_limits(db, err);
    }
    if (code == OW_OK) {
        code = ow_db_exec(db, NULL, err,
                          "INSERT INTO server_keys (" KEY_COLUMNS
                          ") VALUES ($1, $2, $3, $4, 0, $5, $6)",
                          "tttiii", row->key_id, row->title, row->name, row->created_us,
                          row->limit_calls, row->etag);
    }
    return code == OW_OK ? audit_key(db, by, "server_key.create", NULL, row, err) : code;
}

// A key of the author's title.
static ow_code find_own(ow_db_conn *db, const author *by, const char *key_id,
                        server_key_row *ret_row, ow_err *err) {
    ow_code code = store_server_key_find(db, key_id, ret_row, err);
    return code == OW_OK && strcmp(ret_row->title, by->entry.title) != 0
               ? ow_fail(err, OW_NOT_FOUND, "no_key", "there is no server key %s", key_id)
               : code;
}

static ow_code check_limit_change(ow_db_conn *db, const server_key_row *row,
                                  const set_key_limit_request *request, ow_err *err) {
    if (row->revoked_us != 0) {
        return ow_fail(err, OW_NOT_FOUND, "no_key", "the server key %s is revoked", row->key_id);
    }
    if (request->etag[0] != '\0' && strtoll(request->etag, NULL, 10) != row->etag) {
        return ow_fail(err, OW_ABORTED, "stale_etag",
                       "somebody else changed the server key: list them again");
    }
    return request->limit_calls > 0 && row->limit_calls == 0 ? fail_if_too_many_limits(db, err)
                                                             : OW_OK;
}

ow_code store_key_set_limit(ow_db_conn *db, const author *by, const set_key_limit_request *request,
                            server_key_row *ret_row, ow_err *err) {
    server_key_row before = {0};
    ow_code code = find_own(db, by, request->key_id, &before, err);
    if (code == OW_OK) {
        code = check_limit_change(db, &before, request, err);
    }
    if (code != OW_OK) {
        return code;
    }
    server_key_row after = before;
    after.limit_calls = request->limit_calls;
    after.etag++;
    code = ow_db_exec(db, NULL, err,
                      "UPDATE server_keys SET limit_calls = $1, etag = $2 WHERE key_id = $3", "iit",
                      after.limit_calls, after.etag, after.key_id);
    if (code == OW_OK) {
        code = audit_key(db, by, "server_key.set_limit", &before, &after, err);
    }
    if (code == OW_OK) {
        *ret_row = after;
    }
    return code;
}

ow_code store_key_limits_load(ow_db_conn *db, ow_arena *arena, key_limit_rows *ret_rows,
                              ow_err *err) {
    int64_t count = 0;
    ow_rows *rows = NULL;
    ow_code code = count_of(db, &count, err, COUNT_LIMITS, NULL);
    if (code != OW_OK) {
        return code;
    }
    key_limit_rows made = {.rows = ow_arena_calloc(arena, (size_t)count + 1, sizeof *made.rows)};
    if (made.rows == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for limits");
    }
    code = ow_db_query(db, &rows, err,
                       "SELECT key_id, limit_calls FROM server_keys "
                       "WHERE limit_calls > 0 AND revoked_us = 0 ORDER BY key_id LIMIT $1",
                       "i", count);
    bool more = true;
    while (code == OW_OK && (code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        copy_text(made.rows[made.count].key_id, OW_ID_MAX, rows, 0);
        made.rows[made.count++].calls = (int32_t)ow_rows_int(rows, 1);
    }
    if (code == OW_OK) {
        *ret_rows = made;
    }
    return code;
}

ow_code store_key_revoke(ow_db_conn *db, const author *by, const char *key_id,
                         server_key_row *ret_row, ow_err *err) {
    server_key_row row = {0};
    ow_code code = find_own(db, by, key_id, &row, err);
    if (code == OW_OK && row.revoked_us == 0) {
        server_key_row before = row;
        row.revoked_us = by->entry.at_us;
        code = ow_db_exec(db, NULL, err, "UPDATE server_keys SET revoked_us = $1 WHERE key_id = $2",
                          "it", row.revoked_us, key_id);
        if (code == OW_OK) {
            code = audit_key(db, by, "server_key.revoke", &before, &row, err);
        }
    }
    if (code == OW_OK) {
        *ret_row = row;
    }
    return code;
}

ow_code store_keys_list(ow_db_conn *db, const key_range *range, take_key take, void *self,
                        ow_err *err) {
    ow_rows *rows = NULL;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT " KEY_COLUMNS " FROM server_keys "
                               "WHERE title_id = $1 AND key_id > $2 ORDER BY key_id LIMIT $3",
                               "tti", range->title, range->after, (int64_t)range->limit);
    bool more = true;
    while (code == OW_OK && (code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        server_key_row row;
        key_read(rows, &row);
        code = take(self, &row, err);
    }
    return code;
}

// ---- What gateways verify with ----

static ow_code load_revoked(ow_db_conn *db, int64_t since_us, verification_rows *out, ow_err *err) {
    ow_rows *rows = NULL;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT key_id, revoked_us FROM server_keys WHERE revoked_us > $1 "
                               "ORDER BY revoked_us DESC LIMIT $2",
                               "ii", since_us, (int64_t)REVOKED_MAX);
    bool more = true;
    out->revoked_count = 0;
    while (code == OW_OK && (code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        copy_text(out->revoked[out->revoked_count], OW_ID_MAX, rows, 0);
        out->revoked_us[out->revoked_count++] = ow_rows_int(rows, 1);
    }
    return code;
}

ow_code store_verification_load(ow_db_conn *db, int64_t revoked_since_us, verification_rows *rows,
                                ow_err *err) {
    return load_revoked(db, revoked_since_us, rows, err);
}
