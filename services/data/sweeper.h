#pragma once

// Deletes keys that have expired, in slices that keep within the writer's limit of time: at start and then
// every few seconds. Loop thread.

#include "core/arena/arena.h"
#include "core/clock/clock.h"
#include "core/db/db.h"
#include "core/loop/loop.h"
#include "core/metrics/metrics.h"

typedef struct sweeper {
    // Set by the owner before kv_sweeper_start.
    ow_loop *loop;
    ow_clock *clock;
    ow_db *db;
    ow_counter *swept;
    // Its own.
    ow_timer timer;
    ow_db_job job;
    ow_arena *arena; // of a slice
    int64_t now_us;
    int count; // of the slice
    bool running, stopping;
} sweeper;

// False when out of memory.
bool kv_sweeper_start(sweeper *s);
// Before the database is closed. Accepts one that was never started.
void kv_sweeper_stop(sweeper *s);
// After the database was closed. Likewise.
void kv_sweeper_free(sweeper *s);
