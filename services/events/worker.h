#pragma once

// Takes what is due out of the store, has the runner run it, and writes down what became of it. All on
// the loop; what it reads and writes are jobs of the store, many executions each.

#include "services/events/executions.h"

#include "core/clock/clock.h"
#include "core/loop/loop.h"
#include "core/metrics/metrics.h"

typedef struct worker_options {
    ow_loop *loop;
    ow_db *db;
    const ow_clock *clock;
    ow_metrics *metrics;
    ProtobufCService *runner;
    ProtobufCService *events; // sends webhooks
    int max_running;          // executions at a time
    int64_t run_us;  // what a run may take, waiting for an instance included; the lease is longer
    int64_t keep_us; // settled ones
    int64_t keep_dead_us;
    execution_limits limits; // of those that tell of an end
    void (*make_id)(void *self, int64_t now_us, char id[static OW_ID_MAX]);
    void *make_id_self;
    void (*on_announced)(void *self); // there are events to be spread; may be NULL
    // May a title's end set more going? NULL: always.
    bool (*has_room)(void *self, const char *title_id);
    void *self;
    bool alone; // nobody else works on this store: leases found at the start are of the dead
} worker_options;

typedef struct worker worker;

// Heap; starts with what the store holds. NULL: out of memory. Freed by worker_free when it is drained
// or after the store was closed.
worker *worker_new(const worker_options *options);
worker *worker_free(worker *w);

// There is something new, due at `due_us` at the earliest.
void worker_kick(worker *w, int64_t due_us);

// The run of that execution is not wanted any more: kills it if it is here.
void worker_cancel(worker *w, const char *execution_id);

// Takes nothing more; true once nothing runs and all is written.
bool worker_drain(worker *w);

// Ends what runs: it will be run again and that is no attempt. Before the store is closed, which then
// writes it.
void worker_stop(worker *w);
