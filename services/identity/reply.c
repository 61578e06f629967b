#include "services/identity/reply.h"

#include "core/timestamp/timestamp.h"

#include <stdio.h>
#include <string.h>

ow_code no_memory(ow_run *run) {
    return ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for the answer");
}

int64_t now_us(const ow_run *run) {
    const identity *self = run->self;
    return ow_clock_wall_us(self->env->clock);
}

const char *client_address(const ow_run *run) {
    return run->call->client_address;
}

author author_of(ow_run *run) {
    return (author){.entry = ow_audit_of_call(run->call, now_us(run)), .arena = run->call->arena};
}

ow_request_key request_key_of(ow_run *run, const author *by, const char *key) {
    return (ow_request_key){.title = by->entry.title,
                            .principal = by->entry.principal,
                            .method =
                                ((const ProtobufCMessage *)run->request)->descriptor->short_name,
                            .key = key,
                            .request = run->request,
                            .arena = run->call->arena,
                            .now_us = by->entry.at_us};
}

char *derived_secret(ow_run *run, const char *prefix, const char *id, size_t size) {
    const identity *self = run->self;
    uint8_t secret[OW_SHA256_SIZE];
    char text[OW_BASE64URL_SIZE(OW_SHA256_SIZE)];
    derive_secret(self->keys.master.bytes, self->keys.master.size, id, secret);
    ow_base64url_encode(secret, size < sizeof secret ? size : sizeof secret, text);
    char *made = ow_arena_printf_in(run->call->arena, "%s%s", prefix, text);
    explicit_bzero(secret, sizeof secret);
    explicit_bzero(text, sizeof text);
    return made;
}

char *dup(ow_run *run, const char *text, bool *failed) {
    char *copy = ow_arena_strdup_in(run->call->arena, text);
    *failed = *failed || copy == NULL;
    return copy;
}

Google__Protobuf__Timestamp *timestamp(ow_run *run, int64_t us, bool *failed) {
    Google__Protobuf__Timestamp *made = ow_timestamp_in(run->call->arena, us);
    *failed = *failed || made == NULL;
    return made;
}

ow_code sign_token(ow_run *run, ow_token_claims *claims, int64_t life_s, char **ret_token) {
    identity *self = run->self;
    int64_t at_us = now_us(run);
    claims->issued_s = at_us / SECOND_US;
    claims->expires_s = claims->issued_s + life_s;
    char token[OW_TOKEN_SIZE];
    ow_code code =
        ow_token_sign(self->keys.ring, keys_current(&self->keys, at_us), claims, token, run->err);
    if (code != OW_OK) {
        return code;
    }
    *ret_token = ow_arena_strdup_in(run->call->arena, token);
    return *ret_token != NULL ? OW_OK : no_memory(run);
}

void session_prepare(ow_run *run, fresh_session *ret_session) {
    const identity *self = run->self;
    new_session *row = &ret_session->row;
    refresh_key key = keys_refresh(&self->keys);
    row->now_us = now_us(run);
    row->expires_us = row->now_us + self->config.refresh_life;
    row->max_sessions = (int)self->config.max_sessions;
    ow_id_make(row->session_id, "ses_", row->now_us);
    refresh_token_make(&key, row->session_id, ret_session->refresh_token);
    refresh_token_hash(ret_session->refresh_token, row->refresh_hash);
}

// ---- The answer to a login ----

static ow_code reply_token(ow_run *run, const admission *a) {
    login_response *reply = run->reply;
    ow_token_claims claims = {.kind = OW_TOKEN_PLAYER};
    snprintf(claims.title, sizeof claims.title, "%s", a->title);
    snprintf(claims.subject, sizeof claims.subject, "%s", a->player_id);
    snprintf(claims.token_id, sizeof claims.token_id, "%s", a->session_id);
    ow_code code = sign_token(run, &claims, PLAYER_TOKEN_S, &reply->access_token);
    bool failed = false;
    if (code == OW_OK) {
        reply->expires_at = timestamp(run, claims.expires_s * SECOND_US, &failed);
    }
    return failed ? no_memory(run) : code;
}

static ow_code reply_queue(ow_run *run, const char *ticket, int64_t ahead) {
    login_response *reply = run->reply;
    bool failed = false;
    reply->queue = ow_arena_alloc(run->call->arena, sizeof *reply->queue);
    if (reply->queue == NULL) {
        return no_memory(run);
    }
    overworld__identity__v1__login_queue__init(reply->queue);
    reply->queue->ticket = dup(run, ticket, &failed);
    reply->queue->ahead = ahead;
    reply->queue->poll_after_s = TICKET_POLL_S;
    return failed ? no_memory(run) : OW_OK;
}

static ow_code queue_up(ow_run *run, const admission *a) {
    const identity *self = run->self;
    waiting_player who = {.refresh_expires_us = a->refresh_expires_us,
                          .is_new_player = a->is_new_player};
    char ticket[TICKET_SIZE];
    int64_t ahead = 0;
    snprintf(who.player_id, sizeof who.player_id, "%s", a->player_id);
    snprintf(who.title, sizeof who.title, "%s", a->title);
    snprintf(who.session_id, sizeof who.session_id, "%s", a->session_id);
    snprintf(who.refresh_token, sizeof who.refresh_token, "%s", a->refresh_token);
    ow_code code = admissions_wait(self->admissions, &who, now_us(run), ticket, &ahead, run->err);
    explicit_bzero(who.refresh_token, sizeof who.refresh_token);
    return code == OW_OK ? reply_queue(run, ticket, ahead) : code;
}

static ow_code reply_session(ow_run *run, const admission *a) {
    login_response *reply = run->reply;
    bool failed = false;
    reply->player_id = dup(run, a->player_id, &failed);
    reply->session_id = dup(run, a->session_id, &failed);
    reply->refresh_token = dup(run, a->refresh_token, &failed);
    reply->refresh_expires_at = timestamp(run, a->refresh_expires_us, &failed);
    reply->is_new_player = a->is_new_player;
    return failed ? no_memory(run) : OW_OK;
}

ow_code reply_login(ow_run *run, const admission *a) {
    identity *self = run->self;
    ow_counter_add(self->new_players, a->is_new_player ? 1 : 0);
    ow_code code = reply_session(run, a);
    if (code != OW_OK) {
        return code;
    }
    return admissions_enter(self->admissions, a->session_id, now_us(run)) ? reply_token(run, a)
                                                                          : queue_up(run, a);
}

// ---- ContinueLogin, QuitLoginQueue ----

ow_code continue_login(ow_run *run) {
    const identity *self = run->self;
    const continue_login_request *request = run->request;
    waiting_player who;
    int64_t ahead = 0;
    ow_code code =
        admissions_ask(self->admissions, request->ticket, now_us(run), &who, &ahead, run->err);
    if (code != OW_OK) {
        return code;
    }
    admission a = {.player_id = who.player_id,
                   .title = who.title,
                   .session_id = who.session_id,
                   .refresh_token = who.refresh_token,
                   .refresh_expires_us = who.refresh_expires_us,
                   .is_new_player = who.is_new_player};
    code = reply_session(run, &a);
    if (code == OW_OK) {
        code = ahead < 0 ? reply_token(run, &a) : reply_queue(run, request->ticket, ahead);
    }
    explicit_bzero(&who, sizeof who);
    return code;
}

ow_code quit_login_queue(ow_run *run) {
    const identity *self = run->self;
    const quit_queue_request *request = run->request;
    admissions_quit(self->admissions, request->ticket);
    return OW_OK;
}
