#pragma once

// Deletes what has expired, in slices that keep within the writer's limit of time: at start and then
// once a minute. Loop thread.

#include "core/clock/clock.h"
#include "core/db/db.h"
#include "core/loop/loop.h"

typedef struct sweeper {
    // Set by the owner before sweeper_start.
    ow_loop *loop;
    ow_clock *clock;
    ow_db *db;
    // Its own.
    ow_timer timer;
    ow_db_job job;
    int64_t now_us;
    bool running, stopping, more;
} sweeper;

void sweeper_start(sweeper *s);
// Before the database is closed. Accepts one that was never started.
void sweeper_stop(sweeper *s);
