#pragma once

// Refresh tokens: "<session id>.<tag>.<secret>". The tag (HMAC of the session's id) tells what we made
// from what somebody made up, without asking the store; the secret is another one after each use. The
// next token is derived from the one that is shown, so that a client that did not hear the answer may
// ask again and gets the same one, though the store knows nothing but hashes. No I/O. Any thread.

#include "core/crypto/hash.h"
#include "core/id/id.h"

#include <stdbool.h>

#define REFRESH_TOKEN_SIZE 98 // with NUL

typedef struct refresh_key {
    const void *bytes;
    size_t size;
} refresh_key;

// The first token of a session ("ses_" and a ULID).
void refresh_token_make(const refresh_key *key, const char *session_id,
                        char ret_token[static REFRESH_TOKEN_SIZE]);

// The one that follows `token`, which refresh_token_read accepts.
void refresh_token_next(const refresh_key *key, const char *token,
                        char ret_token[static REFRESH_TOKEN_SIZE]);

// True when the text is a token that we made, or that was made by somebody who has one of the same
// session.
bool refresh_token_read(const refresh_key *key, const char *text,
                        char ret_session_id[static OW_ID_MAX]);

// What a token is stored as.
void refresh_token_hash(const char *token, uint8_t ret_hash[static OW_SHA256_SIZE]);
