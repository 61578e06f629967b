#include "services/identity/verification.h"

#include "services/identity/identity_logic.h"

#include <stdlib.h>
#include <string.h>

// A token given just before its key was revoked lives that long; a minute for clocks that differ.
#define REVOKED_KEPT_US ((SERVER_TOKEN_S + 60) * SECOND_US)

struct verification {
    const keys *keys;
    watcher *watchers;
    bool loaded, stopped;
    int64_t sequence;
    verification_rows rows;
    char revoked[REVOKED_MAX][OW_ID_MAX];
    int64_t revoked_us[REVOKED_MAX];

    // The message, pointing at the above.
    verification_state state;
    signing_key_msg signing[OW_TOKEN_KEYS_MAX];
    signing_key_msg *signing_list[OW_TOKEN_KEYS_MAX];
    operator_token_msg operators[OPERATORS_MAX];
    operator_token_msg *operator_list[OPERATORS_MAX];
    char *revoked_list[REVOKED_MAX];
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

static void fill_operators(verification *v) {
    for (int i = 0; i < v->rows.operator_count; i++) {
        operator_row *row = &v->rows.operators[i];
        overworld__identity__v1__operator_token__init(&v->operators[i]);
        v->operators[i].operator_id = row->operator_id;
        v->operators[i].role = row->role;
        v->operators[i].sha256.data = row->token_sha256;
        v->operators[i].sha256.len = sizeof row->token_sha256;
        v->operator_list[i] = &v->operators[i];
    }
    v->state.operator_tokens = v->operator_list;
    v->state.n_operator_tokens = (size_t)v->rows.operator_count;
}

// Newest first, so what is too old stands at the end.
static void forget_old(verification *v, int64_t now_us) {
    while (v->rows.revoked_count > 0 &&
           v->revoked_us[v->rows.revoked_count - 1] < now_us - REVOKED_KEPT_US) {
        v->rows.revoked_count--;
    }
}

static void fill_state(verification *v, int64_t now_us) {
    overworld__identity__v1__verification_state__init(&v->state);
    // Higher than any before, also than those before a restart.
    v->sequence = now_us > v->sequence ? now_us : v->sequence + 1;
    v->state.sequence = v->sequence;
    fill_signing(v);
    fill_operators(v);
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

static void tell_all(verification *v) {
    for (watcher *w = v->watchers; w != NULL; w = w->next) {
        // Whoever is too slow is being cancelled, and told by on_cancel later.
        ow_run_send(w->run, &v->state.base);
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
    tell_all(v);
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
    tell_all(v);
}
