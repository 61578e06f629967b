#pragma once

// The secrets of identity, all in files of mode 0600 below the data folder:
//
//   keys/signing/<kid>   sign access tokens; the newest (greatest kid) signs, all verify. To rotate,
//                        ask for it, or put another one there and restart
//   keys/server-keys     the master from which the secrets of server keys are derived
//   keys/refresh         tells our refresh tokens from others'; without it every session must log in
//                        again when its access token ends
//   operator.token       the first operator's token
//
// What is missing is made. A file that others may read is refused.

#include "services/identity/refresh_token.h"

#include "core/crypto/hash.h"
#include "core/crypto/secret.h"
#include "core/crypto/token.h"
#include "core/error/error.h"
#include "core/id/id.h"
#include "core/log/log.h"

typedef struct signing_key {
    char kid[OW_ID_MAX];
    ow_secret secret;
    int64_t signs_from_us; // until then the one before it signs
} signing_key;

typedef struct keys {
    ow_key_ring *ring;
    signing_key signing[OW_TOKEN_KEYS_MAX]; // in order of kid
    int signing_count;
    int64_t opened_us;
    ow_secret master;
    ow_secret refresh;
    uint8_t operator_sha256[OW_SHA256_SIZE]; // of the first operator's token
    bool operator_made;                      // the token's file is new
} keys;

// Codes: failed_precondition "unsafe_secret", internal.
ow_code keys_open(keys *k, const char *data_folder, int64_t now_us, ow_err *err);
void keys_close(keys *k); // accepts a half-opened or zeroed one

// The key that signs now.
const char *keys_current(const keys *k, int64_t now_us);

// ---- Rotation, in this order ----

// The name of the next key, greater than all there are.
void keys_next_kid(const keys *k, int64_t now_us, char ret_kid[static OW_ID_MAX]);

// The keys with which no live token can be signed: their successors have signed for longer than tokens
// live. Fills at most OW_TOKEN_KEYS_MAX names; returns how many.
int keys_outlived(const keys *k, int64_t now_us, char ret_kids[][OW_ID_MAX]);

// Makes the file of a key, and removes those of others. Any thread. Codes: internal.
ow_code keys_file_make(const char *data_folder, const char *kid, ow_secret *ret_secret,
                       ow_err *err);
void keys_file_remove(const char *data_folder, const char *kid);

// Takes a key (its secret moves here), which signs from `signs_from_us` on. Codes: failed_precondition
// "too_many_keys".
ow_code keys_take(keys *k, const char *kid, ow_secret *secret, int64_t signs_from_us, ow_err *err);
void keys_drop(keys *k, const char *kid);

refresh_key keys_refresh(const keys *k);
