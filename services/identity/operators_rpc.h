#pragma once

// The steps of the methods about operators; identity_rpc.c has the table.

#include "services/identity/reply.h"

enum { OPERATOR_TOKEN_SIZE = 64 }; // text with NUL

// A new bearer token and its hash. `prefix` says what it is to whoever finds one.
void operator_token_make(const char *prefix, char ret_token[static OPERATOR_TOKEN_SIZE],
                         uint8_t ret_sha256[static OW_SHA256_SIZE]);

// Codes: invalid_argument "bad_role".
ow_code check_role(const char *role, ow_role *ret_role, ow_err *err);

// What outlives a token is not made with an API key, which has an end of its own. Codes: permission_denied
// "not_by_api_key".
ow_code check_no_api_key(ow_run *run);

// Last part of a write step that changes what gateways must know of operators, and the loop step
// behind it.
ow_code operators_reload(ow_run *run, const author *by, operator_rows *ret_rows);
ow_code operators_tell(ow_run *run, const operator_rows *rows);

// ---- operators_rpc.c: sessions, passwords, API keys ----

typedef struct operator_entering {
    author by;
    char email[EMAIL_SIZE];
    member_row member;
    bool is_known;
    operator_token_row session;
    char token[OPERATOR_TOKEN_SIZE];
    operator_rows rows;
} operator_entering;

// Fills `session` for a new session: its times, its id, a fresh token.
void operator_session_make(ow_run *run, operator_entering *state);
// Counts a try of an account from the caller's address. Codes: resource_exhausted
// "too_many_attempts".
ow_code operator_attempt_take(ow_run *run, const char *account);
// It was a good one.
void operator_attempt_give_back(ow_run *run, const char *account);

ow_code operator_login_check(ow_run *run);
ow_code operator_login_find(ow_run *run);
ow_code operator_login_verify(ow_run *run);
ow_code operator_login_store(ow_run *run);
ow_code operator_login_reply(ow_run *run);

// ---- sign_in_links_rpc.c ----

typedef struct link_making {
    author by;
    operator_token_row link;
    char code[OPERATOR_TOKEN_SIZE];
} link_making;

ow_code sign_in_link_check(ow_run *run);
ow_code sign_in_link_store(ow_run *run);
ow_code sign_in_link_reply(ow_run *run);
typedef struct link_finding {
    int64_t now_us;
    member_row member;
} link_finding;

ow_code find_link_check(ow_run *run);
ow_code find_link_read(ow_run *run);
ow_code find_link_reply(ow_run *run);
ow_code redeem_link_check(ow_run *run);
ow_code redeem_link_store(ow_run *run);

// ---- operators_rpc.c, continued ----

typedef struct operator_leaving {
    author by;
    uint8_t sha256[OW_SHA256_SIZE];
    int64_t ended;
    operator_rows rows;
} operator_leaving;

ow_code operator_logout_check(ow_run *run);
ow_code operator_logout_store(ow_run *run);
ow_code operator_logout_tell(ow_run *run);
ow_code revoke_api_key_check(ow_run *run);
ow_code revoke_api_key_store(ow_run *run);

typedef struct operator_password {
    author by;
    member_row member;
    char new_hash[OW_PASSWORD_HASH_SIZE];
    operator_rows rows;
} operator_password;

ow_code operator_password_check(ow_run *run);
ow_code operator_password_find(ow_run *run);
ow_code operator_password_verify(ow_run *run);
ow_code operator_password_store(ow_run *run);
ow_code operator_password_tell(ow_run *run);

typedef struct api_key_making {
    author by;
    operator_token_row key;
    bool is_repeat;
    operator_rows rows;
} api_key_making;

ow_code create_api_key_check(ow_run *run);
ow_code create_api_key_store(ow_run *run);
ow_code create_api_key_reply(ow_run *run);
ow_code list_api_keys(ow_run *run);

// ---- members_rpc.c ----

typedef struct member_change {
    author by;
    member_grant grant;
    char email[EMAIL_SIZE];
    char password[OPERATOR_TOKEN_SIZE];
    member_row fresh, row;
    bool is_repeat;
    operator_rows rows;
} member_change;

ow_code member_hash(ow_run *run);
ow_code member_tell(ow_run *run);
ow_code add_member_check(ow_run *run);
ow_code add_member_store(ow_run *run);
ow_code add_member_reply(ow_run *run);
ow_code set_role_check(ow_run *run);
ow_code set_role_store(ow_run *run);
ow_code set_role_reply(ow_run *run);
ow_code remove_member_check(ow_run *run);
ow_code remove_member_store(ow_run *run);
ow_code reset_password_check(ow_run *run);
ow_code reset_password_store(ow_run *run);
ow_code reset_password_reply(ow_run *run);
ow_code list_members(ow_run *run);
