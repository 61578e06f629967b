#include "services/identity/sessions_store.h"

#include "services/identity/identity_logic.h"

#include <stdio.h>
#include <string.h>

static void copy_id(char to[static OW_ID_MAX], ow_rows *rows, int column) {
    const char *text = ow_rows_text(rows, column);
    snprintf(to, OW_ID_MAX, "%s", text != NULL ? text : "");
}

static ow_code drop_oldest(ow_db_conn *db, const new_session *session, const char *player_id,
                           ow_err *err) {
    return ow_db_exec(db, NULL, err,
                      "DELETE FROM sessions WHERE session_id IN (SELECT session_id FROM sessions "
                      " WHERE player_id = $1 ORDER BY session_id DESC LIMIT $2 OFFSET $3)",
                      "tii", player_id, (int64_t)SESSIONS_OF_PLAYER_MAX,
                      (int64_t)session->max_sessions - 1);
}

ow_code store_session_begin(ow_db_conn *db, const new_session *session, const char *player_id,
                            const char *title, ow_err *err) {
    ow_code code = session->is_first ? OW_OK : drop_oldest(db, session, player_id, err);
    if (code != OW_OK) {
        return code;
    }
    return ow_db_exec(db, NULL, err,
                      "INSERT INTO sessions (session_id, player_id, title_id, refresh_hash, "
                      " previous_hash, created_us, issued_us, expires_us) "
                      "VALUES ($1, $2, $3, $4, $4, $5, $5, $6)",
                      "tttbii", session->session_id, player_id, title, session->refresh_hash,
                      sizeof session->refresh_hash, session->now_us, session->expires_us);
}

// ---- Ends ----

// A session whose access tokens have run out needs no mention.
static ow_code remember_end(ow_db_conn *db, const char *session_id, int64_t issued_us,
                            int64_t now_us, ended_sessions *ended, ow_err *err) {
    ended->count++;
    if (issued_us < now_us - ENDED_SESSION_KEPT_S * SECOND_US ||
        ended->id_count == SESSIONS_OF_PLAYER_MAX) {
        return OW_OK;
    }
    snprintf(ended->ids[ended->id_count++], OW_ID_MAX, "%s", session_id);
    return ow_db_exec(db, NULL, err,
                      "INSERT INTO ended_sessions (session_id, ended_us) VALUES ($1, $2) "
                      "ON CONFLICT DO NOTHING",
                      "ti", session_id, now_us);
}

static ow_code take_all(ow_db_conn *db, ow_rows *rows, int64_t now_us, ended_sessions *ended,
                        ow_err *err) {
    bool more = true;
    ow_code code = OW_OK;
    while (code == OW_OK && (code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        char session_id[OW_ID_MAX];
        copy_id(session_id, rows, 0);
        code = remember_end(db, session_id, ow_rows_int(rows, 1), now_us, ended, err);
    }
    ow_rows_close(rows);
    return code;
}

ow_code store_session_owner(ow_db_conn *db, const char *session_id, session_owner *ret_owner,
                            bool *ret_found, ow_err *err) {
    ow_rows *rows = NULL;
    *ret_found = false;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT player_id, title_id FROM sessions WHERE session_id = $1",
                               "t", session_id);
    code = code == OW_OK ? ow_rows_next(rows, ret_found, err) : code;
    if (code == OW_OK && *ret_found) {
        snprintf(ret_owner->player_id, sizeof ret_owner->player_id, "%s", ow_rows_text(rows, 0));
        snprintf(ret_owner->title, sizeof ret_owner->title, "%s", ow_rows_text(rows, 1));
    }
    ow_rows_close(rows);
    return code;
}

ow_code store_session_end(ow_db_conn *db, const char *session_id, int64_t now_us,
                          ended_sessions *ret_ended, ow_err *err) {
    *ret_ended = (ended_sessions){0};
    ow_rows *rows = NULL;
    ow_code code =
        ow_db_query(db, &rows, err,
                    "DELETE FROM sessions WHERE session_id = $1 RETURNING session_id, issued_us",
                    "t", session_id);
    return code == OW_OK ? take_all(db, rows, now_us, ret_ended, err) : code;
}

ow_code store_player_sessions_end(ow_db_conn *db, const char *player_id, int64_t now_us,
                                  ended_sessions *ret_ended, ow_err *err) {
    *ret_ended = (ended_sessions){0};
    ow_rows *rows = NULL;
    ow_code code = ow_db_query(
        db, &rows, err, "DELETE FROM sessions WHERE player_id = $1 RETURNING session_id, issued_us",
        "t", player_id);
    return code == OW_OK ? take_all(db, rows, now_us, ret_ended, err) : code;
}

// ---- Refreshing ----

typedef struct stored_session {
    bool found;
    bool is_current, is_previous; // the token that was shown
    int64_t issued_us, expires_us;
} stored_session;

static bool same_hash(ow_rows *rows, int column, const uint8_t hash[static OW_SHA256_SIZE]) {
    size_t size = 0;
    const void *stored = ow_rows_blob(rows, column, &size);
    return size == OW_SHA256_SIZE && ow_equal_in_constant_time(stored, hash, size);
}

static ow_code session_find(ow_db_conn *db, session_refresh *refresh, stored_session *ret_stored,
                            ow_err *err) {
    ow_rows *rows = NULL;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT player_id, title_id, refresh_hash, previous_hash, "
                               " issued_us, expires_us FROM sessions WHERE session_id = $1",
                               "t", refresh->session_id);
    if (code == OW_OK) {
        code = ow_rows_next(rows, &ret_stored->found, err);
    }
    if (code == OW_OK && ret_stored->found) {
        copy_id(refresh->player_id, rows, 0);
        copy_id(refresh->session_title, rows, 1);
        ret_stored->is_current = same_hash(rows, 2, refresh->shown_hash);
        ret_stored->is_previous = same_hash(rows, 3, refresh->shown_hash);
        ret_stored->issued_us = ow_rows_int(rows, 4);
        ret_stored->expires_us = ow_rows_int(rows, 5);
    }
    ow_rows_close(rows);
    return code;
}

static ow_code session_renew(ow_db_conn *db, const session_refresh *refresh, ow_err *err) {
    return ow_db_exec(db, NULL, err,
                      "UPDATE sessions SET refresh_hash = $1, previous_hash = $2, issued_us = $3, "
                      " expires_us = $4 WHERE session_id = $5",
                      "bbiit", refresh->next_hash, sizeof refresh->next_hash, refresh->shown_hash,
                      sizeof refresh->shown_hash, refresh->now_us, refresh->expires_us,
                      refresh->session_id);
}

ow_code store_session_refresh(ow_db_conn *db, session_refresh *refresh, ow_err *err) {
    stored_session stored = {0};
    ow_code code = session_find(db, refresh, &stored, err);
    if (code != OW_OK) {
        return code;
    }
    refresh->outcome = REFRESH_ENDED;
    if (!stored.found || stored.expires_us <= refresh->now_us ||
        (refresh->title[0] != '\0' && strcmp(refresh->title, refresh->session_title) != 0)) {
        return OW_OK;
    }
    if (stored.is_current) {
        refresh->outcome = REFRESH_GOOD;
        return session_renew(db, refresh, err);
    }
    if (stored.is_previous && refresh->now_us - stored.issued_us <= refresh->grace_us) {
        refresh->outcome = REFRESH_GOOD;
        refresh->expires_us = stored.expires_us;
        return OW_OK;
    }
    refresh->outcome = REFRESH_REUSED;
    ended_sessions ended;
    return store_session_end(db, refresh->session_id, refresh->now_us, &ended, err);
}

// ---- What gateways must refuse ----

static ow_code forgotten_find(ow_db_conn *db, const ended_range *range, int64_t *ret_forgotten_us,
                              ow_err *err) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT ended_us FROM ended_sessions WHERE ended_us > $1 "
                               "ORDER BY ended_us DESC LIMIT 1 OFFSET $2",
                               "ii", range->since_us, range->max);
    if (code == OW_OK) {
        code = ow_rows_next(rows, &found, err);
    }
    *ret_forgotten_us = code == OW_OK && found ? ow_rows_int(rows, 0) : 0;
    ow_rows_close(rows);
    return code;
}

ow_code store_ended_sessions_list(ow_db_conn *db, const ended_range *range, take_ended take,
                                  void *self, int64_t *ret_forgotten_us, ow_err *err) {
    ow_code code = forgotten_find(db, range, ret_forgotten_us, err);
    if (code != OW_OK) {
        return code;
    }
    int64_t since_us = *ret_forgotten_us > range->since_us ? *ret_forgotten_us : range->since_us;
    ow_rows *rows = NULL;
    bool more = true;
    code = ow_db_query(db, &rows, err,
                       "SELECT session_id, ended_us FROM ended_sessions WHERE ended_us > $1 "
                       "ORDER BY ended_us",
                       "i", since_us);
    while (code == OW_OK && (code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        take(self, ow_rows_text(rows, 0), ow_rows_int(rows, 1));
    }
    return code;
}

ow_code store_sessions_of_late(ow_db_conn *db, int64_t since_us, take_ended take, void *self,
                               ow_err *err) {
    ow_rows *rows = NULL;
    bool more = true;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT session_id, issued_us FROM sessions WHERE issued_us > $1",
                               "i", since_us);
    while (code == OW_OK && (code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        take(self, ow_rows_text(rows, 0), ow_rows_int(rows, 1));
    }
    return code;
}

ow_code store_sessions_sweep(ow_db_conn *db, int64_t now_us, int64_t slice, bool *ret_more,
                             ow_err *err) {
    int64_t expired = 0, ends = 0;
    ow_code code = ow_db_exec(db, &expired, err,
                              "DELETE FROM sessions WHERE session_id IN "
                              "(SELECT session_id FROM sessions WHERE expires_us <= $1 LIMIT $2)",
                              "ii", now_us, slice);
    if (code == OW_OK) {
        code = ow_db_exec(db, &ends, err,
                          "DELETE FROM ended_sessions WHERE session_id IN "
                          "(SELECT session_id FROM ended_sessions WHERE ended_us < $1 LIMIT $2)",
                          "ii", now_us - ENDED_SESSION_KEPT_S * SECOND_US, slice);
    }
    *ret_more = expired == slice || ends == slice;
    return code;
}
