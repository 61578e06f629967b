#pragma once

// Shared by the files of events: the service as a whole.

#include "services/events/executions.h"
#include "services/events/executions_hands.h"
#include "services/events/rules.h"
#include "services/events/spreader.h"
#include "services/events/upkeep.h"
#include "services/events/worker.h"

#include "core/backup/backup.h"
#include "core/clock/clock.h"
#include "core/metrics/metrics.h"
#include "core/module/env.h"
#include "core/module/module.h"
#include "core/rpc/service.h"

typedef struct events_config {
    int64_t readers;
    int64_t max_waiting_writes;
    int64_t max_running, max_waiting, concurrency;
    int64_t max_run_us;
    int64_t keep_us, keep_dead_us, max_bytes;
    int64_t keep_events_us, max_event_bytes;
} events_config;

typedef struct events {
    ow_module_env *env;
    events_config config;
    ow_db *db;
    ow_backup *backup;
    ProtobufCService *queue, *service, *hands;
    ProtobufCService *registry, *runner, *identity; // others
    worker *worker;
    upkeep *upkeep;
    rules_cache *rules;
    spreader *spreader;
    char last_execution_id[OW_ID_MAX];
    ow_counter *accepted, *duplicates;
} events;

// Makes the id of a new execution: they ascend, so that they say which was accepted first. Loop.
void events_make_id(events *e, int64_t now_us, char id[static OW_ID_MAX]);

// The first of a block of ids for the steps that are queued next; see spread_id. Loop.
void events_reserve_ids(events *e, int64_t now_us, char base_id[static OW_ID_MAX]);

// What a slice of spreading a title's events has made: sets the worker and the next slice going. Loop.
void events_note_spread(events *e, const char *title_id, const spread *done, int64_t now_us);

extern const ow_method queue_methods[], hands_methods[];

// ---- queue_rpc.c ----

// What waits already leaves room for so many. Codes: resource_exhausted "throttled".
ow_code events_check_room(const ow_run *run, size_t count);
// Of a call that wants something to run.
execution_origin events_origin(const ow_run *run, int64_t now_us);
// May this call see it? From outside, players and server keys see what they asked for themselves.
bool events_may_see(const ow_call *call, const execution_row *row);

// ---- queue_stats_rpc.c ----

ow_code queue_stats_begin(ow_run *run);
ow_code queue_stats_step(ow_run *run);

// ---- queue_hands_rpc.c ----

typedef struct hands_state {
    int64_t now_us;
    char new_id[OW_ID_MAX]; // of a rerun
    execution_row row;
    new_execution new;
    bool ended_run;
    int64_t first_due_us; // of those set going; 0: none
} hands_state;

ow_code executions_list_read(ow_run *run);
ow_code hands_begin(ow_run *run);
ow_code execution_cancel_store(ow_run *run);
ow_code execution_cancel_kill(ow_run *run);
ow_code execution_edit_store(ow_run *run);
ow_code executions_redrive_store(ow_run *run);
ow_code executions_discard_store(ow_run *run);
ow_code hands_kick(ow_run *run);
ow_code execution_rerun_read(ow_run *run);
ow_code execution_rerun_prepare(ow_run *run);
ow_code execution_rerun_store(ow_run *run);

// ---- execution_reply.c ----

// Fills the reply with everything but the payload and the attempts. False: out of memory.
bool execution_fill(const execution_row *row, ow_arena *arena, execution_msg *reply);
