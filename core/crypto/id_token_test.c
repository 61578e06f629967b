// Id tokens and key sets: what must pass, and a table of what must not.

#include "core/crypto/id_token.h"

#include "core/crypto/hash.h"
#include "core/crypto/jws_signer.h"
#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW 1700000000
#define RS_HEADER "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"r1\"}"
#define ES_HEADER "{\"alg\":\"ES256\",\"kid\":\"e1\"}"
#define GOOD_CLAIMS                                                                                 \
    "{\"iss\":\"https://issuer.example\",\"aud\":\"game\",\"sub\":\"player-1\",\"iat\":1699999990," \
    "\"exp\":1700000600}"

static const char *const issuers[] = {"https://issuer.example", "issuer.example", NULL};
static const char *const audiences[] = {"game", "game-ios", NULL};
static const ow_id_rules rules = {
    .issuers = issuers, .audiences = audiences, .nonce = "", .now_s = NOW, .skew_s = 60};

typedef struct fixture {
    jws_signer *rsa, *ec, *stranger;
    ow_jwks *keys;
} fixture;

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    char set[4096], rsa[1024], ec[512];
    f->rsa = jws_signer_new("RS256");
    f->ec = jws_signer_new("ES256");
    f->stranger = jws_signer_new("RS256");
    jws_signer_jwk(f->rsa, "\"kid\":\"r1\",\"use\":\"sig\",\"alg\":\"RS256\"", rsa, sizeof rsa);
    jws_signer_jwk(f->ec, "\"kid\":\"e1\"", ec, sizeof ec);
    snprintf(set, sizeof set, "{\"keys\":[%s,{\"kty\":\"OKP\",\"crv\":\"Ed25519\"},%s]}", rsa, ec);
    ow_err err = {0};
    assert_ow_ok(ow_jwks_parse(set, strlen(set), &f->keys, &err), &err);
    assert_int_equal(ow_jwks_count(f->keys), 2);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    jws_signer_free(f->rsa);
    jws_signer_free(f->ec);
    jws_signer_free(f->stranger);
    ow_jwks_free(f->keys);
    free(f);
    return 0;
}

static void expect(const fixture *f, const jws_signer *by, const char *header, const char *claims,
                   const char *reason) {
    char token[4096];
    ow_id_claims read = {0};
    ow_err err = {0};
    jws_signer_sign(by, header, claims, token, sizeof token);
    ow_code code = ow_id_token_verify(f->keys, &rules, token, &read, &err);
    if (strcmp(err.reason, reason) != 0 || code != (reason[0] ? OW_UNAUTHENTICATED : OW_OK)) {
        fail_msg("%s %s: \"%s\" instead of \"%s\"", header, claims, err.reason, reason);
    }
}

static void both_algorithms_are_taken(void **state) {
    fixture *f = *state;
    char token[4096];
    ow_id_claims claims = {0};
    ow_err err = {0};
    jws_signer_sign(f->rsa, RS_HEADER, GOOD_CLAIMS, token, sizeof token);
    assert_ow_ok(ow_id_token_verify(f->keys, &rules, token, &claims, &err), &err);
    assert_string_equal(claims.subject, "player-1");
    assert_int_equal(claims.expires_s, 1700000600);
    expect(f, f->ec, ES_HEADER, GOOD_CLAIMS, "");
    // Without a name the only key for the algorithm is meant.
    expect(f, f->rsa, "{\"alg\":\"RS256\"}", GOOD_CLAIMS, "");
}

static void headers_choose_nothing(void **state) {
    fixture *f = *state;
    static const struct {
        const char *header, *reason;
    } table[] = {
        {"{\"alg\":\"none\"}", "bad_id_token"},
        {"{\"alg\":\"None\",\"kid\":\"r1\"}", "bad_id_token"},
        {"{\"alg\":\"HS256\",\"kid\":\"r1\"}", "bad_id_token"},
        {"{\"alg\":\"RS384\",\"kid\":\"r1\"}", "bad_id_token"},
        {"{\"alg\":\"PS256\",\"kid\":\"r1\"}", "bad_id_token"},
        {"{\"alg\":\"rs256\",\"kid\":\"r1\"}", "bad_id_token"},
        {"{\"alg\":[\"RS256\"],\"kid\":\"r1\"}", "bad_id_token"},
        {"{\"kid\":\"r1\"}", "bad_id_token"},
        {"{\"alg\":\"none\",\"alg\":\"RS256\",\"kid\":\"r1\"}", "bad_id_token"},
        {"{\"alg\":\"RS256\",\"kid\":\"r1\",\"kid\":\"e1\"}", "bad_id_token"},
        {"{\"alg\":\"RS256\",\"kid\":\"\"}", "bad_id_token"},
        {"{\"alg\":\"RS256\",\"kid\":1}", "bad_id_token"},
        {"{\"alg\":\"RS256\",\"kid\":\"r1\\u0000x\"}", "bad_id_token"},
        {"{\"alg\":\"RS256\",\"kid\":\"r1\",\"crit\":[\"exp\"]}", "bad_id_token"},
        {"{\"alg\":\"RS256\",\"kid\":\"r1\",\"typ\":\"at+jwt\"}", "bad_id_token"},
        {"{\"alg\":\"RS256\",\"kid\":\"r1\",\"typ\":3}", "bad_id_token"},
        {"{\"alg\":\"ES256\",\"kid\":\"r1\"}", "unknown_key"},
        {"{\"alg\":\"RS256\",\"kid\":\"e1\"}", "unknown_key"},
        {"{\"alg\":\"RS256\",\"kid\":\"../../dev/null\"}", "unknown_key"},
        {"{\"alg\":\"RS256\",\"kid\":\"r1' OR 1=1\"}", "unknown_key"},
        {"{\"alg\":\"RS256\",\"kid\":\"R1\"}", "unknown_key"},
        {"[]", "bad_id_token"},
        {"\"RS256\"", "bad_id_token"},
        {"{", "bad_id_token"},
        {"", "bad_id_token"},
        {"{\"alg\":\"RS256\",\"typ\":\"jwt\",\"kid\":\"r1\",\"jku\":\"https://evil.example\"}", ""},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        expect(f, f->rsa, table[i].header, GOOD_CLAIMS, table[i].reason);
    }
}

// The public key as if it were the secret of an HMAC; somebody's own key in the header.
static void keys_are_not_mixed_up(void **state) {
    fixture *f = *state;
    char jwk[1024], header[2048];
    jws_signer_jwk(f->stranger, "\"kid\":\"r1\"", jwk, sizeof jwk);
    snprintf(header, sizeof header, "{\"alg\":\"RS256\",\"kid\":\"r1\",\"jwk\":%s}", jwk);
    expect(f, f->stranger, header, GOOD_CLAIMS, "bad_signature");
    expect(f, f->stranger, RS_HEADER, GOOD_CLAIMS, "bad_signature");
    expect(f, f->rsa, ES_HEADER, GOOD_CLAIMS, "bad_signature");
    expect(f, f->ec, RS_HEADER, GOOD_CLAIMS, "bad_signature");
}

#define WITH(claims)                                                                               \
    "{\"iss\":\"https://issuer.example\",\"aud\":\"game\",\"sub\":\"player-1\"," claims "}"
#define FOR(audience)                                                                              \
    "{\"iss\":\"https://issuer.example\",\"sub\":\"player-1\",\"iat\":1699999990,"                 \
    "\"exp\":1700000600" audience "}"

static void claims_are_compared(void **state) {
    fixture *f = *state;
    static const struct {
        const char *claims, *reason;
    } table[] = {
        // Times, with a minute for clocks that differ.
        {WITH("\"iat\":1699999990,\"exp\":1699999941"), ""},
        {WITH("\"iat\":1699999990,\"exp\":1699999940"), "id_token_expired"},
        {WITH("\"iat\":1699999990,\"exp\":0"), "id_token_expired"},
        {WITH("\"iat\":1700000060,\"exp\":1700000600"), ""},
        {WITH("\"iat\":1700000061,\"exp\":1700000600"), "id_token_too_early"},
        {WITH("\"iat\":1,\"nbf\":1700000060,\"exp\":1700000600"), ""},
        {WITH("\"iat\":1,\"nbf\":1700000061,\"exp\":1700000600"), "id_token_too_early"},
        {WITH("\"iat\":1699999990.5,\"exp\":1700000600.25"), ""},
        {WITH("\"iat\":1699999990"), "bad_id_token"},
        {WITH("\"exp\":1700000600"), "bad_id_token"},
        {WITH("\"iat\":1699999990,\"exp\":\"1700000600\""), "bad_id_token"},
        {WITH("\"iat\":1699999990,\"exp\":-1"), "bad_id_token"},
        {WITH("\"iat\":1699999990,\"exp\":1e300"), "bad_id_token"},
        {WITH("\"iat\":1699999990,\"exp\":1700000600,\"nbf\":\"soon\""), "bad_id_token"},
        {WITH("\"iat\":1699999990,\"exp\":1,\"exp\":1700000600"), "bad_id_token"},
        // For whom.
        {FOR(",\"aud\":\"game-ios\""), ""},
        {FOR(",\"aud\":[\"other\",\"game\"]"), ""},
        {FOR(",\"aud\":[\"other\",\"game\"],\"azp\":\"game\""), ""},
        {FOR(",\"aud\":[\"other\",\"game\"],\"azp\":\"other\""), "wrong_audience"},
        {FOR(",\"aud\":\"other\""), "wrong_audience"},
        {FOR(",\"aud\":\"gam\""), "wrong_audience"},
        {FOR(",\"aud\":[]"), "wrong_audience"},
        {FOR(",\"aud\":{\"game\":1}"), "wrong_audience"},
        {FOR(",\"aud\":\"game\",\"azp\":1"), "wrong_audience"},
        {FOR(""), "wrong_audience"},
        // From whom, about whom.
        {"{\"iss\":\"https://issuer.example/\",\"aud\":\"game\",\"sub\":\"a\",\"iat\":1,"
         "\"exp\":1700000600}",
         "wrong_issuer"},
        {"{\"aud\":\"game\",\"sub\":\"a\",\"iat\":1,\"exp\":1700000600}", "wrong_issuer"},
        {"{\"iss\":\"issuer.example\",\"aud\":\"game\",\"sub\":\"\",\"iat\":1,\"exp\":1700000600}",
         "bad_id_token"},
        {"{\"iss\":\"issuer.example\",\"aud\":\"game\",\"sub\":7,\"iat\":1,\"exp\":1700000600}",
         "bad_id_token"},
        {"{\"iss\":\"issuer.example\",\"aud\":\"game\",\"sub\":\"a\\nb\",\"iat\":1,"
         "\"exp\":1700000600}",
         "bad_id_token"},
        {"{\"iss\":\"issuer.example\",\"aud\":\"game\",\"sub\":\"a\\u0000b\",\"iat\":1,"
         "\"exp\":1700000600}",
         "bad_id_token"},
        {"[]", "bad_id_token"},
        {"", "bad_id_token"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        expect(f, f->rsa, RS_HEADER, table[i].claims, table[i].reason);
    }
}

static void a_nonce_binds_to_a_login(void **state) {
    fixture *f = *state;
    char token[4096];
    ow_id_claims claims;
    ow_err err = {0};
    ow_id_rules with = rules;
    with.nonce = "n-1";
    jws_signer_sign(f->rsa, RS_HEADER, GOOD_CLAIMS, token, sizeof token);
    assert_ow_code(ow_id_token_verify(f->keys, &with, token, &claims, &err), OW_UNAUTHENTICATED,
                   &err);
    assert_string_equal(err.reason, "wrong_nonce");
    jws_signer_sign(f->rsa, RS_HEADER,
                    WITH("\"nonce\":\"n-1\",\"iat\":1699999990,\"exp\":1700000600"), token,
                    sizeof token);
    assert_ow_ok(ow_id_token_verify(f->keys, &with, token, &claims, &err), &err);
}

// One character changed anywhere, or the end cut off, makes it another token.
static void every_byte_counts(void **state) {
    fixture *f = *state;
    const jws_signer *signers[] = {f->rsa, f->ec};
    const char *const headers[] = {RS_HEADER, ES_HEADER};
    for (int i = 0; i < 2; i++) {
        char token[4096];
        ow_id_claims claims;
        jws_signer_sign(signers[i], headers[i], GOOD_CLAIMS, token, sizeof token);
        size_t length = strlen(token);
        for (size_t at = 0; at < length; at++) {
            char kept = token[at];
            token[at] = kept == 'A' ? 'B' : 'A';
            assert_int_equal(ow_id_token_verify(f->keys, &rules, token, &claims, NULL),
                             OW_UNAUTHENTICATED);
            token[at] = '\0';
            assert_int_equal(ow_id_token_verify(f->keys, &rules, token, &claims, NULL),
                             OW_UNAUTHENTICATED);
            token[at] = kept;
        }
        token[length] = '.';
        token[length + 1] = '\0';
        assert_int_equal(ow_id_token_verify(f->keys, &rules, token, &claims, NULL),
                         OW_UNAUTHENTICATED);
    }
}

static void long_tokens_are_not_read(void **state) {
    fixture *f = *state;
    char *token = malloc(OW_ID_TOKEN_MAX + 2);
    ow_id_claims claims;
    memset(token, 'A', OW_ID_TOKEN_MAX + 1);
    token[10] = token[20] = '.';
    token[OW_ID_TOKEN_MAX + 1] = '\0';
    assert_int_equal(ow_id_token_verify(f->keys, &rules, token, &claims, NULL), OW_UNAUTHENTICATED);
    free(token);
}

// ---- Key sets ----

#define ONE "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\""
#define OFF_THE_CURVE "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":" ONE ",\"y\":" ONE "}]}"

static void refuse_set(const char *set, const char *reason) {
    ow_jwks *keys = NULL;
    ow_err err = {0};
    if (ow_jwks_parse(set, strlen(set), &keys, &err) == OW_OK || strcmp(err.reason, reason) != 0) {
        fail_msg("%.80s: \"%s\" instead of \"%s\"", set, err.reason, reason);
    }
}

static void bad_sets_are_refused(void **state) {
    fixture *f = *state;
    static const char *const malformed[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"keys\":{}}",
        "{\"keys\":[1]}",
        "{\"keys\":[[]]}",
        "{\"keys\":[{\"kty\":\"RSA\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}]}",
        OFF_THE_CURVE,
    };
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        refuse_set(malformed[i], "bad_jwks");
    }
    refuse_set("{\"keys\":[]}", "no_keys");
    refuse_set("{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}", "no_keys");
    refuse_set("{\"keys\":[{\"kty\":\"RSA\",\"use\":\"enc\"},{\"kty\":\"EC\",\"crv\":\"P-384\"}]}",
               "no_keys");
    char set[4096], one[1024], two[1024];
    jws_signer_jwk(f->rsa, "\"kid\":\"k\"", one, sizeof one);
    jws_signer_jwk(f->stranger, "\"kid\":\"k\"", two, sizeof two);
    snprintf(set, sizeof set, "{\"keys\":[%s,%s]}", one, two);
    refuse_set(set, "bad_jwks");
    jws_signer_jwk(f->rsa, "\"kid\":\"k\",\"d\":\"AAAA\"", one, sizeof one);
    snprintf(set, sizeof set, "{\"keys\":[%s]}", one);
    refuse_set(set, "bad_jwks");
}

static void sets_have_a_bound(void **state) {
    (void)state;
    size_t room = OW_JWKS_SIZE_MAX + 64;
    char *set = malloc(room);
    size_t used = (size_t)snprintf(set, room, "{\"keys\":[");
    for (int i = 0; i <= OW_JWKS_KEYS_MAX; i++) {
        used += (size_t)snprintf(set + used, room - used, "%s{\"kty\":\"oct\"}", i > 0 ? "," : "");
    }
    snprintf(set + used, room - used, "]}");
    refuse_set(set, "bad_jwks");
    memset(set, ' ', room - 1);
    set[room - 1] = '\0';
    refuse_set(set, "bad_jwks");
    free(set);
}

static void two_unnamed_keys_are_none(void **state) {
    fixture *f = *state;
    char set[4096], one[1024], two[1024], token[4096];
    jws_signer_jwk(f->rsa, "\"kid\":\"a\"", one, sizeof one);
    jws_signer_jwk(f->stranger, "\"kid\":\"b\"", two, sizeof two);
    snprintf(set, sizeof set, "{\"keys\":[%s,%s]}", one, two);
    ow_jwks *keys = NULL;
    assert_int_equal(ow_jwks_parse(set, strlen(set), &keys, NULL), OW_OK);
    assert_true(ow_jwks_has(keys, "a") && ow_jwks_has(keys, "b") && !ow_jwks_has(keys, "c"));
    jws_signer_sign(f->rsa, "{\"alg\":\"RS256\"}", GOOD_CLAIMS, token, sizeof token);
    ow_id_claims claims;
    ow_err err = {0};
    assert_int_equal(ow_id_token_verify(keys, &rules, token, &claims, &err), OW_UNAUTHENTICATED);
    assert_string_equal(err.reason, "unknown_key");
    ow_jwks_free(keys);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(both_algorithms_are_taken), OW_TEST(headers_choose_nothing),
        OW_TEST(keys_are_not_mixed_up),     OW_TEST(claims_are_compared),
        OW_TEST(a_nonce_binds_to_a_login),  OW_TEST(every_byte_counts),
        OW_TEST(long_tokens_are_not_read),  OW_TEST(bad_sets_are_refused),
        OW_TEST(sets_have_a_bound),         OW_TEST(two_unnamed_keys_are_none),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
