#include "core/metrics/metrics.h"

#include "core/metrics/internal.h"

#include <stdlib.h>
#include <string.h>

const ow_histogram_shape ow_histogram_of_durations = {
    .bounds = {100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000,
               1000000, 2500000, 5000000, 10000000, 30000000},
    .bound_count = 17,
    .scale = 1000000,
};

const ow_histogram_shape ow_histogram_of_sizes = {
    .bounds = {64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216},
    .bound_count = 10,
    .scale = 1,
};

ow_metrics *ow_metrics_new(void) {
    ow_metrics *metrics = calloc(1, sizeof *metrics);
    if (metrics == NULL) {
        return NULL;
    }
    if (pthread_mutex_init(&metrics->lock, NULL) != 0) {
        free(metrics);
        return NULL;
    }
    metrics->spare_histogram.shape = &ow_histogram_of_durations;
    return metrics;
}

static void series_free(series *series) {
    free(series->labels);
    free(series);
}

ow_metrics *ow_metrics_free(ow_metrics *metrics) {
    if (metrics == NULL) {
        return NULL;
    }
    while (metrics->families != NULL) {
        family *family = metrics->families;
        metrics->families = family->next;
        while (family->first != NULL) {
            series *series = family->first;
            family->first = series->next_in_family;
            series_free(series);
        }
        free(family);
    }
    pthread_mutex_destroy(&metrics->lock);
    free(metrics);
    return NULL;
}

// FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/
static uint32_t hash(uint32_t seed, const char *text) {
    for (; *text != '\0'; text++) {
        seed = (seed ^ (unsigned char)*text) * 16777619U;
    }
    return seed;
}

static series **index_slot(ow_metrics *metrics, const char *name, const char *labels) {
    series **link = &metrics->index[hash(hash(2166136261U, name), labels) % INDEX_BUCKETS];
    while (*link != NULL &&
           (strcmp((*link)->family->name, name) != 0 || strcmp((*link)->labels, labels) != 0)) {
        link = &(*link)->next_in_index;
    }
    return link;
}

// What a caller asks for; `shape` for histograms only.
typedef struct wanted {
    metric_type type;
    const char *name;
    const char *help;
    const ow_histogram_shape *shape;
} wanted;

static bool name_fits_type(const wanted *wanted) {
    size_t length = strlen(wanted->name);
    bool is_total = length > 6 && strcmp(wanted->name + length - 6, "_total") == 0;
    return length < NAME_MAX_BYTES && name_is_sound(wanted->name, true) &&
           is_total == (wanted->type == METRIC_COUNTER);
}

static family *family_get(ow_metrics *metrics, const wanted *wanted) {
    family **link = &metrics->families;
    while (*link != NULL && strcmp((*link)->name, wanted->name) < 0) {
        link = &(*link)->next;
    }
    if (*link != NULL && strcmp((*link)->name, wanted->name) == 0) {
        return (*link)->type == wanted->type ? *link : NULL;
    }
    family *family = calloc(1, sizeof *family);
    if (family == NULL) {
        return NULL;
    }
    family->type = wanted->type;
    if (wanted->shape != NULL) {
        family->shape = *wanted->shape;
    }
    snprintf(family->name, sizeof family->name, "%s", wanted->name);
    snprintf(family->help, sizeof family->help, "%s", wanted->help);
    family->next = *link;
    *link = family;
    return family;
}

static series *series_new(family *family, const char *labels) {
    bool is_histogram = family->type == METRIC_HISTOGRAM;
    series *series = calloc(1, sizeof *series + (is_histogram ? sizeof series->histogram[0] : 0));
    char *copy = strdup(labels);
    if (series == NULL || copy == NULL) {
        free(series);
        free(copy);
        return NULL;
    }
    series->family = family;
    series->labels = copy;
    if (is_histogram) {
        series->histogram->shape = &family->shape;
    }
    series->next_in_family = family->first;
    family->first = series;
    return series;
}

static series *find_or_add(ow_metrics *metrics, const wanted *wanted, const char *labels) {
    series **slot = index_slot(metrics, wanted->name, labels);
    if (*slot != NULL) {
        return (*slot)->family->type == wanted->type ? *slot : NULL;
    }
    if (metrics->series_count >= OW_METRICS_SERIES_MAX) {
        return NULL;
    }
    family *family = family_get(metrics, wanted);
    series *series = family == NULL ? NULL : series_new(family, labels);
    if (series != NULL) {
        *slot = series;
        metrics->series_count++;
    }
    return series;
}

static series *series_register(ow_metrics *metrics, const wanted *wanted,
                               const ow_metric_labels *labels) {
    char text[LABELS_MAX_BYTES];
    series *series = NULL;
    if (name_fits_type(wanted) && labels_format(text, labels)) {
        pthread_mutex_lock(&metrics->lock);
        series = find_or_add(metrics, wanted, text);
        if (series != NULL) {
            series->references++;
        }
        pthread_mutex_unlock(&metrics->lock);
    }
    if (series == NULL) {
        atomic_fetch_add_explicit(&metrics->refused, 1, memory_order_relaxed);
    }
    return series;
}

ow_counter *ow_metrics_counter(ow_metrics *metrics, const char *name, const char *help,
                               const ow_metric_labels *labels) {
    wanted wanted = {METRIC_COUNTER, name, help, NULL};
    series *series = series_register(metrics, &wanted, labels);
    return series == NULL ? &metrics->spare_counter : &series->counter;
}

ow_gauge *ow_metrics_gauge(ow_metrics *metrics, const char *name, const char *help,
                           const ow_metric_labels *labels) {
    wanted wanted = {METRIC_GAUGE, name, help, NULL};
    series *series = series_register(metrics, &wanted, labels);
    return series == NULL ? &metrics->spare_gauge : &series->gauge;
}

ow_histogram *ow_metrics_histogram(ow_metrics *metrics, const char *name, const char *help,
                                   const ow_metric_labels *labels,
                                   const ow_histogram_shape *shape) {
    wanted wanted = {METRIC_HISTOGRAM, name, help, shape};
    series *series = series_register(metrics, &wanted, labels);
    return series == NULL ? &metrics->spare_histogram : series->histogram;
}

static void unlink_from_family(series *series) {
    struct series **link = &series->family->first;
    while (*link != series) {
        link = &(*link)->next_in_family;
    }
    *link = series->next_in_family;
}

void ow_metrics_release(ow_metrics *metrics, const char *name, const ow_metric_labels *labels) {
    char text[LABELS_MAX_BYTES];
    if (!labels_format(text, labels)) {
        return;
    }
    pthread_mutex_lock(&metrics->lock);
    series **slot = index_slot(metrics, name, text);
    series *series = *slot;
    if (series != NULL && --series->references == 0) {
        *slot = series->next_in_index;
        unlink_from_family(series);
        series_free(series);
        metrics->series_count--;
    }
    pthread_mutex_unlock(&metrics->lock);
}

void ow_counter_add(ow_counter *counter, uint64_t by) {
    atomic_fetch_add_explicit(&counter->value, by, memory_order_relaxed);
}

void ow_gauge_set(ow_gauge *gauge, int64_t value) {
    atomic_store_explicit(&gauge->value, value, memory_order_relaxed);
}

void ow_gauge_add(ow_gauge *gauge, int64_t by) {
    atomic_fetch_add_explicit(&gauge->value, by, memory_order_relaxed);
}

void ow_histogram_observe(ow_histogram *histogram, int64_t value) {
    const ow_histogram_shape *shape = histogram->shape;
    size_t bucket = 0;
    while (bucket < shape->bound_count && value > shape->bounds[bucket]) {
        bucket++;
    }
    atomic_fetch_add_explicit(&histogram->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum, value, memory_order_relaxed);
}

uint64_t ow_counter_value(const ow_counter *counter) {
    return atomic_load_explicit(&counter->value, memory_order_relaxed);
}

int64_t ow_gauge_value(const ow_gauge *gauge) {
    return atomic_load_explicit(&gauge->value, memory_order_relaxed);
}

uint64_t ow_histogram_count(const ow_histogram *histogram) {
    uint64_t count = 0;
    for (size_t i = 0; i <= histogram->shape->bound_count; i++) {
        count += atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
    }
    return count;
}

uint64_t ow_metrics_refused(const ow_metrics *metrics) {
    return atomic_load_explicit(&metrics->refused, memory_order_relaxed);
}

void ow_metrics_collector_add(ow_metrics *metrics, ow_metrics_collector *collector) {
    collector->next = metrics->collectors;
    metrics->collectors = collector;
}

void ow_metrics_collector_remove(ow_metrics *metrics, ow_metrics_collector *collector) {
    ow_metrics_collector **link = &metrics->collectors;
    while (*link != NULL && *link != collector) {
        link = &(*link)->next;
    }
    if (*link != NULL) {
        *link = collector->next;
    }
}

char *ow_metrics_text(ow_metrics *metrics, size_t *ret_size) {
    for (ow_metrics_collector *c = metrics->collectors; c != NULL; c = c->next) {
        c->collect(c->self);
    }
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        return NULL;
    }
    pthread_mutex_lock(&metrics->lock);
    for (const family *family = metrics->families; family != NULL; family = family->next) {
        family_write(family, out);
    }
    pthread_mutex_unlock(&metrics->lock);
    bool whole = ferror(out) == 0;
    if (fclose(out) != 0 || !whole) {
        free(text);
        return NULL;
    }
    *ret_size = size;
    return text;
}
