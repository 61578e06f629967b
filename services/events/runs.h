#pragma once

// One run of an execution, from its claim until what became of it is written down. For the worker.

#include "services/events/executions.h"

#include "core/clock/clock.h"
#include "core/metrics/metrics.h"

typedef struct run run;

typedef struct run_place {
    ow_loop *loop;
    const ow_clock *clock;
    ProtobufCService *runner;
    ProtobufCService *events; // sends webhooks
    int64_t run_us, keep_us, keep_dead_us;
    execution_limits limits;
    void (*make_id)(void *self, int64_t now_us, char id[static OW_ID_MAX]);
    void *make_id_self;
    bool (*has_room)(void *self, const char *title_id); // see worker.h; NULL: always
    void *has_room_self;
    void (*on_ended)(void *self, run *ended); // the runner has answered; once
    void *self;
} run_place;

struct run {
    run *next;
    run_place place;
    claimed *claimed; // owned; holds the run itself
    ow_call *call;    // while the runner has it
    invoke_request request;
    deliver_request delivery; // when its target is a URL
    // What the runner said.
    const char *reason, *message;
    int64_t retry_after_us;
    execution_outcome outcome;
    new_execution *successor;     // NULL: none
    struct announcement *told_as; // the event that tells of its end; NULL: none
    settlement settlement;
    bool crowded; // its title has no room for what would follow from an event
    bool suspect; // it could not be written though nothing else was
    bool stale;   // it was settled by others: nothing was written
};

// Takes over `claimed`, also when it fails. NULL: out of memory.
run *run_new(const run_place *place, claimed *claimed);
run *run_free(run *run);

// Has the runner run it; place.on_ended comes then, perhaps before this returns.
void run_begin(run *run);
// on_ended comes soon, perhaps before this returns.
void run_cancel(run *run);

// Each fills the settlement. settle: as the runner has answered; `stopping`: it was us who ended it.
void run_settle(run *run, int64_t now_us, bool stopping);
void run_expire(run *run, int64_t now_us);
void run_lapse(run *run, int64_t now_us);

// What happened, counted.
typedef struct run_metrics {
    ow_metrics *metrics;
    ow_counter *done, *again, *throttled, *dead, *stale;
    ow_histogram *waits;
} run_metrics;

void run_metrics_init(run_metrics *m, ow_metrics *metrics);
// Of a run that was written down.
void run_count(const run_metrics *m, const run *run);
