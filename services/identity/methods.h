#pragma once

// The steps of the methods that stand in files of their own; identity_rpc.c has the table.

#include "services/identity/accounts_store.h"
#include "services/identity/logins.h"
#include "services/identity/reply.h"

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

// ---- server_keys_rpc.c ----

typedef struct key_change {
    author by;
    server_key_row row;
    key_limit_rows limits;
    bool is_repeat;
} key_change;

ow_code create_key_check(ow_run *run);
ow_code create_key_store(ow_run *run);
ow_code create_key_reply(ow_run *run);
ow_code list_keys(ow_run *run);
ow_code key_limit_check(ow_run *run);
ow_code key_limit_store(ow_run *run);
ow_code key_limit_reply(ow_run *run);
ow_code revoke_key_check(ow_run *run);
ow_code revoke_key_store(ow_run *run);
ow_code revoke_key_tell(ow_run *run);

// ---- accounts_rpc.c ----

typedef struct account_change {
    author by;
    const char *player_id;
    player_ban ban;
    ended_sessions ended;
} account_change;

ow_code find_player_check(ow_run *run);
ow_code find_player_read(ow_run *run);
ow_code ban_check(ow_run *run);
ow_code unban_check(ow_run *run);
ow_code ban_store(ow_run *run);
ow_code account_tell(ow_run *run);
ow_code logout_player_check(ow_run *run);
ow_code logout_player_store(ow_run *run);
ow_code logout_player_tell(ow_run *run);
ow_code export_check(ow_run *run);
ow_code export_read(ow_run *run);
ow_code delete_check(ow_run *run);
ow_code delete_find(ow_run *run);
ow_code delete_store(ow_run *run);

// ---- player_lists_rpc.c ----

ow_code list_players(ow_run *run);

// ---- signing_rpc.c ----

typedef struct key_rotation {
    author by;
    const char *data_folder;
    char kid[OW_ID_MAX];
    int64_t signs_from_us;
    char outlived_kids[OW_TOKEN_KEYS_MAX][OW_ID_MAX];
    int outlived;
} key_rotation;

ow_code rotate_check(ow_run *run);
ow_code rotate_make(ow_run *run);
ow_code rotate_store(ow_run *run);
ow_code rotate_tell(ow_run *run);
ow_code rotate_clean(ow_run *run);
ow_code rotate_reply(ow_run *run);

// ---- remembered_rpc.c: what functions remember of a player, which data keeps ----

// Adds a page of it to the reply of ExportPlayer.
ow_code export_remembered(ow_run *run);
// Has it deleted, for good, before the player is.
ow_code delete_remembered(ow_run *run);
