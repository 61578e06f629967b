/* The client over planned answers and a clock of its own: retries, renewals, bounds, callbacks. */
#include "sdk/c/internal.h"

#include "core/testing/ow_test.h"
#include "sdk/c/fake_transport.h"
#include "sdk/c/sha256.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_MS 60000
/* An hour after the fake machine's clock. */
#define LOGIN(number)                                                                              \
    "{\"accessToken\":\"access-" number "\",\"refreshToken\":\"refresh-" number                    \
    "\",\"expiresAt\":\"2023-11-14T23:13:20Z\",\"playerId\":\"plr_1\",\"sessionId\":\"ses_1\"}"

typedef struct world {
    fake_transport fake;
    ow_client *client;
    int renewed, logged_out;
    char logged_out_reason[48];
} world;

static void on_event(void *user, ow_client_event event, const ow_client_error *error) {
    world *w = user;
    w->renewed += event == OW_CLIENT_RENEWED;
    if (event == OW_CLIENT_LOGGED_OUT) {
        w->logged_out++;
        snprintf(w->logged_out_reason, sizeof w->logged_out_reason, "%s", error->reason);
    }
}

static void open_world(world *w, const ow_client_config *wanted) {
    ow_client_config config = wanted != NULL ? *wanted : (ow_client_config){0};
    memset(w, 0, sizeof *w);
    fake_init(&w->fake);
    config.url = "http://server/";
    config.title = "game";
    config.on_event = on_event;
    config.on_event_user = w;
    config.transport = &fake_transport_table;
    config.transport_user = &w->fake;
    w->client = sdk_client_new(&config, &w->fake.platform, NULL);
    assert_non_null(w->client);
}

static void close_world(world *w) {
    ow_client_free(w->client);
    assert_true(w->fake.is_closed);
}

static void log_in(world *w) {
    fake_answer(&w->fake, (fake_plan){.body = LOGIN("1")});
    assert_true(ow_client_login_device(w->client, "device-1", NULL, NULL));
}

/* ---- A call ---- */

static void a_call_carries_token_title_and_payload(void **state) {
    (void)state;
    world w;
    open_world(&w, NULL);
    ow_client_login login;
    fake_answer(&w.fake, (fake_plan){.body = LOGIN("1")});
    assert_true(ow_client_login_device(w.client, "de\"vice", &login, NULL));
    assert_string_equal(login.player_id, "plr_1");
    assert_int_equal(login.expires_at, 1700003600);
    assert_string_equal(w.fake.sent[0].body, "{\"deviceId\":\"de\\\"vice\"}");
    assert_string_equal(w.fake.sent[0].authorization, "");
    ow_client_reply *reply = NULL;
    fake_answer(&w.fake, (fake_plan){.body = "[1]"});
    assert_true(ow_client_call_json(w.client, "vs/fn", "{\"a\":1}", &reply, NULL));
    assert_string_equal(reply->data, "[1]");
    assert_string_equal(reply->request_id, "req_1");
    ow_client_reply_free(reply);
    assert_string_equal(w.fake.sent[1].path, "/v1/call/vs/fn");
    assert_string_equal(w.fake.sent[1].body, "{\"a\":1}");
    assert_string_equal(w.fake.sent[1].authorization, "Bearer access-1");
    assert_string_equal(w.fake.sent[1].title, "game");
    close_world(&w);
}

static void what_cannot_be_sent_is_refused_at_once(void **state) {
    (void)state;
    world w;
    ow_client_error error;
    open_world(&w, NULL);
    assert_false(ow_client_call_json(w.client, "vs/fn", "{}", NULL, &error));
    assert_string_equal(error.reason, "not_logged_in");
    log_in(&w);
    static const char *const names[] = {"",        "vs",     "vs/",     "/fn",
                                        "vs/fn/x", "v s/fn", "vs/../x", NULL};
    for (int i = 0; names[i] != NULL; i++) {
        assert_false(ow_client_call_json(w.client, names[i], "{}", NULL, &error));
        assert_string_equal(error.reason, "invalid_argument");
    }
    const ow_client_request requests[] = {
        {.method = "POST", .path = "no-slash"},
        {.method = NULL, .path = "/x"},
        {.method = "TOO-LONG", .path = "/x"},
        {.method = "POST", .path = NULL},
        {.method = "POST", .path = "/x", .qualifier = "a\r\nEvil: 1"},
        {.method = "POST", .path = "/x", .content_type = "a\nb"},
    };
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        assert_false(ow_client_send(w.client, &requests[i], NULL, &error));
        assert_string_equal(error.reason, "invalid_argument");
    }
    assert_int_equal(w.fake.sent_count, 1);
    close_world(&w);
}

static void errors_are_read_in_both_forms(void **state) {
    (void)state;
    static const struct {
        fake_plan plan;
        const char *reason, *message, *details;
    } cases[] = {
        {{.status = 422,
          .body = "{\"code\":\"refused\",\"message\":\"no \\u00e9\",\"details\":{\"a\": [1, 2]}}"},
         "refused",
         "no \xc3\xa9",
         "{\"a\": [1, 2]}"},
        {{.status = 409,
          .body =
              "{\"code\":\"aborted\",\"message\":\"m\",\"details\":[{\"type\":\"t\"},{\"debug\":"
              "{\"reason\":\"stale_etag\"}}]}"},
         "stale_etag",
         "m",
         "[{\"type\":\"t\"},{\"debug\":{\"reason\":\"stale_etag\"}}]"},
        {{.status = 502, .body = "<html>"},
         "http",
         "the server answered with HTTP status 502",
         NULL},
        {{.status = 500, .body = ""}, "http", "the server answered with HTTP status 500", NULL},
        {{.status = 500, .body = "[]"}, "http", "the server answered with HTTP status 500", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        world w;
        ow_client_error error;
        open_world(&w, NULL);
        log_in(&w);
        fake_answer(&w.fake, cases[i].plan);
        assert_false(ow_client_call_json(w.client, "vs/fn", "{}", NULL, &error));
        assert_int_equal(error.status, cases[i].plan.status);
        assert_string_equal(error.reason, cases[i].reason);
        assert_string_equal(error.message, cases[i].message);
        assert_int_equal(error.details != NULL, cases[i].details != NULL);
        if (cases[i].details != NULL) {
            assert_string_equal(error.details, cases[i].details);
        }
        close_world(&w);
    }
}

/* ---- Trying again ---- */

static void only_what_is_safe_is_tried_again(void **state) {
    (void)state;
#define CODE(reason) "{\"code\":\"" reason "\"}"
    static const struct {
        fake_plan plan;
        bool may_repeat;
        int attempts;
        const char *reason;
    } cases[] = {
        {{.outcome = OW_CLIENT_NOT_SENT}, false, 4, "no_connection"},
        {{.outcome = OW_CLIENT_NO_ANSWER}, false, 1, "no_answer"},
        {{.outcome = OW_CLIENT_NO_ANSWER}, true, 4, "no_answer"},
        {{.outcome = OW_CLIENT_TIMED_OUT}, true, 1, "timeout"},
        {{.status = 429, .body = CODE("throttled")}, false, 4, "throttled"},
        {{.status = 503, .body = CODE("overloaded")}, false, 4, "overloaded"},
        {{.status = 503, .body = CODE("stopping")}, false, 1, "stopping"},
        {{.status = 503, .body = CODE("disk_full")}, true, 1, "disk_full"},
        {{.status = 503, .body = ""}, false, 1, "http"},
        {{.status = 500, .body = CODE("user_error")}, true, 1, "user_error"},
        {{.status = 502, .body = CODE("crashed")}, true, 1, "crashed"},
        {{.status = 504, .body = CODE("timeout")}, true, 1, "timeout"},
        {{.status = 200, .extra = 5000}, true, 1, "reply_too_large"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        world w;
        ow_client_error error;
        ow_client_function function = {
            .name = "vs/fn", .payload = "1", .size = 1, .may_repeat = cases[i].may_repeat};
        open_world(&w, &(ow_client_config){.max_reply_bytes = 4000});
        log_in(&w);
        for (int n = 0; n < 6; n++) {
            fake_answer(&w.fake, cases[i].plan);
        }
        assert_false(ow_client_call(w.client, &function, NULL, &error));
        assert_string_equal(error.reason, cases[i].reason);
        assert_int_equal(fake_count(&w.fake, "/fn"), cases[i].attempts);
        close_world(&w);
    }
}

static void a_retry_succeeds_and_pauses_grow(void **state) {
    (void)state;
    world w;
    open_world(&w, &(ow_client_config){.max_retries = 9});
    log_in(&w);
    for (int n = 0; n < 8; n++) {
        fake_answer(&w.fake, (fake_plan){.outcome = OW_CLIENT_NOT_SENT});
    }
    ow_client_function function = {.name = "vs/fn", .timeout_ms = 60000};
    assert_true(ow_client_call(w.client, &function, NULL, NULL));
    assert_int_equal(w.fake.sent_count, 10);
    int64_t most = 100;
    for (int n = 2; n < 10; n++) {
        int64_t pause = w.fake.sent[n].at_ms - w.fake.sent[n - 1].at_ms;
        assert_in_range(pause, most / 2, most);
        most = most * 2 < 5000 ? most * 2 : 5000;
    }
    close_world(&w);
}

static void the_server_says_when_to_come_again(void **state) {
    (void)state;
    world w;
    open_world(&w, NULL);
    log_in(&w);
    fake_answer(&w.fake, (fake_plan){.status = 429, .retry_after_s = 3});
    assert_true(ow_client_call_json(w.client, "vs/fn", "{}", NULL, NULL));
    assert_in_range(w.fake.sent[2].at_ms - w.fake.sent[1].at_ms, 3000, 3100);

    /* Later than the operation lasts: no use in waiting. */
    ow_client_error error;
    int64_t before = w.fake.now_ms;
    fake_answer(&w.fake, (fake_plan){.status = 429, .retry_after_s = 20});
    assert_false(ow_client_call_json(w.client, "vs/fn", "{}", NULL, &error));
    assert_int_equal(error.retry_after_s, 20);
    assert_int_equal(w.fake.now_ms, before);
    close_world(&w);
}

static void retries_can_be_switched_off(void **state) {
    (void)state;
    world w;
    open_world(&w, &(ow_client_config){.max_retries = -1});
    log_in(&w);
    fake_answer(&w.fake, (fake_plan){.outcome = OW_CLIENT_NOT_SENT});
    assert_false(ow_client_call_json(w.client, "vs/fn", "{}", NULL, NULL));
    assert_int_equal(w.fake.sent_count, 2);
    close_world(&w);
}

static void retries_end_with_the_operations_time(void **state) {
    (void)state;
    world w;
    open_world(&w, &(ow_client_config){.max_retries = 1000});
    log_in(&w);
    for (int n = 0; n < 40; n++) {
        fake_answer(&w.fake, (fake_plan){.outcome = OW_CLIENT_NOT_SENT});
    }
    ow_client_function function = {.name = "vs/fn", .timeout_ms = 20000};
    int64_t before = w.fake.now_ms;
    assert_false(ow_client_call(w.client, &function, NULL, NULL));
    assert_in_range(w.fake.now_ms - before, 10000, 20000);
    assert_in_range(w.fake.sent_count, 5, 14);
    const fake_sent *last = &w.fake.sent[w.fake.sent_count - 1];
    assert_int_equal(last->at_ms + last->timeout_ms, before + 20000);
    close_world(&w);
}

/* ---- Staying logged in ---- */

typedef struct tally {
    int good, bad;
    char reason[48];
} tally;

static void count_reply(void *user, ow_client_reply *reply, const ow_client_error *error) {
    tally *t = user;
    t->good += reply != NULL;
    t->bad += reply == NULL;
    if (error != NULL) {
        snprintf(t->reason, sizeof t->reason, "%s", error->reason);
    }
}

static void start_calls(world *w, int count, tally *t) {
    ow_client_function function = {.name = "vs/fn"};
    for (int i = 0; i < count; i++) {
        assert_true(ow_client_call_start(w->client, &function, count_reply, t, NULL));
    }
}

static const fake_sent *last_sent(const world *w) {
    return &w->fake.sent[w->fake.sent_count - 1];
}

static void a_token_is_renewed_before_it_ends(void **state) {
    (void)state;
    world w;
    tally t = {0};
    open_world(&w, NULL);
    log_in(&w);
    w.fake.now_ms += 41 * MINUTE_MS;
    ow_client_poll(w.client, 0);
    assert_int_equal(w.fake.sent_count, 1);
    w.fake.now_ms += 8 * MINUTE_MS;
    fake_answer(&w.fake, (fake_plan){.is_held = true});
    ow_client_poll(w.client, 0);
    assert_string_equal(last_sent(&w)->path, "/overworld.identity.v1.Identity/RefreshSession");
    assert_string_equal(last_sent(&w)->body, "{\"refreshToken\":\"refresh-1\"}");
    assert_string_equal(last_sent(&w)->authorization, "");
    /* The old token lasts: calls do not wait, and there is no second renewal. */
    start_calls(&w, 2, &t);
    ow_client_poll(w.client, 0);
    assert_int_equal(t.good, 2);
    assert_string_equal(last_sent(&w)->authorization, "Bearer access-1");
    assert_int_equal(fake_count(&w.fake, "/RefreshSession"), 1);
    fake_release(&w.fake, 1, (fake_plan){.body = LOGIN("2")});
    ow_client_poll(w.client, 0);
    assert_int_equal(w.renewed, 1);
    assert_string_equal(ow_client_access_token(w.client), "access-2");
    start_calls(&w, 1, &t);
    assert_string_equal(last_sent(&w)->authorization, "Bearer access-2");
    w.fake.now_ms += 49 * MINUTE_MS;
    ow_client_poll(w.client, 0);
    assert_string_equal(last_sent(&w)->body, "{\"refreshToken\":\"refresh-2\"}");
    close_world(&w);
}

static void calls_wait_for_one_renewal_when_the_token_has_ended(void **state) {
    (void)state;
    world w;
    tally t = {0};
    open_world(&w, NULL);
    log_in(&w);
    w.fake.now_ms += 60 * MINUTE_MS;
    fake_answer(&w.fake, (fake_plan){.is_held = true});
    start_calls(&w, 10, &t);
    ow_client_poll(w.client, 0);
    assert_int_equal(fake_count(&w.fake, "/RefreshSession"), 1);
    assert_int_equal(fake_count(&w.fake, "/fn"), 0);
    fake_release(&w.fake, 1, (fake_plan){.body = LOGIN("2")});
    ow_client_poll(w.client, 0);
    ow_client_poll(w.client, 0);
    assert_int_equal(t.good, 10);
    assert_int_equal(fake_count(&w.fake, "/RefreshSession"), 1);
    assert_string_equal(last_sent(&w)->authorization, "Bearer access-2");
    close_world(&w);
}

static void a_refused_renewal_is_told_once(void **state) {
    (void)state;
    world w;
    tally t = {0};
    ow_client_error error;
    open_world(&w, NULL);
    log_in(&w);
    w.fake.now_ms += 60 * MINUTE_MS;
    fake_answer(&w.fake, (fake_plan){.status = 401, .body = CODE("session_ended")});
    start_calls(&w, 3, &t);
    for (int i = 0; i < 5; i++) {
        ow_client_poll(w.client, 0);
    }
    assert_int_equal(w.logged_out, 1);
    assert_string_equal(w.logged_out_reason, "session_ended");
    assert_int_equal(t.bad, 3);
    assert_string_equal(t.reason, "logged_out");
    assert_int_equal(w.fake.sent_count, 2);
    assert_string_equal(ow_client_access_token(w.client), "");
    assert_false(ow_client_call_json(w.client, "vs/fn", "{}", NULL, &error));
    assert_string_equal(error.reason, "not_logged_in");
    log_in(&w);
    assert_true(ow_client_call_json(w.client, "vs/fn", "{}", NULL, NULL));
    close_world(&w);
}

static void an_absent_server_does_not_log_out(void **state) {
    (void)state;
    world w;
    tally t = {0};
    open_world(&w, &(ow_client_config){.max_retries = -1});
    log_in(&w);
    w.fake.now_ms += 49 * MINUTE_MS;
    static const fake_plan failures[] = {
        {.outcome = OW_CLIENT_NOT_SENT}, {.status = 503, .body = ""}, {.status = 429}};
    int64_t asked[4];
    for (int i = 0; i < 3; i++) {
        fake_answer(&w.fake, failures[i]);
        while (fake_count(&w.fake, "/RefreshSession") == i) {
            ow_client_poll(w.client, 0);
            w.fake.now_ms += 100;
        }
        asked[i] = last_sent(&w)->at_ms;
        ow_client_poll(w.client, 0);
    }
    assert_in_range(asked[1] - asked[0], 1000, 1800); /* the server forgives for 10 s */
    assert_in_range(asked[2] - asked[1], 2000, 3300);
    start_calls(&w, 1, &t); /* the old token still lasts */
    ow_client_poll(w.client, 0);
    assert_int_equal(t.good, 1);
    assert_int_equal(w.logged_out, 0);
    /* It has ended and the server is still away: calls fail as what it is. */
    w.fake.now_ms += 15 * MINUTE_MS;
    fake_answer(&w.fake, failures[0]);
    start_calls(&w, 1, &t);
    ow_client_poll(w.client, 0);
    ow_client_poll(w.client, 0);
    assert_int_equal(t.bad, 1);
    assert_string_equal(t.reason, "no_connection");
    assert_int_equal(w.logged_out, 0);
    close_world(&w);
}

static void a_refused_token_is_renewed_once_for_a_call(void **state) {
    (void)state;
    world w;
    ow_client_error error;
    open_world(&w, NULL);
    log_in(&w);
    fake_answer(&w.fake, (fake_plan){.status = 401, .body = CODE("token_expired")});
    fake_answer(&w.fake, (fake_plan){.body = LOGIN("2")});
    assert_true(ow_client_call_json(w.client, "vs/fn", "{}", NULL, NULL));
    assert_string_equal(w.fake.sent[1].authorization, "Bearer access-1");
    assert_string_equal(w.fake.sent[2].body, "{\"refreshToken\":\"refresh-1\"}");
    assert_string_equal(w.fake.sent[3].authorization, "Bearer access-2");
    fake_answer(&w.fake, (fake_plan){.status = 401, .body = CODE("token_expired")});
    fake_answer(&w.fake, (fake_plan){.body = LOGIN("3")});
    fake_answer(&w.fake, (fake_plan){.status = 401, .body = CODE("token_expired")});
    assert_false(ow_client_call_json(w.client, "vs/fn", "{}", NULL, &error));
    assert_string_equal(error.reason, "token_expired");
    assert_int_equal(w.fake.sent_count, 7);
    close_world(&w);
}

static void a_players_clock_may_be_wrong(void **state) {
    (void)state;
    static const int64_t errors_s[] = {-86400 * 365, -3600, 3600, 86400 * 365};
    for (size_t i = 0; i < sizeof errors_s / sizeof errors_s[0]; i++) {
        world w;
        open_world(&w, NULL);
        w.fake.wall_s += errors_s[i];
        fake_answer(&w.fake,
                    (fake_plan){.body = LOGIN("1"), .date = "Tue, 14 Nov 2023 22:13:20 GMT"});
        assert_true(ow_client_login_device(w.client, "device-1", NULL, NULL));
        w.fake.now_ms += 41 * MINUTE_MS;
        assert_true(ow_client_call_json(w.client, "vs/fn", "{}", NULL, NULL));
        assert_int_equal(fake_count(&w.fake, "/RefreshSession"), 0);
        w.fake.now_ms += 8 * MINUTE_MS;
        ow_client_poll(w.client, 0);
        assert_int_equal(fake_count(&w.fake, "/RefreshSession"), 1);
        close_world(&w);
    }
}

static void a_server_key_logs_in_by_itself(void **state) {
    (void)state;
    world w;
    ow_client_error error;
    open_world(&w, &(ow_client_config){.server_key_id = "key_1", .server_key_secret = "c2VjcmV0"});
    fake_answer(&w.fake, (fake_plan){.body = "{\"accessToken\":\"s1\",\"expiresAt\":"
                                             "\"2023-11-14T22:23:20Z\"}"});
    assert_true(ow_client_call_json(w.client, "vs/fn", "{}", NULL, NULL));
    assert_string_equal(w.fake.sent[0].path, "/overworld.identity.v1.Identity/ServerLogin");
    assert_non_null(strstr(w.fake.sent[0].body, "\"timestamp\":\"1700000000\""));
    assert_string_equal(w.fake.sent[1].authorization, "Bearer s1");
    w.fake.now_ms += 11 * MINUTE_MS;
    fake_answer(&w.fake, (fake_plan){.status = 401, .body = CODE("revoked")});
    assert_false(ow_client_call_json(w.client, "vs/fn", "{}", NULL, &error));
    assert_int_equal(w.logged_out, 1);
    assert_int_equal(fake_count(&w.fake, "/ServerLogin"), 2);
    close_world(&w);
}

static void a_failed_login_keeps_the_old_session(void **state) {
    (void)state;
    world w;
    ow_client_error error;
    open_world(&w, NULL);
    log_in(&w);
    fake_answer(&w.fake, (fake_plan){.status = 400, .body = CODE("bad_device")});
    assert_false(ow_client_login_device(w.client, "x", NULL, &error));
    assert_string_equal(error.reason, "bad_device");
    assert_int_equal(w.logged_out, 0);
    assert_true(ow_client_call_json(w.client, "vs/fn", "{}", NULL, NULL));
    fake_answer(&w.fake, (fake_plan){.body = "{}"});
    assert_false(ow_client_login_device(w.client, "x", NULL, &error));
    assert_string_equal(error.reason, "bad_answer");
    close_world(&w);
}

/* ---- Bounds and callbacks ---- */

static void no_more_run_at_once_than_allowed(void **state) {
    (void)state;
    world w;
    tally t = {0};
    open_world(&w, &(ow_client_config){.max_running = 4, .timeout_ms = 5000});
    log_in(&w);
    for (int i = 0; i < 4; i++) {
        fake_answer(&w.fake, (fake_plan){.is_held = true});
    }
    start_calls(&w, 6, &t);
    assert_int_equal(ow_client_poll(w.client, 0), 6);
    assert_int_equal(fake_count(&w.fake, "/fn"), 4);
    fake_release(&w.fake, 1, (fake_plan){0});
    ow_client_poll(w.client, 0);
    assert_int_equal(fake_count(&w.fake, "/fn"), 5);
    /* What still waits when its time is over was never sent. */
    fake_release(&w.fake, 5, (fake_plan){.is_held = true});
    w.fake.now_ms += 5001;
    ow_client_poll(w.client, 0);
    assert_int_equal(t.bad, 1);
    assert_string_equal(t.reason, "timeout");
    assert_int_equal(fake_count(&w.fake, "/fn"), 5);
    close_world(&w);
}

static void waiting_operations_are_bounded(void **state) {
    (void)state;
    world w;
    tally t = {0};
    ow_client_error error;
    open_world(&w, &(ow_client_config){.max_running = 1});
    log_in(&w);
    fake_answer(&w.fake, (fake_plan){.is_held = true});
    start_calls(&w, 10001, &t);
    ow_client_function function = {.name = "vs/fn"};
    assert_false(ow_client_call_start(w.client, &function, count_reply, &t, &error));
    assert_string_equal(error.reason, "too_many_waiting");
    close_world(&w);
    assert_int_equal(t.good + t.bad, 0);
}

typedef struct chain {
    ow_client *client;
    int left, busy;
} chain;

static void call_again(void *user, ow_client_reply *reply, const ow_client_error *error) {
    chain *c = user;
    ow_client_error refused;
    assert_non_null(reply);
    assert_null(error);
    if (!ow_client_call_json(c->client, "vs/fn", "{}", NULL, &refused)) {
        c->busy += strcmp(refused.reason, "busy") == 0;
    }
    ow_client_function function = {.name = "vs/fn"};
    if (--c->left > 0) {
        assert_true(ow_client_call_start(c->client, &function, call_again, c, NULL));
    }
}

static void callbacks_may_start_but_not_wait(void **state) {
    (void)state;
    world w;
    open_world(&w, NULL);
    log_in(&w);
    chain c = {.client = w.client, .left = 5};
    ow_client_function function = {.name = "vs/fn"};
    assert_true(ow_client_call_start(w.client, &function, call_again, &c, NULL));
    while (ow_client_poll(w.client, 0) > 0) {
    }
    assert_int_equal(c.left, 0);
    assert_int_equal(c.busy, 5);
    assert_int_equal(fake_count(&w.fake, "/fn"), 5);
    close_world(&w);
}

static void a_second_login_at_a_time_is_refused(void **state) {
    (void)state;
    world w;
    ow_client_error error;
    tally t = {0};
    open_world(&w, NULL);
    fake_answer(&w.fake, (fake_plan){.is_held = true});
    assert_true(ow_client_login_device_start(w.client, "device-1", NULL, NULL, NULL));
    assert_false(ow_client_login_device_start(w.client, "device-2", NULL, NULL, &error));
    assert_string_equal(error.reason, "busy");
    start_calls(&w, 1, &t); /* it waits for the login */
    fake_release(&w.fake, 0, (fake_plan){.body = LOGIN("1")});
    ow_client_poll(w.client, 0);
    ow_client_poll(w.client, 0);
    assert_int_equal(t.good, 1);
    close_world(&w);
}

/* ---- Parts ---- */

static void hashes_are_the_standards(void **state) {
    (void)state;
    static char key[131], text[200];
    memset(key, 0xaa, sizeof key);
    memset(text, 'a', sizeof text);
    static const struct {
        const char *key;
        size_t key_size;
        const char *text;
        size_t size;
        const char *wanted;
    } cases[] = {
        {NULL, 0, "", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {NULL, 0, "abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {NULL, 0, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {NULL, 0, text, 200, "c2a908d98f5df987ade41b5fce213067efbcc21ef2240212a41e54b5e7c28ae5"},
        /* RFC 4231, 2 and 6 */
        {"Jefe", 4, "what do ya want for nothing?", 28,
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {key, 131, "Test Using Larger Than Block-Size Key - Hash Key First", 54,
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t digest[SDK_SHA256_SIZE];
        char hex[2 * SDK_SHA256_SIZE + 1];
        if (cases[i].key == NULL) {
            sdk_sha256(cases[i].text, cases[i].size, digest);
        } else {
            sdk_hmac_sha256((sdk_bytes){cases[i].key, cases[i].key_size},
                            (sdk_bytes){cases[i].text, cases[i].size}, digest);
        }
        for (int b = 0; b < SDK_SHA256_SIZE; b++) {
            snprintf(hex + 2 * b, 3, "%02x", digest[b]);
        }
        assert_string_equal(hex, cases[i].wanted);
    }
}

static void dates_are_read(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t wanted;
    } cases[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
        {"Thu, 01 Jan 1970 00:00:01 GMT", 1},
        {"Thu, 29 Feb 2024 23:59:59 GMT", 1709251199},
        {"Sun, 06 Nop 1994 08:49:37 GMT", 0},
        {"Sun, 06 anF 1994 08:49:37 GMT", 0},
        {"yesterday", 0},
        {"", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(sdk_read_date(cases[i].text), cases[i].wanted);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(a_call_carries_token_title_and_payload),
        OW_TEST(what_cannot_be_sent_is_refused_at_once),
        OW_TEST(errors_are_read_in_both_forms),
        OW_TEST(only_what_is_safe_is_tried_again),
        OW_TEST(a_retry_succeeds_and_pauses_grow),
        OW_TEST(the_server_says_when_to_come_again),
        OW_TEST(retries_can_be_switched_off),
        OW_TEST(retries_end_with_the_operations_time),
        OW_TEST(a_token_is_renewed_before_it_ends),
        OW_TEST(calls_wait_for_one_renewal_when_the_token_has_ended),
        OW_TEST(a_refused_renewal_is_told_once),
        OW_TEST(an_absent_server_does_not_log_out),
        OW_TEST(a_refused_token_is_renewed_once_for_a_call),
        OW_TEST(a_players_clock_may_be_wrong),
        OW_TEST(a_server_key_logs_in_by_itself),
        OW_TEST(a_failed_login_keeps_the_old_session),
        OW_TEST(no_more_run_at_once_than_allowed),
        OW_TEST(waiting_operations_are_bounded),
        OW_TEST(callbacks_may_start_but_not_wait),
        OW_TEST(a_second_login_at_a_time_is_refused),
        OW_TEST(hashes_are_the_standards),
        OW_TEST(dates_are_read),
    };
    return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
