#pragma once

// What the commands about versions and aliases share.

#include "cli/cli.h"

#include "overworld/registry/v1/registry.pb-c.h"

typedef Overworld__Registry__V1__Alias Alias;
typedef Overworld__Registry__V1__VirtualServer VirtualServer;

// Reads the virtual server that the first argument names. With --json and `show` it is printed.
cli_exit cli_get_virtual_server(cli *c, bool show, VirtualServer **ret_vs);

// "3", or "3 90 %, 4 10 %". In the arena.
const char *cli_alias_targets(cli *c, const Alias *alias);

// "10", "2.5", "0.01%" in hundredths of a percent; -1: none such.
int32_t cli_read_percent(const char *text);

// "3 %", "2.50 %" of hundredths of a percent. In the arena.
const char *cli_percent_text(cli *c, int32_t weight);

// ---- release_stats.c: what a version did through an alias ----

enum { STATS_BUCKETS_MAX = 64, STATS_REASONS_MAX = 16 };

typedef struct version_stats {
    int64_t calls, errors;
    int64_t durations[STATS_BUCKETS_MAX];
    struct {
        const char *name; // in the arena
        int64_t count;
        bool is_error;
    } reasons[STATS_REASONS_MAX];
    size_t reason_count;
} version_stats;

typedef struct release_stats {
    version_stats older, newer;
    int64_t bounds_us[STATS_BUCKETS_MAX];
    size_t bound_count;
} release_stats;

// What to ask for.
typedef struct stats_query {
    const char *virtual_server, *alias;
    int64_t older, newer; // versions
} stats_query;

// Reads what both versions did so far, all functions together. Failures are told.
cli_exit release_stats_read(cli *c, const stats_query *query, release_stats *ret_stats);

// What was added since `before`; a runner that started again begins at nothing.
void release_stats_since(version_stats *now, const version_stats *before);

// The duration that a share (0 to 1) of the runs did not pass, in microseconds; 0 without any.
int64_t release_stats_quantile(const release_stats *stats, const version_stats *of, double share);
