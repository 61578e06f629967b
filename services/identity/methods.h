#pragma once

// The steps of the methods that stand in files of their own; identity_rpc.c has the table.

#include "services/identity/players_store.h"
#include "services/identity/reply.h"

// ---- logins_rpc.c ----

typedef struct arriving {
    arrival row;
    fresh_session session;
    char email[EMAIL_SIZE];
    char password_hash[OW_PASSWORD_HASH_SIZE];
    bool is_known; // the e-mail address
} arriving;

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
ow_code link_hash(ow_run *run);
ow_code link_store(ow_run *run);
ow_code link_reply(ow_run *run);
ow_code unlink_store(ow_run *run);
ow_code list_logins(ow_run *run);
ow_code password_check(ow_run *run);
ow_code password_find(ow_run *run);
ow_code password_hash(ow_run *run);
ow_code password_store(ow_run *run);
ow_code password_reply(ow_run *run);

// ---- sessions_rpc.c ----

// Tells gateways of the sessions that have ended.
void tell_ended(ow_run *run, const ended_sessions *ended, int64_t ended_us);

typedef struct session_refreshing {
    session_refresh row;
    char next_token[REFRESH_TOKEN_SIZE];
} session_refreshing;

ow_code refresh_check(ow_run *run);
ow_code refresh_store(ow_run *run);
ow_code refresh_reply(ow_run *run);

typedef struct session_ending {
    char session_id[OW_ID_MAX];
    int64_t now_us;
    ended_sessions ended;
} session_ending;

ow_code logout_check(ow_run *run);
ow_code logout_store(ow_run *run);
ow_code logout_tell(ow_run *run);
ow_code logout_everywhere_check(ow_run *run);
ow_code logout_everywhere_store(ow_run *run);
ow_code logout_everywhere_tell(ow_run *run);
