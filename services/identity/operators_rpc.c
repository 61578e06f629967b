// OperatorLogin, OperatorLogout, ChangeOperatorPassword, API keys.

#include "services/identity/operators_rpc.h"

#include "core/crypto/password.h"

#include <stdio.h>
#include <string.h>

enum { TOKEN_BYTES = 32, PASSWORD_MIN = 10, DAYS_MAX = 3650 };

static const int64_t DAY_US = INT64_C(24) * 3600 * SECOND_US;

void operator_token_make(const char *prefix, char ret_token[static OPERATOR_TOKEN_SIZE],
                         uint8_t ret_sha256[static OW_SHA256_SIZE]) {
    uint8_t bytes[TOKEN_BYTES];
    char text[OW_BASE64URL_SIZE(TOKEN_BYTES)];
    ow_random_bytes(bytes, sizeof bytes);
    ow_base64url_encode(bytes, sizeof bytes, text);
    int length = snprintf(ret_token, OPERATOR_TOKEN_SIZE, "%s%s", prefix, text);
    ow_sha256(ret_token, (size_t)length, ret_sha256);
    explicit_bzero(bytes, sizeof bytes);
    explicit_bzero(text, sizeof text);
}

ow_code check_role(const char *role, ow_role *ret_role, ow_err *err) {
    static const char *const names[] = {
        [OW_ROLE_VIEWER] = "viewer", [OW_ROLE_DEVELOPER] = "developer", [OW_ROLE_ADMIN] = "admin"};
    for (int i = OW_ROLE_VIEWER; i <= OW_ROLE_ADMIN; i++) {
        if (strcmp(names[i], role) == 0) {
            *ret_role = (ow_role)i;
            return OW_OK;
        }
    }
    return ow_fail(err, OW_INVALID_ARGUMENT, "bad_role",
                   "role must be \"viewer\", \"developer\" or \"admin\"");
}

ow_code check_no_api_key(ow_run *run) {
    return run->call->principal->with_api_key
               ? ow_fail(run->err, OW_PERMISSION_DENIED, "not_by_api_key",
                         "log in for this: an API key makes no keys and no links")
               : OW_OK;
}

ow_code operators_reload(ow_run *run, const author *by, operator_rows *ret_rows) {
    return store_operators_load(run->db, run->call->arena, by->entry.at_us, ret_rows, run->err);
}

ow_code operators_tell(ow_run *run, const operator_rows *rows) {
    identity *self = run->self;
    operators_state *state = operators_state_new(rows);
    if (state == NULL) {
        return no_memory(run);
    }
    verification_set_operators(self->verification, state, now_us(run));
    return OW_OK;
}

// ---- OperatorLogin ----

static attempt attempt_of(const ow_run *run, const char *account) {
    return (attempt){
        .kind = "operator", .title = "", .account = account, .address = client_address(run)};
}

ow_code operator_attempt_take(ow_run *run, const char *account) {
    identity *self = run->self;
    attempt who = attempt_of(run, account);
    int64_t wait_us = attempts_take(self->attempts, &who, ow_clock_mono_us(self->env->clock));
    return wait_us == 0 ? OW_OK
                        : ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "too_many_attempts",
                                  "too many wrong passwords: try again in %lld s",
                                  (long long)(wait_us / SECOND_US + 1));
}

void operator_attempt_give_back(ow_run *run, const char *account) {
    identity *self = run->self;
    attempt who = attempt_of(run, account);
    attempts_succeeded(self->attempts, &who);
}

static ow_code bad_login(ow_run *run) {
    return ow_fail(run->err, OW_UNAUTHENTICATED, "bad_credentials",
                   "there is no such e-mail address and password");
}

void operator_session_make(ow_run *run, operator_entering *state) {
    const identity *self = run->self;
    operator_token_row *session = &state->session;
    state->by = author_of(run);
    session->created_us = state->by.entry.at_us;
    session->expires_us = session->created_us + self->config.operator_session;
    snprintf(session->role, sizeof session->role, "admin");
    ow_id_make(session->token_id, "opt_", session->created_us);
    operator_token_make("ows_", state->token, session->sha256);
}

ow_code operator_login_check(ow_run *run) {
    const operator_login_request *request = run->request;
    operator_entering *state = run->state;
    ow_code code = normalize_email(request->email, state->email, run->err);
    code = code == OW_OK ? check_password_form(request->password, run->err) : code;
    code = code == OW_OK ? operator_attempt_take(run, state->email) : code;
    if (code != OW_OK) {
        return code;
    }
    operator_session_make(run, state);
    return OW_OK;
}

ow_code operator_login_find(ow_run *run) {
    operator_entering *state = run->state;
    ow_code code = store_member_by_email(run->db, state->email, &state->member, run->err);
    state->is_known = code == OW_OK && state->member.password_hash[0] != '\0';
    memcpy(state->session.operator_id, state->member.operator_id, OW_ID_MAX);
    return code == OW_NOT_FOUND ? OW_OK : code;
}

// One hash's time, whoever asks.
ow_code operator_login_verify(ow_run *run) {
    const operator_login_request *request = run->request;
    const operator_entering *state = run->state;
    const char *hash = state->is_known ? state->member.password_hash : unknown_password_hash;
    bool fits = ow_password_verify(hash, request->password, strlen(request->password));
    return fits && state->is_known ? OW_OK : bad_login(run);
}

ow_code operator_login_store(ow_run *run) {
    operator_entering *state = run->state;
    ow_code code = store_operator_session_begin(run->db, &state->by, &state->session,
                                                state->member.password_hash, run->err);
    return code == OW_OK ? operators_reload(run, &state->by, &state->rows) : code;
}

ow_code operator_login_reply(ow_run *run) {
    const operator_entering *state = run->state;
    operator_login_response *reply = run->reply;
    bool failed = false;
    operator_attempt_give_back(run, state->email);
    reply->token = dup(run, state->token, &failed);
    reply->operator_id = dup(run, state->member.operator_id, &failed);
    reply->expires_at = timestamp(run, state->session.expires_us, &failed);
    return failed ? no_memory(run) : operators_tell(run, &state->rows);
}

// ---- OperatorLogout ----

ow_code operator_logout_check(ow_run *run) {
    const operator_logout_request *request = run->request;
    operator_leaving *state = run->state;
    state->by = author_of(run);
    ow_sha256(request->token, strlen(request->token), state->sha256);
    return request->everywhere || request->token[0] != '\0'
               ? OW_OK
               : ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_token",
                         "name the token to end, or everywhere");
}

ow_code operator_logout_store(ow_run *run) {
    const operator_logout_request *request = run->request;
    operator_logout_response *reply = run->reply;
    operator_leaving *state = run->state;
    ow_code code = store_operator_sessions_end(
        run->db, &state->by, request->everywhere ? NULL : state->sha256, &state->ended, run->err);
    reply->ended = (int32_t)state->ended;
    return code == OW_OK ? operators_reload(run, &state->by, &state->rows) : code;
}

ow_code operator_logout_tell(ow_run *run) {
    const operator_leaving *state = run->state;
    return operators_tell(run, &state->rows);
}

// ---- ChangeOperatorPassword ----

ow_code operator_password_check(ow_run *run) {
    const change_operator_password_request *request = run->request;
    operator_password *state = run->state;
    ow_code code = check_password_form(request->old_password, run->err);
    if (code == OW_OK) {
        code = check_new_password(request->new_password, "", PASSWORD_MIN, run->err);
    }
    state->by = author_of(run);
    return code == OW_OK ? operator_attempt_take(run, state->by.entry.principal) : code;
}

ow_code operator_password_find(ow_run *run) {
    operator_password *state = run->state;
    return store_member_by_id(run->db, state->by.entry.principal, &state->member, run->err);
}

ow_code operator_password_verify(ow_run *run) {
    const change_operator_password_request *request = run->request;
    operator_password *state = run->state;
    const char *hash = state->member.password_hash;
    if (hash[0] == '\0' ||
        !ow_password_verify(hash, request->old_password, strlen(request->old_password))) {
        return ow_fail(run->err, OW_PERMISSION_DENIED, "bad_credentials",
                       "that is not your password");
    }
    return ow_password_hash(request->new_password, strlen(request->new_password), state->new_hash,
                            run->err);
}

ow_code operator_password_store(ow_run *run) {
    operator_password *state = run->state;
    ow_code code = store_member_set_password(run->db, &state->by, state->member.operator_id,
                                             state->new_hash, false, run->err);
    return code == OW_OK ? operators_reload(run, &state->by, &state->rows) : code;
}

ow_code operator_password_tell(ow_run *run) {
    const operator_password *state = run->state;
    operator_attempt_give_back(run, state->by.entry.principal);
    return operators_tell(run, &state->rows);
}

// ---- API keys ----

static ow_code api_key_message(ow_run *run, const operator_token_row *row, api_key_msg **ret_key) {
    bool failed = false;
    api_key_msg *made = ow_arena_alloc(run->call->arena, sizeof *made);
    if (made == NULL) {
        return no_memory(run);
    }
    overworld__identity__v1__api_key__init(made);
    made->key_id = dup(run, row->token_id, &failed);
    made->name = dup(run, row->name, &failed);
    made->role = dup(run, row->role, &failed);
    made->created_at = timestamp(run, row->created_us, &failed);
    if (row->expires_us != 0) {
        made->expires_at = timestamp(run, row->expires_us, &failed);
    }
    *ret_key = made;
    return failed ? no_memory(run) : OW_OK;
}

static char *api_key_token(ow_run *run, const char *key_id) {
    return derived_secret(run, "owk_", key_id, TOKEN_BYTES);
}

// A key must not be worth more than the token that makes it.
static ow_code check_key_role(ow_run *run, const char *role) {
    ow_role wanted = OW_ROLE_NONE;
    ow_code code = check_role(role, &wanted, run->err);
    return code == OW_OK && wanted > run->call->principal->role
               ? ow_fail(run->err, OW_PERMISSION_DENIED, "not_allowed",
                         "an API key has at most your own role")
               : code;
}

static ow_code check_api_key(ow_run *run, const char *role) {
    const create_api_key_request *request = run->request;
    ow_code code = check_no_api_key(run);
    code = code == OW_OK ? check_key_name(request->name, run->err) : code;
    code = code == OW_OK ? check_key_role(run, role) : code;
    code = code == OW_OK ? ow_request_key_check(request->request_key, run->err) : code;
    if (code == OW_OK && (request->days < 0 || request->days > DAYS_MAX)) {
        code = ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_days",
                       "days must be between 0 (for ever) and %d", DAYS_MAX);
    }
    return code;
}

ow_code create_api_key_check(ow_run *run) {
    static const char *const roles[] = {"", "viewer", "developer", "admin"};
    const create_api_key_request *request = run->request;
    api_key_making *state = run->state;
    operator_token_row *key = &state->key;
    const char *role = request->role[0] != '\0' ? request->role : roles[run->call->principal->role];
    ow_code code = check_api_key(run, role);
    if (code != OW_OK) {
        return code;
    }
    state->by = author_of(run);
    key->created_us = state->by.entry.at_us;
    key->expires_us = request->days > 0 ? key->created_us + request->days * DAY_US : 0;
    ow_id_make(key->token_id, "apk_", key->created_us);
    snprintf(key->operator_id, sizeof key->operator_id, "%s", state->by.entry.principal);
    snprintf(key->name, sizeof key->name, "%s", request->name);
    snprintf(key->role, sizeof key->role, "%s", role);
    const char *token = api_key_token(run, key->token_id);
    if (token == NULL) {
        return no_memory(run);
    }
    ow_sha256(token, strlen(token), key->sha256);
    return OW_OK;
}

ow_code create_api_key_store(ow_run *run) {
    const create_api_key_request *request = run->request;
    create_api_key_response *reply = run->reply;
    api_key_making *state = run->state;
    ow_request_key key = request_key_of(run, &state->by, request->request_key);
    ow_code code = ow_request_key_find(run->db, &key, &reply->base, &state->is_repeat, run->err);
    if (code != OW_OK || state->is_repeat) {
        return code;
    }
    code = store_api_key_create(run->db, &state->by, &state->key, run->err);
    code = code == OW_OK ? api_key_message(run, &state->key, &reply->key) : code;
    code = code == OW_OK ? ow_request_key_keep(run->db, &key, &reply->base, run->err) : code;
    return code == OW_OK ? operators_reload(run, &state->by, &state->rows) : code;
}

ow_code create_api_key_reply(ow_run *run) {
    const api_key_making *state = run->state;
    create_api_key_response *reply = run->reply;
    reply->secret = api_key_token(run, reply->key->key_id);
    if (reply->secret == NULL) {
        return no_memory(run);
    }
    return state->is_repeat ? OW_OK : operators_tell(run, &state->rows);
}

static ow_code take_api_key(void *self, const operator_token_row *row, ow_err *err) {
    ow_run *run = self;
    list_api_keys_response *reply = run->reply;
    (void)err;
    ow_code code = api_key_message(run, row, &reply->keys[reply->n_keys]);
    reply->n_keys += code == OW_OK;
    return code;
}

ow_code list_api_keys(ow_run *run) {
    list_api_keys_response *reply = run->reply;
    reply->keys = ow_arena_calloc(run->call->arena, API_KEYS_OF_MEMBER_MAX, sizeof(api_key_msg *));
    return reply->keys != NULL
               ? store_api_keys_list(run->db, run->call->principal->id, take_api_key, run, run->err)
               : no_memory(run);
}

ow_code revoke_api_key_check(ow_run *run) {
    operator_leaving *state = run->state;
    state->by = author_of(run);
    return OW_OK;
}

ow_code revoke_api_key_store(ow_run *run) {
    const revoke_api_key_request *request = run->request;
    operator_leaving *state = run->state;
    ow_code code = store_api_key_revoke(run->db, &state->by, request->key_id, run->err);
    return code == OW_OK ? operators_reload(run, &state->by, &state->rows) : code;
}
