// CreateSignInLink, FindSignInLink, RedeemSignInLink.

#include "services/identity/operators_rpc.h"

#include <stdio.h>
#include <string.h>

static const int64_t LINK_LIFE_US = INT64_C(600) * SECOND_US;

enum { CODE_MAX = 128 };

// ---- CreateSignInLink ----

ow_code sign_in_link_check(ow_run *run) {
    static const char *const roles[] = {"", "viewer", "developer", "admin"};
    link_making *state = run->state;
    operator_token_row *link = &state->link;
    state->by = author_of(run);
    link->created_us = state->by.entry.at_us;
    link->expires_us = link->created_us + LINK_LIFE_US;
    ow_id_make(link->token_id, "osl_", link->created_us);
    snprintf(link->operator_id, sizeof link->operator_id, "%s", state->by.entry.principal);
    snprintf(link->role, sizeof link->role, "%s", roles[run->call->principal->role]);
    operator_token_make("owl_", state->code, link->sha256);
    return check_no_api_key(run);
}

ow_code sign_in_link_store(ow_run *run) {
    const link_making *state = run->state;
    return store_sign_in_link_put(run->db, &state->by, &state->link, run->err);
}

ow_code sign_in_link_reply(ow_run *run) {
    const link_making *state = run->state;
    create_sign_in_link_response *reply = run->reply;
    bool failed = false;
    reply->code = dup(run, state->code, &failed);
    reply->expires_at = timestamp(run, state->link.expires_us, &failed);
    return failed ? no_memory(run) : OW_OK;
}

// The account of a try is the code itself: only the address that tries many is held back.
static ow_code take_try(ow_run *run, const char *code) {
    size_t length = strlen(code);
    return length > 0 && length <= CODE_MAX
               ? operator_attempt_take(run, code)
               : ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_code", "that is no code of a link");
}

// ---- FindSignInLink ----

ow_code find_link_check(ow_run *run) {
    const find_sign_in_link_request *request = run->request;
    link_finding *state = run->state;
    state->now_us = author_of(run).entry.at_us;
    return take_try(run, request->code);
}

ow_code find_link_read(ow_run *run) {
    const find_sign_in_link_request *request = run->request;
    link_finding *state = run->state;
    operator_token_row link;
    uint8_t sha256[OW_SHA256_SIZE];
    ow_sha256(request->code, strlen(request->code), sha256);
    ow_code code = store_sign_in_link_find(run->db, sha256, state->now_us, &link, run->err);
    return code == OW_OK ? store_member_by_id(run->db, link.operator_id, &state->member, run->err)
                         : code;
}

ow_code find_link_reply(ow_run *run) {
    const find_sign_in_link_request *request = run->request;
    const link_finding *state = run->state;
    find_sign_in_link_response *reply = run->reply;
    bool failed = false;
    operator_attempt_give_back(run, request->code);
    reply->operator_id = dup(run, state->member.operator_id, &failed);
    reply->email = dup(run, state->member.email, &failed);
    return failed ? no_memory(run) : OW_OK;
}

// ---- RedeemSignInLink ----

ow_code redeem_link_check(ow_run *run) {
    const redeem_sign_in_link_request *request = run->request;
    operator_entering *state = run->state;
    snprintf(state->email, sizeof state->email, "%.*s", CODE_MAX, request->code);
    operator_session_make(run, state);
    return take_try(run, request->code);
}

ow_code redeem_link_store(ow_run *run) {
    const redeem_sign_in_link_request *request = run->request;
    operator_entering *state = run->state;
    operator_token_row *session = &state->session;
    operator_token_row link;
    uint8_t sha256[OW_SHA256_SIZE];
    ow_sha256(request->code, strlen(request->code), sha256);
    ow_code code = store_sign_in_link_take(run->db, sha256, session->created_us, &link, run->err);
    code = code == OW_OK ? store_member_by_id(run->db, link.operator_id, &state->member, run->err)
                         : code;
    if (code != OW_OK) {
        return code;
    }
    memcpy(session->operator_id, link.operator_id, sizeof session->operator_id);
    memcpy(session->role, link.role, sizeof session->role);
    code = store_operator_session_begin(run->db, &state->by, session, state->member.password_hash,
                                        run->err);
    return code == OW_OK ? operators_reload(run, &state->by, &state->rows) : code;
}
