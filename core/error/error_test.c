#include "core/error/error.h"

#include "core/testing/ow_test.h"

#include <errno.h>
#include <string.h>

static void fills_everything_and_returns_the_code(void **state) {
    (void)state;
    ow_err err;
    assert_int_equal(ow_fail(&err, OW_NOT_FOUND, "no_player", "player %s", "plr_1"), OW_NOT_FOUND);
    assert_int_equal(err.code, OW_NOT_FOUND);
    assert_string_equal(err.reason, "no_player");
    assert_string_equal(err.message, "player plr_1");
    assert_non_null(strstr(err.file, "error_test.c"));
    assert_int_equal(ow_fail(NULL, OW_ABORTED, "x", "y"), OW_ABORTED);
}

static void may_quote_its_own_old_message(void **state) {
    (void)state;
    ow_err err;
    ow_fail(&err, OW_NOT_FOUND, "a", "inner");
    ow_fail(&err, OW_INTERNAL, "b", "outer: %s", err.message);
    assert_string_equal(err.message, "outer: inner");
    assert_int_equal(ow_err_context(&err, "file %d", 7), OW_INTERNAL);
    assert_string_equal(err.message, "file 7: outer: inner");
}

static void cuts_long_texts(void **state) {
    (void)state;
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    ow_err err;
    ow_fail(&err, OW_INTERNAL, text, "%s", text);
    assert_int_equal(strlen(err.reason), OW_REASON_MAX - 1);
    assert_int_equal(strlen(err.message), OW_MESSAGE_MAX - 1);
    ow_fail_errno(&err, ENOENT, "%s", text);
    assert_non_null(strstr(err.message, "No such file"));
}

static void names_are_those_of_connect(void **state) {
    (void)state;
    assert_string_equal(ow_code_name(OW_CANCELLED), "canceled");
    assert_string_equal(ow_code_name((ow_code)99), "unknown");
    for (int code = 0; code < OW_CODE_COUNT; code++) {
        assert_int_equal(ow_code_from_name(ow_code_name((ow_code)code)), code);
    }
    assert_int_equal(ow_code_from_name("no such"), OW_UNKNOWN);
    assert_true(ow_code_is_fault(OW_INTERNAL));
    assert_false(ow_code_is_fault(OW_NOT_FOUND));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_everything_and_returns_the_code),
        cmocka_unit_test(may_quote_its_own_old_message),
        cmocka_unit_test(cuts_long_texts),
        cmocka_unit_test(names_are_those_of_connect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
