#include "services/identity/identity_store.h"

#include "services/identity/identity_logic.h"

#include <stdio.h>
#include <string.h>

static void copy_text(char *to, size_t size, ow_rows *rows, int column) {
    const char *text = ow_rows_text(rows, column);
    snprintf(to, size, "%s", text != NULL ? text : "");
}

// ---- Server keys ----

// The method whose request keys are kept.
#define CREATE_KEY "CreateServerKey"

#define KEY_COLUMNS "key_id, title_id, name, created_us, revoked_us"

static void key_read(ow_rows *rows, server_key_row *row) {
    copy_text(row->key_id, sizeof row->key_id, rows, 0);
    copy_text(row->title, sizeof row->title, rows, 1);
    copy_text(row->name, sizeof row->name, rows, 2);
    row->created_us = ow_rows_int(rows, 3);
    row->revoked_us = ow_rows_int(rows, 4);
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

static ow_code audit_key(ow_db_conn *db, const author *by, const server_key_row *row, ow_err *err) {
    bool is_revoked = row->revoked_us != 0;
    ow_audit_entry entry = by->entry;
    entry.action = is_revoked ? "server_key.revoke" : "server_key.create";
    entry.object = row->key_id;
    entry.before = is_revoked ? ow_audit_state_in(by->arena, "t", "name", row->name) : "";
    entry.after = ow_audit_state_in(by->arena, "tb", "name", row->name, "revoked", (int)is_revoked);
    return ow_audit_append(db, &entry, err);
}

// The id that an earlier request with this key made; "" when there is none.
static ow_code request_key_find(ow_db_conn *db, const author *by, const char *request_key,
                                char ret_made_id[static OW_ID_MAX], ow_err *err) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT made_id FROM request_keys WHERE title_id = $1 "
                               "AND method = $2 AND request_key = $3 AND expires_us > $4",
                               "ttti", by->entry.title, CREATE_KEY, request_key, by->entry.at_us);
    if (code == OW_OK) {
        code = ow_rows_next(rows, &found, err);
    }
    ret_made_id[0] = '\0';
    if (code == OW_OK && found) {
        copy_text(ret_made_id, OW_ID_MAX, rows, 0);
    }
    ow_rows_close(rows);
    return code;
}

static ow_code request_key_keep(ow_db_conn *db, const author *by, const char *request_key,
                                const char *made_id, ow_err *err) {
    ow_code code = ow_db_exec(db, NULL, err, "DELETE FROM request_keys WHERE expires_us <= $1", "i",
                              by->entry.at_us);
    if (code != OW_OK) {
        return code;
    }
    return ow_db_exec(db, NULL, err,
                      "INSERT INTO request_keys (title_id, method, request_key, made_id, "
                      " expires_us) VALUES ($1, $2, $3, $4, $5)",
                      "tttti", by->entry.title, CREATE_KEY, request_key, made_id,
                      by->entry.at_us + REQUEST_KEY_S * SECOND_US);
}

static ow_code fail_if_too_many(ow_db_conn *db, const char *title, ow_err *err) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code = ow_db_query(
        db, &rows, err, "SELECT count(*) FROM server_keys WHERE title_id = $1 AND revoked_us = 0",
        "t", title);
    if (code == OW_OK) {
        code = ow_rows_next(rows, &found, err);
    }
    int64_t count = code == OW_OK ? ow_rows_int(rows, 0) : 0;
    ow_rows_close(rows);
    if (code == OW_OK && count >= SERVER_KEYS_MAX) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "too_many_keys",
                       "the title has %d server keys; revoke some", SERVER_KEYS_MAX);
    }
    return code;
}

static ow_code key_insert(ow_db_conn *db, const author *by, const server_key_row *row,
                          ow_err *err) {
    ow_code code = fail_if_too_many(db, row->title, err);
    if (code == OW_OK) {
        code = ow_db_exec(db, NULL, err,
                          "INSERT INTO server_keys (" KEY_COLUMNS ") VALUES ($1, $2, $3, $4, 0)",
                          "ttti", row->key_id, row->title, row->name, row->created_us);
    }
    return code == OW_OK ? audit_key(db, by, row, err) : code;
}

ow_code store_key_create(ow_db_conn *db, const author *by, const char *request_key,
                         server_key_row *row, ow_err *err) {
    char made_id[OW_ID_MAX] = "";
    ow_code code = OW_OK;
    if (request_key[0] != '\0') {
        code = request_key_find(db, by, request_key, made_id, err);
    }
    if (code == OW_OK && made_id[0] != '\0') {
        server_key_row earlier;
        code = store_server_key_find(db, made_id, &earlier, err);
        if (code == OW_OK && strcmp(earlier.name, row->name) != 0) {
            return ow_fail(err, OW_INVALID_ARGUMENT, "request_key_reused",
                           "this request_key has made a key of another name");
        }
        if (code == OW_OK) {
            *row = earlier;
        }
        return code;
    }
    if (code == OW_OK) {
        code = key_insert(db, by, row, err);
    }
    if (code == OW_OK && request_key[0] != '\0') {
        code = request_key_keep(db, by, request_key, row->key_id, err);
    }
    return code;
}

ow_code store_key_revoke(ow_db_conn *db, const author *by, const char *key_id,
                         server_key_row *ret_row, ow_err *err) {
    server_key_row row = {0};
    ow_code code = store_server_key_find(db, key_id, &row, err);
    if (code == OW_OK && strcmp(row.title, by->entry.title) != 0) {
        return ow_fail(err, OW_NOT_FOUND, "no_key", "there is no server key %s", key_id);
    }
    if (code == OW_OK && row.revoked_us == 0) {
        row.revoked_us = by->entry.at_us;
        code = ow_db_exec(db, NULL, err, "UPDATE server_keys SET revoked_us = $1 WHERE key_id = $2",
                          "it", row.revoked_us, key_id);
        if (code == OW_OK) {
            code = audit_key(db, by, &row, err);
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
