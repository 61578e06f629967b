#pragma once

// Traces: what spans the records of requests and runs stand for. No I/O, any thread.

#include "services/telemetry/messages.h"
#include "services/telemetry/records.h"

#include "core/arena/arena.h"

typedef enum span_kind { SPAN_SERVER, SPAN_INTERNAL, SPAN_CLIENT } span_kind;

const char *span_kind_name(span_kind kind);

// Text is borrowed from the record or lives in the arena that the record does.
typedef struct span {
    uint64_t span_id, parent_span_id; // as in the record; 0: none
    const char *name;
    span_kind kind;
    int64_t start_us, duration_us;
    const char *reason;
    bool failed;
    const char *request_id, *invocation_id, *virtual_server, *function;
    int64_t version, status; // status: of a request
} span;

// A record's spans: a request's one; a run's, its wait in front of it, and its calls. Calls `take` for
// each. False: the arena is full.
typedef void (*span_taker)(void *self, const record_msg *record, const span *s);
bool spans_of_record(const record_msg *record, ow_arena *arena, span_taker take, void *self);

// Hexadecimal digits of a span's or a trace's bytes; "" for a span 0.
#define SPAN_TEXT_MAX 17
#define TRACE_TEXT_MAX 33
void span_text(uint64_t span_id, char text[static SPAN_TEXT_MAX]);
void trace_text(const ProtobufCBinaryData *trace_id, char text[static TRACE_TEXT_MAX]);
