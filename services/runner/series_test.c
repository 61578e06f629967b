#include "services/runner/series.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/testing/ow_test.h"

static struct series_set set_of(ow_metrics *metrics) {
    return (struct series_set){.metrics = metrics,
                               .title_id = "ttl_1",
                               .virtual_server = "game",
                               .function = "play",
                               .version = "3"};
}

static bool shows(ow_metrics *metrics, const char *line) {
    size_t size = 0;
    char *text = ow_metrics_text(metrics, &size);
    assert_non_null(text);
    bool found = strstr(text, line) != NULL;
    free(text);
    return found;
}

#define LABELS(version, alias)                                                                     \
    "{title=\"ttl_1\",virtual_server=\"game\",function=\"play\",version=\"" version                \
    "\",alias=\"" alias "\""

static void names_are_counted_apart(void **state) {
    (void)state;
    ow_metrics *metrics = ow_metrics_new();
    struct series_set set = set_of(metrics);
    series_count(&set, "", SERIES_OK, 100);
    series_count(&set, "$DEFAULT", SERIES_REFUSED, 100);
    series_count(&set, "live", series_reason_of("timeout"), 3000000);
    series_count(&set, "live", series_reason_of("something new"), -1);
    series_count(&set, "live", SERIES_THROTTLED, -1);
    assert_int_equal(set.count, 2);
    assert_int_equal(series_get(&set, "")->counts[SERIES_OK], 1);
    assert_int_equal(series_get(&set, "live")->counts[SERIES_TIMEOUT], 1);
    assert_int_equal(series_get(&set, "live")->counts[SERIES_OTHER], 1);
    assert_true(shows(metrics, "overworld_function_calls_total" LABELS("3", "$DEFAULT") "} 2"));
    assert_true(shows(metrics, "overworld_function_calls_total" LABELS("3", "live") "} 2"));
    assert_true(shows(metrics, "overworld_function_throttles_total" LABELS("3", "live") "} 1"));
    assert_true(shows(
        metrics, "overworld_function_errors_total" LABELS("3", "live") ",reason=\"timeout\"} 1"));
    assert_false(shows(metrics, "overworld_function_errors_total" LABELS("3", "$DEFAULT")));
    series_rename(&set, "4");
    assert_false(shows(metrics, "version=\"3\""));
    series_count(&set, "live", SERIES_TIMEOUT, 1);
    assert_true(shows(
        metrics, "overworld_function_errors_total" LABELS("4", "live") ",reason=\"timeout\"} 1"));
    assert_int_equal(series_get(&set, "live")->counts[SERIES_TIMEOUT], 2);
    series_deinit(&set);
    assert_false(shows(metrics, "ttl_1"));
    ow_metrics_free(metrics);
}

static void names_are_bounded(void **state) {
    (void)state;
    ow_metrics *metrics = ow_metrics_new();
    struct series_set set = set_of(metrics);
    for (int i = 0; i < 1000; i++) {
        char name[16];
        snprintf(name, sizeof name, "a%d", i);
        series_count(&set, name, SERIES_OK, 1);
    }
    assert_int_equal(set.count, SERIES_NAMES_MAX + 1);
    assert_int_equal(series_get(&set, "a1")->counts[SERIES_OK], 1);
    assert_int_equal(series_get(&set, "other")->counts[SERIES_OK], 1000 - SERIES_NAMES_MAX);
    series_deinit(&set);
    ow_metrics_free(metrics);
}

static void every_duration_has_its_bucket(void **state) {
    (void)state;
    static const int64_t durations[] = {
        0, 1, 64, 65, 90, 91, 128, 1000, 50000, 3000000, 1000, 900000000, INT64_MAX / 2, INT64_MAX};
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        ow_metrics *metrics = ow_metrics_new();
        struct series_set set = set_of(metrics);
        series_count(&set, "", SERIES_OK, durations[i]);
        const struct series *series = series_get(&set, "");
        int found = -1;
        for (int b = 0; b < SERIES_BUCKETS; b++) {
            found = series->durations[b] == 1 ? b : found;
            assert_true(b == 0 || series_bound_us(b) > series_bound_us(b - 1));
        }
        assert_in_range(found, 0, SERIES_BUCKETS - 1);
        assert_true(durations[i] <= series_bound_us(found));
        assert_true(found == 0 || durations[i] > series_bound_us(found - 1));
        series_deinit(&set);
        ow_metrics_free(metrics);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_counted_apart),
        cmocka_unit_test(names_are_bounded),
        cmocka_unit_test(every_duration_has_its_bucket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
