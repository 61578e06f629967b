#pragma once

// Shared by the files of events: the service as a whole.

#include "services/events/executions.h"
#include "services/events/rules.h"
#include "services/events/spreader.h"
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
    ProtobufCService *queue, *service;
    ProtobufCService *registry; // others
    worker *worker;
    rules_cache *rules;
    spreader *spreader;
    char last_execution_id[OW_ID_MAX];
    ow_counter *accepted, *duplicates;
} events;

// Makes the id of a new execution: they ascend, so that they say which was accepted first. Loop.
void events_make_id(events *e, int64_t now_us, char id[static OW_ID_MAX]);

// The first of a block of ids for the steps that are queued next; see spread_id. Loop.
void events_reserve_ids(events *e, int64_t now_us, char base_id[static OW_ID_MAX]);

// What a slice of spreading has made: sets the worker and the next slice going. Loop.
void events_note_spread(events *e, const spread *done, int64_t now_us);

extern const ow_method queue_methods[];

// ---- execution_reply.c ----

// Fills the reply with everything but the payload and the attempts. False: out of memory.
bool execution_fill(const execution_row *row, ow_arena *arena, execution_msg *reply);
