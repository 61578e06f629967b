#include "core/error/error.h"

#include "core/testing/ow_test.h"

#include <errno.h>
#include <string.h>

static void fail_fills_everything(void **state) {
    (void)state;
    ow_err err = {0};
    int line = __LINE__ + 1;
    ow_code code = ow_fail(&err, OW_NOT_FOUND, "no_player", "player %s", "plr_1");
    assert_int_equal(code, OW_NOT_FOUND);
    assert_int_equal(err.code, OW_NOT_FOUND);
    assert_int_equal(err.line, line);
    assert_string_equal(err.file, __FILE__);
    assert_string_equal(err.reason, "no_player");
    assert_string_equal(err.message, "player plr_1");
}

static void nobody_needs_the_details(void **state) {
    (void)state;
    assert_int_equal(ow_fail(NULL, OW_ABORTED, "stale_etag", "x"), OW_ABORTED);
    assert_int_equal(ow_fail_errno(NULL, ENOENT, "x"), OW_INTERNAL);
    assert_int_equal(ow_err_context(NULL, "x"), OW_UNKNOWN);
}

static void a_message_may_quote_the_old_one(void **state) {
    (void)state;
    ow_err err;
    ow_fail(&err, OW_INTERNAL, "first", "inner");
    ow_fail(&err, OW_UNAVAILABLE, "second", "outer (%s)", err.message);
    assert_string_equal(err.message, "outer (inner)");
    assert_string_equal(err.reason, "second");
}

static void system_errors_say_their_text(void **state) {
    (void)state;
    ow_err err;
    assert_int_equal(ow_fail_errno(&err, ENOENT, "cannot open %s", "a"), OW_INTERNAL);
    assert_string_equal(err.message, "cannot open a: No such file or directory");
    assert_string_equal(err.reason, "system");
}

static void context_goes_in_front(void **state) {
    (void)state;
    ow_err err;
    ow_fail(&err, OW_INVALID_ARGUMENT, "bad_value", "not a number");
    assert_int_equal(ow_err_context(&err, "file %s line %d", "a.conf", 3), OW_INVALID_ARGUMENT);
    assert_string_equal(err.message, "file a.conf line 3: not a number");
    assert_string_equal(err.reason, "bad_value");
}

static void long_texts_are_cut(void **state) {
    (void)state;
    char text[2 * OW_MESSAGE_MAX];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    ow_err err;
    ow_fail(&err, OW_INTERNAL, text, "%s", text);
    assert_int_equal(strlen(err.reason), OW_REASON_MAX - 1);
    assert_int_equal(strlen(err.message), OW_MESSAGE_MAX - 1);
    ow_err_context(&err, "%s", text);
    assert_true(strlen(err.message) < OW_MESSAGE_MAX);
    ow_fail_errno(&err, ENOENT, "%s", text);
    assert_non_null(strstr(err.message, "No such file"));
}

static void names_round_trip(void **state) {
    (void)state;
    for (int code = 0; code < OW_CODE_COUNT; code++) {
        assert_int_equal(ow_code_from_name(ow_code_name((ow_code)code)), code);
    }
    assert_string_equal(ow_code_name(OW_CANCELLED), "canceled");
    assert_string_equal(ow_code_name((ow_code)99), "unknown");
    assert_string_equal(ow_code_name((ow_code)-1), "unknown");
    assert_int_equal(ow_code_from_name("CANCELLED"), OW_UNKNOWN);
}

static void faults_are_three(void **state) {
    (void)state;
    int faults = 0;
    for (int code = 0; code < OW_CODE_COUNT; code++) {
        faults += ow_code_is_fault((ow_code)code);
    }
    assert_int_equal(faults, 3);
    assert_true(ow_code_is_fault(OW_DATA_LOSS));
    assert_false(ow_code_is_fault(OW_UNAVAILABLE));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fail_fills_everything),
        cmocka_unit_test(nobody_needs_the_details),
        cmocka_unit_test(a_message_may_quote_the_old_one),
        cmocka_unit_test(system_errors_say_their_text),
        cmocka_unit_test(context_goes_in_front),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(names_round_trip),
        cmocka_unit_test(faults_are_three),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
