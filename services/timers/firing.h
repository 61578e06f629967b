#pragma once

// Watches for due slots and gets each into the queue once.
//
// A round: claim (one write: slots come into being and their timers move on) → ask after the last execution
// where overlapping is not wanted → Enqueue, a call each → settle (one write). Whatever breaks off in between
// is taken up again by the claim's lease, here or by another process, and the deduplication key makes the
// second Enqueue the first one again. While the queue is away nothing is claimed, so that slots that are late
// then meet their timer's rule for missed ones.

#include "services/timers/timers_store.h"

#include "core/bus/bus.h"
#include "core/clock/clock.h"
#include "core/metrics/metrics.h"

typedef struct firing firing;

typedef struct firing_options {
    ow_loop *loop;
    ow_db *db;
    const ow_clock *clock;
    ProtobufCService *queue; // the directory's
    ow_zones *zones;
    ow_bus *bus; // is told of missed slots; NULL: nobody is
    ow_metrics *metrics;
    int64_t missed_after_us;
    int64_t history_us;  // how long settled slots are kept
    int64_t history_max; // and how many of them
} firing_options;

// Heap; what the options point to must outlive it. NULL: out of memory. Loop thread, as all of these.
firing *firing_new(const firing_options *options);

// A timer came, or changed: look now.
void firing_kick(firing *f);

// No new rounds; true once the one under way has ended.
void firing_drain(firing *f);
bool firing_drained(const firing *f);

// No more rounds; calls under way are cancelled. Before the database is closed.
void firing_stop(firing *f);
// After the database was closed and the loop has turned. Accepts NULL; returns NULL.
firing *firing_free(firing *f);
