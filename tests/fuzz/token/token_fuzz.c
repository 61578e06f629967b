// Any bytes as a token: none may pass but the one that is ours. And any bytes as claims behind a
// right header and in front of a right signature: the reader must stand them.

#include "core/crypto/hash.h"
#include "core/crypto/token.h"
#include "core/testing/scarce.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PAYLOAD_MAX = 280 };

static const char key[] = "a key that nobody is to know, 32";

static void must(bool holds) {
    if (!holds) {
        abort();
    }
}

static void try_as_token(ow_key_ring *ring, const char *ours, const uint8_t *data, size_t size) {
    // A copy of its own size, so that reading past its end is seen.
    char *token = malloc(size + 1);
    if (token == NULL) {
        return;
    }
    memcpy(token, data, size);
    bool same = size == strlen(ours) && memcmp(token, ours, size) == 0;
    ow_token_claims claims;
    bool passed = ow_token_verify(ring, token, size, 5, &claims, NULL) == OW_OK;
    must(passed == same || (same && ow_scarce_has_failed()));
    free(token);
}

static void try_as_claims(ow_key_ring *ring, const char *ours, const uint8_t *data, size_t size) {
    char token[OW_TOKEN_SIZE];
    uint8_t mac[OW_SHA256_SIZE];
    size_t used = (size_t)(strchr(ours, '.') - ours) + 1;
    memcpy(token, ours, used);
    used += ow_base64url_encode(data, size, token + used);
    ow_hmac_sha256(key, sizeof key - 1, token, used, mac);
    token[used++] = '.';
    used += ow_base64url_encode(mac, sizeof mac, token + used);
    ow_token_claims claims;
    if (ow_token_verify(ring, token, used, 5, &claims, NULL) == OW_OK) {
        must(strlen(claims.title) < OW_ID_MAX && claims.expires_s > 5);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const ow_token_claims claims = {
        .title = "t", .subject = "s", .token_id = "j", .issued_s = 1, .expires_s = 9};
    char ours[OW_TOKEN_SIZE];
    ow_key_ring *ring = ow_key_ring_new();
    if (ring == NULL || ow_key_ring_add(ring, "k", key, sizeof key - 1, NULL) != OW_OK ||
        ow_token_sign(ring, "k", &claims, ours, NULL) != OW_OK) {
        must(ow_scarce_has_failed());
        ow_key_ring_free(ring);
        return 0;
    }
    try_as_token(ring, ours, data, size);
    if (size <= PAYLOAD_MAX) {
        try_as_claims(ring, ours, data, size);
    }
    ow_key_ring_free(ring);
    return 0;
}
