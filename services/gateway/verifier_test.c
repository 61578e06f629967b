#include "services/gateway/verifier.h"

#include "services/gateway/ended_sessions.h"

#include "core/crypto/hash.h"
#include "core/crypto/token.h"
#include "core/testing/ow_test.h"

#include <stdio.h>
#include <string.h>

#define KEY "0123456789abcdef0123456789abcdef"
#define SECOND INT64_C(1000000)

static verifier *with_key(const char *kid) {
    verifier *v = verifier_new(4);
    Overworld__Identity__V1__SigningKey key = OVERWORLD__IDENTITY__V1__SIGNING_KEY__INIT;
    Overworld__Identity__V1__SigningKey *keys[] = {&key};
    verification_state state = OVERWORLD__IDENTITY__V1__VERIFICATION_STATE__INIT;
    key.kid = (char *)(uintptr_t)kid;
    key.secret = (ProtobufCBinaryData){strlen(KEY), (uint8_t *)(uintptr_t)KEY};
    state.signing_keys = keys;
    state.n_signing_keys = 1;
    assert_int_equal(verifier_apply(v, &state, NULL), OW_OK);
    return v;
}

static void sign(const char *kid, int number, int64_t expires_s, char line[static 600]) {
    ow_key_ring *ring = ow_key_ring_new();
    ow_token_claims claims = {.kind = OW_TOKEN_PLAYER, .issued_s = 1, .expires_s = expires_s};
    char token[OW_TOKEN_SIZE];
    snprintf(claims.title, sizeof claims.title, "ttl_a");
    snprintf(claims.subject, sizeof claims.subject, "plr_%d", number);
    snprintf(claims.token_id, sizeof claims.token_id, "tok_%d", number);
    assert_int_equal(ow_key_ring_add(ring, kid, KEY, strlen(KEY), NULL), OW_OK);
    assert_int_equal(ow_token_sign(ring, kid, &claims, token, NULL), OW_OK);
    snprintf(line, 600, "Bearer %s", token);
    ow_key_ring_free(ring);
}

// More tokens than are remembered, twice each: first, recalled, or pushed out and verified again.
static void gives_each_token_its_player(void **state) {
    (void)state;
    verifier *v = with_key("k1");
    for (int i = 0; i < 100; i++) {
        char line[600];
        ow_principal principal;
        char wanted[16];
        int number = i % 17;
        sign("k1", number, 100, line);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(verifier_check(v, line, 50 * SECOND, &principal, NULL), OW_OK);
            snprintf(wanted, sizeof wanted, "plr_%d", number);
            assert_string_equal(principal.id, wanted);
            assert_string_equal(principal.title, "ttl_a");
        }
    }
    verifier_free(v);
}

static void sees_a_remembered_token_expire(void **state) {
    (void)state;
    verifier *v = with_key("k1");
    char line[600];
    ow_principal principal;
    ow_err err;
    sign("k1", 1, 100, line);
    assert_int_equal(verifier_check(v, line, 99 * SECOND, &principal, NULL), OW_OK);
    assert_int_equal(verifier_check(v, line, 100 * SECOND, &principal, &err), OW_UNAUTHENTICATED);
    assert_string_equal(err.reason, "token_expired");
    verifier_free(v);
}

// One bit anywhere makes it another token, also while the right one is remembered.
static void refuses_every_changed_byte(void **state) {
    (void)state;
    verifier *v = with_key("k1");
    char line[600];
    ow_principal principal;
    sign("k1", 1, 100, line);
    assert_int_equal(verifier_check(v, line, SECOND, &principal, NULL), OW_OK);
    for (size_t i = strlen("Bearer "); line[i] != '\0'; i++) {
        char kept = line[i];
        line[i] = kept == 'A' ? 'B' : 'A';
        assert_int_equal(verifier_check(v, line, SECOND, &principal, NULL), OW_UNAUTHENTICATED);
        line[i] = kept;
    }
    for (size_t size = strlen(line); size-- > 0;) {
        char cut[600];
        snprintf(cut, size + 1, "%s", line);
        assert_int_equal(verifier_check(v, cut, SECOND, &principal, NULL), OW_UNAUTHENTICATED);
    }
    verifier_free(v);
}

static void forgets_with_the_key(void **state) {
    (void)state;
    verifier *v = with_key("k1");
    char line[600];
    ow_principal principal;
    sign("k1", 1, 100, line);
    assert_int_equal(verifier_check(v, line, SECOND, &principal, NULL), OW_OK);
    verification_state empty = OVERWORLD__IDENTITY__V1__VERIFICATION_STATE__INIT;
    assert_int_equal(verifier_apply(v, &empty, NULL), OW_OK);
    assert_int_equal(verifier_check(v, line, SECOND, &principal, NULL), OW_UNAUTHENTICATED);
    verifier_free(v);
}

static void end_session(verifier *v, const char *session_id, int64_t until_s, int64_t valid_from) {
    Overworld__Identity__V1__RevokedSession ended = OVERWORLD__IDENTITY__V1__REVOKED_SESSION__INIT;
    Overworld__Identity__V1__RevokedSession *list[] = {&ended};
    verification_state news = OVERWORLD__IDENTITY__V1__VERIFICATION_STATE__INIT;
    ended.session_id = (char *)(uintptr_t)session_id;
    ended.until = until_s;
    news.is_addition = true;
    news.revoked_sessions = list;
    news.n_revoked_sessions = 1;
    news.valid_from = valid_from;
    assert_int_equal(verifier_apply(v, &news, NULL), OW_OK);
}

static void expect_refused(verifier *v, const char *line, const char *reason) {
    ow_principal principal;
    ow_err err;
    assert_int_equal(verifier_check(v, line, SECOND, &principal, &err), OW_UNAUTHENTICATED);
    assert_string_equal(err.reason, reason);
}

// Remembered or not: the token of an ended session is refused, others are not.
static void refuses_sessions_that_have_ended(void **state) {
    (void)state;
    verifier *v = with_key("k1");
    char line[3][600];
    ow_principal principal;
    for (int i = 0; i < 3; i++) {
        sign("k1", i, 100, line[i]);
    }
    assert_int_equal(verifier_check(v, line[0], SECOND, &principal, NULL), OW_OK);
    end_session(v, "tok_0", 5000, 0);
    end_session(v, "tok_1", 5000, 0);
    expect_refused(v, line[0], "session_ended");
    expect_refused(v, line[1], "session_ended");
    assert_int_equal(verifier_check(v, line[2], SECOND, &principal, NULL), OW_OK);
    end_session(v, "tok_9", 5000, 2); // tokens of second 1 are too old now
    expect_refused(v, line[2], "token_expired");
    verifier_free(v);
}

static void an_addition_needs_a_state(void **state) {
    (void)state;
    verifier *v = verifier_new(4);
    verification_state news = OVERWORLD__IDENTITY__V1__VERIFICATION_STATE__INIT;
    news.is_addition = true;
    assert_int_equal(verifier_apply(v, &news, NULL), OW_INVALID_ARGUMENT);
    assert_false(verifier_has_state(v));
    verifier_free(v);
}

// Against a plain list: twice as many as fit, and what is over is forgotten.
static void keeps_the_newest_ends(void **state) {
    (void)state;
    ended_sessions *ended = ended_sessions_new();
    char id[OW_ID_MAX];
    int64_t all = 2 * ENDED_SESSIONS_MAX;
    for (int64_t i = 0; i < all; i++) {
        snprintf(id, sizeof id, "ses_%026lld", (long long)i);
        ended_sessions_add(ended, id, 1000 + i, 0);
    }
    assert_int_equal(ended_sessions_count(ended), ENDED_SESSIONS_MAX);
    for (int64_t i = 0; i < all; i++) {
        snprintf(id, sizeof id, "ses_%026lld", (long long)i);
        assert_int_equal(ended_sessions_has(ended, id), i >= ENDED_SESSIONS_MAX);
    }
    ended_sessions_add(ended, "ses_new", 1000 + all, 1000 + all - 10);
    assert_int_equal(ended_sessions_count(ended), 10);
    assert_true(ended_sessions_has(ended, "ses_new"));
    assert_false(ended_sessions_has(ended, "ses_"));
    ended_sessions_free(ended);
}

static void says_that_it_has_no_keys_yet(void **state) {
    (void)state;
    verifier *v = verifier_new(4);
    ow_principal principal;
    assert_false(verifier_has_state(v));
    assert_int_equal(verifier_check(v, "Bearer a.b.c", SECOND, &principal, NULL), OW_UNAVAILABLE);
    verifier_free(v);
}

// ---- Operators ----

typedef struct cast {
    Overworld__Identity__V1__OperatorToken tokens[4], *token_list[4];
    Overworld__Identity__V1__OperatorRole roles[4], *role_list[4];
    uint8_t hashes[4][OW_SHA256_SIZE];
} cast;

// ann: everywhere a viewer, in A an admin. bob: in B a developer, with a token of ten seconds. cid:
// in A and B; a token that is a viewer's at most.
static verifier *with_operators(cast *c) {
    static const char *const tokens[][3] = {
        {"of-ann", "ann", "admin"}, {"of-bob", "bob", "admin"}, {"of-cid", "cid", "viewer"}};
    static const char *const roles[][3] = {{"ann", "", "viewer"},
                                           {"ann", "A", "admin"},
                                           {"bob", "B", "developer"},
                                           {"cid", "A", "admin"}};
    verification_state state = OVERWORLD__IDENTITY__V1__VERIFICATION_STATE__INIT;
    for (size_t i = 0; i < 3; i++) {
        overworld__identity__v1__operator_token__init(&c->tokens[i]);
        ow_sha256(tokens[i][0], strlen(tokens[i][0]), c->hashes[i]);
        c->tokens[i].sha256 = (ProtobufCBinaryData){OW_SHA256_SIZE, c->hashes[i]};
        c->tokens[i].operator_id = (char *)(uintptr_t)tokens[i][1];
        c->tokens[i].role = (char *)(uintptr_t)tokens[i][2];
        c->tokens[i].expires_at = i == 1 ? 10 : 0;
        c->token_list[i] = &c->tokens[i];
    }
    for (size_t i = 0; i < 4; i++) {
        overworld__identity__v1__operator_role__init(&c->roles[i]);
        c->roles[i].operator_id = (char *)(uintptr_t)roles[i][0];
        c->roles[i].title_id = (char *)(uintptr_t)roles[i][1];
        c->roles[i].role = (char *)(uintptr_t)roles[i][2];
        c->role_list[i] = &c->roles[i];
    }
    state.operator_tokens = c->token_list;
    state.n_operator_tokens = 3;
    state.operator_roles = c->role_list;
    state.n_operator_roles = 4;
    verifier *v = verifier_new(2);
    assert_int_equal(verifier_apply(v, &state, NULL), OW_OK);
    return v;
}

static void operators_have_the_role_of_the_title(void **state) {
    (void)state;
    static const struct {
        const char *token, *title;
        ow_role role;
        bool every_title;
    } cases[] = {
        {"Bearer of-ann", "", OW_ROLE_VIEWER, true},
        {"Bearer of-ann", "A", OW_ROLE_ADMIN, false},
        {"Bearer of-ann", "B", OW_ROLE_VIEWER, true},
        {"Bearer of-bob", "", OW_ROLE_NONE, false},
        {"Bearer of-bob", "A", OW_ROLE_NONE, false},
        {"Bearer of-bob", "B", OW_ROLE_DEVELOPER, false},
        {"Bearer of-cid", "A", OW_ROLE_VIEWER, false},
        {"Bearer of-cid", "B", OW_ROLE_NONE, false},
    };
    static cast c;
    verifier *v = with_operators(&c);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ow_principal who;
        assert_int_equal(verifier_check(v, cases[i].token, 0, &who, NULL), OW_OK);
        assert_int_equal(who.kind, OW_OPERATOR);
        snprintf(who.title, sizeof who.title, "%s", cases[i].title);
        assert_int_equal(verifier_grant(v, &who), cases[i].role != OW_ROLE_NONE);
        assert_int_equal(who.role, cases[i].role);
        assert_int_equal(who.every_title, cases[i].every_title);
    }
    verifier_free(v);
}

static void an_operators_token_ends_in_time(void **state) {
    (void)state;
    static cast c;
    ow_principal who;
    ow_err err;
    verifier *v = with_operators(&c);
    assert_int_equal(verifier_check(v, "Bearer of-bob", 9 * SECOND, &who, &err), OW_OK);
    assert_string_equal(verifier_only_title(v, &who), "B");
    assert_false(verifier_knows_every_title(v, &who));
    assert_int_equal(verifier_check(v, "Bearer of-bob", 10 * SECOND, &who, &err),
                     OW_UNAUTHENTICATED);
    assert_string_equal(err.reason, "token_expired");
    assert_int_equal(verifier_check(v, "Bearer of-eve", 0, &who, &err), OW_UNAUTHENTICATED);
    assert_string_equal(err.reason, "bad_token");
    assert_int_equal(verifier_check(v, "Bearer of-ann", 0, &who, &err), OW_OK);
    assert_null(verifier_only_title(v, &who));
    assert_true(verifier_knows_every_title(v, &who));
    verifier_free(v);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators_have_the_role_of_the_title),
        cmocka_unit_test(an_operators_token_ends_in_time),
        cmocka_unit_test(gives_each_token_its_player),
        cmocka_unit_test(sees_a_remembered_token_expire),
        cmocka_unit_test(refuses_every_changed_byte),
        cmocka_unit_test(forgets_with_the_key),
        cmocka_unit_test(refuses_sessions_that_have_ended),
        cmocka_unit_test(an_addition_needs_a_state),
        cmocka_unit_test(keeps_the_newest_ends),
        cmocka_unit_test(says_that_it_has_no_keys_yet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
