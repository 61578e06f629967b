#pragma once

// SQL of members: who they are, their roles, their tokens (sessions, API keys, the first operator's
// file). As identity_store.h: inside a job, may be run again.

#include "services/identity/identity_store.h"
#include "services/identity/logins_logic.h"

#include "core/crypto/password.h"

enum {
    MEMBERS_MAX = 1000,
    MEMBER_ROLES_MAX = 4096,
    OPERATOR_TOKENS_MAX = 4096,
    SESSIONS_OF_MEMBER_MAX = 20, // a login beyond that drops the oldest
    API_KEYS_OF_MEMBER_MAX = 50,
    ROLE_MAX = 16, // with NUL
    KEY_NAME_MAX = 64,
};

typedef struct member_row {
    char operator_id[OW_ID_MAX];
    char email[EMAIL_SIZE];
    char password_hash[OW_PASSWORD_HASH_SIZE]; // "" : no password
    char role[ROLE_MAX];                       // where it was asked for
    bool every_title;
    bool is_new; // was made just now
    int64_t created_us;
} member_row;

// Codes: not_found "no_member".
ow_code store_member_by_email(ow_db_conn *db, const char *email, member_row *ret_row, ow_err *err);
ow_code store_member_by_id(ow_db_conn *db, const char *operator_id, member_row *ret_row,
                           ow_err *err);

// A role that somebody is to have: in the author's title, or in every one.
typedef struct member_grant {
    const char *email;
    const char *title; // "": in every title
    const char *role;
} member_grant;

// Gives a role to somebody who has none there. Who is new gets fresh->operator_id and
// fresh->password_hash; ret_row->is_new says so. Codes: already_exists "member_exists",
// resource_exhausted "too_many_members".
ow_code store_member_add(ow_db_conn *db, const author *by, const member_grant *grant,
                         const member_row *fresh, member_row *ret_row, ow_err *err);

// Codes: not_found "no_member" (without a role there).
ow_code store_member_set_role(ow_db_conn *db, const author *by, const member_grant *grant,
                              member_row *ret_row, ow_err *err);
// Codes: the same; failed_precondition "first_operator".
ow_code store_member_remove(ow_db_conn *db, const author *by, const member_grant *grant,
                            ow_err *err);

typedef struct member_range {
    const char *title;
    const char *after; // an e-mail address; "" from the first
    int limit;
} member_range;

// Members of the title and of every title, by e-mail address.
typedef ow_code (*take_member)(void *self, const member_row *row, ow_err *err);
ow_code store_members_list(ow_db_conn *db, const member_range *range, take_member take, void *self,
                           ow_err *err);

// Sets the password and ends the member's sessions. Codes: not_found "no_member",
// failed_precondition "first_operator".
ow_code store_member_set_password(ow_db_conn *db, const author *by, const char *operator_id,
                                  const char *password_hash, bool is_reset, ow_err *err);

// ---- Tokens ----

typedef struct operator_token_row {
    char token_id
        [OW_ID_MAX]; // "opt_": a session, "osl_": a link, "apk_": an API key, an operator's id: the file
    char operator_id[OW_ID_MAX];
    char name[KEY_NAME_MAX];
    char role[ROLE_MAX]; // at most
    uint8_t sha256[OW_SHA256_SIZE];
    int64_t created_us, expires_us; // 0: never
} operator_token_row;

// Begins a session; drops expired ones and the member's oldest beyond SESSIONS_OF_MEMBER_MAX. Codes:
// resource_exhausted "too_many_tokens", unauthenticated "bad_login" (the password, whose hash was
// `password_hash`, was changed meanwhile).
ow_code store_operator_session_begin(ow_db_conn *db, const author *by,
                                     const operator_token_row *session, const char *password_hash,
                                     ow_err *err);
// Ends the operator's session of that hash, or all of them (NULL).
ow_code store_operator_sessions_end(ow_db_conn *db, const author *by, const uint8_t *sha256,
                                    int64_t *ret_ended, ow_err *err);

// A code that its operator may change for a session once; it takes the place of the operator's last
// one. Codes: resource_exhausted "too_many_tokens".
ow_code store_sign_in_link_put(ow_db_conn *db, const author *by, const operator_token_row *link,
                               ow_err *err);
// Takes the link of that hash away. Codes: unauthenticated "bad_link".
ow_code store_sign_in_link_take(ow_db_conn *db, const uint8_t *sha256, int64_t now_us,
                                operator_token_row *ret_link, ow_err *err);
// The same, and it stays.
ow_code store_sign_in_link_find(ow_db_conn *db, const uint8_t *sha256, int64_t now_us,
                                operator_token_row *ret_link, ow_err *err);

// Codes: resource_exhausted "too_many_tokens".
ow_code store_api_key_create(ow_db_conn *db, const author *by, const operator_token_row *key,
                             ow_err *err);
typedef ow_code (*take_token)(void *self, const operator_token_row *row, ow_err *err);
ow_code store_api_keys_list(ow_db_conn *db, const char *operator_id, take_token take, void *self,
                            ow_err *err);
// Codes: not_found "no_key" (of this operator).
ow_code store_api_key_revoke(ow_db_conn *db, const author *by, const char *key_id, ow_err *err);

// ---- What gateways verify with ----

typedef struct operator_role_row {
    char operator_id[OW_ID_MAX];
    char title[OW_ID_MAX];
    char role[ROLE_MAX];
} operator_role_row;

typedef struct operator_rows {
    operator_token_row *tokens;
    operator_role_row *roles;
    size_t token_count, role_count;
} operator_rows;

// All tokens that have not expired, and all roles, in the arena. Codes: resource_exhausted, data_loss
// "bad_operator".
ow_code store_operators_load(ow_db_conn *db, ow_arena *arena, int64_t now_us,
                             operator_rows *ret_rows, ow_err *err);

// Sets the token of the first operator, who is made when missing and has the role admin in every
// title.
ow_code store_first_operator(ow_db_conn *db, const char *operator_id, const uint8_t *token_sha256,
                             int64_t now_us, ow_err *err);
