// What two versions did through an alias, and the figures that are made of it.

#include "cli/release.h"
#include "cli/rpc.h"

#include "overworld/runner/v1/runner.pb-c.h"

#include <string.h>

#define STATS_PATH "/overworld.runner.v1.Runner/GetFunctionStats"

typedef Overworld__Runner__V1__FunctionStats FunctionStats;
typedef Overworld__Runner__V1__ReasonCount ReasonCount;

static void add_reason(version_stats *to, const ReasonCount *reason) {
    size_t i = 0;
    while (i < to->reason_count && strcmp(to->reasons[i].name, reason->reason) != 0) {
        i++;
    }
    to->calls += reason->count;
    to->errors += reason->is_error ? reason->count : 0;
    if (i == STATS_REASONS_MAX) {
        return;
    }
    if (i == to->reason_count) {
        to->reason_count++;
        to->reasons[i].name = reason->reason;
        to->reasons[i].is_error = reason->is_error;
    }
    to->reasons[i].count += reason->count;
}

static void add_function(version_stats *to, const FunctionStats *from) {
    for (size_t i = 0; i < from->n_reasons; i++) {
        add_reason(to, from->reasons[i]);
    }
    for (size_t i = 0; i < from->n_durations && i < STATS_BUCKETS_MAX; i++) {
        to->durations[i] += from->durations[i];
    }
}

cli_exit release_stats_read(cli *c, const stats_query *query, release_stats *ret_stats) {
    Overworld__Runner__V1__GetFunctionStatsRequest request =
        OVERWORLD__RUNNER__V1__GET_FUNCTION_STATS_REQUEST__INIT;
    Overworld__Runner__V1__GetFunctionStatsResponse *reply;
    request.virtual_server = (char *)query->virtual_server;
    request.alias = (char *)query->alias;
    cli_exit code =
        cli_rpc(c, STATS_PATH, &request.base,
                &overworld__runner__v1__get_function_stats_response__descriptor, false, &reply);
    if (code != CLI_OK) {
        return code;
    }
    *ret_stats = (release_stats){0};
    for (size_t i = 0; i < reply->n_bounds_us && i < STATS_BUCKETS_MAX; i++) {
        ret_stats->bounds_us[ret_stats->bound_count++] = reply->bounds_us[i];
    }
    for (size_t i = 0; i < reply->n_stats; i++) {
        const FunctionStats *from = reply->stats[i];
        if (from->version == query->older) {
            add_function(&ret_stats->older, from);
        } else if (from->version == query->newer) {
            add_function(&ret_stats->newer, from);
        }
    }
    return CLI_OK;
}

static int64_t count_of(const version_stats *in, const char *reason) {
    for (size_t i = 0; i < in->reason_count; i++) {
        if (strcmp(in->reasons[i].name, reason) == 0) {
            return in->reasons[i].count;
        }
    }
    return 0;
}

void release_stats_since(version_stats *now, const version_stats *before) {
    if (now->calls < before->calls) {
        return;
    }
    now->calls -= before->calls;
    now->errors -= before->errors;
    for (size_t i = 0; i < now->reason_count; i++) {
        now->reasons[i].count -= count_of(before, now->reasons[i].name);
    }
    for (size_t i = 0; i < STATS_BUCKETS_MAX; i++) {
        now->durations[i] -= before->durations[i];
    }
}

int64_t release_stats_quantile(const release_stats *stats, const version_stats *of, double share) {
    int64_t runs = 0, below = 0;
    for (size_t i = 0; i < stats->bound_count; i++) {
        runs += of->durations[i];
    }
    for (size_t i = 0; i < stats->bound_count; i++) {
        int64_t here = of->durations[i];
        if (here > 0 && (double)(below + here) >= share * (double)runs) {
            bool last = i + 1 == stats->bound_count;
            int64_t from = i > 0 ? stats->bounds_us[i - 1] : 0;
            int64_t width = last ? 0 : stats->bounds_us[i] - from;
            double part = (share * (double)runs - (double)below) / (double)here;
            return from + (int64_t)((double)width * part);
        }
        below += here;
    }
    return 0;
}
