/* Logins that wait for a place, over planned answers and a clock of its own. */
#include "sdk/c/internal.h"

#include "core/testing/ow_test.h"
#include "sdk/c/test_world.h"

#include <stdio.h>
#include <string.h>

#define QUEUED(ahead) QUEUED_WITH("refresh-q", ahead)
#define QUEUED_WITH(refresh, ahead)                                                                \
    "{\"queue\":{\"ticket\":\"tkt_1\",\"ahead\":\"" ahead "\",\"pollAfterS\":5},"                  \
    "\"playerId\":\"plr_1\",\"sessionId\":\"ses_1\",\"refreshToken\":\"" refresh "\"}"

#define CONTINUED(world) fake_count(&(world)->fake, "/ContinueLogin")

typedef struct outcome {
    int good, bad;
    char reason[48];
} outcome;

static void on_login(void *user, const ow_client_login *login, const ow_client_error *error) {
    outcome *o = user;
    o->good += login != NULL;
    o->bad += login == NULL;
    snprintf(o->reason, sizeof o->reason, "%s", error != NULL ? error->reason : "");
}

static const fake_sent *last_sent(const world *w) {
    return &w->fake.sent[w->fake.sent_count - 1];
}

static void start_login(world *w, outcome *o) {
    assert_true(ow_client_login_device_start(w->client, "device-1", on_login, o, NULL));
}

static void a_login_waits_for_its_place(void **state) {
    (void)state;
    world w;
    ow_client_login login;
    open_world(&w, NULL);
    assert_true(ow_client_queue_ahead(w.client) == -1);
    fake_answer(&w.fake, (fake_plan){.body = QUEUED("12")});
    fake_answer(&w.fake, (fake_plan){.body = QUEUED("3")});
    fake_answer(&w.fake, (fake_plan){.body = LOGIN("1")});
    int64_t began = w.fake.now_ms;
    assert_true(ow_client_login_device(w.client, "device-1", &login, NULL));
    assert_string_equal(login.player_id, "plr_1");
    assert_string_equal(ow_client_access_token(w.client), "access-1");
    assert_string_equal(last_sent(&w)->body, "{\"ticket\":\"tkt_1\"}");
    assert_int_equal(CONTINUED(&w), 2);
    assert_int_equal(w.queued, 2);
    assert_in_range(w.fake.now_ms - began, 10000, 12000);
    assert_true(ow_client_queue_ahead(w.client) == -1);
    close_world(&w);
}

static void the_place_is_told_and_polled_for(void **state) {
    (void)state;
    world w;
    outcome o = {0};
    ow_client_error error;
    open_world(&w, NULL);
    fake_answer(&w.fake, (fake_plan){.body = QUEUED("12")});
    start_login(&w, &o);
    assert_int_equal(ow_client_poll(w.client, 0), 1);
    assert_true(ow_client_queue_ahead(w.client) == 12);
    assert_false(ow_client_login_device_start(w.client, "device-2", NULL, NULL, &error));
    assert_string_equal(error.reason, "busy");
    w.fake.now_ms += 4000;
    ow_client_poll(w.client, 0);
    assert_int_equal(CONTINUED(&w), 0);
    w.fake.now_ms += 1000;
    /* What cannot be reached is asked again. */
    fake_answer(&w.fake, (fake_plan){.status = 400, .body = CODE("no_ticket"), .is_held = true});
    ow_client_poll(w.client, 0);
    assert_int_equal(CONTINUED(&w), 1);
    assert_int_equal(o.bad, 0);
    fake_release(&w.fake, 1, (fake_plan){.status = 404, .body = CODE("no_ticket")});
    assert_int_equal(ow_client_poll(w.client, 0), 0);
    assert_int_equal(o.bad, 1);
    assert_string_equal(o.reason, "no_ticket");
    log_in(&w);
    close_world(&w);
}

static void an_absent_server_costs_no_place(void **state) {
    (void)state;
    world w;
    outcome o = {0};
    open_world(&w, &(ow_client_config){.max_retries = -1});
    fake_answer(&w.fake, (fake_plan){.body = QUEUED("1")});
    fake_answer(&w.fake, (fake_plan){.outcome = OW_CLIENT_NOT_SENT});
    fake_answer(&w.fake, (fake_plan){.status = 503, .body = "", .retry_after_s = 2});
    fake_answer(&w.fake, (fake_plan){.body = LOGIN("1")});
    start_login(&w, &o);
    while (ow_client_poll(w.client, 1000) > 0) {
    }
    assert_int_equal(o.good, 1);
    assert_int_equal(CONTINUED(&w), 3);
    close_world(&w);
}

static void waiting_has_an_end(void **state) {
    (void)state;
    world w;
    outcome o = {0};
    ow_client_error error;
    open_world(&w, &(ow_client_config){.queue_timeout_ms = 7000});
    fake_answer(&w.fake, (fake_plan){.body = QUEUED("9")});
    fake_answer(&w.fake, (fake_plan){.body = QUEUED("8")});
    int64_t began = w.fake.now_ms;
    assert_false(ow_client_login_device(w.client, "device-1", NULL, &error));
    assert_string_equal(error.reason, "timeout");
    assert_in_range(w.fake.now_ms - began, 7000, 8000);
    ow_client_poll(w.client, 0);
    assert_int_equal(fake_count(&w.fake, "/QuitLoginQueue"), 1);
    close_world(&w);

    open_world(&w, &(ow_client_config){.queue_timeout_ms = -1});
    fake_answer(&w.fake, (fake_plan){.body = QUEUED("9")});
    start_login(&w, &o);
    ow_client_poll(w.client, 0);
    assert_string_equal(o.reason, "login_queued");
    assert_int_equal(w.queued, 0);
    assert_int_equal(fake_count(&w.fake, "/QuitLoginQueue"), 1);
    close_world(&w);
}

static void a_login_can_be_given_up(void **state) {
    (void)state;
    world w;
    outcome o = {0};
    open_world(&w, NULL);
    assert_false(ow_client_login_cancel(w.client));
    /* While it waits. */
    fake_answer(&w.fake, (fake_plan){.body = QUEUED("9")});
    start_login(&w, &o);
    ow_client_poll(w.client, 0);
    assert_true(ow_client_login_cancel(w.client));
    ow_client_poll(w.client, 0);
    assert_int_equal(o.bad, 1);
    assert_string_equal(o.reason, "cancelled");
    assert_int_equal(fake_count(&w.fake, "/QuitLoginQueue"), 1);
    assert_string_equal(ow_client_refresh_token(w.client), "");
    /* Before its first answer. */
    ow_client_poll(w.client, 0);
    fake_answer(&w.fake, (fake_plan){.is_held = true});
    start_login(&w, &o);
    assert_true(ow_client_login_cancel(w.client));
    ow_client_poll(w.client, 0);
    assert_int_equal(o.bad, 1);
    fake_release(&w.fake, w.fake.sent_count - 1, (fake_plan){.body = QUEUED("9")});
    ow_client_poll(w.client, 0);
    assert_int_equal(o.bad, 2);
    assert_int_equal(w.queued, 1);
    /* Too late: the player is in. */
    ow_client_poll(w.client, 0);
    fake_answer(&w.fake, (fake_plan){.body = LOGIN("1")});
    start_login(&w, &o);
    assert_true(ow_client_login_cancel(w.client));
    ow_client_poll(w.client, 0);
    assert_int_equal(o.good, 1);
    assert_string_equal(ow_client_access_token(w.client), "access-1");
    close_world(&w);
}

static void a_renewal_waits_too(void **state) {
    (void)state;
    world w;
    tally t = {0};
    open_world(&w, NULL);
    log_in(&w);
    w.fake.now_ms += INT64_C(49) * 60000;
    fake_answer(&w.fake, (fake_plan){.body = QUEUED_WITH("refresh-2", "4")});
    ow_client_poll(w.client, 0);
    assert_string_equal(last_sent(&w)->body, "{\"refreshToken\":\"refresh-1\"}");
    assert_int_equal(w.queued, 1);
    /* The old token lasts; the refresh token has been used. */
    assert_string_equal(ow_client_refresh_token(w.client), "refresh-2");
    start_calls(&w, 1, &t);
    ow_client_poll(w.client, 0);
    assert_int_equal(t.good, 1);
    fake_answer(&w.fake, (fake_plan){.body = LOGIN("3")});
    w.fake.now_ms += 5000;
    ow_client_poll(w.client, 0);
    assert_int_equal(w.renewed, 1);
    assert_int_equal(w.logged_out, 0);
    assert_string_equal(ow_client_access_token(w.client), "access-3");
    close_world(&w);
}

static void an_abandoned_wait_leaves_nothing(void **state) {
    (void)state;
    world w;
    outcome o = {0};
    open_world(&w, NULL);
    fake_answer(&w.fake, (fake_plan){.body = QUEUED("9")});
    start_login(&w, &o);
    ow_client_poll(w.client, 0);
    close_world(&w);
    assert_int_equal(o.bad, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(a_login_waits_for_its_place),      OW_TEST(the_place_is_told_and_polled_for),
        OW_TEST(an_absent_server_costs_no_place),  OW_TEST(waiting_has_an_end),
        OW_TEST(a_login_can_be_given_up),          OW_TEST(a_renewal_waits_too),
        OW_TEST(an_abandoned_wait_leaves_nothing),
    };
    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
