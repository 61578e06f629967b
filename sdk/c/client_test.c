/* The client over planned answers and a clock of its own: calls, retries, bounds, callbacks. */
#include "sdk/c/internal.h"
#include "sdk/c/overworld_execution.h"

#include "core/testing/ow_test.h"
#include "sdk/c/sha256.h"
#include "sdk/c/test_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void puts_a_call_into_the_queue(void **state) {
    (void)state;
    world w;
    ow_client_accepted accepted;
    ow_client_execution execution;
    ow_client_error error;
    open_world(&w, NULL);
    log_in(&w);
    ow_client_function function = {
        .name = "vs/fn", .payload = "1", .size = 1, .deduplication_key = "once"};
    int sent = w.fake.sent_count;
    fake_answer(&w.fake, (fake_plan){.status = 202,
                                     .body = "{\"executionId\":\"exe_1\",\"duplicate\":true}"});
    assert_true(ow_client_call_async(w.client, &function, &accepted, NULL));
    assert_string_equal(accepted.execution_id, "exe_1");
    assert_true(accepted.duplicate);
    assert_string_equal(w.fake.sent[sent].path, "/v1/call/vs/fn?mode=async");
    fake_answer(&w.fake, (fake_plan){.body = "{\"state\":\"dead\",\"reason\":\"refused\"}"});
    assert_true(ow_client_execution_get(w.client, "exe_1", &execution, NULL));
    assert_string_equal(execution.state, "dead");
    assert_string_equal(execution.reason, "refused");
    fake_answer(&w.fake, (fake_plan){.status = 202, .body = "nonsense"});
    assert_false(ow_client_call_async(w.client, &function, &accepted, &error));
    assert_string_equal(error.reason, "bad_answer");
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

/* A game's own transport may be faulty: nobody waits for ever, and what it reports later is harmless. */
static void a_transport_that_never_ends_is_not_waited_for(void **state) {
    (void)state;
    world w;
    ow_client_error error;
    tally t = {0};
    open_world(&w, &(ow_client_config){.max_running = 1, .timeout_ms = 3000});
    log_in(&w);
    fake_answer(&w.fake, (fake_plan){.is_held = true});
    int64_t before = w.fake.now_ms;
    assert_false(ow_client_call_json(w.client, "vs/fn", "{}", NULL, &error));
    assert_string_equal(error.reason, "timeout");
    assert_in_range(w.fake.now_ms - before, 5000, 5001);
    /* It still has the only place. */
    start_calls(&w, 1, &t);
    ow_client_poll(w.client, 0);
    assert_int_equal(fake_count(&w.fake, "/fn"), 1);
    fake_release(&w.fake, 1, (fake_plan){0});
    ow_client_poll(w.client, 0);
    ow_client_poll(w.client, 0);
    assert_int_equal(fake_count(&w.fake, "/fn"), 2);
    assert_int_equal(t.good, 1);
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
        OW_TEST(puts_a_call_into_the_queue),
        OW_TEST(what_cannot_be_sent_is_refused_at_once),
        OW_TEST(errors_are_read_in_both_forms),
        OW_TEST(only_what_is_safe_is_tried_again),
        OW_TEST(a_retry_succeeds_and_pauses_grow),
        OW_TEST(the_server_says_when_to_come_again),
        OW_TEST(retries_can_be_switched_off),
        OW_TEST(retries_end_with_the_operations_time),
        OW_TEST(no_more_run_at_once_than_allowed),
        OW_TEST(a_transport_that_never_ends_is_not_waited_for),
        OW_TEST(waiting_operations_are_bounded),
        OW_TEST(callbacks_may_start_but_not_wait),
        OW_TEST(hashes_are_the_standards),
        OW_TEST(dates_are_read),
    };
    return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
