#include "core/crypto/token.h"

#include "core/crypto/hash.h"
#include "core/testing/ow_test.h"

#include <stdio.h>
#include <string.h>

static const char key_bytes[] = "0123456789abcdef0123456789abcdef";

static const ow_token_claims player = {
    .kind = OW_TOKEN_PLAYER,
    .title = "ttl_01ARZ3NDEKTSV4RRFFQ69G5FAV",
    .subject = "plr_01ARZ3NDEKTSV4RRFFQ69G5FAV",
    .token_id = "tok_01ARZ3NDEKTSV4RRFFQ69G5FAV",
    .issued_s = 1000,
    .expires_s = 4600,
};

static int setup(void **state) {
    ow_key_ring *ring = ow_key_ring_new();
    *state = ring;
    return ring == NULL || ow_key_ring_add(ring, "k1", key_bytes, 32, NULL) != OW_OK;
}

static int teardown(void **state) {
    assert_null(ow_key_ring_free(*state));
    return 0;
}

static ow_code verify(ow_key_ring *ring, const char *token, int64_t now_s, ow_err *err) {
    ow_token_claims claims;
    return ow_token_verify(ring, token, strlen(token), now_s, &claims, err);
}

static void a_token_comes_back(void **state) {
    char token[OW_TOKEN_SIZE];
    assert_int_equal(ow_token_sign(*state, "k1", &player, token, NULL), OW_OK);
    ow_token_claims claims = {0};
    assert_int_equal(ow_token_verify(*state, token, strlen(token), 4599, &claims, NULL), OW_OK);
    assert_int_equal(claims.kind, OW_TOKEN_PLAYER);
    assert_string_equal(claims.title, player.title);
    assert_string_equal(claims.subject, player.subject);
    assert_string_equal(claims.token_id, player.token_id);
    assert_int_equal(claims.issued_s, 1000);
    assert_int_equal(claims.expires_s, 4600);
    ow_err err;
    assert_int_equal(verify(*state, token, 4600, &err), OW_UNAUTHENTICATED);
    assert_string_equal(err.reason, "token_expired");
}

// What any JWT library would do with the same key, step by step.
static void the_form_is_jwt(void **state) {
    char token[OW_TOKEN_SIZE];
    assert_int_equal(ow_token_sign(*state, "k1", &player, token, NULL), OW_OK);
    const char *dot = strchr(token, '.');
    const char *second = strchr(dot + 1, '.');
    uint8_t part[OW_TOKEN_SIZE];
    int64_t size = ow_base64url_decode(token, (size_t)(dot - token), part, sizeof part);
    const char *header = "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"k1\"}";
    assert_int_equal(size, strlen(header));
    assert_memory_equal(part, header, (size_t)size);
    uint8_t mac[OW_SHA256_SIZE];
    ow_hmac_sha256(key_bytes, 32, token, (size_t)(second - token), mac);
    char signature[OW_BASE64URL_SIZE(OW_SHA256_SIZE)];
    ow_base64url_encode(mac, sizeof mac, signature);
    assert_string_equal(second + 1, signature);
}

static void every_changed_character_breaks_it(void **state) {
    char token[OW_TOKEN_SIZE];
    assert_int_equal(ow_token_sign(*state, "k1", &player, token, NULL), OW_OK);
    size_t length = strlen(token);
    for (size_t i = 0; i < length; i++) {
        char before = token[i];
        token[i] = before == 'A' ? 'B' : 'A';
        ow_err err;
        assert_int_equal(verify(*state, token, 2000, &err), OW_UNAUTHENTICATED);
        assert_string_equal(err.reason, "bad_token");
        token[i] = before;
    }
    for (size_t cut = 0; cut < length; cut++) {
        ow_token_claims claims;
        assert_int_equal(ow_token_verify(*state, token, cut, 2000, &claims, NULL),
                         OW_UNAUTHENTICATED);
    }
    assert_int_equal(verify(*state, token, 2000, NULL), OW_OK);
}

static void forge(char token[static OW_TOKEN_SIZE], const char *header, const char *payload) {
    size_t used = ow_base64url_encode(header, strlen(header), token);
    token[used++] = '.';
    used += ow_base64url_encode(payload, strlen(payload), token + used);
    uint8_t mac[OW_SHA256_SIZE];
    ow_hmac_sha256(key_bytes, 32, token, used, mac);
    token[used++] = '.';
    ow_base64url_encode(mac, sizeof mac, token + used);
}

#define GOOD_HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"k1\"}"

static void nobody_chooses_the_algorithm(void **state) {
    static const char *const headers[] = {
        "{\"alg\":\"none\",\"typ\":\"JWT\",\"kid\":\"k1\"}",
        "{\"alg\":\"HS512\",\"typ\":\"JWT\",\"kid\":\"k1\"}",
        "{\"typ\":\"JWT\",\"alg\":\"HS256\",\"kid\":\"k1\"}",
        "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"k2\"}",
        "{\"alg\":\"HS256\",\"typ\":\"JWT\"}",
        "",
    };
    const char *payload =
        "{\"kind\":\"player\",\"title\":\"t\",\"sub\":\"p\",\"jti\":\"j\",\"iat\":"
        "1,\"exp\":9999}";
    char token[OW_TOKEN_SIZE];
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        forge(token, headers[i], payload);
        assert_int_equal(verify(*state, token, 2000, NULL), OW_UNAUTHENTICATED);
    }
    forge(token, GOOD_HEADER, payload);
    assert_int_equal(verify(*state, token, 2000, NULL), OW_OK);
}

static void other_claims_are_refused(void **state) {
    static const char *const payloads[] = {
        "{\"kind\":\"admin\",\"title\":\"t\",\"sub\":\"p\",\"jti\":\"j\",\"iat\":1,\"exp\":9999}",
        "{\"kind\":\"player\",\"title\":\"\",\"sub\":\"p\",\"jti\":\"j\",\"iat\":1,\"exp\":9999}",
        "{\"kind\":\"player\",\"title\":\"t\",\"sub\":\"p\",\"jti\":\"j\",\"iat\":1}",
        "{\"kind\":\"player\",\"title\":\"t\",\"sub\":\"p\",\"jti\":\"j\",\"iat\":1,\"exp\":1e9}",
        "{\"kind\":\"player\",\"title\":\"t\",\"sub\":\"p\",\"jti\":\"j\",\"iat\":1,\"exp\":-1}",
        "{\"kind\":\"player\",\"title\":\"t\",\"sub\":\"p\",\"jti\":\"j\",\"iat\":1,\"exp\":9999} ",
        "{\"kind\":\"player\",\"title\":\"t\",\"sub\":\"p\",\"jti\":\"j\",\"iat\":1,\"exp\":9999999999999}",
        "{\"kind\":\"player\",\"title\":\"t\\\"\",\"sub\":\"p\",\"jti\":\"j\",\"iat\":1,\"exp\":9}",
        "{}",
        "",
    };
    char token[OW_TOKEN_SIZE];
    for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
        ow_err err;
        forge(token, GOOD_HEADER, payloads[i]);
        assert_int_equal(verify(*state, token, 2000, &err), OW_UNAUTHENTICATED);
        assert_string_equal(err.reason, "bad_token");
    }
}

static void keys_come_and_go(void **state) {
    ow_key_ring *ring = *state;
    char token[OW_TOKEN_SIZE];
    assert_int_equal(ow_token_sign(ring, "k1", &player, token, NULL), OW_OK);
    char other[33] = "another key, of 32 bytes as well";
    assert_int_equal(ow_key_ring_add(ring, "k2", other, 32, NULL), OW_OK);
    assert_int_equal(verify(ring, token, 2000, NULL), OW_OK);
    ow_key_ring_remove(ring, "k1");
    assert_int_equal(ow_key_ring_count(ring), 1);
    assert_int_equal(verify(ring, token, 2000, NULL), OW_UNAUTHENTICATED);
    assert_int_equal(ow_token_sign(ring, "k1", &player, token, NULL), OW_NOT_FOUND);
    assert_int_equal(ow_token_sign(ring, "k2", &player, token, NULL), OW_OK);
    assert_int_equal(verify(ring, token, 2000, NULL), OW_OK);
    // The same name with another key: what the old one signed is void.
    assert_int_equal(ow_key_ring_add(ring, "k2", key_bytes, 32, NULL), OW_OK);
    assert_int_equal(verify(ring, token, 2000, NULL), OW_UNAUTHENTICATED);
    ow_key_ring_remove(ring, "nobody");
}

static void bad_keys_and_claims_are_refused(void **state) {
    ow_key_ring *ring = *state;
    assert_int_equal(ow_key_ring_add(ring, "short", key_bytes, 31, NULL), OW_INVALID_ARGUMENT);
    assert_int_equal(ow_key_ring_add(ring, "", key_bytes, 32, NULL), OW_INVALID_ARGUMENT);
    assert_int_equal(ow_key_ring_add(ring, "a\"b", key_bytes, 32, NULL), OW_INVALID_ARGUMENT);
    char kid[8];
    for (int i = 2; i <= OW_TOKEN_KEYS_MAX; i++) {
        snprintf(kid, sizeof kid, "k%d", i);
        assert_int_equal(ow_key_ring_add(ring, kid, key_bytes, 32, NULL), OW_OK);
    }
    assert_int_equal(ow_key_ring_add(ring, "more", key_bytes, 32, NULL), OW_RESOURCE_EXHAUSTED);

    char token[OW_TOKEN_SIZE];
    ow_token_claims bad = player;
    bad.title[0] = '"';
    assert_int_equal(ow_token_sign(ring, "k1", &bad, token, NULL), OW_INVALID_ARGUMENT);
    bad = player;
    bad.subject[0] = '\0';
    assert_int_equal(ow_token_sign(ring, "k1", &bad, token, NULL), OW_INVALID_ARGUMENT);
    bad = player;
    bad.expires_s = bad.issued_s;
    assert_int_equal(ow_token_sign(ring, "k1", &bad, token, NULL), OW_INVALID_ARGUMENT);
}

static void the_longest_token_fits(void **state) {
    ow_key_ring *ring = *state;
    char kid[OW_ID_MAX];
    memset(kid, 'k', sizeof kid - 1);
    kid[sizeof kid - 1] = '\0';
    ow_token_claims claims = {.kind = OW_TOKEN_PLAYER,
                              .issued_s = INT64_C(999999999998),
                              .expires_s = INT64_C(999999999999)};
    memcpy(claims.title, kid, sizeof kid);
    memcpy(claims.subject, kid, sizeof kid);
    memcpy(claims.token_id, kid, sizeof kid);
    char token[OW_TOKEN_SIZE];
    assert_int_equal(ow_key_ring_add(ring, kid, key_bytes, 32, NULL), OW_OK);
    assert_int_equal(ow_token_sign(ring, kid, &claims, token, NULL), OW_OK);
    assert_int_equal(verify(ring, token, 2000, NULL), OW_OK);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_token_comes_back),
        CASE(the_form_is_jwt),
        CASE(every_changed_character_breaks_it),
        CASE(nobody_chooses_the_algorithm),
        CASE(other_claims_are_refused),
        CASE(keys_come_and_go),
        CASE(bad_keys_and_claims_are_refused),
        CASE(the_longest_token_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
