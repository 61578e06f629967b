#pragma once

// Goes on with what publishing left over: occurrences with very many subscriptions, batches whose time
// has come, old occurrences. Slices, one after the other. Loop thread.

#include "services/events/spread.h"

#include "core/clock/clock.h"
#include "core/loop/loop.h"
#include "core/metrics/metrics.h"

typedef struct spreader spreader;

typedef struct spreader_options {
    ow_loop *loop;
    ow_db *db;
    const ow_clock *clock;
    ow_metrics *metrics;
    rules_cache *cache;
    execution_limits limits;
    int64_t keep_us, max_bytes; // of occurrences
    // Fills the first of a new block of ids.
    void (*reserve_ids)(void *self, int64_t now_us, char base_id[static OW_ID_MAX]);
    // There are new ones, due now: so many of each title.
    void (*on_executions)(void *self, const queue_shares *made);
    void *self;
} spreader_options;

// Heap. NULL: out of memory. Begins with what the store holds.
spreader *spreader_new(const spreader_options *options);
// Before the store is closed; after it.
void spreader_stop(spreader *s);
spreader *spreader_free(spreader *s);

// There may be something to go on with; what was published is counted.
void spreader_kick(spreader *s, const spread *done);
