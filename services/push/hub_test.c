#include "services/push/hub.h"

#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000)
#define KEEP (60 * SECOND)
#define REPORT (300 * SECOND)
#define LINE 4
#define TEXT_MAX 1024

// A gateway that writes down what it is told: "ready 7 0;" "7:hello;" "close 7 replaced;"
typedef struct told {
    char text[TEXT_MAX];
    bool refuses;
} told;

static void note(told *t, const char *what) {
    snprintf(t->text + strlen(t->text), TEXT_MAX - strlen(t->text), "%s", what);
}

static bool deliver(void *self, const hub_message *m, const hub_target *targets, size_t count) {
    char text[100];
    for (size_t i = 0; i < count; i++) {
        snprintf(text, sizeof text, "%d:%s;", (int)targets[i].connection, hub_message_payload(m));
        note(self, text);
    }
    return !((told *)self)->refuses;
}

static bool ready(void *self, hub_target target, bool lost) {
    char text[100];
    snprintf(text, sizeof text, "ready %d %d;", (int)target.connection, lost);
    note(self, text);
    return !((told *)self)->refuses;
}

static bool close_it(void *self, uint64_t connection, const char *reason) {
    char text[100];
    snprintf(text, sizeof text, "close %d %s;", (int)connection, reason);
    note(self, text);
    return !((told *)self)->refuses;
}

typedef struct world {
    hub *hub;
    told a, b;
    hub_gateway *gateway_a, *gateway_b;
    int64_t now;
    int made;
} world;

static hub_gateway *attach(world *w, const char *id, told *t) {
    hub_sink sink = {deliver, ready, close_it, t};
    hub_gateway *made = hub_attach(w->hub, id, &sink);
    assert_non_null(made);
    return made;
}

static int setup(void **state) {
    world *w = calloc(1, sizeof *w);
    hub_limits limits = {.keep_us = KEEP,
                         .report_us = REPORT,
                         .line_messages = LINE,
                         .line_bytes = 100000,
                         .bytes = 200000,
                         .max_lines = 3};
    w->hub = hub_new(&limits, UINT64_C(0x1234));
    w->gateway_a = attach(w, "a", &w->a);
    w->gateway_b = attach(w, "b", &w->b);
    *state = w;
    return 0;
}

static int teardown(void **state) {
    world *w = *state;
    hub_detach(w->hub, w->gateway_a);
    hub_detach(w->hub, w->gateway_b);
    assert_int_equal(hub_count(w->hub)->held, 0);
    hub_expire(w->hub, w->now + KEEP + REPORT);
    hub_expire(w->hub, w->now + KEEP + 2 * REPORT);
    assert_int_equal(hub_count(w->hub)->lines, 0);
    assert_int_equal(hub_count(w->hub)->bytes, 0);
    hub_free(w->hub);
    free(w);
    return 0;
}

static hub_player player(const char *id) {
    return (hub_player){"ttl_1", id};
}

static hub_sent send_to(world *w, const char *payload, const char *const *players, size_t count) {
    char id[20];
    hub_sent sent;
    snprintf(id, sizeof id, "m%d", ++w->made);
    hub_new_message made = {id, "ttl_1", "topic", payload, players, count};
    assert_int_equal(hub_send(w->hub, &made, w->now, &sent, NULL), OW_OK);
    return sent;
}

#define SEND(w, payload, ...)                                                                      \
    send_to((w), (payload), (const char *const[]){__VA_ARGS__},                                    \
            sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void hold(world *w, hub_gateway *gateway, int connection, const char *id,
                 const char *cursor) {
    assert_int_equal(hub_hold(w->hub, gateway, (uint64_t)connection, player(id), cursor, NULL),
                     OW_OK);
}

static void expect_told(told *t, const char *text) {
    assert_string_equal(t->text, text);
    t->text[0] = '\0';
}

// waiting, sent, delivered, undelivered
static void expect_report(world *w, const char *id, int waiting, int sent, int delivered,
                          int undelivered) {
    hub_report report;
    assert_true(hub_report_of(w->hub, "ttl_1", id, &report));
    assert_int_equal(report.waiting, waiting);
    assert_int_equal(report.sent, sent);
    assert_int_equal(report.delivered, delivered);
    assert_int_equal(report.undelivered, undelivered);
    assert_int_equal(report.players, waiting + sent + delivered + undelivered);
}

static void a_message_reaches_the_gateway_that_holds_the_player(void **state) {
    world *w = *state;
    hold(w, w->gateway_a, 1, "p", "");
    hold(w, w->gateway_b, 9, "q", "");
    expect_told(&w->a, "ready 1 0;");
    expect_told(&w->b, "ready 9 0;");
    hub_sent sent = SEND(w, "hi", "p", "q", "p");
    assert_int_equal(sent.sent, 2);
    assert_int_equal(sent.waiting, 0);
    expect_told(&w->a, "1:hi;");
    expect_told(&w->b, "9:hi;");
    hub_acknowledge(w->hub, player("p"), 1);
    expect_report(w, "m1", 0, 1, 1, 0);
    w->now += KEEP;
    hub_expire(w->hub, w->now);
    expect_report(w, "m1", 0, 1, 1, 0);
    assert_int_equal(hub_count(w->hub)->delivered, 1);
    assert_int_equal(hub_count(w->hub)->sent, 1);
}

static void titles_do_not_mix(void **state) {
    world *w = *state;
    hub_report report;
    hold(w, w->gateway_a, 1, "p", "");
    assert_int_equal(hub_hold(w->hub, w->gateway_b, 2, (hub_player){"ttl_2", "p"}, "", NULL),
                     OW_OK);
    w->a.text[0] = w->b.text[0] = '\0';
    SEND(w, "hi", "p");
    expect_told(&w->a, "1:hi;");
    expect_told(&w->b, "");
    assert_false(hub_report_of(w->hub, "ttl_2", "m1", &report));
}

static void without_a_holder_it_is_kept_then_undelivered(void **state) {
    world *w = *state;
    hub_report report;
    hub_sent sent = SEND(w, "hi", "p");
    assert_int_equal(sent.waiting, 1);
    expect_report(w, "m1", 1, 0, 0, 0);
    assert_int_equal(hub_expire(w->hub, w->now + KEEP - 1), w->now + KEEP);
    expect_report(w, "m1", 1, 0, 0, 0);
    hub_expire(w->hub, w->now + KEEP);
    expect_report(w, "m1", 0, 0, 0, 1);
    assert_true(hub_report_of(w->hub, "ttl_1", "m1", &report));
    assert_int_equal(report.listed, 1);
    assert_string_equal(report.undelivered_ids[0], "p");
    hub_expire(w->hub, w->now + KEEP + REPORT);
    assert_false(hub_report_of(w->hub, "ttl_1", "m1", &report));
}

static void who_comes_in_time_gets_it(void **state) {
    world *w = *state;
    SEND(w, "one", "p");
    SEND(w, "two", "p");
    hub_expire(w->hub, w->now + KEEP - 1);
    hold(w, w->gateway_a, 1, "p", "");
    expect_told(&w->a, "ready 1 0;1:one;1:two;");
    expect_report(w, "m1", 0, 1, 0, 0);
}

static void a_cursor_resumes_and_confirms(void **state) {
    char cursor[HUB_CURSOR_MAX];
    world *w = *state;
    hold(w, w->gateway_a, 1, "p", "");
    SEND(w, "one", "p");
    SEND(w, "two", "p");
    hub_release(w->hub, "a", 1, player("p"));
    SEND(w, "three", "p");
    hub_cursor(w->hub, 1, cursor);
    w->a.text[0] = '\0';
    hold(w, w->gateway_b, 2, "p", cursor);
    expect_told(&w->b, "ready 2 0;2:two;2:three;");
    expect_told(&w->a, "");
    expect_report(w, "m1", 0, 0, 1, 0);
    expect_report(w, "m2", 0, 1, 0, 0);
}

static void what_was_lost_is_told(void **state) {
    char cursor[HUB_CURSOR_MAX];
    world *w = *state;
    for (int i = 0; i < LINE + 1; i++) {
        SEND(w, "x", "p");
    }
    expect_report(w, "m1", 0, 0, 0, 1);
    hub_cursor(w->hub, 0, cursor);
    hold(w, w->gateway_a, 1, "p", cursor);
    expect_told(&w->a, "ready 1 1;1:x;1:x;1:x;1:x;");
    // From behind the lost one nothing is missing.
    hub_cursor(w->hub, 1, cursor);
    hold(w, w->gateway_a, 2, "p", cursor);
    expect_told(&w->a, "close 1 replaced;ready 2 0;2:x;2:x;2:x;2:x;");
    // Another hub's cursor says nothing about this one.
    hold(w, w->gateway_a, 3, "p", "ffffffffffffffff-3");
    expect_told(&w->a, "close 2 replaced;ready 3 1;3:x;3:x;3:x;3:x;");
}

// A line that nobody needs is dropped; what it may have lost is remembered for all.
static void a_dropped_line_may_have_lost(void **state) {
    char cursor[HUB_CURSOR_MAX];
    world *w = *state;
    hub_cursor(w->hub, 0, cursor);
    SEND(w, "x", "p");
    w->now += KEEP;
    hub_expire(w->hub, w->now);
    assert_int_equal(hub_count(w->hub)->lines, 0);
    hold(w, w->gateway_a, 1, "p", cursor);
    expect_told(&w->a, "ready 1 1;");
}

static void bad_cursors_are_refused(void **state) {
    static const char *const bad[] = {"x",
                                      "0000000000001234",
                                      "0000000000001234-",
                                      "0000000000001234-1x",
                                      "0000000000001234-5",
                                      "0000000000001234-99999999999999999999",
                                      "1-1"};
    world *w = *state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (hub_hold(w->hub, w->gateway_a, 1, player("p"), bad[i], NULL) != OW_INVALID_ARGUMENT) {
            fail_msg("%s", bad[i]);
        }
    }
    assert_int_equal(hub_count(w->hub)->lines, 0);
}

static void the_latest_connection_holds(void **state) {
    world *w = *state;
    hold(w, w->gateway_a, 1, "p", "");
    hold(w, w->gateway_b, 2, "p", "");
    expect_told(&w->a, "ready 1 0;close 1 replaced;");
    hub_release(w->hub, "a", 1, player("p")); // late: it holds no more
    SEND(w, "hi", "p");
    expect_told(&w->b, "ready 2 0;2:hi;");
}

static void a_gateway_that_goes_leaves_its_messages_waiting(void **state) {
    world *w = *state;
    hold(w, w->gateway_a, 1, "p", "");
    SEND(w, "hi", "p");
    expect_report(w, "m1", 0, 1, 0, 0);
    hub_detach(w->hub, w->gateway_a);
    w->gateway_a = NULL;
    expect_report(w, "m1", 1, 0, 0, 0);
    hold(w, w->gateway_b, 2, "p", "");
    expect_told(&w->b, "ready 2 0;2:hi;");
}

// One that takes no more is detached by the hub; what it was given waits.
static void a_gateway_that_takes_no_more_is_detached(void **state) {
    world *w = *state;
    hold(w, w->gateway_a, 1, "p", "");
    w->a.refuses = true;
    SEND(w, "hi", "p");
    w->gateway_a = NULL;
    assert_null(hub_find_gateway(w->hub, "a"));
    expect_report(w, "m1", 1, 0, 0, 0);
}

// Its sink is gone once it has refused, here in the middle of a hold.
static void a_gateway_that_refuses_a_close_is_told_no_more(void **state) {
    world *w = *state;
    assert_int_equal(hub_hold(w->hub, w->gateway_a, 1, player("p"), "", NULL), OW_OK);
    w->a.text[0] = '\0';
    w->a.refuses = true;
    assert_int_equal(hub_hold(w->hub, w->gateway_a, 2, player("p"), "", NULL), OW_OK);
    assert_string_equal(w->a.text, "close 1 replaced;");
    assert_null(hub_find_gateway(w->hub, "a"));
    w->gateway_a = NULL;
}

static void bounds_hold(void **state) {
    static char large[90000];
    world *w = *state;
    hub_sent sent;
    ow_err err;
    memset(large, 'x', sizeof large - 1);
    SEND(w, large, "p");
    SEND(w, large, "q");
    const char *players[] = {"p", "q", "r", "s"};
    hub_new_message third = {"big", "ttl_1", "t", large, players, 1};
    assert_int_equal(hub_send(w->hub, &third, w->now, &sent, &err), OW_RESOURCE_EXHAUSTED);
    assert_string_equal(err.reason, "overloaded");
    // Three lines at most, and none is made in vain.
    hub_new_message wide = {"wide", "ttl_1", "t", "x", players, 4};
    assert_int_equal(hub_send(w->hub, &wide, w->now, &sent, &err), OW_RESOURCE_EXHAUSTED);
    assert_int_equal(hub_count(w->hub)->lines, 2);
    // The size of one line: the first makes room.
    w->now += 1;
    hub_acknowledge(w->hub, player("q"), 2);
    SEND(w, large, "p");
    expect_report(w, "m1", 0, 0, 0, 1);
}

typedef struct waiter {
    hub_poller poller;
    int woken;
} waiter;

static void wake(void *self) {
    ((waiter *)self)->woken++;
}

static void polls_read_and_wait(void **state) {
    world *w = *state;
    hub_read_message found[2];
    hub_reading reading = {.messages = found, .room = 2};
    char cursor[HUB_CURSOR_MAX];
    waiter first = {.poller = {wake, &first}};
    waiter second = {.poller = {wake, &second}};
    assert_int_equal(hub_read(w->hub, player("p"), "", &reading, NULL), OW_OK);
    assert_int_equal(reading.count, 0);
    assert_int_equal(hub_poll(w->hub, player("p"), &first.poller, NULL), OW_OK);
    assert_int_equal(hub_poll(w->hub, player("p"), &second.poller, NULL), OW_OK);
    assert_int_equal(first.woken, 1);
    SEND(w, "one", "p");
    assert_int_equal(second.woken, 1);
    SEND(w, "two", "p");
    SEND(w, "three", "p");
    assert_int_equal(second.woken, 1);
    assert_int_equal(hub_read(w->hub, player("p"), "", &reading, NULL), OW_OK);
    assert_int_equal(reading.count, 2);
    assert_string_equal(hub_message_payload(found[1].message), "two");
    assert_int_equal(reading.sequence, 2);
    hub_cursor(w->hub, reading.sequence, cursor);
    assert_int_equal(hub_read(w->hub, player("p"), cursor, &reading, NULL), OW_OK);
    assert_int_equal(reading.count, 1);
    expect_report(w, "m1", 0, 0, 1, 0);
    hub_cursor(w->hub, reading.sequence, cursor);
    assert_int_equal(hub_read(w->hub, player("p"), cursor, &reading, NULL), OW_OK);
    assert_int_equal(reading.count, 0);
    expect_report(w, "m3", 0, 0, 1, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST_WITH(a_message_reaches_the_gateway_that_holds_the_player, setup, teardown),
        OW_TEST_WITH(titles_do_not_mix, setup, teardown),
        OW_TEST_WITH(without_a_holder_it_is_kept_then_undelivered, setup, teardown),
        OW_TEST_WITH(who_comes_in_time_gets_it, setup, teardown),
        OW_TEST_WITH(a_cursor_resumes_and_confirms, setup, teardown),
        OW_TEST_WITH(what_was_lost_is_told, setup, teardown),
        OW_TEST_WITH(a_dropped_line_may_have_lost, setup, teardown),
        OW_TEST_WITH(bad_cursors_are_refused, setup, teardown),
        OW_TEST_WITH(the_latest_connection_holds, setup, teardown),
        OW_TEST_WITH(a_gateway_that_goes_leaves_its_messages_waiting, setup, teardown),
        OW_TEST_WITH(a_gateway_that_takes_no_more_is_detached, setup, teardown),
        OW_TEST_WITH(a_gateway_that_refuses_a_close_is_told_no_more, setup, teardown),
        OW_TEST_WITH(bounds_hold, setup, teardown),
        OW_TEST_WITH(polls_read_and_wait, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
