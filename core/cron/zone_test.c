#include "core/cron/zone.h"

#include "core/cron/civil.h"
#include "core/testing/ow_test.h"

#include <stdio.h>
#include <string.h>

static int64_t utc(int year, int month, int day, int hour) {
    return ow_civil_days(year, month, day) * OW_DAY_S + hour * 3600;
}

static void knows_offsets(void **state) {
    (void)state;
    const struct {
        const char *zone;
        int64_t at_s;
        int32_t offset_s;
    } samples[] = {
        {"UTC", 0, 0},
        {"", utc(2500, 1, 1, 0), 0},
        {"Asia/Shanghai", utc(2025, 6, 1, 0), 8 * 3600},
        {"Asia/Kathmandu", utc(2025, 6, 1, 0), 5 * 3600 + 2700},
        {"Europe/Berlin", utc(2025, 3, 30, 1) - 1, 3600},
        {"Europe/Berlin", utc(2025, 3, 30, 1), 7200},
        {"Europe/Berlin", utc(2500, 7, 1, 0), 7200}, // by the rule
        {"Europe/Berlin", utc(2500, 12, 1, 0), 3600},
        {"Australia/Sydney", utc(2060, 1, 1, 0), 11 * 3600},
        {"Australia/Sydney", utc(2060, 7, 1, 0), 10 * 3600},
        {"Pacific/Apia", utc(2011, 12, 30, 9), -10 * 3600},
        {"Pacific/Apia", utc(2011, 12, 30, 10), 14 * 3600},
        {"Europe/Dublin", utc(2050, 1, 1, 0), 0}, // "summer" time in winter
        {"Europe/Dublin", utc(2050, 7, 1, 0), 3600},
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        ow_zone *zone = NULL;
        ow_zone_span span;
        ow_err err = {0};
        assert_ow_ok(ow_zone_open(OW_ZONE_FOLDER, samples[i].zone, &zone, &err), &err);
        ow_zone_span_at(zone, samples[i].at_s, &span);
        assert_int_equal(span.offset_s, samples[i].offset_s);
        assert_true(span.from <= samples[i].at_s && samples[i].at_s < span.until);
        ow_zone_free(zone);
    }
}

// Stretches follow each other without a hole, also from the file's table into the rule.
static void spans_touch(void **state) {
    (void)state;
    static const char *const zones[] = {"Europe/Berlin", "America/Nuuk", "Africa/Casablanca",
                                        "Asia/Gaza", "Antarctica/Troll"};
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
        ow_zone *zone = NULL;
        ow_zone_span span;
        ow_zone_span following;
        assert_int_equal(ow_zone_open(OW_ZONE_FOLDER, zones[i], &zone, NULL), OW_OK);
        ow_zone_span_at(zone, 0, &span);
        for (int k = 0; k < 400 && span.until != INT64_MAX; k++) {
            ow_zone_span_at(zone, span.until, &following);
            assert_int_equal(following.from, span.until);
            assert_true(following.until > following.from);
            span = following;
        }
        ow_zone_free(zone);
    }
}

static void refuses_what_is_no_zone(void **state) {
    (void)state;
    static const char *const names[] = {"Europe/Atlantis", "../../etc/passwd", "/etc/passwd",
                                        "Europe",          "Europe/",          "europe/berlin",
                                        "tzdata.zi",       "right/UTC",        "zone.tab"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ow_zone *zone = NULL;
        ow_err err = {0};
        assert_ow_code(ow_zone_open(OW_ZONE_FOLDER, names[i], &zone, &err), OW_INVALID_ARGUMENT,
                       &err);
        assert_string_equal(err.reason, "bad_zone");
        assert_null(zone);
    }
}

static void refuses_broken_files(void **state) {
    (void)state;
    uint8_t bytes[8192];
    FILE *file = fopen(OW_ZONE_FOLDER "/Europe/Berlin", "rbe");
    assert_non_null(file);
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    assert_in_range(size, 1, sizeof bytes - 1);
    for (size_t cut = 0; cut < size; cut++) {
        ow_zone *zone = NULL;
        assert_int_equal(ow_zone_read(bytes, cut, &zone, NULL), OW_INVALID_ARGUMENT);
        assert_null(zone);
    }
}

static void reads_each_file_once(void **state) {
    (void)state;
    ow_zones *zones = ow_zones_new(OW_ZONE_FOLDER);
    const ow_zone *berlin = NULL;
    const ow_zone *again = NULL;
    const ow_zone *other = NULL;
    ow_err err = {0};
    assert_ow_ok(ow_zones_find(zones, "Europe/Berlin", &berlin, &err), &err);
    assert_ow_ok(ow_zones_find(zones, "Asia/Shanghai", &other, &err), &err);
    assert_ow_ok(ow_zones_find(zones, "Europe/Berlin", &again, &err), &err);
    assert_ptr_equal(berlin, again);
    assert_ptr_not_equal(berlin, other);
    assert_int_equal(ow_zones_find(zones, "Nowhere", &other, NULL), OW_INVALID_ARGUMENT);
    ow_zones_free(zones);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(knows_offsets),           OW_TEST(spans_touch),
        OW_TEST(refuses_what_is_no_zone), OW_TEST(refuses_broken_files),
        OW_TEST(reads_each_file_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
