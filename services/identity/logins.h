#pragma once

// The steps of the methods by which players log in and link logins.

#include "services/identity/players_store.h"
#include "services/identity/reply.h"

// ---- oidc_rpc.c ----

// Somebody shows an id token: begin, verify (in the pool), renew, verify again. The second round does
// nothing when the first did all; it is for tokens whose key the provider has just begun to use.
typedef struct proving {
    ow_run *run;
    provider *provider;
    key_waiter waiter;
    const ow_jwks *keys;
    const char *token;
    ow_id_rules rules;
    ow_id_claims claims;
    bool renewed, verified;
    char shown[LOGIN_SHOWN_SIZE];
} proving;

// Loop steps. Codes: not_found "no_provider"; OW_PENDING.
ow_code proving_begin(ow_run *run, proving *proof, const id_token_msg *shown);
ow_code proving_renew(ow_run *run, proving *proof);
// Fills the key of the login when it is proven. Any step. Codes: those of ow_id_token_verify;
// unavailable "no_provider_keys".
ow_code proving_verify(ow_run *run, proving *proof, login_key *ret_key);

ow_code oidc_login_check(ow_run *run);
ow_code oidc_login_verify(ow_run *run);
ow_code oidc_login_renew(ow_run *run);

// ---- logins_rpc.c ----

typedef struct arriving {
    arrival row;
    fresh_session session;
    char email[EMAIL_SIZE];
    char password_hash[OW_PASSWORD_HASH_SIZE];
    bool is_known; // the e-mail address
    proving proof; // of an id token
} arriving;

// How somebody logs in, besides who they are.
typedef struct manner {
    const char *platform, *custom;
    bool existing_only;
} manner;

// Prepares the session and the player that may be made. Codes: invalid_argument "bad_platform", "bad_custom".
ow_code arrival_begin(ow_run *run, arriving *state, const manner *manner);

// Takes a try at a password of the account, and gives it back. Codes: resource_exhausted
// "too_many_attempts".
ow_code password_attempt(ow_run *run, const char *account);
void password_was_right(ow_run *run, const char *account);
ow_code bad_credentials(ow_run *run); // the answer to all wrong ones

ow_code device_login_check(ow_run *run);
ow_code custom_login_check(ow_run *run);
ow_code arrive_store(ow_run *run);
ow_code arrive_reply(ow_run *run);
ow_code email_login_check(ow_run *run);
ow_code email_login_find(ow_run *run);
ow_code email_login_verify(ow_run *run);
ow_code email_login_reply(ow_run *run);

// ---- links_rpc.c ----

typedef struct linking {
    login_key key;
    const char *id; // what the key is the hash of
    int64_t now_us;
    char email[EMAIL_SIZE];
    char password_hash[OW_PASSWORD_HASH_SIZE];
    login_row row;
    proving proof; // of an id token
} linking;

typedef struct password_changing {
    login_row row;
    fresh_session session;
    ended_sessions ended;
    char new_hash[OW_PASSWORD_HASH_SIZE];
} password_changing;

// A login as it is shown, in the call's arena; NULL when out of memory. Any step.
login_msg *login_message(ow_run *run, const login_row *row);

ow_code link_check(ow_run *run);
ow_code link_prove(ow_run *run);
ow_code link_renew(ow_run *run);
ow_code link_store(ow_run *run);
ow_code link_reply(ow_run *run);
ow_code unlink_store(ow_run *run);
ow_code list_logins(ow_run *run);
ow_code password_check(ow_run *run);
ow_code password_find(ow_run *run);
ow_code password_hash(ow_run *run);
ow_code password_store(ow_run *run);
ow_code password_reply(ow_run *run);
