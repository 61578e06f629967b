#include "services/registry/registry_logic.h"
#include "services/registry/registry_store.h"
#include "services/registry/store_rows.h"

#include "core/audit/audit.h"

#include <stdlib.h>
#include <string.h>

enum { VERSIONS_KEPT = 10 };

typedef struct secret_row {
    const char *name, *updated_by;
    int64_t version, latest_version, updated_us, etag;
} secret_row;

#define COLUMNS "name, version, latest_version, updated_us, updated_by, etag"

static secret_row read_secret(tx *t, ow_rows *rows) {
    return (secret_row){
        .name = row_text(t, rows, 0),
        .version = ow_rows_int(rows, 1),
        .latest_version = ow_rows_int(rows, 2),
        .updated_us = ow_rows_int(rows, 3),
        .updated_by = row_text(t, rows, 4),
        .etag = ow_rows_int(rows, 5),
    };
}

// *ret_row stays as it is when there is none.
static ow_code look_up(tx *t, const char *server, const char *name, secret_row *ret_row) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code = ow_db_query(t->db, &rows, t->err,
                               "SELECT " COLUMNS " FROM secrets WHERE title_id = $1"
                               " AND virtual_server = $2 AND name = $3",
                               "ttt", t->title, server, name);
    if (code == OW_OK) {
        code = ow_rows_next(rows, &found, t->err);
    }
    if (code == OW_OK && found) {
        *ret_row = read_secret(t, rows);
        ow_rows_close(rows);
    }
    return code;
}

static void fill_secret(tx *t, const secret_row *row, secret_msg *ret_secret) {
    ret_secret->name = (char *)(uintptr_t)row->name;
    ret_secret->version = row->version;
    ret_secret->latest_version = row->latest_version;
    ret_secret->updated_at = timestamp_in(t->arena, row->updated_us);
    ret_secret->updated_by = (char *)(uintptr_t)row->updated_by;
    ret_secret->etag =
        (char *)(uintptr_t)kept_text(t, ow_arena_printf_in(t->arena, "%lld", (long long)row->etag));
}

static ow_code check_secret_etag(tx *t, const secret_row *row, const char *etag) {
    if (etag[0] != 0 && strtoll(etag, NULL, 10) != row->etag) {
        return ow_fail(t->err, OW_ABORTED, "stale_etag",
                       "somebody else changed the secret \"%s\": list them again", row->name);
    }
    return OW_OK;
}

// A row whose latest_version is 0 is none.
typedef struct secret_change_rows {
    secret_row before, after;
} secret_change_rows;

static const char *secret_state(tx *t, const secret_row *row) {
    return row->latest_version == 0
               ? ""
               : ow_audit_state_in(t->arena, "is", "version", row->version, "value");
}

// Tells runners that what they have is old, and leaves a trace of who did it, without the value.
static ow_code after_change(tx *t, const char *action, const server_row *server,
                            const secret_change_rows *rows) {
    int64_t seq = 0;
    const char *name = rows->before.name;
    ow_code code = store_audit(
        t, action, kept_text(t, ow_arena_printf_in(t->arena, "%s/%s", server->name, name)),
        secret_state(t, &rows->before), secret_state(t, &rows->after));
    if (code == OW_OK) {
        code = store_next_route(t, &seq);
    }
    return code != OW_OK ? code
                         : ow_db_exec(t->db, NULL, t->err,
                                      "UPDATE virtual_servers SET secrets_seq = $1, route_seq = $2"
                                      " WHERE title_id = $3 AND name = $4",
                                      "iitt", seq, seq, t->title, server->name);
}

static ow_code save_secret(tx *t, const char *server, secret_row *row) {
    row->updated_us = t->now_us;
    row->updated_by = t->principal;
    row->etag++;
    return ow_db_exec(t->db, NULL, t->err,
                      "INSERT INTO secrets (title_id, virtual_server, name, version,"
                      " latest_version, updated_us, updated_by, etag)"
                      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
                      " ON CONFLICT (title_id, virtual_server, name) DO UPDATE SET"
                      " version = excluded.version, latest_version = excluded.latest_version,"
                      " updated_us = excluded.updated_us, updated_by = excluded.updated_by,"
                      " etag = excluded.etag",
                      "tttiiiti", t->title, server, row->name, row->version, row->latest_version,
                      row->updated_us, row->updated_by, row->etag);
}

static ow_code check_room(tx *t, const char *server) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code =
        ow_db_query(t->db, &rows, t->err,
                    "SELECT count(*) FROM secrets WHERE title_id = $1 AND virtual_server = $2",
                    "tt", t->title, server);
    if (code == OW_OK) {
        code = ow_rows_next(rows, &found, t->err);
    }
    if (code != OW_OK) {
        return code;
    }
    int64_t count = ow_rows_int(rows, 0);
    ow_rows_close(rows);
    return count < SECRETS_MAX ? OW_OK
                               : ow_fail(t->err, OW_RESOURCE_EXHAUSTED, "too_many_secrets",
                                         "a virtual server has at most %d secrets", SECRETS_MAX);
}

static ow_code keep_value(tx *t, const char *server, const secret_row *row,
                          const sealed_value *value) {
    ow_code code =
        ow_db_exec(t->db, NULL, t->err,
                   "INSERT INTO secret_values (title_id, virtual_server, name, version,"
                   " sealed) VALUES ($1, $2, $3, $4, $5)",
                   "tttib", t->title, server, row->name, row->version, value->bytes, value->size);
    if (code != OW_OK) {
        return code;
    }
    return ow_db_exec(t->db, NULL, t->err,
                      "DELETE FROM secret_values WHERE title_id = $1 AND virtual_server = $2"
                      " AND name = $3 AND version <= $4",
                      "ttti", t->title, server, row->name, row->latest_version - VERSIONS_KEPT);
}

ow_code store_secret_set(tx *t, const set_secret_request *request, const sealed_value *value,
                         secret_msg *ret_secret) {
    server_row server;
    secret_row row = {.name = request->name};
    ow_code code = store_server_find(t, request->virtual_server, &server);
    if (code == OW_OK) {
        code = look_up(t, server.name, request->name, &row);
    }
    if (code == OW_OK) {
        code = check_secret_etag(t, &row, request->etag);
    }
    if (code == OW_OK && row.latest_version == 0) {
        code = check_room(t, server.name);
    }
    if (code != OW_OK) {
        return code;
    }
    secret_row before = row;
    row.version = ++row.latest_version;
    code = keep_value(t, server.name, &row, value);
    if (code == OW_OK) {
        code = save_secret(t, server.name, &row);
    }
    if (code == OW_OK) {
        code = after_change(t, "secret.set", &server, &(secret_change_rows){before, row});
    }
    if (code != OW_OK) {
        return code;
    }
    fill_secret(t, &row, ret_secret);
    return tx_end(t);
}

static ow_code find_secret(tx *t, const char *server, const char *name, server_row *ret_server,
                           secret_row *ret_row) {
    ow_code code = store_server_find(t, server, ret_server);
    if (code == OW_OK) {
        code = look_up(t, server, name, ret_row);
    }
    return code == OW_OK && ret_row->latest_version == 0
               ? ow_fail(t->err, OW_NOT_FOUND, "no_secret", "\"%s\" has no secret \"%.60s\"",
                         server, name)
               : code;
}

static ow_code check_value_there(tx *t, const char *server, const char *name, int64_t version) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code = ow_db_query(t->db, &rows, t->err,
                               "SELECT version FROM secret_values WHERE title_id = $1"
                               " AND virtual_server = $2 AND name = $3 AND version = $4",
                               "ttti", t->title, server, name, version);
    if (code == OW_OK) {
        code = ow_rows_next(rows, &found, t->err);
    }
    if (code != OW_OK) {
        return code;
    }
    if (!found) {
        return ow_fail(t->err, OW_NOT_FOUND, "no_version",
                       "the secret \"%s\" has no version %lld (any more: the last %d are kept)",
                       name, (long long)version, VERSIONS_KEPT);
    }
    ow_rows_close(rows);
    return OW_OK;
}

ow_code store_secret_use(tx *t, const use_secret_request *request, secret_msg *ret_secret) {
    server_row server;
    secret_row row = {.name = request->name};
    ow_code code = find_secret(t, request->virtual_server, request->name, &server, &row);
    if (code == OW_OK) {
        code = check_secret_etag(t, &row, request->etag);
    }
    if (code == OW_OK) {
        code = check_value_there(t, server.name, row.name, request->version);
    }
    if (code != OW_OK) {
        return code;
    }
    secret_row before = row;
    row.version = request->version;
    code = save_secret(t, server.name, &row);
    if (code == OW_OK) {
        code = after_change(t, "secret.use", &server, &(secret_change_rows){before, row});
    }
    if (code != OW_OK) {
        return code;
    }
    fill_secret(t, &row, ret_secret);
    return tx_end(t);
}

ow_code store_secret_delete(tx *t, const delete_secret_request *request) {
    static const char *const statements[] = {
        "DELETE FROM secrets WHERE title_id = $1 AND virtual_server = $2 AND name = $3",
        "DELETE FROM secret_values WHERE title_id = $1 AND virtual_server = $2 AND name = $3",
    };
    server_row server;
    secret_row row = {.name = request->name};
    ow_code code = find_secret(t, request->virtual_server, request->name, &server, &row);
    if (code == OW_OK) {
        code = check_secret_etag(t, &row, request->etag);
    }
    for (size_t i = 0; code == OW_OK && i < sizeof statements / sizeof *statements; i++) {
        code =
            ow_db_exec(t->db, NULL, t->err, statements[i], "ttt", t->title, server.name, row.name);
    }
    if (code == OW_OK) {
        code = after_change(t, "secret.delete", &server,
                            &(secret_change_rows){row, (secret_row){.name = row.name}});
    }
    return code != OW_OK ? code : tx_end(t);
}

ow_code store_secrets_list(tx *t, const char *server, list_secrets_response *reply) {
    server_row found;
    ow_rows *rows = NULL;
    ow_code code = store_server_find(t, server, &found);
    if (code == OW_OK) {
        code = ow_db_query(t->db, &rows, t->err,
                           "SELECT " COLUMNS " FROM secrets"
                           " WHERE title_id = $1 AND virtual_server = $2 ORDER BY name",
                           "tt", t->title, server);
    }
    void **list = NULL;
    size_t room = 0;
    bool more = true;
    while (code == OW_OK && (code = ow_rows_next(rows, &more, t->err)) == OW_OK && more) {
        secret_msg *secret = MESSAGE_IN(t->arena, secret);
        list = grown(t, list, reply->n_secrets, &room);
        if (secret == NULL || list == NULL) {
            t->out_of_memory = true;
            break;
        }
        secret_row row = read_secret(t, rows);
        fill_secret(t, &row, secret);
        list[reply->n_secrets++] = secret;
    }
    reply->secrets = (secret_msg **)list;
    return code != OW_OK ? code : tx_end(t);
}

static ow_code read_sequence(tx *t, const char *server, int64_t *ret_sequence) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code = ow_db_query(t->db, &rows, t->err,
                               "SELECT secrets_seq FROM virtual_servers"
                               " WHERE title_id = $1 AND name = $2",
                               "tt", t->title, server);
    if (code == OW_OK) {
        code = ow_rows_next(rows, &found, t->err);
    }
    if (code != OW_OK) {
        return code;
    }
    if (!found) {
        return ow_fail(t->err, OW_NOT_FOUND, "no_virtual_server",
                       "there is no virtual server \"%s\"", server);
    }
    *ret_sequence = ow_rows_int(rows, 0);
    ow_rows_close(rows);
    return OW_OK;
}

ow_code store_secret_values(tx *t, const char *server, sealed_value *ret_values, size_t *ret_count,
                            int64_t *ret_sequence) {
    ow_rows *rows = NULL;
    size_t count = 0;
    bool more = true;
    ow_code code = read_sequence(t, server, ret_sequence);
    if (code == OW_OK) {
        code = ow_db_query(t->db, &rows, t->err,
                           "SELECT s.name, v.sealed FROM secrets s JOIN secret_values v"
                           " ON v.title_id = s.title_id AND v.virtual_server = s.virtual_server"
                           " AND v.name = s.name AND v.version = s.version"
                           " WHERE s.title_id = $1 AND s.virtual_server = $2 ORDER BY s.name",
                           "tt", t->title, server);
    }
    while (code == OW_OK && (code = ow_rows_next(rows, &more, t->err)) == OW_OK && more) {
        size_t size = 0;
        const void *bytes = ow_rows_blob(rows, 1, &size);
        uint8_t *copy = ow_arena_memdup_in(t->arena, bytes, size);
        t->out_of_memory = t->out_of_memory || copy == NULL;
        if (count < SECRETS_MAX && copy != NULL) {
            ret_values[count++] = (sealed_value){row_text(t, rows, 0), copy, size};
        }
    }
    *ret_count = count;
    return code != OW_OK ? code : tx_end(t);
}
