#include "core/cron/cron.h"

#include "core/cron/civil.h"
#include "core/testing/ow_test.h"

#include <string.h>

static int64_t utc(int year, int month, int day, int hour, int minute, int second) {
    return ow_civil_days(year, month, day) * OW_DAY_S + hour * 3600 + minute * 60 + second;
}

static int64_t next(const char *text, const char *zone_name, int64_t after_s) {
    ow_cron cron;
    ow_zone *zone = NULL;
    ow_err err = {0};
    int64_t at_s = -1;
    assert_ow_ok(ow_cron_parse(text, &cron, &err), &err);
    assert_ow_ok(ow_zone_open(OW_ZONE_FOLDER, zone_name, &zone, &err), &err);
    if (!ow_cron_next(&cron, zone, after_s, &at_s)) {
        at_s = -1;
    }
    ow_zone_free(zone);
    return at_s;
}

static void comes_as_the_fields_say(void **state) {
    (void)state;
    int64_t after = utc(2025, 6, 15, 10, 20, 30); // a Sunday
    const struct {
        const char *text;
        int64_t at;
    } samples[] = {
        {"* * * * *", utc(2025, 6, 15, 10, 21, 0)},
        {"* * * * * *", utc(2025, 6, 15, 10, 20, 31)},
        {"*/7 20 10 * * *", utc(2025, 6, 15, 10, 20, 35)},
        {"20 10 * * *", utc(2025, 6, 16, 10, 20, 0)},
        {"0 0 29 2 *", utc(2028, 2, 29, 0, 0, 0)},
        {"0 0 0 29 2 * 2030-2100", utc(2032, 2, 29, 0, 0, 0)},
        {"0 0 31 * *", utc(2025, 7, 31, 0, 0, 0)},
        {"0 0 L 2 *", utc(2026, 2, 28, 0, 0, 0)},
        {"0 0 LW * *", utc(2025, 6, 30, 0, 0, 0)},
        {"0 0 15W 6 *", utc(2025, 6, 16, 0, 0, 0)}, // the 15th is a Sunday
        {"0 0 1W 2 *", utc(2026, 2, 2, 0, 0, 0)},   // the 1st is a Sunday
        {"0 0 1W 8 *", utc(2025, 8, 1, 0, 0, 0)},
        {"0 0 * * 5#3", utc(2025, 6, 20, 0, 0, 0)},
        {"0 0 * * FRIL", utc(2025, 6, 27, 0, 0, 0)},
        {"0 0 13 * FRI", utc(2025, 6, 20, 0, 0, 0)},  // either
        {"0 0 13 * +FRI", utc(2026, 2, 13, 0, 0, 0)}, // both
        {"0 0 * * 7", utc(2025, 6, 22, 0, 0, 0)},
        {"0 0 ? jan mon-wed", utc(2026, 1, 5, 0, 0, 0)},
        {"@hourly", utc(2025, 6, 15, 11, 0, 0)},
        {"@weekly", utc(2025, 6, 22, 0, 0, 0)},
        {"0 0 30 2 *", -1},
        {"0 0 0 1 1 * 2024", -1},
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        if (next(samples[i].text, "UTC", after) != samples[i].at) {
            print_error("%s\n", samples[i].text);
        }
        assert_int_equal(next(samples[i].text, "UTC", after), samples[i].at);
    }
}

static void counts_on_behind_2038(void **state) {
    (void)state;
    int64_t after = utc(2040, 7, 1, 0, 0, 0);
    assert_int_equal(next("0 12 * * *", "America/New_York", after), utc(2040, 7, 1, 16, 0, 0));
    assert_int_equal(next("0 12 * * *", "America/New_York", utc(2040, 12, 1, 0, 0, 0)),
                     utc(2040, 12, 1, 17, 0, 0));
    assert_int_equal(next("0 0 1 1 *", "UTC", ((int64_t)1 << 31) + 10), utc(2039, 1, 1, 0, 0, 0));
}

// Berlin, 30 March 2025: 02:00 becomes 03:00 at 01:00 UTC.
static void gap(void **state) {
    (void)state;
    int64_t before = utc(2025, 3, 30, 0, 0, 0);
    // One time of day that is not there comes at the end of the gap ...
    assert_int_equal(next("30 2 * * *", "Europe/Berlin", before), utc(2025, 3, 30, 1, 0, 0));
    assert_int_equal(next("30 2 * * *", "Europe/Berlin", utc(2025, 3, 30, 1, 0, 0)),
                     utc(2025, 3, 31, 0, 30, 0));
    // ... any other is left out.
    assert_int_equal(next("*/30 2 * * *", "Europe/Berlin", before), utc(2025, 3, 31, 0, 0, 0));
    assert_int_equal(next("*/30 * * * *", "Europe/Berlin", utc(2025, 3, 30, 0, 30, 0)),
                     utc(2025, 3, 30, 1, 0, 0));
}

// Berlin, 26 October 2025: 03:00 becomes 02:00 at 01:00 UTC.
static void twice(void **state) {
    (void)state;
    int64_t first = utc(2025, 10, 26, 0, 30, 0);
    assert_int_equal(next("30 2 * * *", "Europe/Berlin", first - 1), first);
    assert_int_equal(next("30 2 * * *", "Europe/Berlin", first), utc(2025, 10, 27, 1, 30, 0));
    assert_int_equal(next("15,30 2 * * *", "Europe/Berlin", first), utc(2025, 10, 26, 1, 15, 0));
    // Also when the year's only match is in the hour that comes twice.
    assert_int_equal(next("15,30 2 26 10 *", "Europe/Berlin", first), utc(2025, 10, 26, 1, 15, 0));
    assert_int_equal(next("0 15,30 2 26 10 * 2025", "Europe/Berlin", first),
                     utc(2025, 10, 26, 1, 15, 0));
}

// Every minute of a year is either in the pattern or not: next() must walk exactly those that are.
static void misses_none_and_invents_none(void **state) {
    (void)state;
    static const char *const zones[] = {"Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia"};
    for (size_t z = 0; z < sizeof zones / sizeof *zones; z++) {
        ow_cron cron;
        ow_zone *zone = NULL;
        assert_int_equal(ow_cron_parse("*/10 1-3,23 * * *", &cron, NULL), OW_OK);
        assert_int_equal(ow_zone_open(OW_ZONE_FOLDER, zones[z], &zone, NULL), OW_OK);
        int64_t from = utc(2011, 1, 1, 0, 0, 0);
        int64_t until = utc(2012, 2, 1, 0, 0, 0);
        int64_t at = from - 1;
        assert_true(ow_cron_next(&cron, zone, at, &at));
        for (int64_t s = from; s < until; s += 60) {
            ow_zone_span span;
            ow_zone_span_at(zone, s, &span);
            int64_t in_day = (s + span.offset_s) % OW_DAY_S;
            int64_t hour = in_day / 3600;
            bool fits = in_day / 60 % 10 == 0 && ((hour >= 1 && hour <= 3) || hour == 23);
            assert_int_equal(at == s, fits);
            if (fits) {
                assert_true(ow_cron_next(&cron, zone, at, &at));
            }
        }
        ow_zone_free(zone);
    }
}

static void refuses(void **state) {
    (void)state;
    static const char *const texts[] = {"",
                                        "* * * *",
                                        "* * * * * * * *",
                                        "60 * * * *",
                                        "* 24 * * *",
                                        "* * 0 * *",
                                        "* * 32 * *",
                                        "* * * 13 *",
                                        "* * * * 8",
                                        "a * * * *",
                                        "*/0 * * * *",
                                        "5/10 * * * *",
                                        "5-1 * * * *",
                                        "1,,2 * * * *",
                                        "* * LW,5 * *",
                                        "* * 5L * *",
                                        "* * * * L",
                                        "* * * * 5#6",
                                        "* * * * 5#0",
                                        "* * * * MONDAY",
                                        "@reboot",
                                        "0 0 0 1 1 * 1969",
                                        "0 0 0 1 1 * 3000",
                                        "99999999999999999999 * * * *",
                                        "* * 5-7W * *",
                                        "* * * * *#1"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ow_cron cron;
        ow_err err = {0};
        assert_ow_code(ow_cron_parse(texts[i], &cron, &err), OW_INVALID_ARGUMENT, &err);
        assert_string_equal(err.reason, "bad_cron");
        assert_true(err.message[0] != 0);
    }
    char text[OW_CRON_TEXT_MAX + 2];
    memset(text, ' ', sizeof text);
    text[sizeof text - 1] = 0;
    memcpy(text, "* * * * *", 9);
    assert_int_equal(ow_cron_parse(text, &(ow_cron){0}, NULL), OW_INVALID_ARGUMENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(comes_as_the_fields_say),
        OW_TEST(counts_on_behind_2038),
        OW_TEST(gap),
        OW_TEST(twice),
        OW_TEST(misses_none_and_invents_none),
        OW_TEST(refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
