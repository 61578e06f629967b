// RotateSigningKey.

#include "services/identity/methods.h"

#include <stdio.h>
#include <string.h>

// In which every gateway has heard of a new key, or is cut off and will get all keys at once.
static const int64_t SPREAD_US = 10 * SECOND_US;

ow_code rotate_check(ow_run *run) {
    const identity *self = run->self;
    key_rotation *state = run->state;
    state->by = author_of(run);
    state->data_folder = self->env->data_folder;
    state->signs_from_us = state->by.entry.at_us + SPREAD_US;
    keys_next_kid(&self->keys, state->by.entry.at_us, state->kid);
    state->outlived = keys_outlived(&self->keys, state->by.entry.at_us, state->outlived_kids);
    if (self->keys.signing_count - state->outlived >= OW_TOKEN_KEYS_MAX) {
        return ow_fail(run->err, OW_FAILED_PRECONDITION, "too_many_keys",
                       "there are %d signing keys with which live tokens may be signed: wait until "
                       "the oldest is an hour old",
                       OW_TOKEN_KEYS_MAX);
    }
    return OW_OK;
}

// The file first: what is told to nobody does no harm, and is there after a restart.
ow_code rotate_make(ow_run *run) {
    key_rotation *state = run->state;
    ow_secret secret = {0};
    ow_code code = keys_file_make(state->data_folder, state->kid, &secret, run->err);
    ow_secret_deinit(&secret); // read again on the loop, when nothing can fail in between
    return code;
}

ow_code rotate_store(ow_run *run) {
    const key_rotation *state = run->state;
    ow_audit_entry entry = state->by.entry;
    entry.title = "";
    entry.action = "signing_key.rotate";
    entry.object = state->kid;
    entry.after = ow_audit_state_in(state->by.arena, "ii", "signs_from_us", state->signs_from_us,
                                    "removed", (int64_t)state->outlived);
    return ow_audit_append(run->db, &entry, run->err);
}

ow_code rotate_tell(ow_run *run) {
    identity *self = run->self;
    key_rotation *state = run->state;
    ow_secret secret = {0};
    ow_code code = keys_file_make(state->data_folder, state->kid, &secret, run->err);
    for (int i = 0; code == OW_OK && i < state->outlived; i++) {
        keys_drop(&self->keys, state->outlived_kids[i]);
    }
    if (code == OW_OK) {
        code = keys_take(&self->keys, state->kid, &secret, state->signs_from_us, run->err);
    }
    ow_secret_deinit(&secret);
    if (code == OW_OK) {
        verification_keys_changed(self->verification, now_us(run));
    }
    return code;
}

ow_code rotate_clean(ow_run *run) {
    const key_rotation *state = run->state;
    for (int i = 0; i < state->outlived; i++) {
        keys_file_remove(state->data_folder, state->outlived_kids[i]);
    }
    return OW_OK;
}

ow_code rotate_reply(ow_run *run) {
    key_rotation *state = run->state;
    rotate_key_response *reply = run->reply;
    bool failed = false;
    reply->kid = dup(run, state->kid, &failed);
    reply->signs_from = timestamp(run, state->signs_from_us, &failed);
    reply->removed = ow_arena_calloc(run->call->arena, OW_TOKEN_KEYS_MAX, sizeof(char *));
    for (int i = 0; reply->removed != NULL && i < state->outlived; i++) {
        reply->removed[reply->n_removed++] = dup(run, state->outlived_kids[i], &failed);
    }
    return failed || reply->removed == NULL ? no_memory(run) : OW_OK;
}
