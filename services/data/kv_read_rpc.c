// KvGet, KvList, KvUsage.

#include "services/data/internal.h"

// ---- KvGet ----

ow_code kv_get_check(ow_run *run) {
    const kv_get_request *request = run->request;
    getting *state = run->state;
    if (request->n_keys == 0 || request->n_keys > KV_KEYS_MAX) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_keys", "ask for 1 to %d keys",
                       KV_KEYS_MAX);
    }
    ow_code code = kv_scope_wanted(run, request->scope, &state->scope);
    for (size_t i = 0; i < request->n_keys && code == OW_OK; i++) {
        code = kv_check_key(request->keys[i], run->err);
    }
    state->now_us = kv_now_us(run);
    return code;
}

ow_code kv_get_read(ow_run *run) {
    const kv_get_request *request = run->request;
    const getting *state = run->state;
    kv_get_response *reply = run->reply;
    ow_arena *arena = run->call->arena;
    size_t bytes = 0;
    reply->n_entries = 0; // it may be run again
    reply->entries = ow_arena_calloc(arena, request->n_keys, sizeof *reply->entries);
    if (reply->entries == NULL) {
        return kv_no_memory(run);
    }
    for (size_t i = 0; i < request->n_keys; i++) {
        kv_entry entry;
        kv_place place = {&state->scope, request->keys[i]};
        ow_code code = kv_store_get(run->db, &place, state->now_us, arena, &entry, run->err);
        if (code != OW_OK) {
            return code;
        }
        if (entry.key == NULL) {
            continue;
        }
        code = kv_add_read(&bytes, entry.size, run->err);
        if (code != OW_OK) {
            return code;
        }
        entry_msg *made = kv_entry_message(arena, &entry);
        if (made == NULL) {
            return kv_no_memory(run);
        }
        reply->entries[reply->n_entries++] = made;
    }
    return OW_OK;
}

// ---- KvList ----

ow_code kv_list_check(ow_run *run) {
    const kv_list_request *request = run->request;
    listing *state = run->state;
    if (request->page_size < 0 || request->page_size > KV_PAGE_MAX) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_page_size",
                       "page_size must be between 0 (the default) and %d", KV_PAGE_MAX);
    }
    ow_code code = kv_scope_wanted(run, request->scope, &state->scope);
    state->range = (kv_range){
        .first = state->span.first,
        .end = state->span.end,
        .descending = request->descending,
        .keys_only = request->keys_only,
        .limit = request->page_size == 0 ? KV_PAGE_DEFAULT : request->page_size,
        .max_bytes = KV_LIST_BYTES_MAX,
        .now_us = kv_now_us(run),
    };
    return code == OW_OK ? kv_span_of(request->prefix, request->page_token, request->descending,
                                      &state->span, run->err)
                         : code;
}

static ow_code fill_list(ow_run *run, const kv_list *list) {
    kv_list_response *reply = run->reply;
    ow_arena *arena = run->call->arena;
    reply->entries = ow_arena_calloc(arena, (size_t)list->count + 1, sizeof *reply->entries);
    if (reply->entries == NULL) {
        return kv_no_memory(run);
    }
    for (int i = 0; i < list->count; i++) {
        entry_msg *made = kv_entry_message(arena, &list->entries[i]);
        if (made == NULL) {
            return kv_no_memory(run);
        }
        reply->entries[reply->n_entries++] = made;
    }
    if (list->more) {
        const char *token = kv_page_token(list->entries[list->count - 1].key, arena);
        if (token == NULL) {
            return kv_no_memory(run);
        }
        reply->next_page_token = (char *)(uintptr_t)token;
    }
    return OW_OK;
}

ow_code kv_list_read(ow_run *run) {
    const listing *state = run->state;
    kv_list list;
    ow_code code =
        kv_store_list(run->db, &state->scope, &state->range, run->call->arena, &list, run->err);
    return code == OW_OK ? fill_list(run, &list) : code;
}

// ---- KvUsage ----

ow_code kv_usage_check(ow_run *run) {
    const kv_usage_request *request = run->request;
    return kv_scope_wanted(run, request->scope, run->state);
}

ow_code kv_usage_read(ow_run *run) {
    const data *self = run->self;
    const kv_scope *scope = run->state;
    kv_usage_response *reply = run->reply;
    kv_quota used, title;
    ow_code code = kv_store_usage(run->db, scope, &used, &title, run->err);
    if (code != OW_OK) {
        return code;
    }
    const kv_quota *limit =
        scope->kind == KV_OF_PLAYER ? &self->quotas.player : &self->quotas.shared;
    reply->keys = used.keys;
    reply->bytes = used.bytes;
    reply->max_keys = limit->keys;
    reply->max_bytes = limit->bytes;
    reply->title_keys = title.keys;
    reply->title_bytes = title.bytes;
    reply->max_title_keys = self->quotas.title.keys;
    reply->max_title_bytes = self->quotas.title.bytes;
    return OW_OK;
}
