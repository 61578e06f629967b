#pragma once

// The SQL of players and their logins. Functions as in identity_store.h.

#include "services/identity/logins_logic.h"

#include "core/crypto/password.h"
#include "core/db/db.h"
#include "core/id/id.h"

enum { LOGINS_OF_PLAYER_MAX = 16, BAN_REASON_SIZE = 201, LOGIN_SHOWN_SIZE = 512 };

// A login that is looked for or made.
typedef struct login_key {
    login_kind kind;
    uint8_t hash[OW_SHA256_SIZE];
    const char *shown;
    const char *password; // its hash; "" for none
} login_key;

typedef struct arrival {
    const char *title, *platform, *custom;
    login_key key;
    int64_t now_us;
    bool existing_only;
    char fresh_player_id[OW_ID_MAX]; // for a new player
    // Filled:
    char player_id[OW_ID_MAX];
    bool is_new;
} arrival;

// Finds the login's player or makes one. Codes: not_found "no_player" (existing_only),
// permission_denied "banned", unauthenticated "bad_credentials" (the key has a password and the login
// has another one by now).
ow_code store_arrive(ow_db_conn *db, arrival *a, ow_err *err);

typedef struct login_row {
    uint8_t hash[OW_SHA256_SIZE];
    char player_id[OW_ID_MAX];
    char kind[16], shown[LOGIN_SHOWN_SIZE];
    char password[OW_PASSWORD_HASH_SIZE];
    int64_t created_us;
} login_row;

// Codes: not_found "no_login".
ow_code store_login_find(ow_db_conn *db, const uint8_t hash[static OW_SHA256_SIZE],
                         login_row *ret_row, ow_err *err);

// All logins of a player in the order in which they were made.
ow_code store_logins_list(ow_db_conn *db, const char *player_id,
                          login_row ret_rows[static LOGINS_OF_PLAYER_MAX], int *ret_count,
                          ow_err *err);

// Adds a login to a player, who keeps one that is there already. Codes: already_exists "login_taken"
// (somebody else's), resource_exhausted "too_many_logins", failed_precondition "has_email" (one
// address a player), not_found "no_player".
ow_code store_login_link(ow_db_conn *db, const char *player_id, const login_key *key,
                         int64_t now_us, ow_err *err);

// Removes the login that is named so. Codes: not_found "no_login", failed_precondition "last_login".
ow_code store_login_unlink(ow_db_conn *db, const char *player_id, const char *login_id,
                           ow_err *err);

// Changes the password of a login that still has `old_hash`. Codes: unauthenticated
// "bad_credentials" (it has not).
typedef struct password_change {
    uint8_t login_hash[OW_SHA256_SIZE];
    const char *old_hash, *new_hash;
} password_change;
ow_code store_password_change(ow_db_conn *db, const password_change *change, ow_err *err);
