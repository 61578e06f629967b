// Signing keys are replaced while tokens live.

#include "services/identity/test_fixture.h"

#include "services/identity/identity_logic.h"

#include "core/crypto/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void take_token(fixture *f, const char *device, char ret_token[static OW_TOKEN_SIZE]) {
    device_login_request request = OVERWORLD__IDENTITY__V1__DEVICE_LOGIN_REQUEST__INIT;
    request.device_id = (char *)(uintptr_t)device;
    answer a;
    ASK_OK(f, &nobody, "DeviceLogin", &request, &a);
    snprintf(ret_token, OW_TOKEN_SIZE, "%s", ((const login_response *)a.message)->access_token);
    answer_deinit(&a);
}

static void rotate(fixture *f, char ret_kid[static OW_ID_MAX], size_t removed) {
    rotate_key_request request = OVERWORLD__IDENTITY__V1__ROTATE_SIGNING_KEY_REQUEST__INIT;
    answer a;
    ASK_OK(f, &owner, "RotateSigningKey", &request, &a);
    const rotate_key_response *reply = (const rotate_key_response *)a.message;
    snprintf(ret_kid, OW_ID_MAX, "%s", reply->kid);
    assert_int_equal(reply->n_removed, removed);
    answer_deinit(&a);
}

// As a gateway would, with what it is told now. False: refused.
static bool is_good(fixture *f, const char *token) {
    static const Overworld__Identity__V1__WatchVerificationRequest request =
        OVERWORLD__IDENTITY__V1__WATCH_VERIFICATION_REQUEST__INIT;
    answer a;
    ask_begin(f, &platform, "WatchVerification", &request.base, &a);
    answer_wait(f, &a, 1);
    const verification_state *state = (const verification_state *)a.message;
    ow_key_ring *ring = ow_key_ring_new();
    for (size_t i = 0; i < state->n_signing_keys; i++) {
        const signing_key_msg *key = state->signing_keys[i];
        assert_int_equal(ow_key_ring_add(ring, key->kid, key->secret.data, key->secret.len, NULL),
                         OW_OK);
    }
    ow_token_claims claims;
    int64_t now_s = ow_clock_wall_us(f->stage.clock) / SECOND_US;
    ow_code code = ow_token_verify(ring, token, strlen(token), now_s, &claims, NULL);
    ow_key_ring_free(ring);
    ow_call_cancel(a.call, OW_CANCELLED);
    answer_wait(f, &a, INT32_MAX);
    answer_deinit(&a);
    return code == OW_OK;
}

static bool same_key(const char *a, const char *b) {
    size_t header = strcspn(a, ".");
    return strncmp(a, b, header + 1) == 0;
}

static bool file_is_there(fixture *f, const char *kid) {
    char path[STAGE_PATH_MAX + 80];
    snprintf(path, sizeof path, "%s/keys/signing/%s", f->stage.data, kid);
    return access(path, F_OK) == 0;
}

static void nobody_is_logged_out(void **state) {
    fixture *f = *state;
    char old[OW_TOKEN_SIZE], spread[OW_TOKEN_SIZE], fresh[OW_TOKEN_SIZE], kid[OW_ID_MAX];
    take_token(f, "device-0001", old);
    rotate(f, kid, 0);
    take_token(f, "device-0001", spread);
    assert_true(same_key(old, spread)); // gateways are hearing of the new one
    ow_clock_advance(f->stage.clock, 11 * SECOND_US);
    take_token(f, "device-0001", fresh);
    assert_false(same_key(old, fresh));
    assert_true(is_good(f, old) && is_good(f, spread) && is_good(f, fresh));
    assert_true(file_is_there(f, kid));
    ow_err err = {0};
    stage_stop(&f->stage);
    assert_ow_ok(stage_try_start(&f->stage, &err), &err);
    stage_wait_ready(&f->stage);
    char again[OW_TOKEN_SIZE];
    take_token(f, "device-0001", again);
    assert_true(same_key(fresh, again));
    assert_true(is_good(f, old) && is_good(f, fresh));
}

static void gateways_hear_of_it_at_once(void **state) {
    fixture *f = *state;
    static const Overworld__Identity__V1__WatchVerificationRequest request =
        OVERWORLD__IDENTITY__V1__WATCH_VERIFICATION_REQUEST__INIT;
    answer a;
    char kid[OW_ID_MAX];
    ask_begin(f, &platform, "WatchVerification", &request.base, &a);
    answer_wait(f, &a, 1);
    rotate(f, kid, 0);
    answer_wait(f, &a, 2);
    const verification_state *told = (const verification_state *)a.message;
    assert_false(told->is_addition);
    assert_int_equal(told->n_signing_keys, 2);
    assert_string_equal(told->signing_keys[1]->kid, kid);
    ow_call_cancel(a.call, OW_CANCELLED);
    answer_wait(f, &a, INT32_MAX);
    answer_deinit(&a);
}

static void what_is_outlived_is_removed(void **state) {
    fixture *f = *state;
    char first[OW_ID_MAX], second[OW_ID_MAX], third[OW_ID_MAX], fourth[OW_ID_MAX];
    rotate(f, first, 0);
    ow_clock_advance(f->stage.clock, 3600 * SECOND_US);
    rotate(f, second, 0); // the first's tokens may live for ten seconds more
    ow_clock_advance(f->stage.clock, 100 * SECOND_US);
    rotate(f, third, 1);
    assert_true(file_is_there(f, first) && file_is_there(f, second));
    char token[OW_TOKEN_SIZE];
    ow_clock_advance(f->stage.clock, 11 * SECOND_US);
    take_token(f, "device-0002", token);
    ow_clock_advance(f->stage.clock, 7300 * SECOND_US);
    rotate(f, fourth, 2);
    assert_false(file_is_there(f, first) || file_is_there(f, second));
    assert_true(file_is_there(f, third) && file_is_there(f, fourth));
    take_token(f, "device-0002", token);
    assert_true(is_good(f, token));
}

static void the_number_of_keys_is_bounded(void **state) {
    fixture *f = *state;
    char kid[OW_ID_MAX], last[OW_ID_MAX] = "";
    for (int i = 1; i < OW_TOKEN_KEYS_MAX; i++) {
        rotate(f, kid, 0);
        assert_true(strcmp(kid, last) > 0);
        memcpy(last, kid, sizeof last);
    }
    rotate_key_request request = OVERWORLD__IDENTITY__V1__ROTATE_SIGNING_KEY_REQUEST__INIT;
    ASK_REFUSED(f, &owner, "RotateSigningKey", &request, OW_FAILED_PRECONDITION, "too_many_keys");
    ASK_REFUSED(f, &admin, "RotateSigningKey", &request, OW_PERMISSION_DENIED, "not_allowed");
    ow_clock_advance(f->stage.clock, 7300 * SECOND_US);
    rotate(f, kid, OW_TOKEN_KEYS_MAX - 1);
}

#define CASE(function, mode)                                                                       \
    { #function " (" #mode ")", function, identity_setup, fixture_teardown, &(mode) }

#define CASES(mode)                                                                                \
    CASE(nobody_is_logged_out, mode), CASE(gateways_hear_of_it_at_once, mode),                     \
        CASE(what_is_outlived_is_removed, mode), CASE(the_number_of_keys_is_bounded, mode)

int main(void) {
    static mode local = {.channel = OW_CHANNEL_LOCAL};
    static mode packed_twice = {.channel = OW_CHANNEL_PACKED, .rerun_writes = true};
    const struct CMUnitTest tests[] = {CASES(local), CASES(packed_twice)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
