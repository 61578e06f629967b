#pragma once

// Looks at all alarms every ten seconds, and tells their targets what they have to say. Loop thread.

#include "services/telemetry/alarm_store.h"
#include "services/telemetry/alarm_targets.h"

#include "core/clock/clock.h"
#include "core/metrics/metrics.h"
#include "core/rpc/service.h"

typedef struct alarms alarms;

typedef struct alarms_options {
    ow_loop *loop;
    ow_db *db;
    const ow_clock *clock;
    ow_metrics *metrics;
    targets targets; // what its mail settings point to stays the caller's
} alarms_options;

// Heap. NULL when out of memory. Looks for the first time ten seconds from now.
alarms *alarms_new(const alarms_options *options);
// Before the database is closed: no new job is begun.
void alarms_stop(alarms *a);
// After it. Accepts NULL; returns NULL.
alarms *alarms_free(alarms *a);

// There is a new notice.
void alarms_kick(alarms *a);

// A notice's body, as JSON; in `arena`. NULL: no memory.
const char *alarm_body(const alarm_row *row, alarm_event event, const char *notice_id,
                       int64_t now_us, ow_arena *arena);

// What an alarm has seen in the window that ends now. In a read step.
ow_code alarm_measure(ow_db_conn *db, const alarm_row *row, int64_t now_us, ow_arena *arena,
                      double *ret_value, ow_err *err);
