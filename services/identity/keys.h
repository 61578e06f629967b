#pragma once

// The secrets of identity, all in files of mode 0600 below the data folder:
//
//   keys/signing/<kid>   sign access tokens; the newest (greatest kid) signs, all verify. To rotate,
//                        put another one there and restart; remove the old one an hour later
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
} signing_key;

typedef struct keys {
    ow_key_ring *ring;
    signing_key signing[OW_TOKEN_KEYS_MAX]; // in order of kid
    int signing_count;
    ow_secret master;
    ow_secret refresh;
    uint8_t operator_sha256[OW_SHA256_SIZE]; // of the first operator's token
    bool operator_made;                      // the token's file is new
} keys;

// Codes: failed_precondition "unsafe_secret", internal.
ow_code keys_open(keys *k, const char *data_folder, int64_t now_us, ow_err *err);
void keys_close(keys *k); // accepts a half-opened or zeroed one

// The key that signs.
const char *keys_current(const keys *k);

refresh_key keys_refresh(const keys *k);
