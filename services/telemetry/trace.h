#pragma once

// GetTrace: the spans of one request, from the records that are kept.

#include "services/telemetry/telemetry_store.h"

#include "core/rpc/service.h"

enum { TRACE_SPANS_MAX = 1000 };

typedef struct trace_state {
    filter filter;
    span_msg *spans[TRACE_SPANS_MAX];
    int count;
    bool truncated, failed;
    char trace_id[33];
    ow_arena *arena; // of the call
} trace_state;

// Its two steps. Codes: invalid_argument "request_id_needed", failed_precondition "title_needed",
// not_found "no_trace".
ow_code trace_begin(ow_run *run);
ow_code trace_read(ow_run *run);
