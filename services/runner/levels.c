#include "services/runner/levels.h"

#include "services/runner/internal.h"

#define STEP_US 10000000

#define INSTANCES "overworld_function_instances"
#define INSTANCES_PEAK "overworld_function_instances_peak"
#define WAITING "overworld_function_waiting"
#define WAITING_PEAK "overworld_function_waiting_peak"

void levels_register(struct pool_entry *entry) {
    ow_metrics *metrics = entry->runner->env->metrics;
    struct levels *l = &entry->levels;
    l->labels = (ow_metric_labels){
        {"title", "virtual_server", "function", "version"},
        {entry->title_id, entry->virtual_server, entry->function, entry->version_text}};
    l->instances = ow_metrics_gauge(metrics, INSTANCES, "Instances of a function", &l->labels);
    l->instances_peak = ow_metrics_gauge(metrics, INSTANCES_PEAK,
                                         "The most of them in the last ten seconds", &l->labels);
    l->waiting = ow_metrics_gauge(metrics, WAITING, "Calls of a function that wait", &l->labels);
    l->waiting_peak = ow_metrics_gauge(metrics, WAITING_PEAK,
                                       "The most of them in the last ten seconds", &l->labels);
}

void levels_release(struct pool_entry *entry) {
    static const char *const names[] = {INSTANCES, INSTANCES_PEAK, WAITING, WAITING_PEAK};
    if (entry->levels.instances == NULL) {
        return;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ow_metrics_release(entry->runner->env->metrics, names[i], &entry->levels.labels);
    }
    entry->levels.instances = NULL;
}

static unsigned larger(unsigned a, unsigned b) {
    return a > b ? a : b;
}

void levels_collect(struct runner *runner) {
    for (struct pool *at = runner->scheduler.pools; at != NULL; at = at->next) {
        const struct levels *l = &entry_of(at)->levels;
        ow_gauge_set(l->instances, at->count);
        ow_gauge_set(l->instances_peak, larger(at->peaks.instances, at->told.instances));
        ow_gauge_set(l->waiting, at->waiting);
        ow_gauge_set(l->waiting_peak, larger(at->peaks.waiting, at->told.waiting));
    }
}

// Nothing is said of a pool in which nothing was.
static void report(struct pool_entry *entry, int64_t time_us) {
    struct pool *pool = &entry->pool;
    levels_record levels = OVERWORLD__TELEMETRY__V1__LEVELS_RECORD__INIT;
    struct record_owner owner = {
        .title_id = entry->title_id,
        .virtual_server = entry->virtual_server,
        .function = entry->function,
        .version = entry->version,
    };
    levels.instances = (int32_t)pool->count;
    levels.instances_peak = (int32_t)pool->peaks.instances;
    levels.waiting = (int32_t)pool->waiting;
    levels.waiting_peak = (int32_t)pool->peaks.waiting;
    if (levels.instances_peak > 0 || levels.waiting_peak > 0) {
        records_add_levels(entry->runner->records, &owner, time_us, &levels);
    }
    pool->told = pool->peaks;
    pool->peaks = (struct pool_peaks){pool->count, pool->waiting};
}

void levels_maintain(struct runner *runner) {
    int64_t wall_us = ow_clock_wall_us(runner->env->clock);
    int64_t step = wall_us / STEP_US;
    if (step == runner->levels_step) {
        return;
    }
    bool ended = runner->levels_step > 0;
    runner->levels_step = step;
    for (struct pool *at = runner->scheduler.pools; at != NULL && ended; at = at->next) {
        report(entry_of(at), step * STEP_US - 1);
    }
}

void levels_last(struct pool_entry *entry) {
    report(entry, ow_clock_wall_us(entry->runner->env->clock));
}
