#pragma once

// What gateways verify with, and those who watch it: signing keys, operators' tokens, server keys
// and sessions whose live tokens must be refused. Watchers get the whole state at first and after each
// change; of a session that ends they are told that alone.
// Loop thread.

#include "services/identity/identity_store.h"
#include "services/identity/key_limits.h"
#include "services/identity/keys.h"
#include "services/identity/operators_state.h"

#include "core/rpc/service.h"

enum { ENDED_SESSIONS_MAX = 65536 };

typedef struct verification verification;

typedef struct watcher {
    verification *owner; // NULL: not watching any more
    ow_run *run;
    struct watcher *next;
} watcher;

// `k` outlives it. Heap; verification_free when nobody watches. NULL when out of memory.
verification *verification_new(const keys *k);
verification *verification_free(verification *v);

// Where the store's rows are put before verification_loaded.
verification_rows *verification_rows_of(verification *v);

// Reads what ended lately. On the database's thread, before verification_loaded.
ow_code verification_load_ended(verification *v, ow_db_conn *db, int64_t now_us, ow_err *err);

// The rows are there: watchers get their first state.
void verification_loaded(verification *v, int64_t now_us);
bool verification_is_loaded(const verification *v);

// Operators, their tokens or their roles have changed: takes the new state and tells the watchers.
void verification_set_operators(verification *v, operators_state *operators, int64_t now_us);

// Server keys have other limits: the same.
void verification_set_key_limits(verification *v, key_limits *limits, int64_t now_us);

// A server key was revoked: tells the watchers, unless they know.
void verification_revoke(verification *v, const char *key_id, int64_t revoked_us, int64_t now_us);

// The signing keys have changed: tells the watchers.
void verification_keys_changed(verification *v, int64_t now_us);

// A session has ended: tells the watchers. At most ENDED_SESSIONS_MAX are kept, none longer than
// its access tokens live; beyond that number the oldest is forgotten, and all tokens from before it
// ended are refused as expired.
void verification_end_session(verification *v, const char *session_id, int64_t ended_us,
                              int64_t now_us);

// The step of WatchVerification; its state is a watcher.
ow_code verification_watch(verification *v, ow_run *run);

// Ends all watchers with unavailable, and refuses new ones so.
void verification_stop(verification *v);
