#include "services/telemetry/spans.h"

#include <string.h>

const char *span_kind_name(span_kind kind) {
    static const char *const names[] = {"server", "internal", "client"};
    return names[kind];
}

static void write_hex(const uint8_t *bytes, size_t size, char *text) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        *text++ = digits[bytes[i] >> 4];
        *text++ = digits[bytes[i] & 15];
    }
    *text = 0;
}

void span_text(uint64_t span_id, char text[static SPAN_TEXT_MAX]) {
    uint8_t bytes[sizeof span_id];
    memcpy(bytes, &span_id, sizeof bytes);
    text[0] = 0;
    if (span_id != 0) {
        write_hex(bytes, sizeof bytes, text);
    }
}

void trace_text(const ProtobufCBinaryData *trace_id, char text[static TRACE_TEXT_MAX]) {
    text[0] = 0;
    if (trace_id->len == 16) {
        write_hex(trace_id->data, trace_id->len, text);
    }
}

static bool is_failure(const char *reason) {
    return reason[0] != 0 && strcmp(reason, "refused") != 0;
}

static bool request_span(const record_msg *r, ow_arena *arena, span_taker take, void *self) {
    const request_record *q = r->request;
    bool named = q->function[0] != 0;
    span s = {
        .span_id = r->span_id,
        .parent_span_id = r->parent_span_id,
        .name =
            named ? ow_arena_printf_in(arena, "%s %s/%s", q->method, q->virtual_server, q->function)
                  : q->method,
        .kind = SPAN_SERVER,
        .start_us = r->time_us - q->total_us,
        .duration_us = q->total_us,
        .reason = q->reason,
        .failed = q->status >= 500,
        .request_id = r->request_id,
        .invocation_id = "",
        .virtual_server = q->virtual_server,
        .function = q->function,
        .status = q->status,
    };
    if (s.name != NULL) {
        take(self, r, &s);
    }
    return s.name != NULL;
}

// The wait has no id of its own in the record: one that is made from the run's, always the same.
static uint64_t id_of_wait(uint64_t run_id) {
    uint64_t id = (run_id ^ 0x71756575655F5F5FU) * 0x9E3779B97F4A7C15U;
    return id != 0 ? id : 1;
}

static span run_span(const record_msg *r, const invocation_record *run) {
    int64_t duration_us = run->init_only ? run->init_us : run->duration_us;
    return (span){
        .span_id = r->span_id,
        .parent_span_id = r->parent_span_id,
        .kind = SPAN_INTERNAL,
        .start_us = r->time_us - duration_us,
        .duration_us = duration_us,
        .reason = run->reason,
        .failed = is_failure(run->reason),
        .request_id = r->request_id,
        .invocation_id = run->invocation_id,
        .virtual_server = run->virtual_server,
        .function = run->function,
        .version = run->version,
    };
}

static void wait_span(const record_msg *r, const span *run, int64_t queued_us, span_taker take,
                      void *self) {
    span s = *run;
    s.span_id = id_of_wait(run->span_id);
    s.name = "queue";
    s.start_us = run->start_us - queued_us;
    s.duration_us = queued_us;
    s.reason = "";
    s.failed = false;
    take(self, r, &s);
}

static bool call_spans(const record_msg *r, const span *run, ow_arena *arena, span_taker take,
                       void *self) {
    for (size_t i = 0; i < r->invocation->n_host_calls; i++) {
        const host_call_msg *call = r->invocation->host_calls[i];
        span s = *run;
        s.span_id = call->span_id;
        s.parent_span_id = run->span_id;
        s.name = ow_arena_printf_in(arena, "call %s", call->target);
        s.kind = SPAN_CLIENT;
        s.start_us = run->start_us + call->after_us;
        s.duration_us = call->duration_us;
        s.reason = call->reason;
        s.failed = is_failure(call->reason);
        if (s.name == NULL) {
            return false;
        }
        take(self, r, &s);
    }
    return true;
}

bool spans_of_record(const record_msg *r, ow_arena *arena, span_taker take, void *self) {
    if (r->request != NULL) {
        return request_span(r, arena, take, self);
    }
    if (r->invocation == NULL) {
        return true;
    }
    const invocation_record *run = r->invocation;
    span s = run_span(r, run);
    s.name = ow_arena_printf_in(arena, "%s%s/%s", run->init_only ? "start of " : "",
                                run->virtual_server, run->function);
    if (s.name == NULL) {
        return false;
    }
    if (run->queued_us > 0 && !run->init_only) {
        wait_span(r, &s, run->queued_us, take, self);
    }
    take(self, r, &s);
    return call_spans(r, &s, arena, take, self);
}
