// More players arrive than may be in: they wait, in order, and come in as others leave.

#include "services/identity/test_fixture.h"

#include "services/identity/identity_logic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct login {
    char player_id[OW_ID_MAX], refresh_token[128], ticket[64];
    bool is_in;
    int64_t ahead;
} login;

static int set_up(void **state) {
    identity_setup(state);
    fixture *f = *state;
    ow_err err = {0};
    stage_stop(&f->stage);
    stage_set_flag(&f->stage, "--identity.max_players=2");
    stage_set_flag(&f->stage, "--identity.max_waiting_players=3");
    assert_ow_ok(stage_try_start(&f->stage, &err), &err);
    stage_wait_ready(&f->stage);
    return 0;
}

static login take(answer *a) {
    const login_response *reply = (const login_response *)a->message;
    login taken = {.is_in = reply->access_token[0] != '\0'};
    snprintf(taken.player_id, sizeof taken.player_id, "%s", reply->player_id);
    snprintf(taken.refresh_token, sizeof taken.refresh_token, "%s", reply->refresh_token);
    assert_int_equal(taken.is_in, reply->queue == NULL);
    if (reply->queue != NULL) {
        snprintf(taken.ticket, sizeof taken.ticket, "%s", reply->queue->ticket);
        taken.ahead = reply->queue->ahead;
        assert_true(reply->queue->poll_after_s > 0);
    }
    answer_deinit(a);
    return taken;
}

static device_login_request device(const char *id) {
    device_login_request request = OVERWORLD__IDENTITY__V1__DEVICE_LOGIN_REQUEST__INIT;
    request.device_id = (char *)(uintptr_t)id;
    return request;
}

static login log_in(fixture *f, const char *id) {
    device_login_request request = device(id);
    answer a;
    ASK_OK(f, &nobody, "DeviceLogin", &request, &a);
    return take(&a);
}

static login go_on(fixture *f, const char *ticket) {
    continue_login_request request = OVERWORLD__IDENTITY__V1__CONTINUE_LOGIN_REQUEST__INIT;
    request.ticket = (char *)(uintptr_t)ticket;
    answer a;
    ASK_OK(f, &nobody, "ContinueLogin", &request, &a);
    return take(&a);
}

static login refresh(fixture *f, const char *token) {
    refresh_request request = OVERWORLD__IDENTITY__V1__REFRESH_SESSION_REQUEST__INIT;
    request.refresh_token = (char *)(uintptr_t)token;
    answer a;
    ASK_OK(f, &nobody, "RefreshSession", &request, &a);
    return take(&a);
}

static void log_out(fixture *f, const login *who) {
    logout_request request = OVERWORLD__IDENTITY__V1__LOGOUT_REQUEST__INIT;
    request.refresh_token = (char *)(uintptr_t)who->refresh_token;
    answer a;
    ASK_OK(f, &nobody, "Logout", &request, &a);
    answer_deinit(&a);
}

static void players_wait_in_order(void **state) {
    fixture *f = *state;
    login one = log_in(f, "device-0001"), two = log_in(f, "device-0002");
    login three = log_in(f, "device-0003"), four = log_in(f, "device-0004");
    assert_true(one.is_in && two.is_in && !three.is_in && !four.is_in);
    assert_int_equal(three.ahead, 0);
    assert_int_equal(four.ahead, 1);
    assert_false(go_on(f, three.ticket).is_in);
    log_out(f, &one);
    assert_false(go_on(f, four.ticket).is_in);
    login in = go_on(f, three.ticket);
    assert_true(in.is_in);
    assert_string_equal(in.player_id, three.player_id);
    assert_string_equal(in.refresh_token, three.refresh_token);
    assert_true(refresh(f, in.refresh_token).is_in); // who is in stays in
    assert_false(go_on(f, four.ticket).is_in);
    log_out(f, &two);
    assert_true(go_on(f, four.ticket).is_in);
    continue_login_request used = OVERWORLD__IDENTITY__V1__CONTINUE_LOGIN_REQUEST__INIT;
    used.ticket = four.ticket;
    ASK_REFUSED(f, &nobody, "ContinueLogin", &used, OW_NOT_FOUND, "no_ticket");
}

static void the_queue_has_an_end(void **state) {
    fixture *f = *state;
    login waiting[3];
    log_in(f, "device-0005");
    log_in(f, "device-0006");
    for (int i = 0; i < 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "device-waiting-%d", i);
        waiting[i] = log_in(f, name);
        assert_false(waiting[i].is_in);
    }
    device_login_request request = device("device-0007");
    ASK_REFUSED(f, &nobody, "DeviceLogin", &request, OW_RESOURCE_EXHAUSTED, "login_queue_full");
    quit_queue_request quit = OVERWORLD__IDENTITY__V1__QUIT_LOGIN_QUEUE_REQUEST__INIT;
    quit.ticket = waiting[0].ticket;
    answer a;
    ASK_OK(f, &nobody, "QuitLoginQueue", &quit, &a);
    answer_deinit(&a);
    assert_false(log_in(f, "device-0007").is_in);
}

static void tokens_that_end_make_room(void **state) {
    fixture *f = *state;
    login one = log_in(f, "device-0008");
    log_in(f, "device-0009");
    ow_clock_advance(f->stage.clock, 3601 * SECOND_US);
    assert_true(log_in(f, "device-0010").is_in);
    assert_true(log_in(f, "device-0011").is_in);
    login back = refresh(f, one.refresh_token); // away for an hour: at the end of the line
    assert_false(back.is_in);
    assert_true(back.refresh_token[0] != '\0');
}

static void who_is_in_is_in_after_a_restart(void **state) {
    fixture *f = *state;
    login one = log_in(f, "device-0012");
    log_in(f, "device-0013");
    ow_err err = {0};
    stage_stop(&f->stage);
    assert_ow_ok(stage_try_start(&f->stage, &err), &err);
    stage_wait_ready(&f->stage);
    assert_false(log_in(f, "device-0014").is_in);
    assert_true(refresh(f, one.refresh_token).is_in);
}

#define CASE(function, mode)                                                                       \
    { #function " (" #mode ")", function, set_up, fixture_teardown, &(mode) }

#define CASES(mode)                                                                                \
    CASE(players_wait_in_order, mode), CASE(the_queue_has_an_end, mode),                           \
        CASE(tokens_that_end_make_room, mode), CASE(who_is_in_is_in_after_a_restart, mode)

int main(void) {
    static mode local = {.channel = OW_CHANNEL_LOCAL};
    static mode packed_twice = {.channel = OW_CHANNEL_PACKED, .rerun_writes = true};
    const struct CMUnitTest tests[] = {CASES(local), CASES(packed_twice)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
