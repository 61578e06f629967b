// What one check of an access token costs when it was never seen before: form, key, signature, claims.
// Prints one JSON object.

#include "core/crypto/token.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define PLAYERS 16000
#define CHECKS 1000000

static double cpu_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

int main(void) {
    static char tokens[PLAYERS][OW_TOKEN_SIZE];
    static const char key[] = "a key of the bench, with 32 bytes";
    ow_key_ring *ring = ow_key_ring_new();
    ow_token_claims claims = {.kind = OW_TOKEN_PLAYER, .issued_s = 1, .expires_s = 3601};
    snprintf(claims.title, sizeof claims.title, "ttl_%026d", 1);
    if (ring == NULL || ow_key_ring_add(ring, "sig_1", key, sizeof key - 1, NULL) != OW_OK) {
        return 1;
    }
    for (int i = 0; i < PLAYERS; i++) {
        snprintf(claims.subject, sizeof claims.subject, "plr_%026d", i);
        snprintf(claims.token_id, sizeof claims.token_id, "ses_%026d", i);
        if (ow_token_sign(ring, "sig_1", &claims, tokens[i], NULL) != OW_OK) {
            return 1;
        }
    }
    int refused = 0;
    double before = cpu_us();
    for (int i = 0; i < CHECKS; i++) {
        const char *token = tokens[i % PLAYERS];
        refused += ow_token_verify(ring, token, strlen(token), 5, &claims, NULL) != OW_OK;
    }
    printf("{\"us\":%.4f,\"players\":%d,\"refused\":%d}\n", (cpu_us() - before) / CHECKS, PLAYERS,
           refused);
    ow_key_ring_free(ring);
    return refused == 0 ? 0 : 1;
}
