#pragma once

// Shared by the files of telemetry: the service as a whole.

#include "services/telemetry/alarms.h"
#include "services/telemetry/digest.h"
#include "services/telemetry/exporter.h"
#include "services/telemetry/query.h"
#include "services/telemetry/series_query.h"
#include "services/telemetry/telemetry_store.h"
#include "services/telemetry/trace.h"
#include "services/telemetry/watch.h"

#include "core/backup/backup.h"
#include "core/clock/clock.h"
#include "core/crypto/secret.h"
#include "core/crypto/webhook.h"
#include "core/metrics/metrics.h"
#include "core/module/env.h"
#include "core/module/module.h"
#include "core/rpc/service.h"

typedef struct telemetry_config {
    int64_t readers;
    int64_t max_waiting_writes;
    int64_t max_bytes;
    int64_t max_age_us;
    int64_t max_waiting_queries;
    char *otlp_endpoint, *otlp_header;
    int64_t otlp_max_waiting;
    char *smtp_server, *smtp_user, *smtp_password_file, *smtp_from;
} telemetry_config;

// Deletes old blocks in slices. Embedded in telemetry.
typedef struct retainer {
    ow_loop *loop;
    ow_db *db;
    const ow_clock *clock;
    int64_t max_bytes, max_age_us;
    ow_gauge *bytes;
    ow_counter *deleted;
    ow_timer timer;
    ow_db_job job;
    retention order;
    retained result; // of the last slice
    int64_t points_before_us, points_deleted;
    bool running, stopping;
} retainer;

void retainer_init(retainer *r);
// What the store holds now: deletes when it is too much.
void retainer_note(retainer *r, int64_t bytes);
void retainer_stop(retainer *r);

typedef struct telemetry {
    ow_module_env *env;
    telemetry_config config;
    ow_db *db;
    queries *queries;
    watchers watchers;
    ow_backup *backup;
    ProtobufCService *service;
    retainer retainer;
    exporter *exporter; // NULL: nobody wants traces
    alarms *alarms;
    ow_secret smtp_password;
    ow_counter *blocks, *records, *bytes, *dropped, *uncounted;
} telemetry;

enum { BLOCK_BYTES_MAX = 2 << 20, BLOCK_RECORDS_MAX = 200000 };
// Blocks are large: with large pages one takes few of them, and few writes.
enum { STORE_PAGE_BYTES = 32768 };

extern const ow_method telemetry_methods[];

// ---- tail.c ----

// The state of TailLogs.
typedef struct tail {
    ow_run *run;
    query_request request;
    Google__Protobuf__Timestamp since;
    ow_call *asked; // a page that is on its way
    char token[POSITION_MAX];
    bool skipping, finished;
} tail;

ow_code tail_logs(ow_run *run);

// ---- alarm_rpc.c ----

// The state of the methods that change alarms.
typedef struct alarm_change {
    int64_t now_us;
    char alarm_id[OW_ID_MAX], notice_id[OW_ID_MAX];
    char secret[OW_WEBHOOK_SECRET_MAX];
} alarm_change;

ow_code alarm_create_check(ow_run *run);
ow_code alarm_create_store(ow_run *run);
ow_code alarm_list_read(ow_run *run);
ow_code alarm_delete_begin(ow_run *run);
ow_code alarm_delete_store(ow_run *run);
ow_code alarm_test_begin(ow_run *run);
ow_code alarm_test_store(ow_run *run);
ow_code alarm_test_tell(ow_run *run);
