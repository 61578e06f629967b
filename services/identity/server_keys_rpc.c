// CreateServerKey, ListServerKeys, SetServerKeyLimit, RevokeServerKey.

#include "services/identity/methods.h"

#include <stdio.h>
#include <string.h>

static server_key_msg *key_message(ow_run *run, const server_key_row *row) {
    bool failed = false;
    server_key_msg *made = ow_arena_alloc(run->call->arena, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    overworld__identity__v1__server_key__init(made);
    made->key_id = dup(run, row->key_id, &failed);
    made->name = dup(run, row->name, &failed);
    made->created_at = timestamp(run, row->created_us, &failed);
    if (row->revoked_us != 0) {
        made->revoked_at = timestamp(run, row->revoked_us, &failed);
    }
    made->limit_calls = (int32_t)row->limit_calls;
    made->etag = ow_arena_printf_in(run->call->arena, "%lld", (long long)row->etag);
    return failed || made->etag == NULL ? NULL : made;
}

// Last part of a write step that changes limits, and the loop step behind it.
static ow_code limits_reload(ow_run *run, key_limit_rows *ret_rows) {
    return store_key_limits_load(run->db, run->call->arena, ret_rows, run->err);
}

static ow_code limits_tell(ow_run *run, const key_limit_rows *rows) {
    identity *self = run->self;
    key_limits *limits = key_limits_new(rows);
    if (limits == NULL) {
        return no_memory(run);
    }
    verification_set_key_limits(self->verification, limits, now_us(run));
    return OW_OK;
}

// ---- CreateServerKey ----

ow_code create_key_check(ow_run *run) {
    const create_key_request *request = run->request;
    ow_code code = check_title(run->call->principal->title, run->err);
    if (code == OW_OK) {
        code = check_create_key(request, run->err);
    }
    if (code != OW_OK) {
        return code;
    }
    key_change *change = run->state;
    change->by = author_of(run);
    ow_id_make(change->row.key_id, "key_", change->by.entry.at_us);
    snprintf(change->row.title, sizeof change->row.title, "%s", change->by.entry.title);
    snprintf(change->row.name, sizeof change->row.name, "%s", request->name);
    change->row.created_us = change->by.entry.at_us;
    change->row.limit_calls = request->limit_calls;
    change->row.etag = 1;
    return OW_OK;
}

ow_code create_key_store(ow_run *run) {
    const create_key_request *request = run->request;
    create_key_response *reply = run->reply;
    key_change *change = run->state;
    ow_request_key key = request_key_of(run, &change->by, request->request_key);
    ow_code code = ow_request_key_find(run->db, &key, &reply->base, &change->is_repeat, run->err);
    if (code != OW_OK || change->is_repeat) {
        return code;
    }
    code = store_key_create(run->db, &change->by, &change->row, run->err);
    if (code == OW_OK && (reply->key = key_message(run, &change->row)) == NULL) {
        code = no_memory(run);
    }
    if (code == OW_OK) {
        code = ow_request_key_keep(run->db, &key, &reply->base, run->err);
    }
    return code == OW_OK && request->limit_calls > 0 ? limits_reload(run, &change->limits) : code;
}

ow_code create_key_reply(ow_run *run) {
    const create_key_request *request = run->request;
    const key_change *change = run->state;
    create_key_response *reply = run->reply;
    reply->secret = derived_secret(run, "", reply->key->key_id, OW_SHA256_SIZE);
    if (reply->secret == NULL) {
        return no_memory(run);
    }
    return request->limit_calls > 0 && !change->is_repeat ? limits_tell(run, &change->limits)
                                                          : OW_OK;
}

// ---- ListServerKeys ----

typedef struct key_page {
    ow_run *run;
    list_keys_response *reply;
    int limit;
} key_page;

static ow_code take_listed(void *self, const server_key_row *row, ow_err *err) {
    key_page *page = self;
    list_keys_response *reply = page->reply;
    if (reply->n_keys == (size_t)page->limit) {
        // One more than the page: it is not the last one.
        char token[OW_BASE64URL_SIZE(OW_ID_MAX)];
        bool failed = false;
        make_page_token(reply->keys[page->limit - 1]->key_id, token);
        reply->next_page_token = dup(page->run, token, &failed);
        return failed ? no_memory(page->run) : OW_OK;
    }
    server_key_msg *made = key_message(page->run, row);
    if (made == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for the answer");
    }
    reply->keys[reply->n_keys++] = made;
    return OW_OK;
}

ow_code list_keys(ow_run *run) {
    key_page page = {.run = run, .reply = run->reply};
    const char *title = run->call->principal->title;
    char after[OW_ID_MAX];
    ow_code code = check_title(title, run->err);
    if (code == OW_OK) {
        code = check_list_keys(run->request, &page.limit, after, run->err);
    }
    if (code != OW_OK) {
        return code;
    }
    page.reply->keys =
        ow_arena_calloc(run->call->arena, (size_t)page.limit, sizeof page.reply->keys[0]);
    if (page.reply->keys == NULL) {
        return no_memory(run);
    }
    key_range range = {.title = title, .after = after, .limit = page.limit + 1};
    return store_keys_list(run->db, &range, take_listed, &page, run->err);
}

// ---- SetServerKeyLimit ----

ow_code key_limit_check(ow_run *run) {
    const set_key_limit_request *request = run->request;
    key_change *change = run->state;
    ow_code code = check_title(run->call->principal->title, run->err);
    code = code == OW_OK ? check_key_id(request->key_id, run->err) : code;
    change->by = author_of(run);
    return code == OW_OK ? check_limit_calls(request->limit_calls, run->err) : code;
}

ow_code key_limit_store(ow_run *run) {
    key_change *change = run->state;
    ow_code code = store_key_set_limit(run->db, &change->by, run->request, &change->row, run->err);
    return code == OW_OK ? limits_reload(run, &change->limits) : code;
}

ow_code key_limit_reply(ow_run *run) {
    const key_change *change = run->state;
    const server_key_msg *made = key_message(run, &change->row);
    if (made == NULL) {
        return no_memory(run);
    }
    memcpy(run->reply, made, sizeof *made);
    return limits_tell(run, &change->limits);
}

// ---- RevokeServerKey ----

ow_code revoke_key_check(ow_run *run) {
    const revoke_key_request *request = run->request;
    key_change *change = run->state;
    ow_code code = check_title(run->call->principal->title, run->err);
    if (code == OW_OK) {
        code = check_key_id(request->key_id, run->err);
    }
    change->by = author_of(run);
    return code;
}

ow_code revoke_key_store(ow_run *run) {
    const revoke_key_request *request = run->request;
    key_change *change = run->state;
    return store_key_revoke(run->db, &change->by, request->key_id, &change->row, run->err);
}

ow_code revoke_key_tell(ow_run *run) {
    identity *self = run->self;
    const key_change *change = run->state;
    revoke_key_response *reply = run->reply;
    verification_revoke(self->verification, change->row.key_id, change->row.revoked_us,
                        now_us(run));
    reply->key = key_message(run, &change->row);
    return reply->key == NULL ? no_memory(run) : OW_OK;
}
