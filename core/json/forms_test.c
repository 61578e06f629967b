#include "core/json/internal.h"

#include "core/testing/ow_test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void reads_integers_exactly(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool good;
        int64_t value;
    } samples[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"0.000", true, 0},
        {"0e99", true, 0},
        {"12", true, 12},
        {"1.2e1", true, 12},
        {"120e-1", true, 12},
        {"1200.00e-2", true, 12},
        {"100", true, 100},
        {"1e18", true, 1000000000000000000},
        {"9007199254740993", true, 9007199254740993},
        {"9223372036854775807", true, INT64_MAX},
        {"922337203685477580.7e1", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"1e19", false, 0},
        {"1e999999999999999999999", false, 0},
        {"1e-999999999999999999999", false, 0},
        {"1.5", false, 0},
        {"12e-1", false, 0},
        {"123456789012345678901234567890", false, 0},
        {"1000000000000000000000000000000e-30", true, 1},
    };
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        int64_t value = -1;
        bool good = number_to_int64(samples[i].text, strlen(samples[i].text), &value);
        if (good != samples[i].good || (good && value != samples[i].value)) {
            fail_msg("%s gave %d, %lld", samples[i].text, good, (long long)value);
        }
    }
    uint64_t big;
    assert_true(number_to_uint64("18446744073709551615", 20, &big));
    assert_true(big == UINT64_MAX);
    assert_false(number_to_uint64("18446744073709551616", 20, &big));
    assert_false(number_to_uint64("-1", 2, &big));
    assert_true(number_to_uint64("-0", 2, &big));
}

static void prints_doubles_shortest(void **state) {
    (void)state;
    char text[NUMBER_TEXT_MAX];
    number_from_double(text, 0.1);
    assert_string_equal(text, "0.1");
    number_from_double(text, 1.0 / 3);
    assert_string_equal(text, "0.3333333333333333");
    number_from_double(text, 5e-324);
    double back;
    assert_true(number_to_double(text, strlen(text), &back));
    assert_true(back == 5e-324);
    number_from_float(text, 0.1F);
    assert_string_equal(text, "0.1");
    number_from_float(text, 16777216.0F);
    assert_string_equal(text, "16777216");
    assert_false(number_to_double("1e999", 5, &back));
}

static void codes_base64(void **state) {
    (void)state;
    // The vectors of RFC 4648, chapter 10.
    static const char *const plain[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
    static const char *const coded[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                        "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    for (int i = 0; i < 7; i++) {
        char text[16] = {0};
        uint8_t bytes[16];
        size_t size;
        size_t length = base64_encode((const uint8_t *)plain[i], strlen(plain[i]), text);
        assert_int_equal(length, strlen(coded[i]));
        assert_string_equal(text, coded[i]);
        assert_true(base64_decode(coded[i], strlen(coded[i]), bytes, &size));
        assert_int_equal(size, strlen(plain[i]));
        assert_memory_equal(bytes, plain[i], size);
        // Without padding, too.
        assert_true(base64_decode(coded[i], strcspn(coded[i], "="), bytes, &size));
        assert_int_equal(size, strlen(plain[i]));
    }
    uint8_t a[8], b[8];
    size_t size;
    assert_true(base64_decode("-_-_", 4, a, &size) && base64_decode("+/+/", 4, b, &size));
    assert_memory_equal(a, b, 3);
    static const char *const wrong[] = {
        "Z", "Zg=", "Z===", "Zg==Zg==", "Zm 9", "=", "Zm9v=", "Zm9v===="};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (base64_decode(wrong[i], strlen(wrong[i]), a, &size)) {
            fail_msg("accepted %s", wrong[i]);
        }
    }
}

static void reads_and_prints_times(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds;
        int32_t nanos;
        const char *printed;
    } samples[] = {
        {"1970-01-01T00:00:00Z", 0, 0, "1970-01-01T00:00:00Z"},
        {"1969-12-31T23:59:59.5Z", -1, 500000000, "1969-12-31T23:59:59.500Z"},
        {"0001-01-01T00:00:00Z", -62135596800, 0, "0001-01-01T00:00:00Z"},
        {"9999-12-31T23:59:59.999999999Z", 253402300799, 999999999,
         "9999-12-31T23:59:59.999999999Z"},
        {"2024-02-29T12:00:00+02:30", 1709199000, 0, "2024-02-29T09:30:00Z"},
        {"2000-03-01T00:00:00.000001Z", 951868800, 1000, "2000-03-01T00:00:00.000001Z"},
        {"1900-02-28T00:00:00-05:00", -2203959600, 0, "1900-02-28T05:00:00Z"},
    };
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        int64_t seconds;
        int32_t nanos;
        char text[TIME_TEXT_MAX];
        if (!timestamp_parse(samples[i].text, strlen(samples[i].text), &seconds, &nanos)) {
            fail_msg("refused %s", samples[i].text);
        }
        assert_int_equal(seconds, samples[i].seconds);
        assert_int_equal(nanos, samples[i].nanos);
        assert_true(timestamp_print(text, seconds, nanos));
        assert_string_equal(text, samples[i].printed);
    }
    static const char *const wrong[] = {
        "",
        "2024-02-30T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2024-13-01T00:00:00Z",
        "2024-00-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:60:00Z",
        "2024-01-01T00:00:60Z",
        "2024-01-01T00:00:00",
        "2024-01-01 00:00:00Z",
        "2024-01-01T00:00:00.Z",
        "2024-01-01T00:00:00.1234567890Z",
        "2024-01-01T00:00:00Zx",
        "2024-1-1T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "2024-01-01t00:00:00z",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        int64_t seconds;
        int32_t nanos;
        if (timestamp_parse(wrong[i], strlen(wrong[i]), &seconds, &nanos)) {
            fail_msg("accepted %s", wrong[i]);
        }
    }
}

// Every day over four centuries keeps its place, in both directions.
static void counts_days_both_ways(void **state) {
    (void)state;
    char last[TIME_TEXT_MAX] = "";
    for (int64_t day = -150000; day < 0; day++) {
        char text[TIME_TEXT_MAX];
        int64_t seconds;
        int32_t nanos;
        assert_true(timestamp_print(text, day * 86400, 0));
        assert_true(strcmp(last, text) < 0);
        assert_true(timestamp_parse(text, strlen(text), &seconds, &nanos));
        assert_int_equal(seconds, day * 86400);
        memcpy(last, text, sizeof last);
    }
}

static void reads_and_prints_durations(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds;
        int32_t nanos;
        const char *printed;
    } samples[] = {
        {"0s", 0, 0, "0s"},
        {"1.5s", 1, 500000000, "1.500s"},
        {"-1.5s", -1, -500000000, "-1.500s"},
        {"-0.000000001s", 0, -1, "-0.000000001s"},
        {"315576000000s", 315576000000, 0, "315576000000s"},
    };
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        int64_t seconds;
        int32_t nanos;
        char text[TIME_TEXT_MAX];
        assert_true(duration_parse(samples[i].text, strlen(samples[i].text), &seconds, &nanos));
        assert_int_equal(seconds, samples[i].seconds);
        assert_int_equal(nanos, samples[i].nanos);
        assert_true(duration_print(text, seconds, nanos));
        assert_string_equal(text, samples[i].printed);
    }
    static const char *const wrong[] = {"",
                                        "s",
                                        "1",
                                        "1.s",
                                        ".5s",
                                        "+1s",
                                        "1 s",
                                        "1.0000000000s",
                                        "315576000001s",
                                        "315576000000.1s",
                                        "1e3s",
                                        "--1s"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        int64_t seconds;
        int32_t nanos;
        if (duration_parse(wrong[i], strlen(wrong[i]), &seconds, &nanos)) {
            fail_msg("accepted %s", wrong[i]);
        }
    }
    char text[TIME_TEXT_MAX];
    assert_false(duration_print(text, 1, -1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_integers_exactly), cmocka_unit_test(prints_doubles_shortest),
        cmocka_unit_test(codes_base64),           cmocka_unit_test(reads_and_prints_times),
        cmocka_unit_test(counts_days_both_ways),  cmocka_unit_test(reads_and_prints_durations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
