#include "services/runner/series.h"

#include <stdlib.h>
#include <string.h>

const char *const series_reasons[SERIES_REASONS] = {
    [SERIES_OK] = "ok",
    [SERIES_REFUSED] = "refused",
    [SERIES_CANCELLED] = "cancelled",
    [SERIES_THROTTLED] = "throttled",
    [SERIES_USER_ERROR] = "user_error",
    [SERIES_CRASHED] = "crashed",
    [SERIES_MEMORY] = "memory",
    [SERIES_TIMEOUT] = "timeout",
    [SERIES_INIT_FAILED] = "init_failed",
    [SERIES_REPLY_TOO_LARGE] = "reply_too_large",
    [SERIES_PROTOCOL] = "protocol",
    [SERIES_OTHER] = "other",
};

bool series_is_error(enum series_reason reason) {
    return reason > SERIES_THROTTLED;
}

enum series_reason series_reason_of(const char *reason) {
    if (reason[0] == '\0') {
        return SERIES_OK;
    }
    for (int i = 0; i < SERIES_OTHER; i++) {
        if (strcmp(series_reasons[i], reason) == 0) {
            return (enum series_reason)i;
        }
    }
    return SERIES_OTHER;
}

// ---- metrics

#define CALLS "overworld_function_calls_total"
#define ERRORS "overworld_function_errors_total"
#define THROTTLES "overworld_function_throttles_total"
#define SECONDS "overworld_function_duration_seconds"

static ow_metric_labels labels_with_reason(const struct series *series, int reason) {
    ow_metric_labels labels = series->labels;
    labels.names[5] = "reason";
    labels.values[5] = series_reasons[reason];
    return labels;
}

static void register_metrics(struct series_set *set, struct series *series) {
    series->labels = (ow_metric_labels){
        {"title", "virtual_server", "function", "version", "alias"},
        {set->title_id, set->virtual_server, set->function, set->version, series->alias}};
    series->calls =
        ow_metrics_counter(set->metrics, CALLS, "Runs of a function that ended", &series->labels);
    series->throttles = ow_metrics_counter(
        set->metrics, THROTTLES, "Calls refused because too many were waiting", &series->labels);
    series->seconds =
        ow_metrics_histogram(set->metrics, SECONDS, "Time a run spent in its instance",
                             &series->labels, &ow_histogram_of_durations);
}

static void release_metrics(struct series_set *set, struct series *series) {
    ow_metrics_release(set->metrics, CALLS, &series->labels);
    ow_metrics_release(set->metrics, THROTTLES, &series->labels);
    ow_metrics_release(set->metrics, SECONDS, &series->labels);
    for (int i = 0; i < SERIES_REASONS; i++) {
        if (series->errors[i] != NULL) {
            ow_metric_labels labels = labels_with_reason(series, i);
            ow_metrics_release(set->metrics, ERRORS, &labels);
            series->errors[i] = NULL;
        }
    }
}

// Most functions never fail in most ways: a series for each way is made when it happens first.
static ow_counter *error_counter(struct series_set *set, struct series *series, int reason) {
    if (series->errors[reason] == NULL) {
        ow_metric_labels labels = labels_with_reason(series, reason);
        series->errors[reason] = ow_metrics_counter(
            set->metrics, ERRORS, "Runs that failed by the function's doing", &labels);
    }
    return series->errors[reason];
}

// ---- the set

static struct series *make_series(struct series_set *set, const char *alias) {
    size_t size = strlen(alias) + 1;
    struct series *series = calloc(1, sizeof *series + size);
    if (series == NULL) {
        return NULL;
    }
    memcpy(series->alias, alias, size);
    register_metrics(set, series);
    set->count++;
    return series;
}

struct series *series_get(struct series_set *set, const char *alias) {
    struct series **at = &set->first;
    alias = alias[0] == '\0' ? "$DEFAULT" : alias;
    while (*at != NULL && strcmp((*at)->alias, alias) != 0) {
        at = &(*at)->next;
    }
    if (*at == NULL && set->count >= SERIES_NAMES_MAX && strcmp(alias, "other") != 0) {
        return series_get(set, "other");
    }
    if (*at == NULL) {
        *at = make_series(set, alias);
    }
    return *at;
}

int64_t series_bound_us(int bucket) {
    if (bucket >= SERIES_BUCKETS - 1) {
        return INT64_MAX;
    }
    int64_t power = (int64_t)SERIES_FIRST_US << (bucket / 2);
    return bucket % 2 == 0 ? power : power * 1414 / 1000;
}

static int bucket_of(int64_t us) {
    if (us <= SERIES_FIRST_US) {
        return 0;
    }
    int power = 63 - __builtin_clzll((uint64_t)(us - 1) / SERIES_FIRST_US);
    int bucket = 2 * power + 1;
    bucket = bucket < SERIES_BUCKETS - 1 ? bucket : SERIES_BUCKETS - 1;
    return us <= series_bound_us(bucket) ? bucket : bucket + 1;
}

void series_count(struct series_set *set, const char *alias, enum series_reason reason,
                  int64_t ran_us) {
    struct series *series = series_get(set, alias);
    if (series == NULL) {
        return;
    }
    series->counts[reason]++;
    ow_counter_add(reason == SERIES_THROTTLED ? series->throttles : series->calls, 1);
    if (series_is_error(reason)) {
        ow_counter_add(error_counter(set, series, reason), 1);
    }
    if (ran_us >= 0) {
        series->durations[bucket_of(ran_us)]++;
        ow_histogram_observe(series->seconds, ran_us);
    }
}

void series_rename(struct series_set *set, const char *version) {
    for (struct series *at = set->first; at != NULL; at = at->next) {
        release_metrics(set, at);
    }
    set->version = version;
    for (struct series *at = set->first; at != NULL; at = at->next) {
        register_metrics(set, at);
    }
}

void series_deinit(struct series_set *set) {
    while (set->first != NULL) {
        struct series *next = set->first->next;
        release_metrics(set, set->first);
        free(set->first);
        set->first = next;
    }
    set->count = 0;
}
