#include "core/split/split.h"

#include "core/testing/ow_test.h"

#include <stdio.h>

enum { KEYS = 2000 };

static const char *key_of(char key[40], int i) {
    snprintf(key, 40, "plr_01HXG3K5N8Q2Z4V6B8D0F2%04d", i);
    return key;
}

static int below(const char *salt, unsigned weight) {
    int count = 0;
    for (int i = 0; i < KEYS; i++) {
        char key[40];
        count += ow_split_point(salt, key_of(key, i)) < weight;
    }
    return count;
}

// The bounds are those of the binomial distribution with a false alarm in a million.
static void shares_are_as_wide_as_their_weight(void **state) {
    (void)state;
    static const char *const salts[] = {"", "rev_a", "rev_b", "rev_c", "a much longer salt"};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(below(salts[i], 0), 0);
        assert_in_range(below(salts[i], 1000), 138, 269);
        assert_in_range(below(salts[i], 5000), 891, 1109);
        assert_int_equal(below(salts[i], OW_SPLIT_WHOLE), KEYS);
    }
}

static void every_process_and_release_agrees(void **state) {
    (void)state;
    assert_int_equal(ow_split_point("", ""), 3321);
    assert_int_equal(ow_split_point("rev", "plr_1"), 7770);
}

static void salts_choose_other_keys(void **state) {
    (void)state;
    int both = 0;
    for (int i = 0; i < KEYS; i++) {
        char key[40];
        key_of(key, i);
        both += ow_split_point("a", key) < 1000 && ow_split_point("b", key) < 1000;
    }
    assert_in_range(both, 2, 50);
    assert_int_not_equal(ow_split_point("ab", "c"), ow_split_point("a", "bc"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_as_wide_as_their_weight),
        cmocka_unit_test(every_process_and_release_agrees),
        cmocka_unit_test(salts_choose_other_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
