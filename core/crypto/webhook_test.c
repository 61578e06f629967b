#include "core/crypto/webhook.h"

#include "core/testing/ow_test.h"

#include <stdio.h>
#include <string.h>

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define ID "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define BODY "{\"test\": 2432232314}"

// The examples of the specification and of its reference library.
static void signs_as_standard_webhooks(void **state) {
    (void)state;
    char signature[OW_WEBHOOK_SIGNATURE_MAX];
    ow_webhook_message m = {ID, 1614265330, BODY, sizeof BODY - 1};
    assert_true(ow_webhook_sign(SECRET, &m, signature));
    assert_string_equal(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    m.timestamp_s = 1674087231;
    assert_true(ow_webhook_sign(SECRET, &m, signature));
    assert_string_equal(signature, "v1,AQG81rX2n4rTN1fkXoqILSHO9gAOcwya9dP41rhrQDI=");
    assert_false(ow_webhook_sign("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &m, signature));
    assert_false(ow_webhook_sign("whsec_*", &m, signature));
}

static void makes_secrets(void **state) {
    (void)state;
    char one[OW_WEBHOOK_SECRET_MAX];
    char other[OW_WEBHOOK_SECRET_MAX];
    ow_webhook_make_secret(one);
    ow_webhook_make_secret(other);
    assert_string_not_equal(one, other);
    assert_true(ow_webhook_is_secret(one));
    assert_true(ow_webhook_is_secret(SECRET));
    assert_false(ow_webhook_is_secret("whsec_AAAA"));
    assert_false(ow_webhook_is_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw=x"));
    assert_false(ow_webhook_is_secret(""));
}

typedef struct attempt {
    const char *id, *timestamp, *signature, *body;
    int64_t now_s;
    const char *reason; // NULL: it is let in
} attempt;

#define GOOD "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define WHEN "1614265330"
#define NOW 1614265330

static const attempt attempts[] = {
    {ID, WHEN, GOOD, BODY, NOW, NULL},
    {ID, WHEN, GOOD, BODY, NOW + OW_WEBHOOK_TOLERANCE_S, NULL},
    {ID, WHEN, GOOD, BODY, NOW - OW_WEBHOOK_TOLERANCE_S, NULL},
    {ID, WHEN, "v1,AAAA v1a,xyz  " GOOD, BODY, NOW, NULL},
    {ID, WHEN, GOOD, BODY, NOW + OW_WEBHOOK_TOLERANCE_S + 1, "stale_webhook"},
    {ID, WHEN, GOOD, BODY, NOW - OW_WEBHOOK_TOLERANCE_S - 1, "stale_webhook"},
    {ID, WHEN, GOOD, BODY " ", NOW, "bad_signature"},
    {ID "x", WHEN, GOOD, BODY, NOW, "bad_signature"},
    {ID, "1614265331", GOOD, BODY, NOW, "bad_signature"},
    {ID, WHEN, "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", BODY, NOW, "bad_signature"},
    {ID, WHEN, "", BODY, NOW, "bad_signature"},
    {ID, WHEN, NULL, BODY, NOW, "bad_webhook"},
    {NULL, WHEN, GOOD, BODY, NOW, "bad_webhook"},
    {"a.b", WHEN, GOOD, BODY, NOW, "bad_webhook"},
    {ID, "", GOOD, BODY, NOW, "bad_webhook"},
    {ID, "-1", GOOD, BODY, NOW, "bad_webhook"},
    {ID, "99999999999999999999", GOOD, BODY, NOW, "bad_webhook"},
};

static void verifies_what_others_signed(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        const attempt *a = &attempts[i];
        ow_webhook_headers headers = {a->id, a->timestamp, a->signature};
        ow_err err = {.reason = ""};
        ow_code code =
            ow_webhook_verify(SECRET, &headers, a->body, strlen(a->body), a->now_s, &err);
        assert_string_equal(code == OW_OK ? "" : err.reason, a->reason != NULL ? a->reason : "");
    }
}

// The example of GitHub's documentation on validating deliveries.
static void verifies_plain_hmac(void **state) {
    (void)state;
    static const char secret[] = "It's a Secret to Everybody";
    static const char body[] = "Hello, World!";
    static const char hex[] = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    static const char base64[] = "dXEH6g6yUJ/CESIczphLijdXC211hsIsRvQ3nIsEPhc=";
    static const struct {
        const char *prefix, *mac;
        bool good;
    } cases[] = {{"sha256=", hex, true},    {"", hex, true},       {"", base64, true},
                 {"sha256=", base64, true}, {"sha1=", hex, false}, {"sha256=", "", false},
                 {"", "00", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char header[128];
        snprintf(header, sizeof header, "%s%s", cases[i].prefix, cases[i].mac);
        ow_code code = ow_webhook_verify_hmac(secret, header, body, sizeof body - 1, NULL);
        assert_int_equal(code, cases[i].good ? OW_OK : OW_UNAUTHENTICATED);
    }
    assert_int_equal(ow_webhook_verify_hmac(secret, NULL, body, 1, NULL), OW_UNAUTHENTICATED);
    assert_int_equal(ow_webhook_verify_hmac(secret, hex, body, 1, NULL), OW_UNAUTHENTICATED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(signs_as_standard_webhooks),
        OW_TEST(makes_secrets),
        OW_TEST(verifies_what_others_signed),
        OW_TEST(verifies_plain_hmac),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
