// AddMember, ListMembers, SetMemberRole, RemoveMember, ResetMemberPassword.

#include "services/identity/operators_rpc.h"

#include "core/crypto/password.h"

#include <stdio.h>
#include <string.h>

enum { PASSWORD_BYTES = 15, PAGE_TOKEN_SIZE = OW_BASE64URL_SIZE(EMAIL_SIZE) };

// ---- What they have in common ----

static ow_code begin_change(ow_run *run, const char *email, bool every_title) {
    member_change *c = run->state;
    const ow_principal *who = run->call->principal;
    ow_code code = every_title ? OW_OK : check_title(who->title, run->err);
    code = code == OW_OK ? normalize_email(email, c->email, run->err) : code;
    if (code == OW_OK && every_title && !who->every_title) {
        return ow_fail(run->err, OW_PERMISSION_DENIED, "not_every_title",
                       "roles in every title are given by those who have one themselves");
    }
    c->by = author_of(run);
    c->grant = (member_grant){.email = c->email, .title = every_title ? "" : who->title};
    return code;
}

static void make_password(member_change *c) {
    uint8_t bytes[PASSWORD_BYTES];
    ow_random_bytes(bytes, sizeof bytes);
    ow_base64url_encode(bytes, sizeof bytes, c->password);
    explicit_bzero(bytes, sizeof bytes);
}

ow_code member_hash(ow_run *run) {
    member_change *c = run->state;
    return ow_password_hash(c->password, strlen(c->password), c->fresh.password_hash, run->err);
}

ow_code member_tell(ow_run *run) {
    const member_change *c = run->state;
    return operators_tell(run, &c->rows);
}

static bool fill_member(ow_run *run, const member_row *row, member_msg *to) {
    bool failed = false;
    to->operator_id = dup(run, row->operator_id, &failed);
    to->email = dup(run, row->email, &failed);
    to->role = dup(run, row->role, &failed);
    to->every_title = row->every_title;
    to->created_at = timestamp(run, row->created_us, &failed);
    return !failed;
}

static member_msg *member_message(ow_run *run, const member_row *row) {
    member_msg *made = ow_arena_alloc(run->call->arena, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    overworld__identity__v1__member__init(made);
    return fill_member(run, row, made) ? made : NULL;
}

// ---- AddMember ----

// Stands for the password in the answer that is kept for a request_key.
#define MASKED "***"

static char *first_password(ow_run *run, const char *operator_id) {
    return derived_secret(run, "", operator_id, PASSWORD_BYTES);
}

ow_code add_member_check(ow_run *run) {
    const add_member_request *request = run->request;
    member_change *c = run->state;
    ow_role role;
    ow_code code = begin_change(run, request->email, request->every_title);
    code = code == OW_OK ? check_role(request->role, &role, run->err) : code;
    code = code == OW_OK ? ow_request_key_check(request->request_key, run->err) : code;
    if (code != OW_OK) {
        return code;
    }
    c->grant.role = request->role;
    c->fresh.created_us = c->by.entry.at_us;
    ow_id_make(c->fresh.operator_id, "opr_", c->fresh.created_us);
    memcpy(c->fresh.email, c->email, sizeof c->fresh.email);
    const char *password = first_password(run, c->fresh.operator_id);
    if (password == NULL) {
        return no_memory(run);
    }
    snprintf(c->password, sizeof c->password, "%s", password);
    return OW_OK;
}

static ow_code add_member(ow_run *run) {
    member_change *c = run->state;
    add_member_response *reply = run->reply;
    bool failed = false;
    ow_code code = store_member_add(run->db, &c->by, &c->grant, &c->fresh, &c->row, run->err);
    if (code == OW_OK) {
        reply->member = member_message(run, &c->row);
        reply->password = dup(run, c->row.is_new ? MASKED : "", &failed);
        code = failed || reply->member == NULL ? no_memory(run) : OW_OK;
    }
    return code;
}

ow_code add_member_store(ow_run *run) {
    const add_member_request *request = run->request;
    add_member_response *reply = run->reply;
    member_change *c = run->state;
    ow_request_key key = request_key_of(run, &c->by, request->request_key);
    ow_code code = ow_request_key_find(run->db, &key, &reply->base, &c->is_repeat, run->err);
    if (code != OW_OK || c->is_repeat) {
        return code;
    }
    code = add_member(run);
    code = code == OW_OK ? ow_request_key_keep(run->db, &key, &reply->base, run->err) : code;
    return code == OW_OK ? operators_reload(run, &c->by, &c->rows) : code;
}

ow_code add_member_reply(ow_run *run) {
    const member_change *c = run->state;
    add_member_response *reply = run->reply;
    if (reply->password[0] != '\0') {
        reply->password = first_password(run, reply->member->operator_id);
    }
    if (reply->password == NULL) {
        return no_memory(run);
    }
    return c->is_repeat ? OW_OK : member_tell(run);
}

// ---- SetMemberRole, RemoveMember ----

ow_code set_role_check(ow_run *run) {
    const set_member_role_request *request = run->request;
    member_change *c = run->state;
    ow_role role;
    ow_code code = begin_change(run, request->email, request->every_title);
    c->grant.role = request->role;
    return code == OW_OK ? check_role(request->role, &role, run->err) : code;
}

ow_code set_role_store(ow_run *run) {
    member_change *c = run->state;
    ow_code code = store_member_set_role(run->db, &c->by, &c->grant, &c->row, run->err);
    return code == OW_OK ? operators_reload(run, &c->by, &c->rows) : code;
}

ow_code set_role_reply(ow_run *run) {
    const member_change *c = run->state;
    return fill_member(run, &c->row, run->reply) ? member_tell(run) : no_memory(run);
}

ow_code remove_member_check(ow_run *run) {
    const remove_member_request *request = run->request;
    return begin_change(run, request->email, request->every_title);
}

ow_code remove_member_store(ow_run *run) {
    member_change *c = run->state;
    ow_code code = store_member_remove(run->db, &c->by, &c->grant, run->err);
    return code == OW_OK ? operators_reload(run, &c->by, &c->rows) : code;
}

// ---- ResetMemberPassword ----

ow_code reset_password_check(ow_run *run) {
    const reset_member_password_request *request = run->request;
    member_change *c = run->state;
    ow_code code = begin_change(run, request->email, true);
    make_password(c);
    return code;
}

ow_code reset_password_store(ow_run *run) {
    member_change *c = run->state;
    ow_code code = store_member_by_email(run->db, c->email, &c->row, run->err);
    if (code == OW_OK) {
        code = store_member_set_password(run->db, &c->by, c->row.operator_id,
                                         c->fresh.password_hash, true, run->err);
    }
    return code == OW_OK ? operators_reload(run, &c->by, &c->rows) : code;
}

ow_code reset_password_reply(ow_run *run) {
    const member_change *c = run->state;
    reset_member_password_response *reply = run->reply;
    bool failed = false;
    reply->password = dup(run, c->password, &failed);
    return failed ? no_memory(run) : member_tell(run);
}

// ---- ListMembers ----

typedef struct member_page {
    ow_run *run;
    int limit;
} member_page;

static ow_code take_listed(void *self, const member_row *row, ow_err *err) {
    member_page *page = self;
    ow_run *run = page->run;
    list_members_response *reply = run->reply;
    (void)err;
    if (reply->n_members == (size_t)page->limit) {
        // One more than the page: it is not the last one.
        const char *last = reply->members[page->limit - 1]->email;
        char token[PAGE_TOKEN_SIZE];
        bool failed = false;
        ow_base64url_encode(last, strlen(last), token);
        reply->next_page_token = dup(run, token, &failed);
        return failed ? no_memory(run) : OW_OK;
    }
    member_msg *made = member_message(run, row);
    if (made == NULL) {
        return no_memory(run);
    }
    reply->members[reply->n_members++] = made;
    return OW_OK;
}

ow_code list_members(ow_run *run) {
    const list_members_request *request = run->request;
    list_members_response *reply = run->reply;
    const char *title = run->call->principal->title;
    char after[EMAIL_SIZE] = "";
    int64_t size = ow_base64url_decode(request->page_token, strlen(request->page_token),
                                       (uint8_t *)after, sizeof after - 1);
    if (size < 0 || request->page_size < 0 || request->page_size > PAGE_MAX) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, size < 0 ? "bad_page_token" : "bad_page_size",
                       "page_size must be 0 to %d, page_token one that was given", PAGE_MAX);
    }
    member_page page = {.run = run,
                        .limit = request->page_size == 0 ? PAGE_DEFAULT : request->page_size};
    reply->members =
        ow_arena_calloc(run->call->arena, (size_t)page.limit, sizeof reply->members[0]);
    member_range range = {.title = title, .after = after, .limit = page.limit + 1};
    return reply->members != NULL
               ? store_members_list(run->db, &range, take_listed, &page, run->err)
               : no_memory(run);
}
