#pragma once

// Access tokens: JSON Web Tokens (RFC 7519) with HMAC-SHA256 in the compact form (RFC 7515), made
// and read by this platform alone. Any JWT library can read them; we accept only what we write: the
// header must be, byte for byte, that of a key we hold, so that nobody chooses the algorithm, and
// the claims stand in our order.
//
//     {"alg":"HS256","typ":"JWT","kid":"k1"} .
//     {"kind":"player","title":"ttl_..","sub":"plr_..","jti":"tok_..","iat":1,"exp":3601}
//
// A key ring belongs to one thread at a time: it keeps a prepared context for each key, which makes
// signing and verifying cost about a microsecond.

#include "core/error/error.h"
#include "core/id/id.h"

#include <stddef.h>
#include <stdint.h>

#define OW_TOKEN_SIZE 512 // with NUL
#define OW_TOKEN_KEYS_MAX 16
#define OW_TOKEN_KEY_MIN 32 // bytes

typedef enum ow_token_kind { OW_TOKEN_PLAYER, OW_TOKEN_SERVER } ow_token_kind;

// Ids are 1..39 characters of A-Z a-z 0-9 _ -.
typedef struct ow_token_claims {
    ow_token_kind kind;
    char title[OW_ID_MAX];
    char subject[OW_ID_MAX]; // the player or the server key
    char token_id[OW_ID_MAX];
    int64_t issued_s; // seconds since the Unix epoch
    int64_t expires_s;
} ow_token_claims;

typedef struct ow_key_ring ow_key_ring;

// Heap; ow_key_ring_free wipes the keys. NULL when out of memory.
ow_key_ring *ow_key_ring_new(void);
ow_key_ring *ow_key_ring_free(ow_key_ring *ring);

// Adds a key under its name (as an id); it is copied. The same name again replaces it. Codes:
// invalid_argument "bad_key" (name, or fewer than OW_TOKEN_KEY_MIN bytes), resource_exhausted
// "too_many_keys", internal.
ow_code ow_key_ring_add(ow_key_ring *ring, const char *kid, const void *key, size_t size,
                        ow_err *err);
void ow_key_ring_remove(ow_key_ring *ring, const char *kid);
size_t ow_key_ring_count(const ow_key_ring *ring);

// Writes a token signed with the key `kid`. Codes: not_found "no_key", invalid_argument
// "bad_claims".
ow_code ow_token_sign(ow_key_ring *ring, const char *kid, const ow_token_claims *claims,
                      char ret_token[static OW_TOKEN_SIZE], ow_err *err);

// Checks form, key, signature and expiry (`now_s` >= expires_s is too late), fills the claims.
// Codes: unauthenticated "bad_token" or "token_expired" (only for one that was ours).
ow_code ow_token_verify(ow_key_ring *ring, const char *token, size_t length, int64_t now_s,
                        ow_token_claims *ret_claims, ow_err *err);
