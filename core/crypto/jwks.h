#pragma once

// Public keys of others, as they publish them: JSON Web Key Sets (RFC 7517). RSA keys for RS256 and
// P-256 keys for ES256 (RFC 7518) are taken; others in the set are passed over, since a set may hold
// keys for purposes that are not ours.

#include "core/error/error.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    OW_JWKS_SIZE_MAX = 256 << 10, // bytes of a set
    OW_JWKS_KEYS_MAX = 64,
    OW_JWKS_KID_MAX = 255,
};

typedef struct ow_jwks ow_jwks;

// Reads a set. Heap; ow_jwks_free. Codes: invalid_argument "bad_jwks" (no JSON, no
// "keys", more than OW_JWKS_KEYS_MAX, a key that is malformed, too weak, private, or has another's kid),
// failed_precondition "no_keys" (none that can be used), resource_exhausted "out_of_memory".
ow_code ow_jwks_parse(const char *text, size_t size, ow_jwks **ret_jwks, ow_err *err);

// Accepts NULL; returns NULL. A set never changes: any number of threads may verify with it.
ow_jwks *ow_jwks_free(ow_jwks *jwks);

size_t ow_jwks_count(const ow_jwks *jwks);

// True when there is a key of this name.
bool ow_jwks_has(const ow_jwks *jwks, const char *kid);

typedef enum ow_jws_algorithm { OW_JWS_RS256, OW_JWS_ES256 } ow_jws_algorithm;

typedef struct ow_jws {
    ow_jws_algorithm algorithm;
    const char *kid;  // "": the only key for the algorithm
    const void *text; // what was signed
    size_t text_size;
    const unsigned char *signature;
    size_t signature_size;
} ow_jws;

// Checks a signature. Any thread. Codes: unauthenticated "unknown_key" (no key of this name for this
// algorithm) or "bad_signature".
ow_code ow_jwks_verify(const ow_jwks *jwks, const ow_jws *signed_text, ow_err *err);
