#include "core/limit/limit.h"

#include "core/testing/ow_test.h"

#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000)
#define WINDOW (5 * SECOND)
#define PART (WINDOW / 16)

static ow_limit *limit_of(uint32_t count, uint32_t max_keys) {
    ow_limit *limit = ow_limit_new(
        &(ow_limit_options){.count = count, .window_us = WINDOW, .max_keys = max_keys});
    assert_non_null(limit);
    return limit;
}

static void refuses_one_more_in_any_window(void **state) {
    (void)state;
    ow_limit *limit = limit_of(50, 100);
    uint64_t key = ow_limit_key(limit, "plr_1", 5);
    // At once, spread over almost the window, and at any offset.
    for (int64_t start = 0; start < 40 * SECOND; start += 7 * SECOND + 12345) {
        for (int i = 0; i < 50; i++) {
            assert_int_equal(ow_limit_take(limit, key, start + i * WINDOW / 51), 0);
        }
        int64_t last = start + WINDOW - 1;
        int64_t wait = ow_limit_take(limit, key, last);
        assert_in_range(wait, 1, PART + 1);
        // After the wait there is one, and no more than came back.
        assert_int_equal(ow_limit_take(limit, key, last + wait), 0);
        start += 2 * WINDOW;
    }
    ow_limit_free(limit);
}

static void tells_when_a_token_is_back(void **state) {
    (void)state;
    ow_limit *limit = limit_of(2, 100);
    assert_int_equal(ow_limit_take(limit, 7, 100 * SECOND), 0);
    assert_int_equal(ow_limit_take(limit, 7, 103 * SECOND), 0);
    int64_t wait = ow_limit_take(limit, 7, 103 * SECOND);
    assert_in_range(wait, 2 * SECOND, 2 * SECOND + PART);
    assert_true(ow_limit_take(limit, 7, 103 * SECOND + wait - 1) > 0);
    assert_int_equal(ow_limit_take(limit, 7, 103 * SECOND + wait), 0);
    assert_true(ow_limit_take(limit, 7, 103 * SECOND + wait) > 0);
    ow_limit_free(limit);
}

static void a_key_may_have_a_count_of_its_own(void **state) {
    (void)state;
    ow_limit *limit = limit_of(2, 100);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(ow_limit_take_of(limit, 7, 5, SECOND), 0);
    }
    assert_true(ow_limit_take_of(limit, 7, 5, SECOND) > 0);
    // Less than is out already: nothing more until enough has come back.
    assert_true(ow_limit_take_of(limit, 7, 1, SECOND) > 0);
    assert_int_equal(ow_limit_take_of(limit, 7, 0, SECOND), 0);
    assert_int_equal(ow_limit_take(limit, 8, SECOND), 0);
    assert_int_equal(ow_limit_take(limit, 8, SECOND), 0);
    assert_true(ow_limit_take(limit, 8, SECOND) > 0);
    ow_limit_free(limit);
}

static void keys_do_not_share(void **state) {
    (void)state;
    ow_limit *limit = limit_of(1, 5000);
    for (uint64_t key = 0; key < 3000; key++) {
        assert_int_equal(ow_limit_take(limit, key << 40, SECOND), 0);
    }
    for (uint64_t key = 0; key < 3000; key++) {
        assert_true(ow_limit_take(limit, key << 40, SECOND) > 0);
    }
    assert_int_equal(ow_limit_keys(limit), 3000);
    ow_limit_free(limit);
}

static void gives_back(void **state) {
    (void)state;
    ow_limit *limit = limit_of(1, 10);
    ow_limit_give_back(limit, 1);
    assert_int_equal(ow_limit_take(limit, 1, SECOND), 0);
    ow_limit_give_back(limit, 1);
    ow_limit_give_back(limit, 1);
    assert_int_equal(ow_limit_take(limit, 1, SECOND), 0);
    assert_true(ow_limit_take(limit, 1, SECOND) > 0);
    ow_limit_free(limit);
}

static void stays_within_its_memory(void **state) {
    (void)state;
    ow_limit *limit = limit_of(3, 100);
    // One that keeps calling is not the one to give way while others are idle.
    for (uint64_t key = 1; key < 100000; key++) {
        int64_t now = SECOND + (int64_t)key * 1000;
        ow_limit_take(limit, key, now);
        ow_limit_take(limit, 0, now);
    }
    assert_int_equal(ow_limit_keys(limit), 100);
    assert_true(ow_limit_forgotten(limit) > 0);
    assert_true(ow_limit_take(limit, 0, SECOND + 100000 * 1000) > 0);
    // When all tokens are back, nothing is lost by giving way.
    uint64_t before = ow_limit_forgotten(limit);
    for (uint64_t key = 200000; key < 200100; key++) {
        assert_int_equal(ow_limit_take(limit, key, 1000 * SECOND), 0);
    }
    assert_int_equal(ow_limit_forgotten(limit), before);
    ow_limit_free(limit);
}

static void a_clock_that_goes_back_gives_nothing(void **state) {
    (void)state;
    ow_limit *limit = limit_of(1, 10);
    assert_int_equal(ow_limit_take(limit, 1, 100 * SECOND), 0);
    assert_true(ow_limit_take(limit, 1, 50 * SECOND) > 0);
    assert_true(ow_limit_take(limit, 1, 104 * SECOND) > 0);
    assert_int_equal(ow_limit_take(limit, 1, 106 * SECOND), 0);
    ow_limit_free(limit);
}

static void zero_is_no_limit(void **state) {
    (void)state;
    ow_limit *limit = limit_of(0, 1);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(ow_limit_take(limit, 1, SECOND), 0);
    }
    assert_int_equal(ow_limit_keys(limit), 0);
    ow_limit_free(limit);
}

// Against a list of all takes: never more than `count` in a window, and what is refused would have
// been, with a sixteenth of tolerance, one too many.
static void agrees_with_a_list_of_all_takes(void **state) {
    (void)state;
    enum { TRIES = 20000, COUNT = 20 };
    ow_limit *limit = limit_of(COUNT, 10);
    int64_t *taken = calloc(TRIES, sizeof *taken);
    size_t count = 0;
    uint32_t random = 12345;
    int64_t now = SECOND;
    for (int i = 0; i < TRIES; i++) {
        random = random * 1664525 + 1013904223;
        now += (random >> 12) % (WINDOW / COUNT * 2);
        size_t strict = 0;
        size_t tolerant = 0;
        for (size_t k = count; k > 0 && now - taken[k - 1] <= WINDOW + PART; k--) {
            strict += now - taken[k - 1] < WINDOW;
            tolerant++;
        }
        bool passes = ow_limit_take(limit, 1, now) == 0;
        assert_true(passes ? strict < COUNT : tolerant >= COUNT);
        if (passes) {
            taken[count++] = now;
        }
    }
    assert_true(count > TRIES / 2);
    free(taken);
    ow_limit_free(limit);
}

static void keys_depend_on_every_byte(void **state) {
    (void)state;
    ow_limit *limit = limit_of(1, 10);
    char text[40] = "0123456789012345678901234567890123456789";
    for (size_t size = 0; size < sizeof text; size++) {
        uint64_t key = ow_limit_key(limit, text, size);
        assert_true(key == ow_limit_key(limit, text, size));
        assert_true(key != ow_limit_key(limit, text, size + 1 - 2 * (size == sizeof text - 1)));
        if (size > 0) {
            text[size - 1] ^= 1;
            assert_true(key != ow_limit_key(limit, text, size));
            text[size - 1] ^= 1;
        }
    }
    ow_limit_free(limit);
}

// The parts of a window hold so many tokens; of a larger count the rest waits for the next part.
static void a_part_holds_a_bounded_number(void **state) {
    (void)state;
    enum { PART_MAX = 65535 };
    ow_limit *limit = limit_of(2 * PART_MAX, 10);
    for (int i = 0; i < PART_MAX; i++) {
        assert_int_equal(ow_limit_take(limit, 7, 0), 0);
    }
    int64_t wait_us = ow_limit_take(limit, 7, 0);
    assert_true(wait_us > 0);
    assert_int_equal(ow_limit_take(limit, 7, wait_us), 0);
    ow_limit_free(limit);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_one_more_in_any_window),
        cmocka_unit_test(tells_when_a_token_is_back),
        cmocka_unit_test(a_key_may_have_a_count_of_its_own),
        cmocka_unit_test(keys_do_not_share),
        cmocka_unit_test(gives_back),
        cmocka_unit_test(stays_within_its_memory),
        cmocka_unit_test(a_clock_that_goes_back_gives_nothing),
        cmocka_unit_test(zero_is_no_limit),
        cmocka_unit_test(agrees_with_a_list_of_all_takes),
        cmocka_unit_test(keys_depend_on_every_byte),
        cmocka_unit_test(a_part_holds_a_bounded_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
