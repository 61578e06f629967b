#include "core/http/text.h"

#include "core/testing/ow_test.h"

#include <string.h>

static void finds_query_values(void **state) {
    (void)state;
    char value[16];
    assert_int_equal(ow_http_query_find("a=1&qualifier=%24LATEST&b=2", "qualifier", value, 16), 7);
    assert_string_equal(value, "$LATEST");
    assert_int_equal(ow_http_query_find("a=x+y%2B", "a", value, 16), 4);
    assert_string_equal(value, "x y+");
    assert_int_equal(ow_http_query_find("a=", "a", value, 16), 0);
    assert_int_equal(ow_http_query_find("", "a", value, 16), -1);
    assert_int_equal(ow_http_query_find("aa=1&b", "a", value, 16), -1);
    assert_int_equal(ow_http_query_find("b&a=1&a=2", "a", value, 16), 1);
    assert_string_equal(value, "1");
}

static void refuses_malformed_values(void **state) {
    (void)state;
    char value[4];
    static const char *const bad[] = {"a=%", "a=%2", "a=%zz", "a=%00", "a=1234", "a=%2&b=41"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(ow_http_query_find(bad[i], "a", value, sizeof value), -2);
    }
    assert_int_equal(ow_http_query_find("a=%41%42", "a", value, sizeof value), 2);
}

static void compares_media_types(void **state) {
    (void)state;
    assert_true(ow_http_is_media_type("application/json", "application/json"));
    assert_true(ow_http_is_media_type("Application/JSON ; charset=utf-8", "application/json"));
    assert_false(ow_http_is_media_type("application/jsonx", "application/json"));
    assert_false(ow_http_is_media_type("application", "application/json"));
    assert_false(ow_http_is_media_type(NULL, "application/json"));
}

static void knows_header_values_and_numbers(void **state) {
    (void)state;
    assert_true(ow_http_is_header_value("text/plain; charset=utf-8", 100));
    assert_false(ow_http_is_header_value("", 100));
    assert_false(ow_http_is_header_value("a\r\nb", 100));
    assert_false(ow_http_is_header_value("\xc3\xbc", 100));
    assert_false(ow_http_is_header_value("12345", 4));
    assert_int_equal(ow_http_parse_number("0"), 0);
    assert_int_equal(ow_http_parse_number("999999999999999999"), 999999999999999999);
    assert_int_equal(ow_http_parse_number("1000000000000000000"), -1);
    assert_int_equal(ow_http_parse_number(""), -1);
    assert_int_equal(ow_http_parse_number("-1"), -1);
    assert_int_equal(ow_http_parse_number("1 "), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_query_values),
        cmocka_unit_test(refuses_malformed_values),
        cmocka_unit_test(compares_media_types),
        cmocka_unit_test(knows_header_values_and_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
