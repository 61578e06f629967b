#pragma once

// Spans as OTLP/HTTP wants them in JSON: https://opentelemetry.io/docs/specs/otlp/#otlphttp
// No I/O, any thread.

#include "services/telemetry/records.h"

#include "core/arena/arena.h"

enum { OTLP_BLOCK_MAX = 16 << 20 };

typedef struct otlp_text {
    const char *text; // one resourceSpans element
    size_t size;
    int64_t spans; // 0: there is no text
} otlp_text;

// Who has recorded them.
typedef struct otlp_source {
    const char *process, *version;
} otlp_source;

// The sampled spans of a block, of records that belong to a trace; the text lives in `arena`. Codes:
// resource_exhausted.
ow_code otlp_of_block(slice records, const otlp_source *source, ow_arena *arena,
                      otlp_text *ret_text, ow_err *err);
