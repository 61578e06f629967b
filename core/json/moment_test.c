#include "core/json/moment.h"

#include "core/testing/ow_test.h"

static void reads_and_writes(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
        const char *printed;
    } cases[] = {{"1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z"},
                 {"2026-11-27T13:00:00.1234567+02:00", INT64_C(1795777200123456),
                  "2026-11-27T11:00:00.123456Z"},
                 {"1969-12-31T23:59:59.5Z", -500000, "1969-12-31T23:59:59.500Z"}};
    char text[OW_MOMENT_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t us;
        assert_true(ow_moment_parse(cases[i].text, &us));
        assert_int_equal(us, cases[i].us);
        assert_true(ow_moment_print(us, text));
        assert_string_equal(text, cases[i].printed);
    }
    int64_t us;
    assert_false(ow_moment_parse("2026-11-27", &us));
    assert_false(ow_moment_parse("", &us));
    assert_false(ow_moment_print(INT64_MAX, text));
}

int main(void) {
    const struct CMUnitTest tests[] = {OW_TEST(reads_and_writes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
