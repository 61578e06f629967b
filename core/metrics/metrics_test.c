#include "core/metrics/metrics.h"

#include "core/testing/ow_test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int setup(void **state) {
    *state = ow_metrics_new();
    return *state == NULL;
}

static int teardown(void **state) {
    assert_null(ow_metrics_free(*state));
    return 0;
}

static void expect_text(ow_metrics *metrics, const char *expected) {
    size_t size;
    char *text = ow_metrics_text(metrics, &size);
    assert_string_equal(text, expected);
    assert_int_equal(size, strlen(expected));
    free(text);
}

static void the_text_is_prometheus(void **state) {
    ow_metrics *metrics = *state;
    ow_metric_labels labels = {{"method", "code"}, {"Login", "o\"k\\\n\xff"}};
    ow_counter_add(ow_metrics_counter(metrics, "b_total", "Back\\slash", &labels), 3);
    ow_gauge_set(ow_metrics_gauge(metrics, "a_bytes", "Memory", NULL), -4);
    ow_histogram_shape shape = {{1000, 2000}, 2, 1000};
    ow_histogram *h = ow_metrics_histogram(metrics, "c_seconds", "Time", &labels, &shape);
    ow_histogram_observe(h, 1000);
    ow_histogram_observe(h, 1001);
    ow_histogram_observe(h, 5000);
    assert_int_equal(ow_histogram_count(h), 3);
    expect_text(metrics,
                "# HELP a_bytes Memory\n# TYPE a_bytes gauge\na_bytes -4\n"
                "# HELP b_total Back\\\\slash\n# TYPE b_total counter\n"
                "b_total{method=\"Login\",code=\"o\\\"k\\\\\\n?\"} 3\n"
                "# HELP c_seconds Time\n# TYPE c_seconds histogram\n"
                "c_seconds_bucket{method=\"Login\",code=\"o\\\"k\\\\\\n?\",le=\"1\"} 1\n"
                "c_seconds_bucket{method=\"Login\",code=\"o\\\"k\\\\\\n?\",le=\"2\"} 2\n"
                "c_seconds_bucket{method=\"Login\",code=\"o\\\"k\\\\\\n?\",le=\"+Inf\"} 3\n"
                "c_seconds_sum{method=\"Login\",code=\"o\\\"k\\\\\\n?\"} 7.001\n"
                "c_seconds_count{method=\"Login\",code=\"o\\\"k\\\\\\n?\"} 3\n");
}

static void the_same_series_is_found_again(void **state) {
    ow_metrics *metrics = *state;
    ow_metric_labels one = {{"x"}, {"1"}};
    ow_metric_labels two = {{"x"}, {"2"}};
    ow_counter *a = ow_metrics_counter(metrics, "a_total", "A", &one);
    assert_ptr_equal(ow_metrics_counter(metrics, "a_total", "A", &one), a);
    assert_ptr_not_equal(ow_metrics_counter(metrics, "a_total", "A", &two), a);
    ow_metrics_release(metrics, "a_total", &two);
    ow_metrics_release(metrics, "a_total", &one);
    ow_metrics_release(metrics, "a_total", &two);
    ow_counter_add(a, 1);
    expect_text(metrics, "# HELP a_total A\n# TYPE a_total counter\na_total{x=\"1\"} 1\n");
    ow_metrics_release(metrics, "a_total", &one);
    expect_text(metrics, "");
}

static void what_is_refused_still_counts(void **state) {
    ow_metrics *metrics = *state;
    ow_gauge_set(ow_metrics_gauge(metrics, "a_total", "A", NULL), 1);
    ow_counter_add(ow_metrics_counter(metrics, "a", "A", NULL), 1);
    ow_counter_add(ow_metrics_counter(metrics, "1_total", "A", NULL), 1);
    ow_counter_add(ow_metrics_counter(metrics, "a b_total", "A", NULL), 1);
    ow_metric_labels bad = {{"le"}, {"1"}};
    ow_histogram_observe(ow_metrics_histogram(metrics, "h", "H", &bad, &ow_histogram_of_durations),
                         1);
    ow_gauge_set(ow_metrics_gauge(metrics, "h", "H", NULL), 7);
    ow_histogram_observe(ow_metrics_histogram(metrics, "h", "H", NULL, &ow_histogram_of_durations),
                         1);
    assert_int_equal(ow_metrics_refused(metrics), 6);
    expect_text(metrics, "# HELP h H\n# TYPE h gauge\nh 7\n");
}

static void the_number_of_series_is_bounded(void **state) {
    ow_metrics *metrics = *state;
    char value[16];
    for (int i = 0; i < OW_METRICS_SERIES_MAX + 5; i++) {
        snprintf(value, sizeof value, "%d", i);
        ow_metric_labels labels = {{"n"}, {value}};
        ow_counter_add(ow_metrics_counter(metrics, "n_total", "N", &labels), 1);
    }
    assert_int_equal(ow_metrics_refused(metrics), 5);
}

typedef struct work {
    ow_counter *counter;
    ow_histogram *histogram;
    ow_metrics *metrics;
} work;

static void *count_much(void *arg) {
    work *w = arg;
    for (int i = 0; i < 10000; i++) {
        ow_counter_add(w->counter, 1);
        ow_histogram_observe(w->histogram, i);
        if (i % 1000 == 0) {
            ow_metrics_gauge(w->metrics, "g", "G", NULL);
        }
    }
    return NULL;
}

static void threads_count_together(void **state) {
    ow_metrics *metrics = *state;
    work w = {.metrics = metrics};
    w.counter = ow_metrics_counter(metrics, "a_total", "A", NULL);
    w.histogram = ow_metrics_histogram(metrics, "h_bytes", "H", NULL, &ow_histogram_of_sizes);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count_much, &w), 0);
    }
    size_t size;
    free(ow_metrics_text(metrics, &size));
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(ow_counter_value(w.counter), 40000);
    assert_int_equal(ow_histogram_count(w.histogram), 40000);
}

static void collect(void *self) {
    ow_gauge_add(self, 1);
}

static void collectors_run_before_the_text(void **state) {
    ow_metrics *metrics = *state;
    ow_gauge *gauge = ow_metrics_gauge(metrics, "g", "G", NULL);
    ow_metrics_collector collector = {.collect = collect, .self = gauge};
    ow_metrics_collector_add(metrics, &collector);
    expect_text(metrics, "# HELP g G\n# TYPE g gauge\ng 1\n");
    ow_metrics_collector_remove(metrics, &collector);
    expect_text(metrics, "# HELP g G\n# TYPE g gauge\ng 1\n");
    assert_int_equal(ow_gauge_value(gauge), 1);
}

// Debian's package prometheus has promtool; without it there is nobody to ask.
static void promtool_is_content(void **state) {
    ow_metrics *metrics = *state;
    if (access("/usr/bin/promtool", X_OK) != 0) {
        skip();
    }
    ow_metric_labels labels = {{"method"}, {"Lo\"gin\\"}};
    ow_metrics_counter(metrics, "overworld_calls_total", "Calls", &labels);
    ow_metrics_gauge(metrics, "overworld_instances", "Instances", NULL);
    ow_histogram_observe(ow_metrics_histogram(metrics, "overworld_call_duration_seconds",
                                              "Duration of calls", &labels,
                                              &ow_histogram_of_durations),
                         123);
    size_t size;
    char *text = ow_metrics_text(metrics, &size);
    FILE *tool = popen("/usr/bin/promtool check metrics", "w");
    assert_non_null(tool);
    assert_int_equal(fwrite(text, 1, size, tool), size);
    assert_int_equal(pclose(tool), 0);
    free(text);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(the_text_is_prometheus),       CASE(the_same_series_is_found_again),
        CASE(what_is_refused_still_counts), CASE(the_number_of_series_is_bounded),
        CASE(threads_count_together),       CASE(collectors_run_before_the_text),
        CASE(promtool_is_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
