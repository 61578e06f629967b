#include "services/identity/verification.h"

#include "services/identity/identity_logic.h"
#include "services/identity/sessions_store.h"

#include <stdlib.h>
#include <string.h>

// A token given just before its key was revoked lives that long; a minute for clocks that differ.
#define REVOKED_KEPT_US ((SERVER_TOKEN_S + 60) * SECOND_US)

typedef struct ended_session {
    revoked_session_msg msg;
    char id[OW_ID_MAX];
} ended_session;

struct verification {
    const keys *keys;
    watcher *watchers;
    bool loaded, stopped;
    int64_t sequence;
    int64_t state_us; // when the state was last filled or added to
    verification_rows rows;
    operators_state *operators; // NULL: none yet
    key_limits *key_limits;     // likewise
    char revoked[REVOKED_MAX][OW_ID_MAX];
    int64_t revoked_us[REVOKED_MAX];

    // A ring in the order in which they ended.
    ended_session ended[ENDED_SESSIONS_MAX];
    size_t first_ended, ended_count;
    int64_t valid_from_s;

    // The message, pointing at the above.
    verification_state state;
    signing_key_msg signing[OW_TOKEN_KEYS_MAX];
    signing_key_msg *signing_list[OW_TOKEN_KEYS_MAX];
    char *revoked_list[REVOKED_MAX];
    revoked_session_msg *ended_list[ENDED_SESSIONS_MAX];
};

verification *verification_new(const keys *k) {
    verification *v = calloc(1, sizeof *v);
    if (v != NULL) {
        v->keys = k;
        v->rows.revoked = v->revoked;
        v->rows.revoked_us = v->revoked_us;
    }
    return v;
}

verification *verification_free(verification *v) {
    if (v != NULL) {
        operators_state_free(v->operators);
        key_limits_free(v->key_limits);
    }
    free(v);
    return NULL;
}

verification_rows *verification_rows_of(verification *v) {
    return &v->rows;
}

bool verification_is_loaded(const verification *v) {
    return v->loaded;
}

// ---- The state ----

static void fill_signing(verification *v) {
    for (int i = 0; i < v->keys->signing_count; i++) {
        const signing_key *key = &v->keys->signing[i];
        overworld__identity__v1__signing_key__init(&v->signing[i]);
        v->signing[i].kid = (char *)key->kid;
        v->signing[i].secret.data = (uint8_t *)key->secret.bytes;
        v->signing[i].secret.len = key->secret.size;
        v->signing_list[i] = &v->signing[i];
    }
    v->state.signing_keys = v->signing_list;
    v->state.n_signing_keys = (size_t)v->keys->signing_count;
}

// Newest first, so what is too old stands at the end.
static void forget_old(verification *v, int64_t now_us) {
    while (v->rows.revoked_count > 0 &&
           v->revoked_us[v->rows.revoked_count - 1] < now_us - REVOKED_KEPT_US) {
        v->rows.revoked_count--;
    }
}

// ---- Ended sessions ----

static ended_session *ended_at(verification *v, size_t index) {
    return &v->ended[(v->first_ended + index) % ENDED_SESSIONS_MAX];
}

static void forget_first_ended(verification *v) {
    v->first_ended = (v->first_ended + 1) % ENDED_SESSIONS_MAX;
    v->ended_count--;
}

static void forget_expired(verification *v, int64_t now_s) {
    while (v->ended_count > 0 && ended_at(v, 0)->msg.until <= now_s) {
        forget_first_ended(v);
    }
}

// Tokens given until `ended_us` are not told apart any more.
static void forget_until(verification *v, int64_t ended_us) {
    int64_t from_s = ended_us / SECOND_US + 1;
    v->valid_from_s = from_s > v->valid_from_s ? from_s : v->valid_from_s;
}

static ended_session *ended_add(verification *v, const char *session_id, int64_t ended_us) {
    if (v->ended_count == ENDED_SESSIONS_MAX) {
        int64_t until_s = ended_at(v, 0)->msg.until;
        forget_until(v, (until_s - ENDED_SESSION_KEPT_S) * SECOND_US);
        forget_first_ended(v);
    }
    int64_t until_s = ended_us / SECOND_US + ENDED_SESSION_KEPT_S;
    // In order also when the clock was set back.
    if (v->ended_count > 0 && ended_at(v, v->ended_count - 1)->msg.until > until_s) {
        until_s = ended_at(v, v->ended_count - 1)->msg.until;
    }
    ended_session *made = ended_at(v, v->ended_count++);
    overworld__identity__v1__revoked_session__init(&made->msg);
    memset(made->id, 0, sizeof made->id);
    memcpy(made->id, session_id, strnlen(session_id, sizeof made->id - 1));
    made->msg.session_id = made->id;
    made->msg.until = until_s;
    return made;
}

static void take_stored(void *self, const char *session_id, int64_t ended_us) {
    ended_add(self, session_id, ended_us);
}

ow_code verification_load_ended(verification *v, ow_db_conn *db, int64_t now_us, ow_err *err) {
    ended_range range = {.since_us = now_us - ENDED_SESSION_KEPT_S * SECOND_US,
                         .max = ENDED_SESSIONS_MAX};
    int64_t forgotten_us = 0;
    v->first_ended = v->ended_count = 0; // the job may run twice
    ow_code code = store_ended_sessions_list(db, &range, take_stored, v, &forgotten_us, err);
    if (code == OW_OK && forgotten_us > 0) {
        forget_until(v, forgotten_us);
    }
    return code;
}

static void fill_ended(verification *v, int64_t now_us) {
    forget_expired(v, now_us / SECOND_US);
    for (size_t i = 0; i < v->ended_count; i++) {
        v->ended_list[i] = &ended_at(v, i)->msg;
    }
    v->state.revoked_sessions = v->ended_list;
    v->state.n_revoked_sessions = v->ended_count;
    v->state.valid_from = v->valid_from_s;
}

// Higher than any before, also than those before a restart.
static int64_t next_sequence(verification *v, int64_t now_us) {
    v->sequence = now_us > v->sequence ? now_us : v->sequence + 1;
    return v->sequence;
}

static void fill_state(verification *v, int64_t now_us) {
    overworld__identity__v1__verification_state__init(&v->state);
    v->state.sequence = next_sequence(v, now_us);
    v->state_us = now_us;
    fill_ended(v, now_us);
    fill_signing(v);
    operators_state_fill(v->operators, &v->state);
    key_limits_fill(v->key_limits, &v->state);
    forget_old(v, now_us);
    for (int i = 0; i < v->rows.revoked_count; i++) {
        v->revoked_list[i] = v->revoked[i];
    }
    v->state.revoked_server_keys = v->revoked_list;
    v->state.n_revoked_server_keys = (size_t)v->rows.revoked_count;
}

// ---- Watchers ----

static void unlink_watcher(watcher *w) {
    watcher **link = &w->owner->watchers;
    while (*link != NULL && *link != w) {
        link = &(*link)->next;
    }
    if (*link != NULL) {
        *link = w->next;
    }
    w->owner = NULL;
}

static void on_cancel(ow_call *call, void *self) {
    watcher *w = self;
    if (w->owner != NULL) {
        unlink_watcher(w);
    }
    ow_run_finish(w->run, call->err.code);
}

static void tell_all(verification *v, const verification_state *news) {
    for (watcher *w = v->watchers; w != NULL; w = w->next) {
        // Whoever is too slow is being cancelled, and told by on_cancel later.
        ow_run_send(w->run, &news->base);
    }
}

ow_code verification_watch(verification *v, ow_run *run) {
    if (v->stopped) {
        return ow_fail(run->err, OW_UNAVAILABLE, "stopping", "identity is stopping");
    }
    watcher *w = run->state;
    *w = (watcher){.owner = v, .run = run, .next = v->watchers};
    v->watchers = w;
    run->call->on_cancel = on_cancel;
    run->call->on_cancel_self = w;
    if (v->loaded) {
        fill_ended(v, v->state_us);
        v->state.sequence = v->sequence;
        ow_run_send(run, &v->state.base);
    }
    return OW_PENDING;
}

void verification_stop(verification *v) {
    v->stopped = true;
    while (v->watchers != NULL) {
        watcher *w = v->watchers;
        unlink_watcher(w);
        ow_run_finish(w->run,
                      ow_fail(w->run->err, OW_UNAVAILABLE, "stopping", "identity is stopping"));
    }
}

// ---- Changes ----

void verification_loaded(verification *v, int64_t now_us) {
    v->loaded = true;
    fill_state(v, now_us);
    tell_all(v, &v->state);
}

static void tell_whole(verification *v, int64_t now_us) {
    if (v->loaded) {
        fill_state(v, now_us);
        tell_all(v, &v->state);
    }
}

void verification_set_operators(verification *v, operators_state *operators, int64_t now_us) {
    operators_state_free(v->operators);
    v->operators = operators;
    tell_whole(v, now_us);
}

void verification_set_key_limits(verification *v, key_limits *limits, int64_t now_us) {
    key_limits_free(v->key_limits);
    v->key_limits = limits;
    tell_whole(v, now_us);
}

void verification_revoke(verification *v, const char *key_id, int64_t revoked_us, int64_t now_us) {
    for (int i = 0; i < v->rows.revoked_count; i++) {
        if (strcmp(v->revoked[i], key_id) == 0) {
            return;
        }
    }
    int kept = v->rows.revoked_count < REVOKED_MAX ? v->rows.revoked_count : REVOKED_MAX - 1;
    memmove(v->revoked[1], v->revoked[0], (size_t)kept * sizeof v->revoked[0]);
    memmove(&v->revoked_us[1], &v->revoked_us[0], (size_t)kept * sizeof v->revoked_us[0]);
    memset(v->revoked[0], 0, sizeof v->revoked[0]);
    memcpy(v->revoked[0], key_id, strnlen(key_id, OW_ID_MAX - 1));
    v->revoked_us[0] = revoked_us;
    v->rows.revoked_count = kept + 1;
    fill_state(v, now_us);
    tell_all(v, &v->state);
}

void verification_end_session(verification *v, const char *session_id, int64_t ended_us,
                              int64_t now_us) {
    forget_expired(v, now_us / SECOND_US);
    revoked_session_msg *added[] = {&ended_add(v, session_id, ended_us)->msg};
    verification_state news;
    overworld__identity__v1__verification_state__init(&news);
    news.sequence = next_sequence(v, now_us);
    news.is_addition = true;
    news.revoked_sessions = added;
    news.n_revoked_sessions = 1;
    news.valid_from = v->valid_from_s;
    v->state_us = now_us;
    tell_all(v, &news);
}

void verification_keys_changed(verification *v, int64_t now_us) {
    fill_state(v, now_us);
    if (v->loaded) {
        tell_all(v, &v->state);
    }
}
