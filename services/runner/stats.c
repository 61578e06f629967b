#include <string.h>

#include "services/runner/internal.h"

enum { STATS_MAX = 4000 }; // rows of an answer, about 1 KB each

static bool fill_reasons(ow_arena *arena, const struct series *series, function_stats *stats) {
    stats->reasons = ow_arena_calloc(arena, SERIES_REASONS, sizeof *stats->reasons);
    for (int i = 0; stats->reasons != NULL && i < SERIES_REASONS; i++) {
        if (series->counts[i] == 0) {
            continue;
        }
        reason_count *count = ow_arena_alloc(arena, sizeof *count);
        if (count == NULL) {
            return false;
        }
        overworld__runner__v1__reason_count__init(count);
        count->reason = (char *)(uintptr_t)series_reasons[i];
        count->count = series->counts[i];
        count->is_error = series_is_error((enum series_reason)i);
        stats->reasons[stats->n_reasons++] = count;
    }
    return stats->reasons != NULL;
}

// Copied: the pool may be gone before the reply is sent.
static function_stats *describe(ow_arena *arena, const struct pool_entry *entry,
                                const struct series *series) {
    function_stats *stats = ow_arena_alloc(arena, sizeof *stats);
    if (stats == NULL) {
        return NULL;
    }
    overworld__runner__v1__function_stats__init(stats);
    stats->function = ow_arena_strdup_in(arena, entry->function);
    stats->revision_id = ow_arena_strdup_in(arena, entry->revision_id);
    stats->version = entry->version;
    stats->alias = ow_arena_strdup_in(arena, series->alias);
    stats->durations = ow_arena_memdup_in(arena, series->durations, sizeof series->durations);
    stats->n_durations = SERIES_BUCKETS;
    bool whole = stats->function != NULL && stats->revision_id != NULL && stats->alias != NULL &&
                 stats->durations != NULL && fill_reasons(arena, series, stats);
    return whole ? stats : NULL;
}

static bool is_wanted(const char *wanted, const char *name) {
    return wanted[0] == '\0' || strcmp(wanted, name) == 0;
}

static bool add_entry(ow_run *run, const struct pool_entry *entry, size_t room) {
    const stats_request *request = run->request;
    stats_response *reply = run->reply;
    for (const struct series *at = entry->series.first; at != NULL; at = at->next) {
        if (!is_wanted(request->alias, at->alias) || reply->n_stats == room) {
            continue;
        }
        function_stats *stats = describe(run->call->arena, entry, at);
        if (stats == NULL) {
            return false;
        }
        reply->stats[reply->n_stats++] = stats;
    }
    return true;
}

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "the answer is too large");
}

static bool fill_bounds(ow_arena *arena, stats_response *reply) {
    reply->bounds_us = ow_arena_calloc(arena, SERIES_BUCKETS, sizeof *reply->bounds_us);
    for (int i = 0; reply->bounds_us != NULL && i < SERIES_BUCKETS; i++) {
        reply->bounds_us[reply->n_bounds_us++] = series_bound_us(i);
    }
    return reply->bounds_us != NULL;
}

static bool is_asked_for(const ow_run *run, const struct pool_entry *entry) {
    const stats_request *request = run->request;
    return strcmp(entry->title_id, run->call->principal->title) == 0 &&
           strcmp(entry->virtual_server, request->virtual_server) == 0 &&
           is_wanted(request->function, entry->function);
}

ow_code stats_step(ow_run *run) {
    struct runner *runner = run->self;
    stats_response *reply = run->reply;
    size_t room = 0;
    if (run->call->principal->title[0] == '\0') {
        return ow_fail(run->err, OW_FAILED_PRECONDITION, "title_needed",
                       "there are several titles: name one in Overworld-Title");
    }
    for (struct pool *at = runner->scheduler.pools; at != NULL; at = at->next) {
        room += is_asked_for(run, entry_of(at)) ? entry_of(at)->series.count : 0;
    }
    room = room < STATS_MAX ? room : STATS_MAX;
    reply->stats = ow_arena_calloc(run->call->arena, room + 1, sizeof *reply->stats);
    if (reply->stats == NULL || !fill_bounds(run->call->arena, reply)) {
        return no_memory(run->err);
    }
    for (struct pool *at = runner->scheduler.pools; at != NULL; at = at->next) {
        if (is_asked_for(run, entry_of(at)) && !add_entry(run, entry_of(at), room)) {
            return no_memory(run->err);
        }
    }
    return OW_OK;
}
