// Any bytes as a key set, as an id token: the readers must stand them, and
// nothing passes, since nobody has the private keys.

#include "core/crypto/id_token.h"
#include "core/crypto/jwks.h"
#include "core/testing/scarce.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZE_MAX_TRIED = 8192 };

// Public keys whose private ones were thrown away.
static const char published[] =
    "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"r1\",\"use\":\"sig\",\"alg\":\"RS256\",\"n\":"
    "\"tnOJB1b-oiNRAhcdU_pgcnvKZejhqntLJ76NElkcOHa0Wxb2iWZ0FDrj6HpD02OGbd0bEqSKhJjGu0vkM4"
    "RMdHI5vBrrm6t0NquevmDo31z3OueFpU3JqWoHdv88yQiGqYg-cHkmTRReLD4WKNgoSN87nDXQ1V42OikrPV"
    "HbPM-NJ-7iGTOvUEJbqRw4C7fSnmJ9-z4n8CUX2qQNxKqIRCgWz4IvYe-Pqo9aUut0e0U6TfnIM2dVJKx0_m"
    "9pv21TQdVX62XfKaOaw-R28wWrXqeSIP1NNIvAS5YU4EVCW6NOhkV3Ipe7VjgmoeBaVtMvRbaMcZepM66oVj"
    "6NmqaHpQ\",\"e\":\"AQAB\"},{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"e1\",\"x\":\""
    "ELKbgVTH6tY2DbRalBjwZVSQRwaANTik8oxTCYqoDu8\",\"y\":\"TPM1oDaY8sOm7MAm9r1Hzjlz_7xdLl"
    "XVlwT9hVGQm-Q\"}]}";

static void must(bool holds) {
    if (!holds) {
        abort();
    }
}

static void try_as_keys(const uint8_t *data, size_t size) {
    ow_jwks *keys = NULL;
    if (ow_jwks_parse((const char *)data, size, &keys, NULL) == OW_OK) {
        must(ow_jwks_count(keys) > 0 && ow_jwks_count(keys) <= OW_JWKS_KEYS_MAX);
    }
    ow_jwks_free(keys);
}

static void try_as_token(const ow_jwks *keys, const char *token) {
    static const char *const names[] = {"i", NULL}, *const games[] = {"game", NULL};
    ow_id_rules rules = {
        .issuers = names, .audiences = games, .nonce = "", .now_s = 5, .skew_s = 1};
    ow_id_claims claims;
    ow_code code = ow_id_token_verify(keys, &rules, token, &claims, NULL);
    must(code == OW_UNAUTHENTICATED || (code != OW_OK && ow_scarce_has_failed()));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > SIZE_MAX_TRIED) {
        return 0;
    }
    ow_jwks *keys = NULL;
    bool have_keys = ow_jwks_parse(published, sizeof published - 1, &keys, NULL) == OW_OK;
    char *token = malloc(size + 1);
    if (!have_keys || token == NULL) {
        must(ow_scarce_has_failed());
        ow_jwks_free(keys);
        free(token);
        return 0;
    }
    memcpy(token, data, size);
    token[size] = '\0';
    try_as_keys(data, size);
    try_as_token(keys, token);
    free(token);
    ow_jwks_free(keys);
    return 0;
}
