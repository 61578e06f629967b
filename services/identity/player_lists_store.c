#include "services/identity/player_lists_store.h"

#include <stdio.h>

static void copy_text(char *to, size_t size, ow_rows *rows, int column) {
    const char *text = ow_rows_text(rows, column);
    snprintf(to, size, "%s", text != NULL ? text : "");
}

#define COLUMNS                                                                                    \
    "SELECT players.player_id, players.platform, players.created_us, players.banned_until_us, "

static ow_code query_all(ow_db_conn *db, const player_range *range, ow_rows **ret_rows,
                         ow_err *err) {
    return ow_db_query(db, ret_rows, err,
                       COLUMNS "COALESCE((SELECT MAX(logins.shown) FROM logins"
                               " WHERE logins.player_id = players.player_id), '')"
                               " FROM players WHERE players.title_id = $1"
                               " AND players.player_id < $2"
                               " ORDER BY players.player_id DESC LIMIT $3",
                       "tti", range->title, range->after[0] != '\0' ? range->after : "plr~",
                       (int64_t)range->limit);
}

// CROSS, so that it is looked for among the title's logins: it may have a million players.
const char players_prefix_sql[] =
    COLUMNS "logins.shown FROM logins CROSS JOIN players"
            " WHERE players.player_id = logins.player_id"
            " AND logins.title_id = $1 AND logins.shown <> '' AND logins.shown >= $2"
            " AND logins.shown < $3 AND (logins.shown > $4 OR logins.player_id > $5)"
            " ORDER BY logins.shown, logins.player_id LIMIT $6";

// Up to the largest character that there is behind the prefix.
static ow_code query_prefix(ow_db_conn *db, const player_range *range, ow_rows **ret_rows,
                            ow_err *err) {
    char end[SHOWN_PREFIX_MAX + 5];
    const char *from = range->shown[0] != '\0' ? range->shown : range->prefix;
    snprintf(end, sizeof end, "%s\xF4\x8F\xBF\xBF", range->prefix);
    return ow_db_query(db, ret_rows, err, players_prefix_sql, "ttttti", range->title, from, end,
                       from, range->after, (int64_t)range->limit);
}

ow_code store_players_list(ow_db_conn *db, const player_range *range, listed_player *ret_rows,
                           int *ret_count, ow_err *err) {
    ow_rows *rows = NULL;
    bool more = true;
    int count = 0;
    ow_code code = range->prefix[0] != '\0' ? query_prefix(db, range, &rows, err)
                                            : query_all(db, range, &rows, err);
    while (code == OW_OK && count < range->limit &&
           (code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        listed_player *row = &ret_rows[count++];
        copy_text(row->player_id, sizeof row->player_id, rows, 0);
        copy_text(row->platform, sizeof row->platform, rows, 1);
        row->created_us = ow_rows_int(rows, 2);
        row->banned_until_us = ow_rows_int(rows, 3);
        copy_text(row->shown, sizeof row->shown, rows, 4);
    }
    if (code == OW_OK && more) {
        ow_rows_close(rows);
    }
    *ret_count = count;
    return code;
}
