// The methods of telemetry.

#include "services/telemetry/internal.h"

typedef struct append_state {
    block_summary *summary;
    block_text text;
    otlp_text spans;
    int64_t received_us;
    int64_t bytes; // of the whole store, afterwards
} append_state;

static ow_code append_summarize(ow_run *run) {
    telemetry *t = run->self;
    append_state *s = run->state;
    const append_request *request = run->request;
    if (request->records.len > BLOCK_BYTES_MAX || request->count < 0 ||
        request->count > BLOCK_RECORDS_MAX || request->dropped < 0) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "block_too_large",
                       "a block has at most %d MB and %d records", BLOCK_BYTES_MAX >> 20,
                       BLOCK_RECORDS_MAX);
    }
    s->received_us = ow_clock_wall_us(t->env->clock);
    s->summary = ow_arena_alloc(run->call->arena, sizeof *s->summary);
    if (s->summary == NULL) {
        return ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for a block");
    }
    ow_code code = summarize(request->records.data, request->records.len, (uint32_t)request->count,
                             s->summary, run->err);
    if (code == OW_OK) {
        code = text_of_block(request->records.data, request->records.len, run->call->arena,
                             &s->text, run->err);
    }
    if (code == OW_OK && t->exporter != NULL) {
        const char *version = t->env->version != NULL ? t->env->version : "";
        slice records = {(const char *)request->records.data, request->records.len};
        code = otlp_of_block(records, &(otlp_source){request->process, version}, run->call->arena,
                             &s->spans, run->err);
    }
    return code;
}

static ow_code append_store(ow_run *run) {
    append_state *s = run->state;
    new_block block = {
        .request = run->request,
        .summary = s->summary,
        .text = &s->text,
        .received_us = s->received_us,
    };
    return store_append(run->db, &block, &s->bytes, run->err);
}

static ow_code append_tell(ow_run *run) {
    telemetry *t = run->self;
    const append_state *s = run->state;
    const append_request *request = run->request;
    ow_counter_add(t->blocks, 1);
    ow_counter_add(t->records, (uint64_t)request->count);
    ow_counter_add(t->bytes, request->records.len);
    ow_counter_add(t->dropped, (uint64_t)request->dropped);
    if (t->exporter != NULL) {
        exporter_take(t->exporter, &s->spans);
    }
    queries_wake(t->queries);
    retainer_note(&t->retainer, s->bytes);
    return OW_OK;
}

static ow_code query_logs(ow_run *run) {
    telemetry *t = run->self;
    return queries_begin(t->queries, run);
}

// ---- Backup ----

static ow_code start_backup(ow_run *run) {
    telemetry *self = run->self;
    return ow_backup_start_step(self->backup, run);
}

static ow_code started_backup(ow_run *run) {
    telemetry *self = run->self;
    return ow_backup_started_step(self->backup, run);
}

static ow_code read_backup(ow_run *run) {
    telemetry *self = run->self;
    return ow_backup_read_step(self->backup, run);
}

const ow_method telemetry_methods[] = {
    {"Append",
     sizeof(append_state),
     {{OW_POOL, append_summarize}, {OW_WRITE, append_store}, {OW_LOOP, append_tell}}},
    {"GetTrace", sizeof(trace_state), {{OW_LOOP, trace_begin}, {OW_READ, trace_read}}},
    {"QueryLogs", sizeof(query), {{OW_LOOP, query_logs}}},
    {"StartBackup", 0, {{OW_READ, start_backup}, {OW_LOOP, started_backup}}},
    {"ReadBackup", 0, {{OW_POOL, read_backup}}},
    {0},
};
