// Limits of server keys: who may set them, and what gateways are told.

#include "services/identity/test_fixture.h"

#include <stdio.h>
#include <string.h>

static void watch(fixture *f, answer *a) {
    static const Overworld__Identity__V1__WatchVerificationRequest request =
        OVERWORLD__IDENTITY__V1__WATCH_VERIFICATION_REQUEST__INIT;
    ask_begin(f, &platform, "WatchVerification", &request.base, a);
    answer_wait(f, a, 1);
}

static void watch_end(fixture *f, answer *a) {
    ow_call_cancel(a->call, OW_CANCELLED);
    answer_wait(f, a, 1000);
    answer_deinit(a);
}

static const verification_state *told(const answer *a) {
    return (const verification_state *)a->message;
}

static void create(fixture *f, int32_t limit, char key_id[static OW_ID_MAX]) {
    create_key_request request = OVERWORLD__IDENTITY__V1__CREATE_SERVER_KEY_REQUEST__INIT;
    answer a;
    request.name = (char *)"match";
    request.limit_calls = limit;
    ASK_OK(f, &admin, "CreateServerKey", &request, &a);
    const server_key_msg *key = ((const create_key_response *)a.message)->key;
    assert_int_equal(key->limit_calls, limit);
    assert_string_equal(key->etag, "1");
    snprintf(key_id, OW_ID_MAX, "%s", key->key_id);
    answer_deinit(&a);
}

static set_key_limit_request limit_of(char *key_id, int32_t calls, const char *etag) {
    set_key_limit_request request = OVERWORLD__IDENTITY__V1__SET_SERVER_KEY_LIMIT_REQUEST__INIT;
    request.key_id = key_id;
    request.limit_calls = calls;
    request.etag = (char *)(uintptr_t)etag;
    return request;
}

static void a_limit_reaches_gateways(void **state) {
    fixture *f = *state;
    char plain[OW_ID_MAX];
    char eager[OW_ID_MAX];
    answer watching, a;
    create(f, 0, plain);
    watch(f, &watching);
    assert_int_equal(told(&watching)->n_server_key_limits, 0);
    create(f, 10000, eager);
    answer_wait(f, &watching, 2);
    assert_int_equal(told(&watching)->n_server_key_limits, 1);
    assert_string_equal(told(&watching)->server_key_limits[0]->key_id, eager);
    assert_int_equal(told(&watching)->server_key_limits[0]->calls, 10000);
    set_key_limit_request request = limit_of(plain, 5, "1");
    ASK_OK(f, &admin, "SetServerKeyLimit", &request, &a);
    assert_string_equal(((const server_key_msg *)a.message)->etag, "2");
    answer_deinit(&a);
    answer_wait(f, &watching, 3);
    assert_int_equal(told(&watching)->n_server_key_limits, 2);
    watch_end(f, &watching);

    stage_stop(&f->stage);
    ow_err err = {0};
    assert_ow_ok(stage_try_start(&f->stage, &err), &err);
    stage_wait_ready(&f->stage);
    watch(f, &watching);
    assert_int_equal(told(&watching)->n_server_key_limits, 2);
    request = limit_of(eager, 0, "");
    ASK_OK(f, &admin, "SetServerKeyLimit", &request, &a);
    answer_deinit(&a);
    answer_wait(f, &watching, 2);
    assert_int_equal(told(&watching)->n_server_key_limits, 1);
    assert_string_equal(told(&watching)->server_key_limits[0]->key_id, plain);
    watch_end(f, &watching);
}

static void bad_limits_are_refused(void **state) {
    fixture *f = *state;
    char key_id[OW_ID_MAX];
    answer a;
    create(f, 7, key_id);
    set_key_limit_request request = limit_of(key_id, -1, "");
    ASK_REFUSED(f, &admin, "SetServerKeyLimit", &request, OW_INVALID_ARGUMENT, "bad_limit");
    request = limit_of(key_id, 1000001, "");
    ASK_REFUSED(f, &admin, "SetServerKeyLimit", &request, OW_INVALID_ARGUMENT, "bad_limit");
    request = limit_of(key_id, 8, "7");
    ASK_REFUSED(f, &admin, "SetServerKeyLimit", &request, OW_ABORTED, "stale_etag");
    request = limit_of((char *)"key_1", 8, "");
    ASK_REFUSED(f, &admin, "SetServerKeyLimit", &request, OW_INVALID_ARGUMENT, "bad_key_id");
    request = limit_of(key_id, 8, "");
    stage_caller elsewhere = admin;
    elsewhere.title = "ttl_b";
    ASK_REFUSED(f, &elsewhere, "SetServerKeyLimit", &request, OW_NOT_FOUND, "no_key");
    ASK_REFUSED(f, &viewer, "SetServerKeyLimit", &request, OW_PERMISSION_DENIED, "not_allowed");
    revoke_key_request revoke = OVERWORLD__IDENTITY__V1__REVOKE_SERVER_KEY_REQUEST__INIT;
    revoke.key_id = key_id;
    ASK_OK(f, &admin, "RevokeServerKey", &revoke, &a);
    answer_deinit(&a);
    ASK_REFUSED(f, &admin, "SetServerKeyLimit", &request, OW_NOT_FOUND, "no_key");
}

#define CASE(function, mode)                                                                       \
    { #function " (" #mode ")", function, identity_setup, fixture_teardown, &(mode) }

int main(void) {
    static mode local = {.channel = OW_CHANNEL_LOCAL};
    static mode packed = {.channel = OW_CHANNEL_PACKED, .rerun_writes = true};
    const struct CMUnitTest tests[] = {
        CASE(a_limit_reaches_gateways, local),
        CASE(bad_limits_are_refused, local),
        CASE(a_limit_reaches_gateways, packed),
        CASE(bad_limits_are_refused, packed),
    };
    return cmocka_run_group_tests_name("server keys", tests, NULL, NULL);
}
