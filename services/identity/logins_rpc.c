// DeviceLogin, CustomLogin, EmailLogin.

#include "services/identity/announcements.h"
#include "services/identity/methods.h"

#include <stdio.h>
#include <string.h>

// ---- What all logins do ----

ow_code arrival_begin(ow_run *run, arriving *state, const manner *manner) {
    ow_code code = check_manner(manner->platform, manner->custom, run->err);
    if (code != OW_OK) {
        return code;
    }
    session_prepare(run, &state->session);
    arrival *row = &state->row;
    row->title = run->call->principal->title;
    row->platform = manner->platform;
    row->custom = manner->custom;
    row->existing_only = manner->existing_only;
    row->now_us = state->session.row.now_us;
    ow_id_make(row->fresh_player_id, "plr_", row->now_us);
    return OW_OK;
}

static ow_code secret_id_check(ow_run *run, login_kind kind, const char *id, const char *reason) {
    arriving *state = run->state;
    const char *title = run->call->principal->title;
    ow_code code = check_title(title, run->err);
    code = code == OW_OK ? check_secret_id(id, reason, run->err) : code;
    if (code == OW_OK) {
        state->row.key = (login_key){.kind = kind, .shown = "", .password = ""};
        hash_login(title, kind, id, state->row.key.hash);
    }
    return code;
}

ow_code arrive_store(ow_run *run) {
    arriving *state = run->state;
    arrival *row = &state->row;
    ow_code code = store_arrive(run->db, row, run->err);
    state->session.row.is_first = row->is_new;
    if (code == OW_OK) {
        code =
            store_session_begin(run->db, &state->session.row, row->player_id, row->title, run->err);
    }
    return code == OW_OK ? announce_login(run, state) : code;
}

ow_code arrive_reply(ow_run *run) {
    identity *self = run->self;
    const arriving *state = run->state;
    const fresh_session *session = &state->session;
    ow_counter_add(self->logins, 1);
    announce_kick(run);
    return reply_login(run, &(admission){.player_id = state->row.player_id,
                                         .title = state->row.title,
                                         .session_id = session->row.session_id,
                                         .refresh_token = session->refresh_token,
                                         .refresh_expires_us = session->row.expires_us,
                                         .is_new_player = state->row.is_new});
}

// ---- DeviceLogin, CustomLogin ----

ow_code device_login_check(ow_run *run) {
    const device_login_request *request = run->request;
    ow_code code = secret_id_check(run, LOGIN_DEVICE, request->device_id, "bad_device_id");
    manner manner = {request->platform, request->custom, request->existing_only};
    return code == OW_OK ? arrival_begin(run, run->state, &manner) : code;
}

ow_code custom_login_check(ow_run *run) {
    const custom_login_request *request = run->request;
    ow_code code = secret_id_check(run, LOGIN_CUSTOM, request->custom_id, "bad_custom_id");
    manner manner = {request->platform, request->custom, request->existing_only};
    return code == OW_OK ? arrival_begin(run, run->state, &manner) : code;
}

// ---- EmailLogin ----

ow_code password_attempt(ow_run *run, const char *account) {
    identity *self = run->self;
    attempt who = {.kind = "player",
                   .title = run->call->principal->title,
                   .account = account,
                   .address = run->call->client_address};
    int64_t wait_us = attempts_take(self->attempts, &who, ow_clock_mono_us(self->env->clock));
    return wait_us == 0 ? OW_OK
                        : ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "too_many_attempts",
                                  "too many wrong passwords: try again in %lld s",
                                  (long long)(wait_us / SECOND_US + 1));
}

void password_was_right(ow_run *run, const char *account) {
    identity *self = run->self;
    attempts_succeeded(self->attempts, &(attempt){.kind = "player",
                                                  .title = run->call->principal->title,
                                                  .account = account,
                                                  .address = run->call->client_address});
}

ow_code email_login_check(ow_run *run) {
    const identity *self = run->self;
    const email_login_request *request = run->request;
    arriving *state = run->state;
    const char *title = run->call->principal->title;
    ow_code code = check_title(title, run->err);
    code = code == OW_OK ? normalize_email(request->email, state->email, run->err) : code;
    if (code == OW_OK) {
        code = check_manner(request->platform, request->custom, run->err);
    }
    if (code == OW_OK) {
        code = request->create ? check_new_password(request->password, state->email,
                                                    (int)self->config.password_min, run->err)
                               : check_password_form(request->password, run->err);
    }
    code = code == OW_OK ? password_attempt(run, state->email) : code;
    if (code == OW_OK) {
        state->row.key = (login_key){.kind = LOGIN_EMAIL, .shown = state->email, .password = ""};
        hash_login(title, LOGIN_EMAIL, state->email, state->row.key.hash);
        manner manner = {request->platform, request->custom, !request->create};
        code = arrival_begin(run, state, &manner);
    }
    return code;
}

ow_code email_login_find(ow_run *run) {
    arriving *state = run->state;
    login_row row;
    ow_code code = store_login_find(run->db, state->row.key.hash, &row, run->err);
    state->is_known = code == OW_OK;
    if (state->is_known) {
        memcpy(state->password_hash, row.password, sizeof state->password_hash);
    }
    return code == OW_NOT_FOUND ? OW_OK : code;
}

ow_code bad_credentials(ow_run *run) {
    return ow_fail(run->err, OW_UNAUTHENTICATED, "bad_credentials",
                   "there is no such e-mail address and password here");
}

// One hash's time, whatever comes of it.
ow_code email_login_verify(ow_run *run) {
    const email_login_request *request = run->request;
    arriving *state = run->state;
    size_t length = strlen(request->password);
    if (!state->is_known && request->create) {
        state->row.key.password = state->password_hash;
        return ow_password_hash(request->password, length, state->password_hash, run->err);
    }
    const char *hash = state->is_known ? state->password_hash : unknown_password_hash;
    if (!ow_password_verify(hash, request->password, length) || !state->is_known) {
        return bad_credentials(run);
    }
    state->row.key.password = state->password_hash;
    return OW_OK;
}

ow_code email_login_reply(ow_run *run) {
    const arriving *state = run->state;
    password_was_right(run, state->email);
    return arrive_reply(run);
}
