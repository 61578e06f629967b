#include "services/identity/reply.h"

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

char *dup(ow_run *run, const char *text, bool *failed) {
    char *copy = ow_arena_strdup_in(run->call->arena, text);
    *failed = *failed || copy == NULL;
    return copy;
}

Google__Protobuf__Timestamp *timestamp(ow_run *run, int64_t us, bool *failed) {
    Google__Protobuf__Timestamp *made = ow_arena_alloc(run->call->arena, sizeof *made);
    if (made == NULL) {
        *failed = true;
        return NULL;
    }
    google__protobuf__timestamp__init(made);
    made->seconds = us / SECOND_US;
    made->nanos = (int32_t)(us % SECOND_US) * 1000;
    return made;
}

ow_code sign_token(ow_run *run, ow_token_claims *claims, int64_t life_s, char **ret_token) {
    identity *self = run->self;
    claims->issued_s = now_us(run) / SECOND_US;
    claims->expires_s = claims->issued_s + life_s;
    char token[OW_TOKEN_SIZE];
    ow_code code =
        ow_token_sign(self->keys.ring, keys_current(&self->keys), claims, token, run->err);
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

ow_code reply_login(ow_run *run, const admission *a) {
    identity *self = run->self;
    login_response *reply = run->reply;
    ow_token_claims claims = {.kind = OW_TOKEN_PLAYER};
    snprintf(claims.title, sizeof claims.title, "%s", a->title);
    snprintf(claims.subject, sizeof claims.subject, "%s", a->player_id);
    snprintf(claims.token_id, sizeof claims.token_id, "%s", a->session_id);
    ow_code code = sign_token(run, &claims, PLAYER_TOKEN_S, &reply->access_token);
    if (code != OW_OK) {
        return code;
    }
    bool failed = false;
    reply->expires_at = timestamp(run, claims.expires_s * SECOND_US, &failed);
    reply->player_id = dup(run, a->player_id, &failed);
    reply->session_id = dup(run, a->session_id, &failed);
    reply->refresh_token = dup(run, a->refresh_token, &failed);
    reply->refresh_expires_at = timestamp(run, a->refresh_expires_us, &failed);
    reply->is_new_player = a->is_new_player;
    ow_counter_add(self->new_players, a->is_new_player ? 1 : 0);
    return failed ? no_memory(run) : OW_OK;
}
