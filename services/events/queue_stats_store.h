#pragma once

// How much of a title there is in the queue, now and over the last hour. Runs in read steps; codes as ow_db_query.

#include "core/db/db.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { QUEUE_MINUTES = 60, QUEUE_LOOK_MAX = 20000 };

typedef struct queue_minute {
    int64_t waiting; // accepted and not ended, at its end
    int64_t done, dead;
} queue_minute;

typedef struct queue_look {
    // What to look at.
    const char *title_id;
    int64_t now_us;
    int64_t keep_us; // how long ended ones are kept
    bool minutes;    // look at the last hour, too
    int64_t share;   // how many of the title waited when all were counted last
    // What there is.
    int64_t waiting, running, dead;
    int64_t oldest_due_us; // of those that wait; 0: none
    bool truncated;        // there is more than was looked at
    queue_minute each[QUEUE_MINUTES];
} queue_look;

// Where the nth minute begins, µs UTC; the last one is not over yet.
int64_t queue_minute_us(const queue_look *look, int minute);

// The nth of its statements about what is on its way, for a look at their plans; NULL: there are no more. They take the
// title and a limit.
const char *queue_stats_sql(size_t at);

ow_code queue_stats_read(ow_db_conn *db, queue_look *look, ow_err *err);
