// RefreshSession, Logout, LogoutEverywhere.

#include "services/identity/announcements.h"
#include "services/identity/methods.h"

#include <stdio.h>
#include <string.h>

static ow_code bad_refresh_token(ow_run *run) {
    return ow_fail(run->err, OW_UNAUTHENTICATED, "bad_refresh_token",
                   "this refresh token is not valid, or its session has ended: log in again");
}

// ---- RefreshSession ----

ow_code refresh_check(ow_run *run) {
    const identity *self = run->self;
    const refresh_request *request = run->request;
    session_refreshing *state = run->state;
    session_refresh *row = &state->row;
    refresh_key key = keys_refresh(&self->keys);
    if (!refresh_token_read(&key, request->refresh_token, row->session_id)) {
        return bad_refresh_token(run);
    }
    row->title = run->call->principal->title;
    row->now_us = now_us(run);
    row->expires_us = row->now_us + self->config.refresh_life;
    row->grace_us = self->config.refresh_grace;
    refresh_token_next(&key, request->refresh_token, state->next_token);
    refresh_token_hash(request->refresh_token, row->shown_hash);
    refresh_token_hash(state->next_token, row->next_hash);
    return OW_OK;
}

ow_code refresh_store(ow_run *run) {
    session_refreshing *state = run->state;
    return store_session_refresh(run->db, &state->row, run->err);
}

ow_code refresh_reply(ow_run *run) {
    identity *self = run->self;
    const session_refreshing *state = run->state;
    const session_refresh *row = &state->row;
    if (row->outcome == REFRESH_REUSED) {
        ow_counter_add(self->reused_tokens, 1);
        verification_end_session(self->verification, row->session_id, row->now_us, now_us(run));
        admissions_leave(self->admissions, row->session_id);
        return ow_fail(run->err, OW_UNAUTHENTICATED, "refresh_token_reused",
                       "this refresh token was used before: its session has been ended, log in "
                       "again");
    }
    if (row->outcome != REFRESH_GOOD) {
        return bad_refresh_token(run);
    }
    ow_counter_add(self->refreshes, 1);
    return reply_login(run, &(admission){.player_id = row->player_id,
                                         .title = row->session_title,
                                         .session_id = row->session_id,
                                         .refresh_token = state->next_token,
                                         .refresh_expires_us = row->expires_us});
}

// ---- Logout ----

void tell_ended(ow_run *run, const ended_sessions *ended, int64_t ended_us) {
    identity *self = run->self;
    for (int i = 0; i < ended->id_count; i++) {
        verification_end_session(self->verification, ended->ids[i], ended_us, now_us(run));
        admissions_leave(self->admissions, ended->ids[i]);
    }
    announce_kick(run);
}

ow_code logout_check(ow_run *run) {
    const identity *self = run->self;
    const logout_request *request = run->request;
    session_ending *state = run->state;
    refresh_key key = keys_refresh(&self->keys);
    state->now_us = now_us(run);
    return refresh_token_read(&key, request->refresh_token, state->session_id)
               ? OW_OK
               : bad_refresh_token(run);
}

ow_code logout_store(ow_run *run) {
    session_ending *state = run->state;
    ow_code code = announce_logout(run, state->session_id);
    return code == OW_OK ? store_session_end(run->db, state->session_id, state->now_us,
                                             &state->ended, run->err)
                         : code;
}

ow_code logout_tell(ow_run *run) {
    const session_ending *state = run->state;
    tell_ended(run, &state->ended, state->now_us);
    return OW_OK;
}

ow_code logout_everywhere_check(ow_run *run) {
    session_ending *state = run->state;
    state->now_us = now_us(run);
    return OW_OK;
}

ow_code logout_everywhere_store(ow_run *run) {
    session_ending *state = run->state;
    const char *player_id = run->call->principal->id;
    ow_code code =
        store_player_sessions_end(run->db, player_id, state->now_us, &state->ended, run->err);
    return code == OW_OK ? announce_logouts(run, player_id, &state->ended) : code;
}

ow_code logout_everywhere_tell(ow_run *run) {
    const session_ending *state = run->state;
    logout_everywhere_response *reply = run->reply;
    tell_ended(run, &state->ended, state->now_us);
    reply->ended_sessions = state->ended.count;
    return OW_OK;
}
