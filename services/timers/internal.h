#pragma once

// Shared by the files of timers: the service as a whole.

#include "services/timers/execution.h"
#include "services/timers/firing.h"
#include "services/timers/timers_store.h"

#include "core/backup/backup.h"
#include "core/clock/clock.h"
#include "core/module/env.h"
#include "core/module/module.h"
#include "core/rpc/service.h"

#include "overworld/registry/v1/registry.pb-c.h"

typedef Overworld__Registry__V1__GetVirtualServerRequest get_virtual_server_request;
typedef Overworld__Registry__V1__VirtualServer virtual_server_msg;

typedef struct timers_config {
    int64_t readers;
    int64_t max_waiting_writes;
    int64_t missed_after_us;
    int64_t history_us, history_max;
} timers_config;

typedef struct timers {
    ow_module_env *env;
    timers_config config;
    ow_db *db;
    ow_zones *zones;
    firing *firing;
    ow_bus *bus;
    ow_backup *backup;
    ProtobufCService *service;
    ProtobufCService *queue, *registry; // the directory's
    bool stopping;
} timers;

extern const ow_method timers_methods[];

// ---- timers_rpc.c ----

// The state of the methods that change a timer.
typedef struct timer_change {
    int64_t now_us;
    char timer_id[OW_ID_MAX]; // of a new one
    bool more;                // ApplyTriggers: not all are removed yet
    get_virtual_server_request target;
    const char *warning; // CreateTimer: what the timer is to call is not there yet; NULL: it is
} timer_change;

reader reader_of(ow_run *run);

// Time, and that the call names a title. Any step but read and write ones.
ow_code timer_change_begin(ow_run *run);

// The timer as callers see it. False: arena full.
bool fill_timer(timer_msg *m, const timer_row *row, ow_arena *arena);
Google__Protobuf__Timestamp *time_in(ow_arena *arena, int64_t at_us); // NULL: arena full, or 0
ow_code no_room(ow_err *err);

// What a specification says, for the audit.
const char *timer_state(const timer_row *row, ow_arena *arena);
ow_code audit_timer(ow_run *run, int64_t now_us, const char *action, const timer_row *row,
                    const char *before, const char *after);

ow_code timer_tell(ow_run *run); // last step: the schedule changed

// ---- target_rpc.c ----

// Asks the registry what CreateTimer's timer is to call. Loop. Codes: not_found "no_virtual_server".
ow_code target_ask(ow_run *run);

// ---- look_rpc.c ----

typedef struct preview_state {
    int64_t now_us;
    timer_row row; // with its specification, whichever way that came
} preview_state;

ow_code timer_get(ow_run *run);
ow_code timer_list(ow_run *run);
ow_code slot_list(ow_run *run);
ow_code preview_begin(ow_run *run); // loop
ow_code preview_read(ow_run *run);  // read

bool fill_slot(slot_msg *m, const slot_row *row, ow_arena *arena);

// ---- run_rpc.c ----

// The state of RunTimer.
typedef struct run_state {
    int64_t now_us;
    timer_row row;
    slot_row slot;
    bool repeated; // by an earlier request with the same request_key
    enqueue_request *request;
    ow_call *call;
    char execution_id[OW_ID_MAX];
    char reason[OW_REASON_MAX];
    bool refused; // for good
} run_state;

ow_code by_hand_begin(ow_run *run);   // loop
ow_code by_hand_claim(ow_run *run);   // write
ow_code by_hand_enqueue(ow_run *run); // loop
ow_code by_hand_settle(ow_run *run);  // write

// ---- apply_rpc.c ----

ow_code apply_begin(ow_run *run); // loop
ow_code apply_store(ow_run *run); // write
ow_code apply_tell(ow_run *run);  // loop
