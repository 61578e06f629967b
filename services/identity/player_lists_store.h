#pragma once

// The SQL of lists of players. Functions as in identity_store.h.

#include "services/identity/players_store.h"

// The query by a prefix: for a look at its plan.
extern const char players_prefix_sql[];

enum { SHOWN_PREFIX_MAX = 200, PLAYERS_PAGE_MAX = 200 };

typedef struct listed_player {
    char player_id[OW_ID_MAX];
    char platform[132];
    int64_t created_us, banned_until_us; // 0: not banned
    char shown[LOGIN_SHOWN_SIZE];        // of one login; "": of none
} listed_player;

typedef struct player_range {
    const char *title;
    const char *prefix; // of what is shown; "": all
    const char *shown,
        *after; // go on behind this player: as the last page's last row has them; "": none
    int limit;  // at most PLAYERS_PAGE_MAX + 1
} player_range;

// Of all: the newest first. By a prefix: in the order of what is shown; who has two logins that fit comes twice.
// `ret_rows` has room for `limit`.
ow_code store_players_list(ow_db_conn *db, const player_range *range, listed_player *ret_rows,
                           int *ret_count, ow_err *err);
