#include "services/identity/admissions.h"

#include "services/identity/identity_logic.h"

#include "core/testing/ow_test.h"

#include <stdio.h>
#include <string.h>

static admissions *with_room(size_t in, size_t waiting) {
    admissions *a = admissions_new(&(admissions_options){.max_in = in, .max_waiting = waiting});
    assert_non_null(a);
    return a;
}

static const char *session(int number) {
    static char id[OW_ID_MAX];
    snprintf(id, sizeof id, "ses_%026d", number);
    return id;
}

typedef struct ticket {
    char text[TICKET_SIZE];
    int64_t ahead;
} ticket;

static ticket wait_in_line(admissions *a, int number, int64_t now_us) {
    waiting_player who = {0};
    ticket t;
    snprintf(who.session_id, sizeof who.session_id, "%s", session(number));
    assert_false(admissions_enter(a, session(number), now_us));
    assert_int_equal(admissions_wait(a, &who, now_us, t.text, &t.ahead, NULL), OW_OK);
    return t;
}

static bool ask(admissions *a, ticket *t, int64_t now_us) {
    waiting_player who;
    ow_err err = {0};
    assert_ow_ok(admissions_ask(a, t->text, now_us, &who, &t->ahead, &err), &err);
    return t->ahead < 0;
}

static void expect_lost(admissions *a, const ticket *t, int64_t now_us) {
    waiting_player who;
    int64_t ahead = 0;
    ow_err err = {0};
    assert_int_equal(admissions_ask(a, t->text, now_us, &who, &ahead, &err), OW_NOT_FOUND);
    assert_string_equal(err.reason, "no_ticket");
}

static void so_many_are_in(void **state) {
    (void)state;
    admissions *a = with_room(3, 10);
    for (int i = 0; i < 3; i++) {
        assert_true(admissions_enter(a, session(i), i));
    }
    assert_false(admissions_enter(a, session(3), 5));
    assert_true(admissions_enter(a, session(1), 6)); // who is in stays in
    assert_int_equal(admissions_in(a), 3);
    admissions_leave(a, session(2));
    assert_true(admissions_enter(a, session(3), 7));
    // The token of session 0 ends, not yet that of session 1.
    assert_true(admissions_enter(a, session(4), 3600 * SECOND_US + 1));
    assert_false(admissions_enter(a, session(5), 3600 * SECOND_US + 2));
    admissions_free(a);
}

static void who_came_first_comes_in_first(void **state) {
    (void)state;
    admissions *a = with_room(2, 10);
    admissions_enter(a, session(0), 1);
    admissions_enter(a, session(1), 1);
    ticket first = wait_in_line(a, 2, 2), second = wait_in_line(a, 3, 3),
           third = wait_in_line(a, 4, 4);
    assert_int_equal(first.ahead, 0);
    assert_int_equal(third.ahead, 2);
    assert_false(ask(a, &first, 5));
    admissions_leave(a, session(0));
    assert_false(admissions_enter(a, session(9), 6)); // others were here before
    assert_false(ask(a, &second, 6));
    assert_false(ask(a, &third, 6));
    assert_true(ask(a, &first, 7));
    expect_lost(a, &first, 8);
    admissions_leave(a, session(1));
    assert_false(ask(a, &third, 9));
    assert_true(ask(a, &second, 9));
    admissions_quit(a, third.text);
    expect_lost(a, &third, 10);
    assert_int_equal(admissions_waiting(a), 0);
    admissions_leave(a, session(2));
    assert_true(admissions_enter(a, session(9), 11));
    admissions_free(a);
}

static void who_is_absent_loses_the_place(void **state) {
    (void)state;
    admissions *a = with_room(1, 10);
    admissions_enter(a, session(0), 0);
    ticket absent = wait_in_line(a, 1, SECOND_US), patient = wait_in_line(a, 2, SECOND_US);
    assert_false(ask(a, &patient, 50 * SECOND_US));
    admissions_leave(a, session(0));
    assert_false(ask(a, &patient, 55 * SECOND_US));
    assert_true(ask(a, &patient, 62 * SECOND_US));
    expect_lost(a, &absent, 63 * SECOND_US);
    // Nobody waits for an hour, however often they ask.
    ticket long_one = wait_in_line(a, 3, 100 * SECOND_US);
    for (int i = 1; i < 110; i++) {
        assert_false(ask(a, &long_one, (100 + 30 * i) * SECOND_US));
    }
    expect_lost(a, &long_one, (100 + 30 * 111) * SECOND_US);
    admissions_free(a);
}

static void the_queue_is_bounded(void **state) {
    (void)state;
    admissions *a = with_room(1, 3);
    admissions_enter(a, session(0), 0);
    ticket tickets[3];
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 3; i++) {
            tickets[i] = wait_in_line(a, 1 + i, round);
        }
        waiting_player who = {0};
        char text[TICKET_SIZE];
        int64_t ahead;
        ow_err err = {0};
        assert_int_equal(admissions_wait(a, &who, round, text, &ahead, &err),
                         OW_RESOURCE_EXHAUSTED);
        assert_string_equal(err.reason, "login_queue_full");
        for (int i = 0; i < 3; i++) {
            admissions_quit(a, tickets[i].text);
        }
    }
    admissions_free(a);
}

static void made_up_tickets_are_none(void **state) {
    (void)state;
    admissions *a = with_room(1, 3);
    admissions_enter(a, session(0), 0);
    ticket good = wait_in_line(a, 1, 0);
    for (size_t i = 0; i < strlen(good.text); i++) {
        ticket bad = good;
        bad.text[i] = bad.text[i] == 'A' ? 'B' : 'A';
        expect_lost(a, &bad, 1);
    }
    ticket empty = {.text = ""};
    expect_lost(a, &empty, 1);
    admissions_quit(a, "nonsense");
    assert_false(ask(a, &good, 1));
    admissions_free(a);
}

static void without_a_limit_all_are_let_in(void **state) {
    (void)state;
    admissions *a = with_room(0, 0);
    for (int i = 0; i < 1000; i++) {
        assert_true(admissions_enter(a, session(i), 0));
    }
    ticket none = {.text = "AAAA"};
    expect_lost(a, &none, 1);
    admissions_leave(a, session(1));
    admissions_free(a);
}

// Against what is counted by hand, with clocks that go back and restored ones out of order.
static void counts_are_right_after_many_changes(void **state) {
    (void)state;
    enum { SESSIONS = 200 };
    admissions *a = with_room(100, 1);
    bool in[SESSIONS] = {false};
    size_t count = 0;
    uint32_t random = 7;
    for (int i = 0; i < 20000; i++) {
        random = random * 1664525 + 1013904223;
        int which = (int)(random >> 8) % SESSIONS;
        int64_t at_us = (int64_t)(random >> 16) * 1000;
        if ((random & 3) == 0) {
            count -= in[which];
            in[which] = false;
            admissions_leave(a, session(which));
        } else if ((random & 3) == 1) {
            bool fits = count < 100 && !in[which];
            admissions_restore(a, session(which), at_us);
            count += fits;
            in[which] = in[which] || fits;
        } else {
            bool fits = in[which] || count < 100;
            assert_int_equal(admissions_enter(a, session(which), at_us), fits);
            count += fits && !in[which];
            in[which] = in[which] || fits;
        }
        assert_int_equal(admissions_in(a), count);
    }
    assert_true(admissions_enter(a, session(1), INT64_C(1) << 50));
    assert_int_equal(admissions_in(a), 1);
    admissions_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(so_many_are_in),
        OW_TEST(who_came_first_comes_in_first),
        OW_TEST(who_is_absent_loses_the_place),
        OW_TEST(the_queue_is_bounded),
        OW_TEST(made_up_tickets_are_none),
        OW_TEST(without_a_limit_all_are_let_in),
        OW_TEST(counts_are_right_after_many_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
