#pragma once

// Counts what the queue holds, for metrics and its bound, and deletes what need not be kept, in slices.

#include "services/events/executions_store.h"

#include "core/clock/clock.h"
#include "core/loop/loop.h"
#include "core/metrics/metrics.h"

typedef struct upkeep_options {
    ow_loop *loop;
    ow_db *db;
    const ow_clock *clock;
    ow_metrics *metrics;
    int64_t max_bytes;
} upkeep_options;

typedef struct upkeep upkeep;

// Heap. NULL: out of memory. Freed after the store was closed.
upkeep *upkeep_new(const upkeep_options *options);
void upkeep_stop(upkeep *u);
upkeep *upkeep_free(upkeep *u);

// How many wait, as of the last count and what was told since.
const queue_shares *upkeep_shares(const upkeep *u);
// Has it been counted since it was opened? Before that there are only those that came since.
bool upkeep_has_counted(const upkeep *u);
void upkeep_accepted(upkeep *u, const char *title_id, int64_t count);
