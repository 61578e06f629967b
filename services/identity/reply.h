#pragma once

// What the methods' files share: time, copies in the call's arena, tokens. Loop steps, unless said
// otherwise.

#include "services/identity/internal.h"
#include "services/identity/sessions_store.h"

#include "core/crypto/token.h"
#include "core/request_key/request_key.h"

// resource_exhausted "out_of_memory". Any step.
ow_code no_memory(ow_run *run);

int64_t now_us(const ow_run *run);

// Of whoever asked from outside; "" when it is not known.
const char *client_address(const ow_run *run);

// Whoever makes a change with this call, now.
author author_of(ow_run *run);

// The request_key of this call, for core/request_key. In a write step.
ow_request_key request_key_of(ow_run *run, const author *by, const char *key);

// The secret of what has this id (see derive_secret): `prefix` and the first `size` bytes in base64url, in
// the call's arena. NULL when there is no memory.
char *derived_secret(ow_run *run, const char *prefix, const char *id, size_t size);

// Copies in the call's arena; `failed` becomes true when there is no memory.
char *dup(ow_run *run, const char *text, bool *failed);
Google__Protobuf__Timestamp *timestamp(ow_run *run, int64_t us, bool *failed);

// A token in the call's arena. The claims' times are filled here.
ow_code sign_token(ow_run *run, ow_token_claims *claims, int64_t life_s, char **ret_token);

// A session that is about to begin: its id and refresh token.
typedef struct fresh_session {
    new_session row;
    char refresh_token[REFRESH_TOKEN_SIZE];
} fresh_session;

void session_prepare(ow_run *run, fresh_session *ret_session);

// Who has been let in, with what.
typedef struct admission {
    const char *player_id, *title, *session_id, *refresh_token;
    int64_t refresh_expires_us;
    bool is_new_player;
} admission;

// Fills a login_response with what is in `a` and an access token, or a place in the queue when as many
// players are in as may be. Codes: resource_exhausted "login_queue_full".
ow_code reply_login(ow_run *run, const admission *a);

ow_code continue_login(ow_run *run);
ow_code quit_login_queue(ow_run *run);
