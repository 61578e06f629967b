#pragma once

// Metrics of one process: counters, gauges and histograms in one registry (main's), shown as
// Prometheus text. A metric is registered once, with its label values, and then incremented through
// its pointer: no lookup and no lock on the way.
//
//     ow_metric_labels labels = {{"method", "code"}, {"DeviceLogin", "ok"}};
//     m->logins = ow_metrics_counter(metrics, "overworld_identity_logins_total",
//                                    "Logins of players", &labels);
//     ow_counter_add(m->logins, 1);
//
// Lifetime rules:
//  1. A metric belongs to the registry and lives until it was released as often as registered, or
//     until the registry is freed.
//  2. Registering never fails: the same name and labels give the same metric again, and what cannot
//     be had (no memory, more than OW_METRICS_SERIES_MAX series, a bad name, another type under the
//     same name) gives one that can be counted on and is not shown; ow_metrics_refused says how
//     often that happened.
//  3. Registering, releasing and writing text take a lock: not on the path of a call. Labels whose
//     values come from outside are registered when that thing is made (a function is deployed).

#include <stddef.h>
#include <stdint.h>

#define OW_METRICS_SERIES_MAX 20000
#define OW_METRIC_LABELS_MAX 6
#define OW_METRIC_BUCKETS_MAX 24

typedef struct ow_metrics ow_metrics;
typedef struct ow_counter ow_counter;
typedef struct ow_gauge ow_gauge;
typedef struct ow_histogram ow_histogram;

// Pairs of name and value; the first NULL name ends the list. Copied. Values are cut at 120 bytes.
typedef struct ow_metric_labels {
    const char *names[OW_METRIC_LABELS_MAX];
    const char *values[OW_METRIC_LABELS_MAX];
} ow_metric_labels;

// Heap; freed by ow_metrics_free when nobody increments any more. NULL when out of memory.
ow_metrics *ow_metrics_new(void);
ow_metrics *ow_metrics_free(ow_metrics *metrics);

// Each registers a metric or finds it again. `name` is a full Prometheus name, counters (and only
// they) end with "_total", durations are in seconds ("_seconds"), sizes in bytes ("_bytes"); `help`
// is one line. Both are copied; `labels` may be NULL. Never NULL. Any thread.
ow_counter *ow_metrics_counter(ow_metrics *metrics, const char *name, const char *help,
                               const ow_metric_labels *labels);
ow_gauge *ow_metrics_gauge(ow_metrics *metrics, const char *name, const char *help,
                           const ow_metric_labels *labels);

// What a histogram measures: observations are integers (microseconds, bytes) and shown divided by
// `scale` (1000000 for seconds). `bounds` are the upper bounds of the buckets, rising, in the unit
// of the observations; +Inf is added. The first registration of a name decides.
typedef struct ow_histogram_shape {
    int64_t bounds[OW_METRIC_BUCKETS_MAX];
    size_t bound_count;
    int64_t scale;
} ow_histogram_shape;

// 100 µs to 30 s, observed in microseconds, shown in seconds.
extern const ow_histogram_shape ow_histogram_of_durations;
// 64 B to 16 MB.
extern const ow_histogram_shape ow_histogram_of_sizes;

ow_histogram *ow_metrics_histogram(ow_metrics *metrics, const char *name, const char *help,
                                   const ow_metric_labels *labels, const ow_histogram_shape *shape);

// Any thread, no lock. A counter only rises.
void ow_counter_add(ow_counter *counter, uint64_t by);
void ow_gauge_set(ow_gauge *gauge, int64_t value);
void ow_gauge_add(ow_gauge *gauge, int64_t by);
void ow_histogram_observe(ow_histogram *histogram, int64_t value);

// For tests and status pages.
uint64_t ow_counter_value(const ow_counter *counter);
int64_t ow_gauge_value(const ow_gauge *gauge);
uint64_t ow_histogram_count(const ow_histogram *histogram);
uint64_t ow_metrics_refused(const ow_metrics *metrics);

// Gives back what was registered once, when what it describes is gone (an undeployed function): the
// pointer must not be used any more. Does nothing for a series that is not there. Any thread.
void ow_metrics_release(ow_metrics *metrics, const char *name, const ow_metric_labels *labels);

// Called before each text is written, for gauges that are cheaper to read than to keep (memory,
// open descriptors). Embedded in the owner's struct; removed before it is freed. Same thread as
// ow_metrics_text; may register and set, not release.
typedef struct ow_metrics_collector {
    void (*collect)(void *self);
    void *self;
    struct ow_metrics_collector *next; // the registry's own
} ow_metrics_collector;

void ow_metrics_collector_add(ow_metrics *metrics, ow_metrics_collector *collector);
void ow_metrics_collector_remove(ow_metrics *metrics, ow_metrics_collector *collector);

// Everything as Prometheus text, version 0.0.4:
// https://prometheus.io/docs/instrumenting/exposition_formats/
// malloc'ed, NUL-terminated, the caller frees it. NULL when out of memory.
char *ow_metrics_text(ow_metrics *metrics, size_t *ret_size);
