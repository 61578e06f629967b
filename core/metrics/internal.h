#pragma once

#include "core/metrics/metrics.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

enum {
    NAME_MAX_BYTES = 120,
    HELP_MAX_BYTES = 200,
    LABELS_MAX_BYTES = 2048,
    INDEX_BUCKETS = 4096,
};

typedef enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM } metric_type;

struct ow_counter {
    _Atomic uint64_t value;
};

struct ow_gauge {
    _Atomic int64_t value;
};

struct ow_histogram {
    const ow_histogram_shape *shape; // the family's
    _Atomic int64_t sum;
    _Atomic uint64_t buckets[OW_METRIC_BUCKETS_MAX + 1]; // not cumulative; the last one is +Inf
};

typedef struct series {
    struct family *family;
    struct series *next_in_family;
    struct series *next_in_index;
    char *labels; // as they are shown: a="b",c="d"
    unsigned references;
    union {
        ow_counter counter;
        ow_gauge gauge;
    };
    ow_histogram histogram[]; // one, in a histogram's series
} series;

// All series of one name.
typedef struct family {
    struct family *next;
    series *first;
    metric_type type;
    ow_histogram_shape shape;
    char name[NAME_MAX_BYTES];
    char help[HELP_MAX_BYTES];
} family;

struct ow_metrics {
    pthread_mutex_t lock; // guards everything below but the values and the collectors
    family *families;
    series *index[INDEX_BUCKETS]; // by name and labels
    size_t series_count;
    _Atomic uint64_t refused;
    ow_metrics_collector *collectors;
    // Handed out for what is refused.
    ow_counter spare_counter;
    ow_gauge spare_gauge;
    ow_histogram spare_histogram;
};

// Writes labels as they are shown, escaped. False when a name is not allowed or they are too long.
bool labels_format(char text[static LABELS_MAX_BYTES], const ow_metric_labels *labels);

// True for the names that Prometheus allows, `colons` for metrics.
bool name_is_sound(const char *name, bool colons);

void family_write(const family *family, FILE *out);
