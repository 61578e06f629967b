#pragma once

// All that is made of a block as it comes in, in one walk over its records: its summary, its words, its
// points, what changed. No I/O, any thread.

#include "services/telemetry/changes.h"
#include "services/telemetry/series.h"
#include "services/telemetry/text.h"

typedef struct block_digest {
    block_summary *summary;
    block_text text;
    block_points points;
    block_changes changes;
} block_digest;

// In `arena`; text is borrowed from `records`. Codes: invalid_argument "malformed_block" (also when `count`
// is another); resource_exhausted.
ow_code digest_block(slice records, uint32_t count, ow_arena *arena, block_digest *ret_digest,
                     ow_err *err);
