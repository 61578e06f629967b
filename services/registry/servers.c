#include "services/registry/registry_logic.h"
#include "services/registry/registry_store.h"
#include "services/registry/store_rows.h"

#include "core/audit/audit.h"

#include <string.h>

static server_row read_server(tx *t, ow_rows *rows) {
    return (server_row){
        .name = row_text(t, rows, 0),
        .runtime = row_text(t, rows, 1),
        .description = row_text(t, rows, 2),
        .latest_revision = row_text(t, rows, 3),
        .created_us = ow_rows_int(rows, 4),
        .updated_us = ow_rows_int(rows, 5),
        .etag = ow_rows_int(rows, 6),
        .latest_version = ow_rows_int(rows, 7),
    };
}

ow_code store_server_find(tx *t, const char *name, server_row *ret_row) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code =
        ow_db_query(t->db, &rows, t->err,
                    "SELECT name, runtime, description, latest_revision, created_us, updated_us,"
                    " etag, latest_version FROM virtual_servers"
                    " WHERE title_id = $1 AND name = $2",
                    "tt", t->title, name);
    if (code == OW_OK) {
        code = ow_rows_next(rows, &found, t->err);
    }
    if (code != OW_OK) {
        return code;
    }
    if (!found) {
        return ow_fail(t->err, OW_NOT_FOUND, "no_virtual_server",
                       "there is no virtual server \"%s\"", name);
    }
    *ret_row = read_server(t, rows);
    ow_rows_close(rows);
    return OW_OK;
}

static ow_code check_room(tx *t) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code =
        ow_db_query(t->db, &rows, t->err,
                    "SELECT count(*) FROM virtual_servers WHERE title_id = $1", "t", t->title);
    if (code == OW_OK) {
        code = ow_rows_next(rows, &found, t->err);
    }
    if (code != OW_OK) {
        return code;
    }
    int64_t count = ow_rows_int(rows, 0);
    ow_rows_close(rows);
    return count < MAX_SERVERS_OF_TITLE
               ? OW_OK
               : ow_fail(t->err, OW_RESOURCE_EXHAUSTED, "too_many_virtual_servers",
                         "a title has at most %d virtual servers", MAX_SERVERS_OF_TITLE);
}

// What belonged to an earlier one of that name must be gone, or it would be the new one's.
static ow_code check_removed(tx *t, const char *name) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code =
        ow_db_query(t->db, &rows, t->err,
                    "SELECT number FROM applied WHERE title_id = $1 AND virtual_server = $2", "tt",
                    t->title, name);
    code = code == OW_OK ? ow_rows_next(rows, &found, t->err) : code;
    ow_rows_close(rows);
    return code == OW_OK && found
               ? ow_fail(t->err, OW_UNAVAILABLE, "being_removed",
                         "what belonged to an earlier virtual server \"%s\" is still being removed:"
                         " try again",
                         name)
               : code;
}

static ow_code insert_server(tx *t, const server_row *row, int64_t seq) {
    ow_code code = ow_db_exec(
        t->db, NULL, t->err,
        "INSERT INTO virtual_servers (title_id, name, runtime, description, created_us, updated_us,"
        " etag, latest_revision, latest_version, route_seq)"
        " VALUES ($1, $2, $3, $4, $5, $6, 1, '', 0, $7)",
        "ttttiii", t->title, row->name, row->runtime, row->description, t->now_us, t->now_us, seq);
    if (code == OW_ALREADY_EXISTS) {
        return ow_fail(t->err, OW_ALREADY_EXISTS, "name_taken",
                       "there is a virtual server \"%s\" already", row->name);
    }
    code = code == OW_OK ? check_removed(t, row->name) : code;
    if (code != OW_OK) {
        return code;
    }
    return ow_db_exec(t->db, NULL, t->err,
                      "INSERT INTO aliases (title_id, virtual_server, name, target, is_public,"
                      " updated_us) VALUES ($1, $2, $3, $4, 1, $5)",
                      "tttti", t->title, row->name, DEFAULT_ALIAS, LATEST, t->now_us);
}

// For the audit.
static const char *server_state(tx *t, const server_row *row) {
    return ow_audit_state_in(t->arena, "ttti", "runtime", row->runtime, "description",
                             row->description, "latest", row->latest_revision, "latest_version",
                             row->latest_version);
}

ow_code store_server_create(tx *t, const char *name, const char *runtime, const char *description,
                            server_row *ret_row) {
    int64_t seq = 0;
    ow_code code = check_room(t);
    if (code == OW_OK) {
        code = store_next_route(t, &seq);
    }
    server_row row = {
        .name = kept_text(t, ow_arena_strdup_in(t->arena, name)),
        .runtime = kept_text(t, ow_arena_strdup_in(t->arena, runtime)),
        .description = kept_text(t, ow_arena_strdup_in(t->arena, description)),
        .latest_revision = "",
        .created_us = t->now_us,
        .updated_us = t->now_us,
        .etag = 1,
    };
    if (code == OW_OK) {
        code = insert_server(t, &row, seq);
    }
    if (code == OW_OK) {
        code = store_audit(t, "virtual_server.create", name, "", server_state(t, &row));
    }
    if (code == OW_OK) {
        *ret_row = row;
    }
    return code;
}

static ow_code check_etag(tx *t, const server_row *row, const char *etag) {
    const char *now = kept_text(t, ow_arena_printf_in(t->arena, "%lld", (long long)row->etag));
    if (etag[0] != 0 && strcmp(etag, now) != 0) {
        return ow_fail(t->err, OW_ABORTED, "stale_etag",
                       "somebody else changed the virtual server \"%s\": read it again", row->name);
    }
    return OW_OK;
}

ow_code store_server_update(tx *t, const update_server_request *request, server_msg *ret_server) {
    server_row before;
    server_row row;
    ow_code code = store_server_find(t, request->name, &before);
    if (code == OW_OK) {
        code = check_etag(t, &before, request->etag);
    }
    if (code == OW_OK) {
        code = ow_db_exec(t->db, NULL, t->err,
                          "UPDATE virtual_servers SET description = $1, updated_us = $2,"
                          " etag = etag + 1 WHERE title_id = $3 AND name = $4",
                          "titt", request->description, t->now_us, t->title, request->name);
    }
    if (code == OW_OK) {
        code = store_server_find(t, request->name, &row);
    }
    if (code == OW_OK) {
        code = store_audit(t, "virtual_server.update", request->name, server_state(t, &before),
                           server_state(t, &row));
    }
    return code == OW_OK ? store_server_fill(t, &row, ret_server) : code;
}

static ow_code delete_rows(tx *t, const char *name) {
    static const char *const statements[] = {
        "DELETE FROM virtual_servers WHERE title_id = $1 AND name = $2",
        "DELETE FROM aliases WHERE title_id = $1 AND virtual_server = $2",
        "DELETE FROM secrets WHERE title_id = $1 AND virtual_server = $2",
        "DELETE FROM secret_values WHERE title_id = $1 AND virtual_server = $2",
        "DELETE FROM revisions WHERE title_id = $1 AND virtual_server = $2",
        "DELETE FROM route_switches WHERE title_id = $1 AND virtual_server = $2",
    };
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        ow_code code = ow_db_exec(t->db, NULL, t->err, statements[i], "tt", t->title, name);
        if (code != OW_OK) {
            return code;
        }
    }
    return OW_OK;
}

ow_code store_server_delete(tx *t, const delete_server_request *request) {
    server_row row;
    int64_t seq = 0;
    ow_code code = store_server_find(t, request->name, &row);
    if (code == OW_OK) {
        code = check_etag(t, &row, request->etag);
    }
    if (code == OW_OK) {
        code = delete_rows(t, request->name);
    }
    // The services that keep its triggers are still to be told, whatever they know.
    if (code == OW_OK) {
        code = ow_db_exec(t->db, NULL, t->err,
                          "INSERT INTO applied (title_id, virtual_server, number)"
                          " VALUES ($1, $2, 0) ON CONFLICT (title_id, virtual_server) DO NOTHING",
                          "tt", t->title, request->name);
    }
    if (code == OW_OK) {
        code = store_next_route(t, &seq);
    }
    if (code == OW_OK) {
        code = ow_db_exec(t->db, NULL, t->err,
                          "INSERT INTO route_removals (seq, title_id, name) VALUES ($1, $2, $3)",
                          "itt", seq, t->title, request->name);
    }
    // The memory of who deleted what is audit's; removals only serve those who watch just now.
    if (code == OW_OK) {
        code = ow_db_exec(t->db, NULL, t->err, "DELETE FROM route_removals WHERE seq < $1", "i",
                          seq - 10000);
    }
    return code == OW_OK
               ? store_audit(t, "virtual_server.delete", request->name, server_state(t, &row), "")
               : code;
}

ow_code store_server_fill(tx *t, const server_row *row, server_msg *ret_server) {
    ret_server->name = (char *)(uintptr_t)row->name;
    ret_server->runtime = (char *)(uintptr_t)row->runtime;
    ret_server->description = (char *)(uintptr_t)row->description;
    ret_server->created_at = timestamp_in(t->arena, row->created_us);
    ret_server->updated_at = timestamp_in(t->arena, row->updated_us);
    ret_server->etag =
        (char *)(uintptr_t)kept_text(t, ow_arena_printf_in(t->arena, "%lld", (long long)row->etag));
    ret_server->latest_version = row->latest_version;
    ret_server->latest = NULL;
    ow_code code = store_aliases_list(t, row->name, ret_server);
    if (code == OW_OK && row->latest_revision[0] != 0) {
        code = store_revision_find(t, row->name, row->latest_revision, &ret_server->latest);
    }
    return code != OW_OK ? code : tx_end(t);
}

// Is there a function whose name has the part, in a revision that is stored so?
static bool body_has(const void *bytes, size_t size, const char *part) {
    route_revision_msg *body =
        overworld__registry__v1__route_revision__unpack(NULL, size, bytes); // not for the reply
    bool found = false;
    for (size_t i = 0; body != NULL && !found && i < body->n_functions; i++) {
        found = name_has(body->functions[i]->name, part);
    }
    overworld__registry__v1__route_revision__free_unpacked(body, NULL);
    return found;
}

enum { COLUMN_FUNCTIONS = 8, COLUMN_BODY = 9 };

// The body comes along where the names are not kept beside it.
static bool fits(ow_rows *rows, const list_servers_request *request) {
    size_t size = 0;
    const char *name = ow_rows_text(rows, 0);
    if (!name_has(name, request->name_contains) || request->function_contains[0] == '\0') {
        return name_has(name, request->name_contains);
    }
    const char *functions = ow_rows_text(rows, COLUMN_FUNCTIONS);
    if (functions != NULL && functions[0] != '\0') {
        return name_has(functions, request->function_contains);
    }
    const void *body = ow_rows_blob(rows, COLUMN_BODY, &size);
    return body != NULL && body_has(body, size, request->function_contains);
}

#define SERVER_COLUMNS                                                                             \
    "SELECT name, runtime, description, latest_revision, created_us, updated_us, etag,"            \
    " latest_version"
#define FUNCTION_COLUMNS                                                                           \
    ", functions, CASE WHEN functions = '' THEN (SELECT body FROM revisions"                       \
    " WHERE revisions.title_id = virtual_servers.title_id"                                         \
    " AND virtual_server = virtual_servers.name AND revision_id = latest_revision) END"
#define BEHIND_IN_ORDER                                                                            \
    " FROM virtual_servers WHERE title_id = $1 AND name > $2 ORDER BY name LIMIT $3"

// Looked through here: SQL has no portable way to look for a part of a name, and a title's virtual servers are few.
static ow_code query_servers(tx *t, const list_servers_request *request, int limit,
                             ow_rows **ret_rows) {
    bool by_function = request->function_contains[0] != '\0';
    bool all = request->name_contains[0] == '\0' && !by_function;
    const char *sql = by_function ? SERVER_COLUMNS FUNCTION_COLUMNS BEHIND_IN_ORDER
                                  : SERVER_COLUMNS BEHIND_IN_ORDER;
    return ow_db_query(t->db, ret_rows, t->err, sql, "tti", t->title, request->page_token,
                       all ? (int64_t)limit + 1 : (int64_t)MAX_SERVERS_OF_TITLE);
}

static ow_code read_page(tx *t, const list_servers_request *request, int limit,
                         server_row page[PAGE_MAX + 1], int *ret_count) {
    ow_rows *rows = NULL;
    ow_code code = query_servers(t, request, limit, &rows);
    bool more = true;
    *ret_count = 0;
    while (code == OW_OK && *ret_count <= limit &&
           (code = ow_rows_next(rows, &more, t->err)) == OW_OK && more) {
        if (fits(rows, request)) {
            page[(*ret_count)++] = read_server(t, rows);
        }
    }
    if (code == OW_OK && more) {
        ow_rows_close(rows);
    }
    return code;
}

ow_code store_servers_list(tx *t, const list_servers_request *request, int limit,
                           list_servers_response *ret_page) {
    server_row page[PAGE_MAX + 1];
    int count = 0;
    ow_code code = read_page(t, request, limit, page, &count);
    int shown = count > limit ? limit : count;
    server_msg **list = ow_arena_calloc(t->arena, (size_t)shown, sizeof(server_msg *));
    t->out_of_memory = t->out_of_memory || list == NULL;
    for (int i = 0; code == OW_OK && !t->out_of_memory && i < shown; i++) {
        list[i] = MESSAGE_IN(t->arena, virtual_server);
        if (list[i] == NULL) {
            t->out_of_memory = true;
            break;
        }
        code = store_server_fill(t, &page[i], list[i]);
        ret_page->n_virtual_servers = (size_t)i + 1;
    }
    ret_page->virtual_servers = list;
    if (count > limit) {
        ret_page->next_page_token = (char *)(uintptr_t)page[limit - 1].name;
    }
    return code != OW_OK ? code : tx_end(t);
}
