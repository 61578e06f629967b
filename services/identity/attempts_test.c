#include "services/identity/attempts.h"

#include "core/testing/ow_test.h"

#include <malloc.h>
#include <stdio.h>

#define SECOND INT64_C(1000000)

static attempts *limited(void) {
    attempts *a = attempts_new(&(attempts_options){.per_account = 5, .per_address = 10});
    assert_non_null(a);
    return a;
}

static attempt from(const char *account, const char *address) {
    return (attempt){.kind = "player", .title = "ttl_a", .account = account, .address = address};
}

static bool may(attempts *a, const attempt *who, int64_t now_us) {
    return attempts_take(a, who, now_us) == 0;
}

static int tries(attempts *a, const attempt *who, int64_t now_us) {
    int count = 0;
    while (count < 100 && may(a, who, now_us)) {
        count++;
    }
    return count;
}

static void an_account_has_five_a_minute(void **state) {
    (void)state;
    attempts *a = limited();
    attempt who = from("ann@example.com", "192.0.2.1"),
            other = from("bob@example.com", "192.0.2.1");
    assert_int_equal(tries(a, &who, SECOND), 5);
    assert_false(may(a, &who, 59 * SECOND));
    assert_true(may(a, &other, 59 * SECOND));
    assert_true(may(a, &who, 66 * SECOND));
    attempt theirs = who;
    theirs.kind = "operator";
    theirs.address = "";
    assert_true(may(a, &theirs, SECOND));
    attempts_free(a);
}

static void an_address_has_ten_in_ten_minutes(void **state) {
    (void)state;
    attempts *a = limited();
    char name[32];
    int let_in = 0;
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "name-%d@example.com", i);
        attempt who = from(name, "192.0.2.1");
        let_in += may(a, &who, SECOND);
    }
    assert_int_equal(let_in, 10);
    attempt elsewhere = from("name-1@example.com", "192.0.2.2");
    assert_true(may(a, &elsewhere, SECOND));
    attempt same = from("new@example.com", "192.0.2.1");
    assert_false(may(a, &same, 599 * SECOND));
    assert_true(may(a, &same, 660 * SECOND));
    attempts_free(a);
}

static void an_ipv6_network_is_one_address(void **state) {
    (void)state;
    attempts *a = limited();
    int let_in = 0;
    for (int i = 0; i < 100; i++) {
        char name[40];
        char address[40];
        snprintf(name, sizeof name, "name-%d@example.com", i);
        snprintf(address, sizeof address, "2001:db8:1:2:%x::%x", i, i + 1);
        attempt each = from(name, address);
        let_in += may(a, &each, SECOND);
    }
    assert_int_equal(let_in, 10);
    attempt neighbour = from("ann@example.com", "2001:db8:1:3::1");
    assert_true(may(a, &neighbour, SECOND));
    // Known from there, whatever the rest of the address is today.
    attempts_succeeded(a, &neighbour);
    attempt stranger = from("ann@example.com", "192.0.2.7");
    assert_int_equal(tries(a, &stranger, SECOND), 5);
    attempt again = from("ann@example.com", "2001:db8:1:3:aaaa::9");
    assert_true(may(a, &again, SECOND));
    attempts_free(a);
}

static void the_right_password_costs_nothing(void **state) {
    (void)state;
    attempts *a = limited();
    attempt who = from("ann@example.com", "192.0.2.1");
    for (int i = 0; i < 100; i++) {
        assert_true(may(a, &who, SECOND));
        attempts_succeeded(a, &who);
    }
    assert_int_equal(tries(a, &who, SECOND), 5);
    attempts_free(a);
}

// Many strangers guess at Ann's account: they have five tries together, she comes in from home.
static void strangers_do_not_lock_out_the_honest(void **state) {
    (void)state;
    attempts *a = limited();
    attempt ann = from("ann@example.com", "192.0.2.1");
    assert_true(may(a, &ann, SECOND));
    attempts_succeeded(a, &ann);
    int guesses = 0;
    for (int i = 0; i < 1000; i++) {
        char address[32];
        snprintf(address, sizeof address, "198.51.%d.%d", i / 250, i % 250);
        attempt stranger = from("ann@example.com", address);
        guesses += may(a, &stranger, SECOND);
    }
    assert_int_equal(guesses, 5);
    assert_true(may(a, &ann, SECOND));
    attempts_succeeded(a, &ann);
    attempts_free(a);
}

// R19: a million names from as many addresses take no more memory than some, and cost nobody a place.
static void a_million_names_take_bounded_memory(void **state) {
    (void)state;
    enum { NAMES = 1000000, MOST_BYTES = 32 << 20 };
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    attempts *a = limited();
    attempt ann = from("ann@example.com", "192.0.2.1");
    assert_true(may(a, &ann, SECOND));
    attempts_succeeded(a, &ann);
    int let_in = 0;
    for (int i = 0; i < NAMES; i++) {
        char name[48];
        char address[48];
        snprintf(name, sizeof name, "name-%d@example.com", i);
        snprintf(address, sizeof address, "10.%d.%d.%d", i >> 16, (i >> 8) & 255, i & 255);
        attempt each = from(name, address);
        let_in += may(a, &each, SECOND + i);
    }
    size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
    print_message("%d names: %zu KB\n", NAMES, (after - before) / 1024);
    assert_int_equal(let_in, NAMES);
    assert_true(after - before <= MOST_BYTES);
    assert_true(may(a, &ann, 2 * SECOND));
    attempts_free(a);
}

static void no_limit_lets_all_pass(void **state) {
    (void)state;
    attempts *a = attempts_new(&(attempts_options){0});
    attempt who = from("ann@example.com", "192.0.2.1");
    assert_int_equal(tries(a, &who, SECOND), 100);
    attempts_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(an_account_has_five_a_minute),     OW_TEST(an_address_has_ten_in_ten_minutes),
        OW_TEST(the_right_password_costs_nothing), OW_TEST(strangers_do_not_lock_out_the_honest),
        OW_TEST(an_ipv6_network_is_one_address),   OW_TEST(a_million_names_take_bounded_memory),
        OW_TEST(no_limit_lets_all_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
