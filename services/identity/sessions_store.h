#pragma once

// The SQL of sessions: what a player has from login to logout. A row is a live session and holds the
// hashes of the refresh token that is good and of the one before. Functions as in identity_store.h.

#include "core/crypto/hash.h"
#include "core/db/db.h"
#include "core/id/id.h"

#define SESSIONS_OF_PLAYER_MAX 64 // what max_sessions can be set to

typedef struct new_session {
    char session_id[OW_ID_MAX];
    uint8_t refresh_hash[OW_SHA256_SIZE];
    int64_t now_us, expires_us;
    int max_sessions; // of the player; the oldest are dropped
    bool is_first;    // the player is new and has no other
} new_session;

// Begins a session of the player. A dropped session cannot be refreshed any more; its access token
// runs out by itself.
ow_code store_session_begin(ow_db_conn *db, const new_session *session, const char *player_id,
                            const char *title, ow_err *err);

typedef enum refresh_outcome {
    REFRESH_GOOD,
    REFRESH_ENDED,  // no such session any more, or it has expired
    REFRESH_REUSED, // the token was used before: the session has been ended now
} refresh_outcome;

typedef struct session_refresh {
    char session_id[OW_ID_MAX];
    const char *title;                  // "" accepts any
    uint8_t shown_hash[OW_SHA256_SIZE]; // of the token that was shown
    uint8_t next_hash[OW_SHA256_SIZE];  // of the one that follows it
    int64_t now_us, expires_us;         // of the session when it goes well
    int64_t grace_us;                   // in which the last used token may be shown again
    // Filled:
    refresh_outcome outcome;
    char player_id[OW_ID_MAX];
    char session_title[OW_ID_MAX];
} session_refresh;

// The outcome is an answer of its own and not a code: what it writes must be kept.
ow_code store_session_refresh(ow_db_conn *db, session_refresh *refresh, ow_err *err);

typedef struct ended_sessions {
    char ids[SESSIONS_OF_PLAYER_MAX][OW_ID_MAX]; // whose access tokens may live
    int id_count;
    int count; // all that were ended
} ended_sessions;

// Whose session it is.
typedef struct session_owner {
    char player_id[OW_ID_MAX], title[OW_ID_MAX];
} session_owner;
ow_code store_session_owner(ow_db_conn *db, const char *session_id, session_owner *ret_owner,
                            bool *ret_found, ow_err *err);

// Ends one session; none is no error.
ow_code store_session_end(ow_db_conn *db, const char *session_id, int64_t now_us,
                          ended_sessions *ret_ended, ow_err *err);

// Ends all sessions of a player.
ow_code store_player_sessions_end(ow_db_conn *db, const char *player_id, int64_t now_us,
                                  ended_sessions *ret_ended, ow_err *err);

// Calls `take` with each session ended after `since_us`, the `max` newest at most, oldest first.
// `ret_forgotten_us`: when the newest that is beyond that number ended, 0 when there is none.
typedef struct ended_range {
    int64_t since_us;
    int64_t max;
} ended_range;
typedef void (*take_ended)(void *self, const char *session_id, int64_t ended_us);
ow_code store_ended_sessions_list(ow_db_conn *db, const ended_range *range, take_ended take,
                                  void *self, int64_t *ret_forgotten_us, ow_err *err);

// Calls `take` with each session that was given an access token after `since_us`, and when.
ow_code store_sessions_of_late(ow_db_conn *db, int64_t since_us, take_ended take, void *self,
                               ow_err *err);

// Deletes at most `slice` expired sessions and as many ends that no access token outlives;
// `ret_more`: there may be others.
ow_code store_sessions_sweep(ow_db_conn *db, int64_t now_us, int64_t slice, bool *ret_more,
                             ow_err *err);
