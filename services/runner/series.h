#pragma once

// What the calls of one function of one version came to, apart for each name they were called by: so
// that both halves of a split can be compared. Counted here for GetFunctionStats and in the metrics.
//
// One loop thread.

#include "core/metrics/metrics.h"

#include <stdbool.h>
#include <stdint.h>

#define SERIES_NAMES_MAX 16 // of one function of one version; further ones count as "other"
#define SERIES_BUCKETS 48   // of durations: a half power of two each, from SERIES_FIRST_US on
#define SERIES_FIRST_US 64

// How a call ended. Throttled ones never ran; cancelled ones are nobody's fault.
enum series_reason {
    SERIES_OK,
    SERIES_REFUSED,
    SERIES_CANCELLED,
    SERIES_THROTTLED,
    SERIES_USER_ERROR,
    SERIES_CRASHED,
    SERIES_MEMORY,
    SERIES_TIMEOUT,
    SERIES_INIT_FAILED,
    SERIES_REPLY_TOO_LARGE,
    SERIES_PROTOCOL,
    SERIES_OTHER,
    SERIES_REASONS,
};

extern const char *const series_reasons[SERIES_REASONS]; // "ok", "refused" ...

// True when a call that ended so counts against the function.
bool series_is_error(enum series_reason reason);

// Of "" the reason is SERIES_OK.
enum series_reason series_reason_of(const char *reason);

struct series {
    struct series *next;
    int64_t counts[SERIES_REASONS];
    int64_t durations[SERIES_BUCKETS]; // of those that ran
    ow_metric_labels labels;           // title, virtual_server, function, version, alias
    ow_counter *calls, *throttles, *errors[SERIES_REASONS];
    ow_histogram *seconds;
    char alias[];
};

struct series_set {
    ow_metrics *metrics;
    const char *title_id, *virtual_server, *function, *version; // borrowed
    struct series *first;                                       // in order of appearance
    unsigned count;
};

// The series of a name, made when it is new. NULL when out of memory.
struct series *series_get(struct series_set *set, const char *alias);

// `ran_us` < 0: it did not run.
void series_count(struct series_set *set, const char *alias, enum series_reason reason,
                  int64_t ran_us);

// The version has another name from now on: its metrics begin again under that, its counts stay.
void series_rename(struct series_set *set, const char *version);

// Frees all series and gives their metrics back.
void series_deinit(struct series_set *set);

// The upper bound of a bucket in microseconds; the last one has none, INT64_MAX.
int64_t series_bound_us(int bucket);
