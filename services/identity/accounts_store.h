#pragma once

// The SQL of what operators do with players. Functions as in identity_store.h; every player is looked for
// in one title: not_found "no_player" when there is none.

#include "services/identity/identity_store.h"
#include "services/identity/players_store.h"
#include "services/identity/sessions_store.h"

typedef struct player_row {
    char player_id[OW_ID_MAX];
    char title[OW_ID_MAX];
    char platform[132];
    char ban_reason[BAN_REASON_SIZE];
    int64_t created_us, banned_until_us; // 0: not banned
} player_row;

typedef struct session_row {
    char session_id[OW_ID_MAX];
    int64_t created_us, issued_us, expires_us;
} session_row;

// A player with everything that belongs to one.
typedef struct account {
    player_row player;
    login_row logins[LOGINS_OF_PLAYER_MAX];
    int login_count;
    session_row sessions[SESSIONS_OF_PLAYER_MAX];
    int session_count;
} account;

// Who is meant: a player's id, or the hash of a login when `player_id` is "".
typedef struct player_key {
    const char *title, *player_id;
    uint8_t login_hash[OW_SHA256_SIZE];
} player_key;

ow_code store_account_find(ow_db_conn *db, const player_key *key, account *ret_account,
                           ow_err *err);

typedef struct player_ban {
    const char *player_id, *reason;
    int64_t until_us; // 0: not any more
} player_ban;

// Bans (and ends all sessions) or lifts a ban.
ow_code store_player_ban(ow_db_conn *db, const author *by, const player_ban *ban,
                         ended_sessions *ret_ended, ow_err *err);

ow_code store_player_logout(ow_db_conn *db, const author *by, const char *player_id,
                            ended_sessions *ret_ended, ow_err *err);

// Deletes the player, all logins and sessions. Nothing of it stays but what the audit says.
ow_code store_player_delete(ow_db_conn *db, const author *by, const char *player_id,
                            ended_sessions *ret_ended, ow_err *err);
