#include "services/identity/players_store.h"

#include "services/identity/identity_logic.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static void copy_text(char *to, size_t size, ow_rows *rows, int column) {
    const char *text = ow_rows_text(rows, column);
    snprintf(to, size, "%s", text != NULL ? text : "");
}

static ow_code bad_credentials(ow_err *err) {
    return ow_fail(err, OW_UNAUTHENTICATED, "bad_credentials",
                   "there is no such e-mail address and password here");
}

// ---- Arriving ----

typedef struct known {
    bool found;
    char player_id[OW_ID_MAX];
    char password[OW_PASSWORD_HASH_SIZE];
    int64_t banned_until_us;
    char ban_reason[BAN_REASON_SIZE];
} known;

static ow_code known_find(ow_db_conn *db, const arrival *a, known *ret_known, ow_err *err) {
    ow_rows *rows = NULL;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT logins.player_id, logins.password, "
                               " players.banned_until_us, players.ban_reason FROM logins "
                               "JOIN players ON players.player_id = logins.player_id "
                               "WHERE logins.login_hash = $1",
                               "b", a->key.hash, sizeof a->key.hash);
    if (code == OW_OK) {
        code = ow_rows_next(rows, &ret_known->found, err);
    }
    if (code == OW_OK && ret_known->found) {
        copy_text(ret_known->player_id, sizeof ret_known->player_id, rows, 0);
        copy_text(ret_known->password, sizeof ret_known->password, rows, 1);
        ret_known->banned_until_us = ow_rows_int(rows, 2);
        copy_text(ret_known->ban_reason, sizeof ret_known->ban_reason, rows, 3);
    }
    ow_rows_close(rows);
    return code;
}

static ow_code refuse_banned(const known *k, ow_err *err) {
    char until[64] = "for good";
    time_t seconds = (time_t)(k->banned_until_us / SECOND_US);
    struct tm utc;
    if (k->banned_until_us != BANNED_FOR_GOOD_US && gmtime_r(&seconds, &utc) != NULL) {
        strftime(until, sizeof until, "until %Y-%m-%dT%H:%M:%SZ", &utc);
    }
    return ow_fail(err, OW_PERMISSION_DENIED, "banned", "this player is banned %s%s%s", until,
                   k->ban_reason[0] != '\0' ? ": " : "", k->ban_reason);
}

static ow_code login_insert(ow_db_conn *db, const char *player_id, const login_key *key,
                            int64_t now_us, ow_err *err) {
    return ow_db_exec(db, NULL, err,
                      "INSERT INTO logins (login_hash, player_id, kind, shown, password, "
                      " created_us, title_id) VALUES ($1, $2, $3, $4, $5, $6,"
                      " (SELECT title_id FROM players WHERE player_id = $7))",
                      "bttttit", key->hash, sizeof key->hash, player_id, login_kind_name(key->kind),
                      key->shown, key->password, now_us, player_id);
}

static ow_code player_make(ow_db_conn *db, arrival *a, ow_err *err) {
    ow_code code = ow_db_exec(
        db, NULL, err,
        "INSERT INTO players (player_id, title_id, platform, created_us) VALUES ($1, $2, $3, $4)",
        "ttti", a->fresh_player_id, a->title, a->platform, a->now_us);
    memcpy(a->player_id, a->fresh_player_id, sizeof a->player_id);
    return code == OW_OK ? login_insert(db, a->player_id, &a->key, a->now_us, err) : code;
}

ow_code store_arrive(ow_db_conn *db, arrival *a, ow_err *err) {
    known k = {0};
    ow_code code = known_find(db, a, &k, err);
    if (code != OW_OK) {
        return code;
    }
    a->is_new = !k.found;
    if (!k.found && a->existing_only) {
        return ow_fail(err, OW_NOT_FOUND, "no_player", "this login has no player in the title");
    }
    if (!k.found) {
        return player_make(db, a, err);
    }
    if (strcmp(k.password, a->key.password) != 0) {
        return bad_credentials(err);
    }
    if (k.banned_until_us > a->now_us) {
        return refuse_banned(&k, err);
    }
    memcpy(a->player_id, k.player_id, sizeof a->player_id);
    return OW_OK;
}

// ---- Logins ----

#define LOGIN_COLUMNS "login_hash, player_id, kind, shown, password, created_us"

static void login_read(ow_rows *rows, login_row *row) {
    size_t size = 0;
    const void *hash = ow_rows_blob(rows, 0, &size);
    memset(row->hash, 0, sizeof row->hash);
    if (size == sizeof row->hash) {
        memcpy(row->hash, hash, size);
    }
    copy_text(row->player_id, sizeof row->player_id, rows, 1);
    copy_text(row->kind, sizeof row->kind, rows, 2);
    copy_text(row->shown, sizeof row->shown, rows, 3);
    copy_text(row->password, sizeof row->password, rows, 4);
    row->created_us = ow_rows_int(rows, 5);
}

ow_code store_login_find(ow_db_conn *db, const uint8_t hash[static OW_SHA256_SIZE],
                         login_row *ret_row, ow_err *err) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code =
        ow_db_query(db, &rows, err, "SELECT " LOGIN_COLUMNS " FROM logins WHERE login_hash = $1",
                    "b", hash, (size_t)OW_SHA256_SIZE);
    if (code == OW_OK) {
        code = ow_rows_next(rows, &found, err);
    }
    if (code == OW_OK && found) {
        login_read(rows, ret_row);
    }
    ow_rows_close(rows);
    if (code == OW_OK && !found) {
        return ow_fail(err, OW_NOT_FOUND, "no_login", "there is no such login");
    }
    return code;
}

ow_code store_logins_list(ow_db_conn *db, const char *player_id,
                          login_row ret_rows[static LOGINS_OF_PLAYER_MAX], int *ret_count,
                          ow_err *err) {
    ow_rows *rows = NULL;
    bool more = true;
    int count = 0;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT " LOGIN_COLUMNS " FROM logins WHERE player_id = $1 "
                               "ORDER BY created_us, login_hash LIMIT $2",
                               "ti", player_id, (int64_t)LOGINS_OF_PLAYER_MAX);
    while (code == OW_OK && (code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        login_read(rows, &ret_rows[count++]);
    }
    *ret_count = count;
    return code;
}

// The player's row, so that a deleted one gets no login.
static ow_code player_must_exist(ow_db_conn *db, const char *player_id, ow_err *err) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code =
        ow_db_query(db, &rows, err, "SELECT 1 FROM players WHERE player_id = $1", "t", player_id);
    if (code == OW_OK) {
        code = ow_rows_next(rows, &found, err);
    }
    ow_rows_close(rows);
    if (code == OW_OK && !found) {
        return ow_fail(err, OW_NOT_FOUND, "no_player", "there is no player %s", player_id);
    }
    return code;
}

static ow_code fail_if_full(ow_db_conn *db, const char *player_id, login_kind kind, ow_err *err) {
    login_row rows[LOGINS_OF_PLAYER_MAX];
    int count = 0;
    ow_code code = store_logins_list(db, player_id, rows, &count, err);
    if (code == OW_OK && count == LOGINS_OF_PLAYER_MAX) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "too_many_logins",
                       "a player has at most %d logins: unlink one", LOGINS_OF_PLAYER_MAX);
    }
    for (int i = 0; code == OW_OK && kind == LOGIN_EMAIL && i < count; i++) {
        if (strcmp(rows[i].kind, login_kind_name(LOGIN_EMAIL)) == 0) {
            return ow_fail(err, OW_FAILED_PRECONDITION, "has_email",
                           "the player has an e-mail login: unlink it first");
        }
    }
    return code;
}

ow_code store_login_link(ow_db_conn *db, const char *player_id, const login_key *key,
                         int64_t now_us, ow_err *err) {
    login_row there = {0};
    ow_code code = store_login_find(db, key->hash, &there, err);
    if (code == OW_OK && strcmp(there.player_id, player_id) != 0) {
        return ow_fail(err, OW_ALREADY_EXISTS, "login_taken",
                       "this login belongs to another player");
    }
    if (code != OW_NOT_FOUND) {
        return code;
    }
    code = player_must_exist(db, player_id, err);
    code = code == OW_OK ? fail_if_full(db, player_id, key->kind, err) : code;
    return code == OW_OK ? login_insert(db, player_id, key, now_us, err) : code;
}

ow_code store_login_unlink(ow_db_conn *db, const char *player_id, const char *login_id,
                           ow_err *err) {
    login_row rows[LOGINS_OF_PLAYER_MAX];
    int count = 0, found = -1;
    ow_code code = store_logins_list(db, player_id, rows, &count, err);
    for (int i = 0; code == OW_OK && i < count; i++) {
        char id[LOGIN_ID_SIZE];
        make_login_id(rows[i].hash, id);
        found = strcmp(id, login_id) == 0 ? i : found;
    }
    if (code != OW_OK) {
        return code;
    }
    if (found < 0) {
        return ow_fail(err, OW_NOT_FOUND, "no_login", "the player has no such login");
    }
    if (count == 1) {
        return ow_fail(err, OW_FAILED_PRECONDITION, "last_login",
                       "without its last login nobody can come as this player any more");
    }
    return ow_db_exec(db, NULL, err, "DELETE FROM logins WHERE login_hash = $1", "b",
                      rows[found].hash, sizeof rows[found].hash);
}

ow_code store_password_change(ow_db_conn *db, const password_change *change, ow_err *err) {
    int64_t changed = 0;
    ow_code code = ow_db_exec(
        db, &changed, err,
        "UPDATE logins SET password = $1 WHERE login_hash = $2 AND password = $3", "tbt",
        change->new_hash, change->login_hash, sizeof change->login_hash, change->old_hash);
    return code == OW_OK && changed == 0 ? bad_credentials(err) : code;
}
