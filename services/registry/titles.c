#include "services/registry/registry_logic.h"
#include "services/registry/registry_store.h"
#include "services/registry/store_rows.h"

#include "core/audit/audit.h"
#include "core/request_key/request_key.h"

#include <string.h>

ow_code tx_end(tx *t) {
    return t->out_of_memory
               ? ow_fail(t->err, OW_RESOURCE_EXHAUSTED, "memory", "the answer is too large")
               : OW_OK;
}

const char *kept_text(tx *t, char *text) {
    if (text == NULL) {
        t->out_of_memory = true;
        return "";
    }
    return text;
}

const char *row_text(tx *t, ow_rows *rows, int column) {
    const char *text = ow_rows_text(rows, column);
    return text == NULL ? "" : kept_text(t, ow_arena_strdup_in(t->arena, text));
}

void **grown(tx *t, void **array, size_t count, size_t *room) {
    if (count < *room) {
        return array;
    }
    size_t new_room = *room == 0 ? 16 : *room * 2;
    void **bigger = ow_arena_calloc(t->arena, new_room, sizeof *bigger);
    if (bigger == NULL) {
        t->out_of_memory = true;
        return NULL;
    }
    if (count > 0) {
        memcpy(bigger, array, count * sizeof *bigger);
    }
    *room = new_room;
    return bigger;
}

static ow_code count_titles(tx *t, const char **ret_first, int *ret_count) {
    ow_rows *rows = NULL;
    ow_code code = ow_db_query(t->db, &rows, t->err,
                               "SELECT title_id FROM titles ORDER BY title_id LIMIT 2", "");
    bool more = code == OW_OK;
    *ret_count = 0;
    while (code == OW_OK && (code = ow_rows_next(rows, &more, t->err)) == OW_OK && more) {
        if ((*ret_count)++ == 0) {
            *ret_first = row_text(t, rows, 0);
        }
    }
    return code;
}

ow_code store_title_resolve(tx *t) {
    if (t->title[0] == 0) {
        int count = 0;
        ow_code code = count_titles(t, &t->title, &count);
        if (code == OW_OK && count != 1) {
            return ow_fail(t->err, OW_FAILED_PRECONDITION, "title_needed",
                           "there are several titles: name one in Overworld-Title");
        }
        return code;
    }
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code = ow_db_query(t->db, &rows, t->err,
                               "SELECT title_id FROM titles WHERE title_id = $1", "t", t->title);
    if (code == OW_OK) {
        code = ow_rows_next(rows, &found, t->err);
    }
    if (code != OW_OK) {
        return code;
    }
    if (!found) {
        return ow_fail(t->err, OW_NOT_FOUND, "no_title", "there is no title %s", t->title);
    }
    ow_rows_close(rows);
    return OW_OK;
}

ow_code store_next_route(tx *t, int64_t *ret_seq) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code = ow_db_query(
        t->db, &rows, t->err,
        "UPDATE counters SET value = value + 1 WHERE name = 'route' RETURNING value", "");
    if (code == OW_OK) {
        code = ow_rows_next(rows, &found, t->err);
    }
    if (code != OW_OK) {
        return code;
    }
    if (!found) {
        return ow_fail(t->err, OW_DATA_LOSS, "no_counter", "the counter of routes is missing");
    }
    *ret_seq = ow_rows_int(rows, 0);
    ow_rows_close(rows);
    return OW_OK;
}

static void fill_title(tx *t, const char *id, const char *name, int64_t created_us, int64_t etag,
                       title_msg *ret_title) {
    ret_title->title_id = (char *)(uintptr_t)id;
    ret_title->name = (char *)(uintptr_t)name;
    ret_title->created_at = timestamp_in(t->arena, created_us);
    ret_title->etag =
        (char *)(uintptr_t)kept_text(t, ow_arena_printf_in(t->arena, "%lld", (long long)etag));
}

static ow_code name_taken(tx *t, ow_code code, const char *name) {
    return code == OW_ALREADY_EXISTS
               ? ow_fail(t->err, OW_ALREADY_EXISTS, "name_taken", "the name \"%s\" is taken", name)
               : code;
}

// The operator's own title is not the one that is changed. `before` NULL: there was none.
static ow_code audit_title(tx *t, const char *action, const char *id, const char *before,
                           const char *after) {
    const char *own = t->title;
    t->title = id;
    ow_code code = store_audit(
        t, action, id, before == NULL ? "" : ow_audit_state_in(t->arena, "t", "name", before),
        ow_audit_state_in(t->arena, "t", "name", after));
    t->title = own;
    return code;
}

ow_code store_title_create(tx *t, const char *name, title_msg *ret_title) {
    int64_t seq = 0;
    ow_code code = store_next_route(t, &seq);
    if (code != OW_OK) {
        return code;
    }
    const char *id = kept_text(t, ow_arena_printf_in(t->arena, "ttl_%s", t->fresh_id));
    const char *kept_name = kept_text(t, ow_arena_strdup_in(t->arena, name));
    code = ow_db_exec(t->db, NULL, t->err,
                      "INSERT INTO titles (title_id, name, created_us, etag, route_seq)"
                      " VALUES ($1, $2, $3, 1, $4)",
                      "ttii", id, kept_name, t->now_us, seq);
    if (code != OW_OK) {
        return name_taken(t, code, name);
    }
    fill_title(t, id, kept_name, t->now_us, 1, ret_title);
    return audit_title(t, "title.create", id, NULL, name);
}

ow_code store_title_default(tx *t) {
    const char *first = "";
    int count = 0;
    ow_code code = count_titles(t, &first, &count);
    if (code != OW_OK || count > 0) {
        return code;
    }
    title_msg title = OVERWORLD__REGISTRY__V1__TITLE__INIT;
    code = store_title_create(t, "default", &title);
    return code != OW_OK ? code : tx_end(t);
}

typedef struct title_row {
    const char *name;
    int64_t created_us, etag;
} title_row;

static ow_code find_title(tx *t, const char *id, title_row *ret_row) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code =
        ow_db_query(t->db, &rows, t->err,
                    "SELECT name, created_us, etag FROM titles WHERE title_id = $1", "t", id);
    if (code == OW_OK) {
        code = ow_rows_next(rows, &found, t->err);
    }
    if (code != OW_OK) {
        return code;
    }
    if (!found) {
        return ow_fail(t->err, OW_NOT_FOUND, "no_title", "there is no title %s", id);
    }
    *ret_row = (title_row){row_text(t, rows, 0), ow_rows_int(rows, 1), ow_rows_int(rows, 2)};
    ow_rows_close(rows);
    return OW_OK;
}

ow_code store_title_rename(tx *t, const rename_title_request *request, title_msg *ret_title) {
    title_row row = {0};
    if (!t->every_title && strcmp(t->title, request->title_id) != 0) {
        return ow_fail(t->err, OW_NOT_FOUND, "no_title", "there is no title %.40s",
                       request->title_id);
    }
    ow_code code = find_title(t, request->title_id, &row);
    if (code != OW_OK) {
        return code;
    }
    fill_title(t, request->title_id, request->name, row.created_us, row.etag, ret_title);
    if (request->etag[0] != 0 && strcmp(request->etag, ret_title->etag) != 0) {
        return ow_fail(t->err, OW_ABORTED, "stale_etag",
                       "somebody else changed the title %s: read it again", request->title_id);
    }
    int64_t seq = 0;
    code = store_next_route(t, &seq);
    if (code == OW_OK) {
        code = ow_db_exec(t->db, NULL, t->err,
                          "UPDATE titles SET name = $1, etag = $2, route_seq = $3"
                          " WHERE title_id = $4",
                          "tiit", request->name, row.etag + 1, seq, request->title_id);
    }
    if (code != OW_OK) {
        return name_taken(t, code, request->name);
    }
    fill_title(t, request->title_id, request->name, row.created_us, row.etag + 1, ret_title);
    return audit_title(t, "title.rename", request->title_id, row.name, request->name);
}

ow_code store_titles_list(tx *t, const char *after, int limit, list_titles_response *ret_page) {
    ow_rows *rows = NULL;
    ow_code code =
        ow_db_query(t->db, &rows, t->err,
                    "SELECT title_id, name, created_us, etag FROM titles"
                    " WHERE title_id > $1 AND ($2 = 1 OR title_id = $3)"
                    " ORDER BY title_id LIMIT $4",
                    "titi", after, (int64_t)t->every_title, t->title, (int64_t)limit + 1);
    void **list = NULL;
    size_t count = 0;
    size_t room = 0;
    bool more = true;
    while (code == OW_OK && (code = ow_rows_next(rows, &more, t->err)) == OW_OK && more) {
        if (count == (size_t)limit) {
            ret_page->next_page_token = ((title_msg *)list[count - 1])->title_id;
            ow_rows_close(rows);
            break;
        }
        title_msg *title = MESSAGE_IN(t->arena, title);
        list = grown(t, list, count, &room);
        if (title == NULL || list == NULL) {
            t->out_of_memory = true;
            break;
        }
        fill_title(t, row_text(t, rows, 0), row_text(t, rows, 1), ow_rows_int(rows, 2),
                   ow_rows_int(rows, 3), title);
        list[count++] = title;
    }
    ret_page->titles = (title_msg **)list;
    ret_page->n_titles = count;
    return code != OW_OK ? code : tx_end(t);
}

ow_code store_audit(tx *t, const char *action, const char *object, const char *before,
                    const char *after) {
    return ow_audit_append(t->db,
                           &(ow_audit_entry){.at_us = t->now_us,
                                             .title = t->title,
                                             .principal = t->principal,
                                             .address = t->address,
                                             .request_id = t->request_id,
                                             .action = action,
                                             .object = object,
                                             .before = before,
                                             .after = after},
                           t->err);
}

// ---- Request keys ----

static ow_request_key key_of(const tx *t, const char *method, const char *key,
                             const ProtobufCMessage *request) {
    return (ow_request_key){.title = t->title,
                            .principal = t->principal,
                            .method = method,
                            .key = key,
                            .request = request,
                            .arena = t->arena,
                            .now_us = t->now_us};
}

ow_code store_key_find(tx *t, const char *method, const char *key, const ProtobufCMessage *request,
                       ProtobufCMessage *reply, bool *ret_found) {
    ow_request_key k = key_of(t, method, key, request);
    return ow_request_key_find(t->db, &k, reply, ret_found, t->err);
}

ow_code store_key_keep(tx *t, const char *method, const char *key, const ProtobufCMessage *request,
                       const ProtobufCMessage *reply) {
    ow_request_key k = key_of(t, method, key, request);
    return ow_request_key_keep(t->db, &k, reply, t->err);
}
