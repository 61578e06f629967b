#pragma once

// Id tokens of OpenID Connect providers: JSON Web Tokens (RFC 7519, 7515) that others have signed. The
// algorithm is never the token's choice: RS256 and ES256 alone, with a published key of that kind. Key
// material and addresses in a token's header are not looked at.

#include "core/crypto/jwks.h"
#include "core/error/error.h"

#include <stdint.h>

enum {
    OW_ID_TOKEN_MAX = 16 << 10, // bytes of a token
    OW_ID_SUBJECT_MAX = 255,    // OpenID Connect Core chapter 2
};

typedef struct ow_id_rules {
    const char *const *issuers; // "iss" is one of them; NULL-ended
    const char *const
        *audiences;    // "aud" has one of them, "azp" is one when it is there; NULL-ended
    const char *nonce; // "nonce" is this; "": not compared
    int64_t now_s;
    int64_t skew_s; // how far clocks may differ
} ow_id_rules;

typedef struct ow_id_claims {
    char subject[OW_ID_SUBJECT_MAX + 1];
    int64_t expires_s;
} ow_id_claims;

// Checks form, signature and claims ("exp" and "iat" must be there). Any thread. Codes:
// unauthenticated "bad_id_token" (form, algorithm), "unknown_key", "bad_signature", "wrong_issuer",
// "wrong_audience", "wrong_nonce", "id_token_expired", "id_token_too_early".
ow_code ow_id_token_verify(const ow_jwks *keys, const ow_id_rules *rules, const char *token,
                           ow_id_claims *ret_claims, ow_err *err);
