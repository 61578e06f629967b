#include "core/testing/ow_test.h"

static int make_number(void **state) {
    static int number = 7;
    *state = &number;
    return 0;
}

static int forget(void **state) {
    *state = NULL;
    return 0;
}

static void equal_codes_pass(void **state) {
    (void)state;
    ow_err err = {0};
    assert_ow_ok(OW_OK, &err);
    assert_ow_ok(OW_OK, NULL);
    assert_ow_code(ow_fail(&err, OW_NOT_FOUND, "no_player", "player %d", 1), OW_NOT_FOUND, &err);
}

static void the_state_is_set_up(void **state) {
    assert_non_null(*state);
    assert_int_equal(*(int *)*state, 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(equal_codes_pass),
        OW_TEST_WITH(the_state_is_set_up, make_number, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
