#include "services/identity/test_fixture.h"

#include "services/identity/identity_logic.h"
#include "services/identity/migrations/migrations.h"

#include "core/crypto/secret.h"
#include "core/crypto/token.h"
#include "core/db_sqlite/db_sqlite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY_US (INT64_C(24) * 3600 * SECOND_US)

static device_login_request device(const char *id) {
    device_login_request request = OVERWORLD__IDENTITY__V1__DEVICE_LOGIN_REQUEST__INIT;
    request.device_id = (char *)id;
    request.platform = (char *)"linux";
    return request;
}

// ---- What gateways see ----

static void watch(fixture *f, answer *a) {
    static const Overworld__Identity__V1__WatchVerificationRequest request =
        OVERWORLD__IDENTITY__V1__WATCH_VERIFICATION_REQUEST__INIT;
    ask_begin(f, &platform, "WatchVerification", &request.base, a);
    answer_wait(f, a, 1);
}

static void watch_end(fixture *f, answer *a) {
    ow_call_cancel(a->call, OW_CANCELLED);
    answer_wait(f, a, 1000);
    assert_true(a->ended);
    answer_deinit(a);
}

// Verifies a token as a gateway would, with what WatchVerification says.
static void verify(fixture *f, const char *token, ow_token_claims *claims) {
    answer a;
    watch(f, &a);
    const verification_state *state = (const verification_state *)a.message;
    ow_key_ring *ring = ow_key_ring_new();
    for (size_t i = 0; i < state->n_signing_keys; i++) {
        const signing_key_msg *key = state->signing_keys[i];
        assert_ow_ok(ow_key_ring_add(ring, key->kid, key->secret.data, key->secret.len, NULL),
                     NULL);
    }
    ow_err err = {0};
    int64_t now_s = ow_clock_wall_us(f->stage.clock) / SECOND_US;
    assert_ow_ok(ow_token_verify(ring, token, strlen(token), now_s, claims, &err), &err);
    ow_key_ring_free(ring);
    watch_end(f, &a);
}

// ---- Players ----

static void a_device_keeps_its_player(void **state) {
    fixture *f = *state;
    device_login_request request = device("device-0001");
    answer first, again, other_title;
    ASK_OK(f, &nobody, "DeviceLogin", &request, &first);
    ASK_OK(f, &nobody, "DeviceLogin", &request, &again);
    stage_caller elsewhere = nobody;
    elsewhere.title = "ttl_b";
    ASK_OK(f, &elsewhere, "DeviceLogin", &request, &other_title);
    const login_response *a = (const login_response *)first.message;
    const login_response *b = (const login_response *)again.message;
    const login_response *c = (const login_response *)other_title.message;
    assert_true(a->is_new_player && !b->is_new_player && c->is_new_player);
    assert_true(ow_id_is(a->player_id, "plr_") && ow_id_is(a->session_id, "ses_"));
    assert_string_equal(a->player_id, b->player_id);
    assert_string_not_equal(a->session_id, b->session_id);
    assert_string_not_equal(a->player_id, c->player_id);

    ow_token_claims claims;
    verify(f, b->access_token, &claims);
    assert_int_equal(claims.kind, OW_TOKEN_PLAYER);
    assert_string_equal(claims.subject, a->player_id);
    assert_string_equal(claims.title, "ttl_a");
    assert_string_equal(claims.token_id, b->session_id);
    assert_int_equal(claims.expires_s - claims.issued_s, 3600);
    assert_int_equal(claims.expires_s, b->expires_at->seconds);
    answer_deinit(&first);
    answer_deinit(&again);
    answer_deinit(&other_title);
}

static void many_logins_at_once_make_one_player(void **state) {
    enum { LOGINS = 50 };
    fixture *f = *state;
    device_login_request request = device("device-0002");
    answer all[LOGINS];
    for (int i = 0; i < LOGINS; i++) {
        ask_begin(f, &nobody, "DeviceLogin", &request.base, &all[i]);
    }
    int new_players = 0;
    for (int i = 0; i < LOGINS; i++) {
        answer_wait(f, &all[i], 1);
        assert_ow_ok(all[i].code, &all[i].err);
        const login_response *reply = (const login_response *)all[i].message;
        new_players += reply->is_new_player;
        assert_string_equal(reply->player_id, ((const login_response *)all[0].message)->player_id);
    }
    assert_int_equal(new_players, 1);
    for (int i = 0; i < LOGINS; i++) {
        answer_deinit(&all[i]);
    }
}

static void an_unknown_device_may_be_refused(void **state) {
    fixture *f = *state;
    device_login_request request = device("device-0003");
    request.existing_only = true;
    ASK_REFUSED(f, &nobody, "DeviceLogin", &request, OW_NOT_FOUND, "no_player");
    request.existing_only = false;
    answer a;
    ASK_OK(f, &nobody, "DeviceLogin", &request, &a);
    answer_deinit(&a);
    request.existing_only = true;
    ASK_OK(f, &nobody, "DeviceLogin", &request, &a);
    answer_deinit(&a);
}

static void malformed_logins_are_refused(void **state) {
    fixture *f = *state;
    static const char *const bad[] = {"", "short", "tab\tinside1", "umlaut-\xc3\xa4-1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        device_login_request request = device(bad[i]);
        ASK_REFUSED(f, &nobody, "DeviceLogin", &request, OW_INVALID_ARGUMENT, "bad_device_id");
    }
    char long_id[130];
    memset(long_id, 'x', sizeof long_id);
    long_id[129] = '\0';
    device_login_request request = device(long_id);
    ASK_REFUSED(f, &nobody, "DeviceLogin", &request, OW_INVALID_ARGUMENT, "bad_device_id");
    long_id[128] = '\0';
    answer a;
    ASK_OK(f, &nobody, "DeviceLogin", &request, &a);
    answer_deinit(&a);
    request.platform = (char *)"a platform whose name is much too long to be one";
    ASK_REFUSED(f, &nobody, "DeviceLogin", &request, OW_INVALID_ARGUMENT, "bad_platform");
    char custom[1026];
    memset(custom, '"', sizeof custom); // each takes two characters in the event
    custom[1025] = '\0';
    request.platform = (char *)"linux";
    request.custom = custom;
    ASK_REFUSED(f, &nobody, "DeviceLogin", &request, OW_INVALID_ARGUMENT, "bad_custom");
    custom[1024] = '\0';
    ASK_OK(f, &nobody, "DeviceLogin", &request, &a);
    answer_deinit(&a);
    request.custom = (char *)"";
    char endless[4096];
    memset(endless, 0x80, sizeof endless - 1); // no beginning of a character in it
    endless[sizeof endless - 1] = '\0';
    request.platform = endless;
    ASK_REFUSED(f, &nobody, "DeviceLogin", &request, OW_INVALID_ARGUMENT, "bad_platform");
    stage_caller lost = nobody;
    lost.title = "";
    ASK_REFUSED(f, &lost, "DeviceLogin", &request, OW_INVALID_ARGUMENT, "no_title");
}

// ---- Server keys ----

typedef struct made_key {
    char key_id[OW_ID_MAX];
    uint8_t secret[OW_SHA256_SIZE];
} made_key;

static void create_key(fixture *f, const char *name, const char *request_key, made_key *ret_key) {
    create_key_request request = OVERWORLD__IDENTITY__V1__CREATE_SERVER_KEY_REQUEST__INIT;
    request.name = (char *)name;
    request.request_key = (char *)request_key;
    answer a;
    ASK_OK(f, &admin, "CreateServerKey", &request, &a);
    const create_key_response *reply = (const create_key_response *)a.message;
    assert_string_equal(reply->key->name, name);
    assert_true(ow_id_is(reply->key->key_id, "key_"));
    snprintf(ret_key->key_id, sizeof ret_key->key_id, "%s", reply->key->key_id);
    assert_int_equal(ow_base64url_decode(reply->secret, strlen(reply->secret), ret_key->secret,
                                         sizeof ret_key->secret),
                     OW_SHA256_SIZE);
    answer_deinit(&a);
}

typedef struct signed_login {
    server_login_request request;
    char nonce[32];
    uint8_t signature[OW_SHA256_SIZE];
} signed_login;

// `number` makes the nonce, `off_s` the clock's error.
static void make_login(fixture *f, const made_key *key, int number, int64_t off_s,
                       const char *title, signed_login *l) {
    overworld__identity__v1__server_login_request__init(&l->request);
    snprintf(l->nonce, sizeof l->nonce, "nonce-number-%06d", number);
    l->request.key_id = (char *)key->key_id;
    l->request.timestamp = ow_clock_wall_us(f->stage.clock) / SECOND_US + off_s;
    l->request.nonce = l->nonce;
    l->request.title = (char *)title;
    assert_true(sign_login(key->secret, &l->request, l->signature));
    l->request.signature.data = l->signature;
    l->request.signature.len = sizeof l->signature;
}

static void a_server_key_logs_in(void **state) {
    fixture *f = *state;
    made_key key = {0};
    create_key(f, "dedicated", "", &key);
    static const char *const titles[] = {"", "ttl_a"};
    for (int i = 0; i < 2; i++) {
        signed_login l;
        make_login(f, &key, i, i == 0 ? -140 : 140, titles[i], &l);
        answer a;
        ASK_OK(f, &nobody, "ServerLogin", &l.request, &a);
        const server_login_response *reply = (const server_login_response *)a.message;
        assert_string_equal(reply->title, "ttl_a");
        ow_token_claims claims;
        verify(f, reply->access_token, &claims);
        assert_int_equal(claims.kind, OW_TOKEN_SERVER);
        assert_string_equal(claims.subject, key.key_id);
        assert_int_equal(claims.expires_s - claims.issued_s, 600);
        answer_deinit(&a);
    }
}

// The text of identity.proto, signed by somebody who has only read that file.
static void the_signature_is_as_documented(void **state) {
    (void)state;
    server_login_request request = OVERWORLD__IDENTITY__V1__SERVER_LOGIN_REQUEST__INIT;
    request.key_id = (char *)"key_01HXG3K5N8Q2Z4V6B8D0F2H4J6";
    request.timestamp = 1700000000;
    request.nonce = (char *)"0123456789abcdef";
    request.title = (char *)"";
    static const char text[] =
        "overworld-server-login\nkey_01HXG3K5N8Q2Z4V6B8D0F2H4J6\n1700000000\n0123456789abcdef\n"
        "POST\n/overworld.identity.v1.Identity/ServerLogin\n"
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n";
    uint8_t secret[OW_SHA256_SIZE] = {1, 2, 3}, expected[OW_SHA256_SIZE], made[OW_SHA256_SIZE];
    ow_hmac_sha256(secret, sizeof secret, text, strlen(text), expected);
    assert_true(sign_login(secret, &request, made));
    assert_memory_equal(made, expected, sizeof made);
}

static void forged_logins_are_refused(void **state) {
    fixture *f = *state;
    made_key key, other;
    create_key(f, "one", "", &key);
    create_key(f, "two", "", &other);
    signed_login l;
    made_key mixed = key;
    memcpy(mixed.secret, other.secret, sizeof mixed.secret);
    make_login(f, &mixed, 1, 0, "", &l);
    ASK_REFUSED(f, &nobody, "ServerLogin", &l.request, OW_UNAUTHENTICATED, "bad_signature");
    made_key unknown = key;
    unknown.key_id[8] = unknown.key_id[8] == '0' ? '1' : '0';
    make_login(f, &unknown, 2, 0, "", &l);
    ASK_REFUSED(f, &nobody, "ServerLogin", &l.request, OW_UNAUTHENTICATED, "bad_signature");
    make_login(f, &key, 3, 0, "ttl_b", &l);
    ASK_REFUSED(f, &nobody, "ServerLogin", &l.request, OW_PERMISSION_DENIED, "other_title");
    make_login(f, &key, 4, 160, "", &l);
    ASK_REFUSED(f, &nobody, "ServerLogin", &l.request, OW_UNAUTHENTICATED, "clock_off");
    make_login(f, &key, 5, -160, "", &l);
    ASK_REFUSED(f, &nobody, "ServerLogin", &l.request, OW_UNAUTHENTICATED, "clock_off");
    make_login(f, &key, 6, 0, "", &l);
    l.request.nonce = (char *)"too short";
    ASK_REFUSED(f, &nobody, "ServerLogin", &l.request, OW_INVALID_ARGUMENT, "bad_nonce");
    make_login(f, &key, 7, 0, "", &l);
    l.request.signature.len = 31;
    ASK_REFUSED(f, &nobody, "ServerLogin", &l.request, OW_INVALID_ARGUMENT, "bad_signature");
}

static void restart(fixture *f) {
    stage_stop(&f->stage);
    ow_err err = {0};
    assert_ow_ok(stage_try_start(&f->stage, &err), &err);
    stage_wait_ready(&f->stage);
}

static void a_login_cannot_be_replayed(void **state) {
    fixture *f = *state;
    made_key key = {0};
    create_key(f, "one", "", &key);
    signed_login l;
    make_login(f, &key, 1, 100, "", &l);
    answer a;
    ASK_OK(f, &nobody, "ServerLogin", &l.request, &a);
    answer_deinit(&a);
    ASK_REFUSED(f, &nobody, "ServerLogin", &l.request, OW_UNAUTHENTICATED, "nonce_used");
    restart(f);
    ASK_REFUSED(f, &nobody, "ServerLogin", &l.request, OW_UNAUTHENTICATED, "nonce_used");
    // Another login, which forgets what has expired: this one has not.
    ow_clock_advance(f->stage.clock, 200 * SECOND_US);
    signed_login later;
    make_login(f, &key, 2, 0, "", &later);
    ASK_OK(f, &nobody, "ServerLogin", &later.request, &a);
    answer_deinit(&a);
    ASK_REFUSED(f, &nobody, "ServerLogin", &l.request, OW_UNAUTHENTICATED, "nonce_used");
    ow_clock_advance(f->stage.clock, 60 * SECOND_US);
    ASK_REFUSED(f, &nobody, "ServerLogin", &l.request, OW_UNAUTHENTICATED, "clock_off");
}

static void a_repeated_request_gets_the_first_answer(void **state) {
    fixture *f = *state;
    made_key first, again, other, later;
    create_key(f, "one", "request-1", &first);
    create_key(f, "one", "request-1", &again);
    create_key(f, "one", "request-2", &other);
    assert_string_equal(first.key_id, again.key_id);
    assert_memory_equal(first.secret, again.secret, sizeof first.secret);
    assert_string_not_equal(first.key_id, other.key_id);
    create_key_request request = OVERWORLD__IDENTITY__V1__CREATE_SERVER_KEY_REQUEST__INIT;
    request.name = (char *)"another";
    request.request_key = (char *)"request-1";
    ASK_REFUSED(f, &admin, "CreateServerKey", &request, OW_INVALID_ARGUMENT, "request_key_reused");
    ow_clock_advance(f->stage.clock, DAY_US + SECOND_US);
    create_key(f, "one", "request-1", &later);
    assert_string_not_equal(first.key_id, later.key_id);
}

static void keys_are_listed_in_pages(void **state) {
    enum { KEYS = 7 };
    fixture *f = *state;
    made_key made[KEYS];
    for (int i = 0; i < KEYS; i++) {
        create_key(f, "paged", "", &made[i]);
        ow_clock_advance(f->stage.clock, 2000); // ids of one millisecond have no order
    }
    list_keys_request request = OVERWORLD__IDENTITY__V1__LIST_SERVER_KEYS_REQUEST__INIT;
    request.page_size = 3;
    char token[64] = "";
    int seen = 0;
    do {
        request.page_token = token;
        answer a;
        ASK_OK(f, &viewer, "ListServerKeys", &request, &a);
        const list_keys_response *reply = (const list_keys_response *)a.message;
        for (size_t i = 0; i < reply->n_keys; i++) {
            assert_string_equal(reply->keys[i]->key_id, made[seen++].key_id);
        }
        snprintf(token, sizeof token, "%s", reply->next_page_token);
        answer_deinit(&a);
    } while (token[0] != '\0');
    assert_int_equal(seen, KEYS);
    stage_caller elsewhere = viewer;
    elsewhere.title = "ttl_b";
    request.page_token = (char *)"";
    answer a;
    ASK_OK(f, &elsewhere, "ListServerKeys", &request, &a);
    assert_int_equal(((const list_keys_response *)a.message)->n_keys, 0);
    answer_deinit(&a);
    request.page_token = (char *)"bm90IGEga2V5";
    ASK_REFUSED(f, &viewer, "ListServerKeys", &request, OW_INVALID_ARGUMENT, "bad_page_token");
    request.page_token = (char *)"";
    request.page_size = 201;
    ASK_REFUSED(f, &viewer, "ListServerKeys", &request, OW_INVALID_ARGUMENT, "bad_page_size");
}

static void a_revoked_key_is_refused_everywhere(void **state) {
    fixture *f = *state;
    made_key key = {0};
    create_key(f, "one", "", &key);
    answer watching;
    watch(f, &watching);
    const verification_state *before = (const verification_state *)watching.message;
    int64_t sequence = before->sequence;
    assert_int_equal(before->n_revoked_server_keys, 0);
    assert_int_equal(before->n_operator_tokens, 1);
    assert_string_equal(before->operator_tokens[0]->role, "admin");

    revoke_key_request request = OVERWORLD__IDENTITY__V1__REVOKE_SERVER_KEY_REQUEST__INIT;
    request.key_id = key.key_id;
    stage_caller elsewhere = admin;
    elsewhere.title = "ttl_b";
    ASK_REFUSED(f, &elsewhere, "RevokeServerKey", &request, OW_NOT_FOUND, "no_key");
    answer a;
    ASK_OK(f, &admin, "RevokeServerKey", &request, &a);
    int64_t revoked_s = ((const revoke_key_response *)a.message)->key->revoked_at->seconds;
    answer_deinit(&a);
    answer_wait(f, &watching, 2);
    const verification_state *after = (const verification_state *)watching.message;
    assert_true(after->sequence > sequence);
    assert_int_equal(after->n_revoked_server_keys, 1);
    assert_string_equal(after->revoked_server_keys[0], key.key_id);

    signed_login l;
    make_login(f, &key, 1, 0, "", &l);
    ASK_REFUSED(f, &nobody, "ServerLogin", &l.request, OW_UNAUTHENTICATED, "key_revoked");
    ow_clock_advance(f->stage.clock, 5 * SECOND_US);
    ASK_OK(f, &admin, "RevokeServerKey", &request, &a); // again: as it was
    assert_int_equal(((const revoke_key_response *)a.message)->key->revoked_at->seconds, revoked_s);
    answer_deinit(&a);
    sequence = after->sequence;
    watch_end(f, &watching);

    restart(f);
    watch(f, &watching);
    after = (const verification_state *)watching.message;
    assert_true(after->sequence > sequence);
    assert_int_equal(after->n_revoked_server_keys, 1);
    watch_end(f, &watching);
    ow_clock_advance(f->stage.clock, 3600 * SECOND_US);
    restart(f);
    watch(f, &watching); // no token of it can live any more
    assert_int_equal(((const verification_state *)watching.message)->n_revoked_server_keys, 0);
    watch_end(f, &watching);
}

// ---- Access ----

static void everybody_is_told_who_they_are(void **state) {
    fixture *f = *state;
    static const stage_caller player = {.kind = OW_PLAYER, .id = "plr_1", .title = "ttl_a"};
    static const Overworld__Identity__V1__WhoAmIRequest request =
        OVERWORLD__IDENTITY__V1__WHO_AM_IREQUEST__INIT;
    answer a;
    ASK_OK(f, &player, "WhoAmI", &request, &a);
    assert_string_equal(((const who_am_i_response *)a.message)->kind, "player");
    assert_string_equal(((const who_am_i_response *)a.message)->id, "plr_1");
    assert_string_equal(((const who_am_i_response *)a.message)->role, "");
    answer_deinit(&a);
    ASK_OK(f, &viewer, "WhoAmI", &request, &a);
    assert_string_equal(((const who_am_i_response *)a.message)->kind, "operator");
    assert_string_equal(((const who_am_i_response *)a.message)->role, "viewer");
    answer_deinit(&a);
    ASK_REFUSED(f, &nobody, "WhoAmI", &request, OW_UNAUTHENTICATED, "no_token");
    create_key_request create = OVERWORLD__IDENTITY__V1__CREATE_SERVER_KEY_REQUEST__INIT;
    create.name = (char *)"one";
    ASK_REFUSED(f, &viewer, "CreateServerKey", &create, OW_PERMISSION_DENIED, "not_allowed");
    ASK_REFUSED(f, &player, "CreateServerKey", &create, OW_PERMISSION_DENIED, "not_allowed");
    Overworld__Identity__V1__WatchVerificationRequest watching =
        OVERWORLD__IDENTITY__V1__WATCH_VERIFICATION_REQUEST__INIT;
    ASK_REFUSED(f, &admin, "WatchVerification", &watching, OW_PERMISSION_DENIED, "not_allowed");
}

static void watchers_hear_of_the_end(void **state) {
    fixture *f = *state;
    answer watching;
    watch(f, &watching);
    stage_stop(&f->stage);
    answer_wait(f, &watching, 1000);
    assert_int_equal(watching.code, OW_UNAVAILABLE);
    answer_deinit(&watching);
    ow_err err = {0};
    assert_ow_ok(stage_try_start(&f->stage, &err), &err);
    stage_wait_ready(&f->stage);
}

// ---- Files and rows ----

static mode_t file_mode(const fixture *f, const char *name) {
    char path[STAGE_PATH_MAX + 80];
    snprintf(path, sizeof path, "%s/%s", f->stage.data, name);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 0777;
}

static void secrets_are_private_and_kept(void **state) {
    fixture *f = *state;
    assert_int_equal(file_mode(f, "operator.token"), 0600);
    assert_int_equal(file_mode(f, "keys"), 0700);
    assert_int_equal(file_mode(f, "keys/signing"), 0700);
    assert_int_equal(file_mode(f, "keys/server-keys"), 0600);
    device_login_request request = device("device-0004");
    answer a;
    ASK_OK(f, &nobody, "DeviceLogin", &request, &a);
    restart(f);
    ow_token_claims claims; // one from before the restart is still good
    verify(f, ((const login_response *)a.message)->access_token, &claims);
    answer_deinit(&a);

    stage_stop(&f->stage);
    char path[STAGE_PATH_MAX + 80];
    snprintf(path, sizeof path, "%s/operator.token", f->stage.data);
    assert_int_equal(chmod(path, 0644), 0);
    ow_err err = {0};
    assert_int_equal(stage_try_start(&f->stage, &err), OW_FAILED_PRECONDITION);
    assert_string_equal(err.reason, "unsafe_secret");
    assert_int_equal(chmod(path, 0600), 0);
}

static void short_secrets_are_refused(void **state) {
    fixture *f = *state;
    static const char *const files[] = {"operator.token", "keys/server-keys"};
    stage_stop(&f->stage);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[STAGE_PATH_MAX + 80], kept[STAGE_PATH_MAX + 100];
        snprintf(path, sizeof path, "%s/%s", f->stage.data, files[i]);
        snprintf(kept, sizeof kept, "%s.kept", path);
        assert_int_equal(rename(path, kept), 0);
        ow_secret easy = {.bytes = (char *)"letmein", .size = strlen("letmein")};
        assert_ow_ok(ow_secret_store(path, &easy, NULL), NULL);
        ow_err err = {0};
        assert_int_equal(stage_try_start(&f->stage, &err), OW_FAILED_PRECONDITION);
        assert_string_equal(err.reason, "unsafe_secret");
        assert_non_null(strstr(err.message, files[i]));
        assert_int_equal(rename(kept, path), 0);
    }
}

static void copy_secret(const fixture *f, const char *from, const char *to) {
    char path[STAGE_PATH_MAX + 80];
    ow_secret secret = {0};
    snprintf(path, sizeof path, "%s/%s", f->stage.data, from);
    assert_ow_ok(ow_secret_load(path, &secret, NULL), NULL);
    snprintf(path, sizeof path, "%s/%s", f->stage.data, to);
    assert_ow_ok(ow_secret_store(path, &secret, NULL), NULL);
    ow_secret_deinit(&secret);
}

// A newer signing key signs, the older still verifies; another operator.token takes the place of the
// one before.
static void secrets_can_be_replaced(void **state) {
    fixture *f = *state;
    device_login_request request = device("device-0005");
    answer before, after, watching;
    ASK_OK(f, &nobody, "DeviceLogin", &request, &before);
    watch(f, &watching);
    uint8_t first_operator[OW_SHA256_SIZE];
    const verification_state *vs = (const verification_state *)watching.message;
    memcpy(first_operator, vs->operator_tokens[0]->sha256.data, sizeof first_operator);
    watch_end(f, &watching);

    stage_stop(&f->stage);
    copy_secret(f, "keys/server-keys", "keys/signing/sig_7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
    char path[STAGE_PATH_MAX + 80];
    snprintf(path, sizeof path, "%s/operator.token", f->stage.data);
    assert_int_equal(unlink(path), 0);
    ow_err err = {0};
    assert_ow_ok(stage_try_start(&f->stage, &err), &err);
    stage_wait_ready(&f->stage);

    ASK_OK(f, &nobody, "DeviceLogin", &request, &after);
    const char *old_token = ((const login_response *)before.message)->access_token;
    const char *new_token = ((const login_response *)after.message)->access_token;
    assert_true(strncmp(old_token, new_token, strcspn(old_token, ".")) != 0); // another kid
    ow_token_claims claims;
    verify(f, old_token, &claims);
    verify(f, new_token, &claims);
    watch(f, &watching);
    vs = (const verification_state *)watching.message;
    assert_int_equal(vs->n_signing_keys, 2);
    assert_int_equal(vs->n_operator_tokens, 1);
    assert_memory_not_equal(first_operator, vs->operator_tokens[0]->sha256.data,
                            sizeof first_operator);
    watch_end(f, &watching);
    answer_deinit(&before);
    answer_deinit(&after);
}

static void operators_leave_audit_rows(void **state) {
    fixture *f = *state;
    made_key key = {0};
    create_key(f, "one", "request-1", &key);
    create_key(f, "one", "request-1", &key); // changes nothing
    revoke_key_request request = OVERWORLD__IDENTITY__V1__REVOKE_SERVER_KEY_REQUEST__INIT;
    request.key_id = key.key_id;
    answer a;
    for (int i = 0; i < 2; i++) { // nor does the second of these
        ASK_OK(f, &admin, "RevokeServerKey", &request, &a);
        answer_deinit(&a);
    }
    Overworld__Api__ListAuditRequest list = OVERWORLD__API__LIST_AUDIT_REQUEST__INIT;
    ASK_OK(f, &admin, "ListAudit", &list, &a);
    const Overworld__Api__ListAuditResponse *page =
        (const Overworld__Api__ListAuditResponse *)a.message;
    assert_int_equal(page->n_entries, 2);
    static const char *const actions[] = {"server_key.revoke", "server_key.create"};
    for (size_t i = 0; i < 2; i++) {
        const Overworld__Api__AuditEntry *entry = page->entries[i];
        assert_string_equal(entry->action, actions[i]);
        assert_string_equal(entry->principal, "opr_1");
        assert_string_equal(entry->title_id, "ttl_a");
        assert_string_equal(entry->object, key.key_id);
        assert_string_equal(entry->address, "203.0.113.7");
        assert_string_not_equal(entry->request_id, "");
    }
    assert_string_equal(page->entries[0]->before,
                        "{\"name\":\"one\",\"limit_calls\":\"0\",\"revoked\":false}");
    assert_string_equal(page->entries[0]->after,
                        "{\"name\":\"one\",\"limit_calls\":\"0\",\"revoked\":true}");
    answer_deinit(&a);
    list.every_title = true;
    ASK_REFUSED(f, &viewer, "ListAudit", &list, OW_PERMISSION_DENIED, "not_every_title");
    stage_caller elsewhere = admin;
    elsewhere.title = "ttl_b";
    list.every_title = false;
    ASK_OK(f, &elsewhere, "ListAudit", &list, &a);
    assert_int_equal(((const Overworld__Api__ListAuditResponse *)a.message)->n_entries, 0);
    answer_deinit(&a);
    Overworld__Api__VerifyAuditRequest verify = OVERWORLD__API__VERIFY_AUDIT_REQUEST__INIT;
    ASK_OK(f, &viewer, "VerifyAudit", &verify, &a);
    const Overworld__Api__VerifyAuditResponse *proof =
        (const Overworld__Api__VerifyAuditResponse *)a.message;
    assert_string_equal(proof->broken, "");
    assert_int_equal(proof->checked, 2);
    assert_int_equal(proof->head_sequence, 2);
    answer_deinit(&a);
}

#define CASE(function, mode)                                                                       \
    { #function " (" #mode ")", function, identity_setup, fixture_teardown, &(mode) }

#define CASES(mode)                                                                                \
    CASE(a_device_keeps_its_player, mode), CASE(many_logins_at_once_make_one_player, mode),        \
        CASE(an_unknown_device_may_be_refused, mode), CASE(malformed_logins_are_refused, mode),    \
        CASE(a_server_key_logs_in, mode), CASE(forged_logins_are_refused, mode),                   \
        CASE(a_login_cannot_be_replayed, mode),                                                    \
        CASE(a_repeated_request_gets_the_first_answer, mode),                                      \
        CASE(keys_are_listed_in_pages, mode), CASE(a_revoked_key_is_refused_everywhere, mode),     \
        CASE(everybody_is_told_who_they_are, mode), CASE(watchers_hear_of_the_end, mode),          \
        CASE(secrets_are_private_and_kept, mode), CASE(short_secrets_are_refused, mode),           \
        CASE(secrets_can_be_replaced, mode), CASE(operators_leave_audit_rows, mode)

int main(void) {
    static mode local = {.channel = OW_CHANNEL_LOCAL};
    static mode packed_twice = {.channel = OW_CHANNEL_PACKED, .rerun_writes = true};
    const struct CMUnitTest tests[] = {
        OW_TEST(the_signature_is_as_documented),
        CASES(local),
        CASES(packed_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
