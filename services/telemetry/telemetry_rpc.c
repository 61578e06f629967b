// The methods of telemetry.

#include "services/telemetry/internal.h"

#include "core/audit/methods.h"

typedef struct append_state {
    block_digest digest;
    otlp_text spans;
    int64_t received_us;
    int64_t bytes; // of the whole store, afterwards
} append_state;

static ow_code check_block(const append_request *request, ow_err *err) {
    if (request->records.len > BLOCK_BYTES_MAX || request->count < 0 ||
        request->count > BLOCK_RECORDS_MAX || request->dropped < 0) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "block_too_large",
                       "a block has at most %d MB and %d records", BLOCK_BYTES_MAX >> 20,
                       BLOCK_RECORDS_MAX);
    }
    return OW_OK;
}

// What the block is stored with and counted for.
static ow_code append_summarize(ow_run *run) {
    append_state *s = run->state;
    const append_request *request = run->request;
    ow_code code = check_block(request, run->err);
    if (code != OW_OK) {
        return code;
    }
    s->received_us = ow_clock_wall_us(((const telemetry *)run->self)->env->clock);
    slice records = {(const char *)request->records.data, request->records.len};
    return digest_block(records, (uint32_t)request->count, run->call->arena, &s->digest, run->err);
}

static ow_code append_trace(ow_run *run) {
    const telemetry *t = run->self;
    append_state *s = run->state;
    const append_request *request = run->request;
    if (t->exporter == NULL) {
        return OW_OK;
    }
    const char *version = t->env->version != NULL ? t->env->version : "";
    slice records = {(const char *)request->records.data, request->records.len};
    return otlp_of_block(records, &(otlp_source){request->process, version}, run->call->arena,
                         &s->spans, run->err);
}

static ow_code append_store(ow_run *run) {
    append_state *s = run->state;
    new_block block = {
        .request = run->request,
        .summary = s->digest.summary,
        .text = &s->digest.text,
        .received_us = s->received_us,
    };
    ow_code code = store_append(run->db, &block, &s->bytes, run->err);
    return code == OW_OK ? series_store_add(run->db, &s->digest.points, run->call->arena, run->err)
                         : code;
}

static ow_code append_tell(ow_run *run) {
    telemetry *t = run->self;
    const append_state *s = run->state;
    const append_request *request = run->request;
    ow_counter_add(t->blocks, 1);
    ow_counter_add(t->records, (uint64_t)request->count);
    ow_counter_add(t->bytes, request->records.len);
    ow_counter_add(t->dropped, (uint64_t)request->dropped);
    ow_counter_add(t->uncounted, (uint64_t)s->digest.points.lost);
    if (t->exporter != NULL) {
        exporter_take(t->exporter, &s->spans);
    }
    queries_wake(t->queries);
    watchers_tell(&t->watchers, &s->digest.changes);
    retainer_note(&t->retainer, s->bytes);
    return OW_OK;
}

static ow_code query_logs(ow_run *run) {
    telemetry *t = run->self;
    return queries_begin(t->queries, run);
}

static ow_code watch_changes(ow_run *run) {
    telemetry *t = run->self;
    return watchers_begin(&t->watchers, run);
}

// ---- Backup ----

static ow_code start_backup(ow_run *run) {
    telemetry *self = run->self;
    return ow_backup_start_step(self->backup, run);
}

static ow_code started_backup(ow_run *run) {
    telemetry *self = run->self;
    ow_backup_note(run, ow_clock_wall_us(self->env->clock));
    return ow_backup_started_step(self->backup, run);
}

static ow_code read_backup(ow_run *run) {
    telemetry *self = run->self;
    return ow_backup_read_step(self->backup, run);
}

const ow_method telemetry_methods[] = {
    {"Append",
     sizeof(append_state),
     {{OW_POOL, append_summarize},
      {OW_POOL, append_trace},
      {OW_WRITE, append_store},
      {OW_LOOP, append_tell}}},
    {"CreateAlarm",
     sizeof(alarm_change),
     {{OW_LOOP, alarm_create_check}, {OW_WRITE, alarm_create_store}}},
    {"DeleteAlarm",
     sizeof(alarm_change),
     {{OW_LOOP, alarm_delete_begin}, {OW_WRITE, alarm_delete_store}}},
    {"ListAlarms", 0, {{OW_READ, alarm_list_read}}},
    {"TestAlarm",
     sizeof(alarm_change),
     {{OW_LOOP, alarm_test_begin}, {OW_WRITE, alarm_test_store}, {OW_LOOP, alarm_test_tell}}},
    {"ListAudit", 0, {{OW_READ, ow_audit_list_step}}},
    {"VerifyAudit", 0, {{OW_READ, ow_audit_verify_step}}},
    {"GetTrace", sizeof(trace_state), {{OW_LOOP, trace_begin}, {OW_READ, trace_read}}},
    {"QueryLogs", sizeof(query), {{OW_LOOP, query_logs}}},
    {"TailLogs", sizeof(tail), {{OW_LOOP, tail_logs}}},
    {"WatchChanges", sizeof(watch), {{OW_LOOP, watch_changes}}},
    {"StartBackup",
     sizeof(ow_audit_entry),
     {{OW_READ, start_backup}, {OW_LOOP, started_backup}, {OW_WRITE, ow_backup_audit_step}}},
    {"ReadBackup", 0, {{OW_POOL, read_backup}}},
    {"QuerySeries", sizeof(series_state), {{OW_LOOP, series_begin}, {OW_READ, series_read}}},
    {0},
};
