#pragma once

// Forgets what became of slots: by their age, and where there are too many of them. Who has many then gives, so that a
// busy title does not push out the history of a quiet one.

#include "core/clock/clock.h"
#include "core/db/db.h"

typedef struct history history;

typedef struct history_options {
    ow_db *db;
    const ow_clock *clock;
    int64_t keep_us; // how long settled slots are kept
    int64_t max;     // and how many of them, of all titles together
} history_options;

// Heap; what the options point to must outlive it. NULL: out of memory. Loop thread, as all of these.
history *history_new(const history_options *options);

// Begins to drop when it is time for that; in slices, between which others write.
void history_look(history *h);

// Begins nothing any more. Before the database is closed.
void history_stop(history *h);
// After the database was closed and the loop has turned. Accepts NULL; returns NULL.
history *history_free(history *h);
