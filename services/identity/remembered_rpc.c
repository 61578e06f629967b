// What functions remember of a player: data keeps it, an export has it, and it goes with the player.

#include "services/identity/methods.h"

#include "core/timestamp/timestamp.h"

#include "overworld/data/v1/data.pb-c.h"

#include <string.h>

enum { EXPORT_PAGE = 200 };

typedef Overworld__Data__V1__Scope scope_msg;
typedef Overworld__Data__V1__Entry entry_msg;
typedef Overworld__Data__V1__KvListRequest list_request;
typedef Overworld__Data__V1__KvListResponse list_response;
typedef Overworld__Data__V1__ErasePlayerRequest erase_request;
typedef Overworld__Data__V1__ErasePlayerResponse erase_response;

// A sub-call whose user is the run; NULL without memory.
static ow_call *ask_data(ow_run *run) {
    ow_call *call = ow_call_child(run->call);
    if (call != NULL) {
        call->user = run;
    }
    return call;
}

// ---- Export ----

static entry_msg *copy_entry(ow_run *run, const entry_msg *from, bool *failed) {
    ow_arena *arena = run->call->arena;
    entry_msg *to = ow_arena_alloc(arena, sizeof *to);
    if (to == NULL) {
        *failed = true;
        return NULL;
    }
    overworld__data__v1__entry__init(to);
    to->key = dup(run, from->key, failed);
    to->version = from->version;
    to->value.len = from->value.len;
    to->value.data =
        from->value.len > 0 ? ow_arena_memdup_in(arena, from->value.data, from->value.len) : NULL;
    *failed = *failed || (from->value.len > 0 && to->value.data == NULL);
    const Google__Protobuf__Timestamp *at = from->updated_at;
    to->updated_at = at != NULL ? timestamp(run, ow_timestamp_us(at), failed) : NULL;
    at = from->expires_at;
    to->expires_at = at != NULL ? timestamp(run, ow_timestamp_us(at), failed) : NULL;
    return to;
}

static ow_code take_page(ow_run *run, const list_response *page) {
    export_player_response *reply = run->reply;
    bool failed = false;
    reply->entries = ow_arena_calloc(run->call->arena, page->n_entries + 1, sizeof *reply->entries);
    if (reply->entries == NULL) {
        return no_memory(run);
    }
    for (size_t i = 0; i < page->n_entries && !failed; i++) {
        reply->entries[i] = copy_entry(run, page->entries[i], &failed);
        reply->n_entries += reply->entries[i] != NULL;
    }
    reply->next_page_token = dup(run, page->next_page_token, &failed);
    if (reply->next_page_token == NULL) {
        reply->next_page_token = (char *)(uintptr_t)protobuf_c_empty_string;
    }
    return failed ? no_memory(run) : OW_OK;
}

static void on_listed(const list_response *page, void *closure_data) {
    ow_call *call = closure_data;
    ow_run *run = call->user;
    ow_code code = call->err.code;
    if (page != NULL) {
        code = take_page(run, page);
    } else {
        *run->err = call->err;
    }
    ow_call_free(call);
    ow_run_resume(run, code);
}

ow_code export_remembered(ow_run *run) {
    const identity *self = run->self;
    const export_player_request *request = run->request;
    const player_key *key = run->state;
    ow_call *call = ask_data(run);
    list_request *list = call != NULL ? ow_arena_alloc(call->arena, sizeof *list) : NULL;
    scope_msg *scope = call != NULL ? ow_arena_alloc(call->arena, sizeof *scope) : NULL;
    if (list == NULL || scope == NULL) {
        ow_call_free(call);
        return no_memory(run);
    }
    overworld__data__v1__kv_list_request__init(list);
    overworld__data__v1__scope__init(scope);
    scope->kind = OVERWORLD__DATA__V1__SCOPE__KIND__PLAYER;
    scope->player_id = (char *)(uintptr_t)key->player_id;
    list->scope = scope;
    list->page_size = EXPORT_PAGE;
    list->page_token = request->page_token;
    overworld__data__v1__data__kv_list(self->data, list, on_listed, call);
    return OW_PENDING;
}

// ---- Deletion ----

static ow_code erase_more(ow_run *run);

static void on_erased(const erase_response *reply, void *closure_data) {
    ow_call *call = closure_data;
    ow_run *run = call->user;
    ow_code code = call->err.code;
    bool more = reply != NULL && reply->more;
    if (reply == NULL) {
        *run->err = call->err;
    }
    ow_call_free(call);
    code = more ? erase_more(run) : code;
    if (code != OW_PENDING) {
        ow_run_resume(run, code);
    }
}

static ow_code erase_more(ow_run *run) {
    const identity *self = run->self;
    const account_change *change = run->state;
    ow_call *call = ask_data(run);
    erase_request *request = call != NULL ? ow_arena_alloc(call->arena, sizeof *request) : NULL;
    if (request == NULL) {
        ow_call_free(call);
        return no_memory(run);
    }
    overworld__data__v1__erase_player_request__init(request);
    request->player_id = (char *)(uintptr_t)change->player_id;
    overworld__data__v1__data__erase_player(self->data, request, on_erased, call);
    return OW_PENDING;
}

// Data ends the player's scope with the first slice: nothing is remembered behind our back. When the
// deletion fails after this it is asked for again.
ow_code delete_remembered(ow_run *run) {
    return erase_more(run);
}
