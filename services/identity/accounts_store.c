#include "services/identity/accounts_store.h"

#include "services/identity/identity_logic.h"

#include <stdio.h>
#include <string.h>

static void copy_text(char *to, size_t size, ow_rows *rows, int column) {
    const char *text = ow_rows_text(rows, column);
    snprintf(to, size, "%s", text != NULL ? text : "");
}

// ---- Finding ----

static ow_code no_player(const char *player_id, ow_err *err) {
    return ow_fail(err, OW_NOT_FOUND, "no_player", "there is no such player%s%s",
                   player_id[0] != '\0' ? ": " : "", player_id);
}

static ow_code player_find(ow_db_conn *db, const char *title, const char *player_id,
                           player_row *ret_row, ow_err *err) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT player_id, title_id, platform, ban_reason, created_us, "
                               " banned_until_us FROM players WHERE player_id = $1",
                               "t", player_id);
    if (code == OW_OK) {
        code = ow_rows_next(rows, &found, err);
    }
    if (code == OW_OK && found) {
        copy_text(ret_row->player_id, sizeof ret_row->player_id, rows, 0);
        copy_text(ret_row->title, sizeof ret_row->title, rows, 1);
        copy_text(ret_row->platform, sizeof ret_row->platform, rows, 2);
        copy_text(ret_row->ban_reason, sizeof ret_row->ban_reason, rows, 3);
        ret_row->created_us = ow_rows_int(rows, 4);
        ret_row->banned_until_us = ow_rows_int(rows, 5);
        found = strcmp(ret_row->title, title) == 0;
    }
    ow_rows_close(rows);
    return code == OW_OK && !found ? no_player(player_id, err) : code;
}

static ow_code sessions_list(ow_db_conn *db, account *a, ow_err *err) {
    ow_rows *rows = NULL;
    bool more = true;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT session_id, created_us, issued_us, expires_us "
                               "FROM sessions WHERE player_id = $1 ORDER BY session_id LIMIT $2",
                               "ti", a->player.player_id, (int64_t)SESSIONS_OF_PLAYER_MAX);
    while (code == OW_OK && (code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        session_row *row = &a->sessions[a->session_count++];
        copy_text(row->session_id, sizeof row->session_id, rows, 0);
        row->created_us = ow_rows_int(rows, 1);
        row->issued_us = ow_rows_int(rows, 2);
        row->expires_us = ow_rows_int(rows, 3);
    }
    return code;
}

ow_code store_account_find(ow_db_conn *db, const player_key *key, account *ret_account,
                           ow_err *err) {
    const char *player_id = key->player_id;
    login_row login;
    *ret_account = (account){0};
    ow_code code = OW_OK;
    if (player_id[0] == '\0') {
        code = store_login_find(db, key->login_hash, &login, err);
        player_id = code == OW_OK ? login.player_id : "";
    }
    if (code == OW_NOT_FOUND) {
        return no_player("", err);
    }
    code = code == OW_OK ? player_find(db, key->title, player_id, &ret_account->player, err) : code;
    if (code == OW_OK) {
        code = store_logins_list(db, ret_account->player.player_id, ret_account->logins,
                                 &ret_account->login_count, err);
    }
    return code == OW_OK ? sessions_list(db, ret_account, err) : code;
}

// ---- Changing ----

static const char *ban_state(const author *by, int64_t until_us, const char *reason) {
    return until_us == 0 ? ow_audit_state_in(by->arena, "b", "banned", 0)
                         : ow_audit_state_in(by->arena, "bit", "banned", 1, "until_us", until_us,
                                             "reason", reason);
}

ow_code store_player_ban(ow_db_conn *db, const author *by, const player_ban *ban,
                         ended_sessions *ret_ended, ow_err *err) {
    player_row row = {0};
    *ret_ended = (ended_sessions){0};
    ow_code code = player_find(db, by->entry.title, ban->player_id, &row, err);
    if (code == OW_OK) {
        code = ow_db_exec(
            db, NULL, err,
            "UPDATE players SET banned_until_us = $1, ban_reason = $2 WHERE player_id = $3", "itt",
            ban->until_us, ban->reason, row.player_id);
    }
    if (code == OW_OK && ban->until_us != 0) {
        code = store_player_sessions_end(db, row.player_id, by->entry.at_us, ret_ended, err);
    }
    if (code != OW_OK) {
        return code;
    }
    ow_audit_entry entry = by->entry;
    entry.action = ban->until_us != 0 ? "player.ban" : "player.unban";
    entry.object = row.player_id;
    entry.before = ban_state(by, row.banned_until_us, row.ban_reason);
    entry.after = ban_state(by, ban->until_us, ban->reason);
    return ow_audit_append(db, &entry, err);
}

ow_code store_player_logout(ow_db_conn *db, const author *by, const char *player_id,
                            ended_sessions *ret_ended, ow_err *err) {
    player_row row = {0};
    ow_code code = player_find(db, by->entry.title, player_id, &row, err);
    if (code == OW_OK) {
        code = store_player_sessions_end(db, row.player_id, by->entry.at_us, ret_ended, err);
    }
    if (code != OW_OK) {
        return code;
    }
    ow_audit_entry entry = by->entry;
    entry.action = "player.logout";
    entry.object = row.player_id;
    entry.before = ow_audit_state_in(by->arena, "i", "sessions", (int64_t)ret_ended->count);
    entry.after = ow_audit_state_in(by->arena, "i", "sessions", INT64_C(0));
    return ow_audit_append(db, &entry, err);
}

ow_code store_player_delete(ow_db_conn *db, const author *by, const char *player_id,
                            ended_sessions *ret_ended, ow_err *err) {
    player_row row = {0};
    ow_code code = player_find(db, by->entry.title, player_id, &row, err);
    if (code == OW_OK) {
        code = store_player_sessions_end(db, row.player_id, by->entry.at_us, ret_ended, err);
    }
    if (code == OW_OK) {
        code = ow_db_exec(db, NULL, err, "DELETE FROM logins WHERE player_id = $1", "t",
                          row.player_id);
    }
    if (code == OW_OK) {
        code = ow_db_exec(db, NULL, err, "DELETE FROM players WHERE player_id = $1", "t",
                          row.player_id);
    }
    if (code != OW_OK) {
        return code;
    }
    ow_audit_entry entry = by->entry;
    entry.action = "player.delete";
    entry.object = row.player_id;
    entry.before = ow_audit_state_in(by->arena, "i", "created_us", row.created_us);
    entry.after = "";
    return ow_audit_append(db, &entry, err);
}
