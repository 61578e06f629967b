// DeclareEventType, ListEventTypes, DeleteEventType.

#include "services/events/declarations.h"
#include "services/events/event_reply.h"
#include "services/events/events_rpc.h"
#include "services/events/types_store.h"

#include "core/audit/audit.h"
#include "core/timestamp/timestamp.h"

#include <string.h>

static char *borrow(const char *text) {
    return (char *)(uintptr_t)text;
}

static bool fill(event_type_msg *to, const type_row *row, ow_arena *arena) {
    to->name = borrow(row->name);
    to->description = borrow(row->description);
    to->schema_json = borrow(row->schema_json);
    to->client = row->client;
    to->created = ow_timestamp_in(arena, row->created_us);
    to->updated = ow_timestamp_in(arena, row->updated_us);
    to->etag = events_etag_in(arena, row->version);
    return to->created != NULL && to->updated != NULL && to->etag != NULL;
}

static const char *state_of(const type_row *row, ow_arena *arena) {
    return ow_audit_state_in(arena, "ttb", "description", row->description, "schema_json",
                             row->schema_json, "client", (int)row->client);
}

// ---- DeclareEventType ----

ow_code declare_type_check(ow_run *run) {
    const declare_event_type_request *request = run->request;
    type_declaration type = {request->name, request->description, request->schema_json};
    rule_change_begin(run);
    ow_code code = events_check_title(run);
    return code == OW_OK ? type_check(&type, run->err) : code;
}

ow_code declare_type_store(ow_run *run) {
    const declare_event_type_request *request = run->request;
    const rule_change *c = run->state;
    ow_arena *arena = run->call->arena;
    type_row before;
    type_row row = {
        .title_id = run->call->principal->title,
        .name = request->name,
        .description = request->description,
        .schema_json = request->schema_json,
        .client = request->client,
        .updated_us = c->now_us,
    };
    ow_code code = type_read(run->db, row.title_id, row.name, arena, &before, run->err);
    bool is_new = code == OW_NOT_FOUND;
    if (code == OW_OK) {
        code = events_check_etag(request->etag, before.version, run->err);
    } else if (is_new) {
        code = events_check_etag(request->etag, 0, run->err);
    }
    code = code == OW_OK ? type_put(run->db, &row, is_new ? NULL : &before, run->err) : code;
    if (code == OW_OK) {
        code = rule_change_end(run, "event_type.declare", row.name,
                               is_new ? "" : state_of(&before, arena), state_of(&row, arena));
    }
    if (code == OW_OK && !fill(run->reply, &row, arena)) {
        code = events_no_memory(run->err);
    }
    return code;
}

// ---- DeleteEventType ----

ow_code delete_type_check(ow_run *run) {
    rule_change_begin(run);
    return events_check_title(run);
}

ow_code delete_type_store(ow_run *run) {
    const delete_event_type_request *request = run->request;
    const char *title = run->call->principal->title;
    ow_arena *arena = run->call->arena;
    type_row row;
    ow_code code = type_read(run->db, title, request->name, arena, &row, run->err);
    code = code == OW_OK ? events_check_etag(request->etag, row.version, run->err) : code;
    code = code == OW_OK ? type_delete(run->db, title, request->name, run->err) : code;
    return code == OW_OK
               ? rule_change_end(run, "event_type.delete", request->name, state_of(&row, arena), "")
               : code;
}

// ---- ListEventTypes ----

static event_type_msg *add(list_event_types_response *reply, ow_arena *arena) {
    event_type_msg *made = ow_arena_alloc(arena, sizeof *made);
    if (made != NULL) {
        overworld__events__v1__event_type__init(made);
        reply->types[reply->n_types++] = made;
    }
    return made;
}

static bool add_platform_type(list_event_types_response *reply, const platform_type *type,
                              ow_arena *arena) {
    event_type_msg *made = add(reply, arena);
    if (made != NULL) {
        made->name = borrow(type->name);
        made->description = borrow(type->description);
        made->schema_json = borrow(type->schema_json);
        made->platform = true;
    }
    return made != NULL;
}

// The two lists, each by name, and how far they have been read.
typedef struct merging {
    const type_row *rows;
    size_t count, at;
    const platform_type *own;
} merging;

static bool has_more(const merging *m) {
    return m->at < m->count || m->own->name != NULL;
}

// Adds the smaller one of what comes next in each.
static bool add_next(merging *m, list_event_types_response *reply, ow_arena *arena) {
    bool is_own = m->own->name != NULL &&
                  (m->at == m->count || strcmp(m->own->name, m->rows[m->at].name) < 0);
    if (is_own) {
        return add_platform_type(reply, m->own++, arena);
    }
    event_type_msg *made = add(reply, arena);
    return made != NULL && fill(made, &m->rows[m->at++], arena);
}

static bool merge(list_event_types_response *reply, merging *m, const events_page *page,
                  ow_arena *arena) {
    while (m->own->name != NULL && strcmp(m->own->name, page->after) <= 0) {
        m->own++;
    }
    while (reply->n_types < (size_t)page->limit && has_more(m)) {
        if (!add_next(m, reply, arena)) {
            return false;
        }
    }
    if (has_more(m)) {
        reply->next_page_token =
            events_page_token_in(arena, reply->types[reply->n_types - 1]->name);
    }
    return reply->next_page_token != NULL;
}

ow_code list_types(ow_run *run) {
    const list_event_types_request *request = run->request;
    list_event_types_response *reply = run->reply;
    ow_arena *arena = run->call->arena;
    events_page page;
    type_row *rows = NULL;
    size_t count = 0;
    ow_code code = events_check_title(run);
    if (code == OW_OK) {
        code = events_page_begin(request->page_size, request->page_token, &page, run->err);
    }
    if (code == OW_OK) {
        type_range range = {run->call->principal->title, page.after, page.limit + 1};
        code = types_list(run->db, &range, arena, &rows, &count, run->err);
    }
    if (code != OW_OK) {
        return code;
    }
    reply->types = ow_arena_calloc(arena, (size_t)page.limit + 1, sizeof *reply->types);
    merging both = {.rows = rows, .count = count, .own = platform_types};
    return reply->types != NULL && merge(reply, &both, &page, arena) ? OW_OK
                                                                     : events_no_memory(run->err);
}
