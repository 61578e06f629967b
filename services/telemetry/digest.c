#include "services/telemetry/digest.h"

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for a block");
}

ow_code digest_block(slice records, uint32_t count, ow_arena *arena, block_digest *ret_digest,
                     ow_err *err) {
    block_digest d = {.summary = ow_arena_alloc(arena, sizeof *d.summary)};
    points_maker points;
    word_set words = {0};
    if (d.summary == NULL || !points_begin(&points, &ret_digest->points, arena)) {
        return no_memory(err);
    }
    summary_maker sum = summary_begin(d.summary, count);
    record_cursor cursor = record_begin((const uint8_t *)records.text, records.length);
    record_view v;
    ret_digest->changes.count = 0;
    ret_digest->changes.more = false;
    while (record_next(&cursor, &v)) {
        summary_take(&sum, &v);
        points_take(&points, &v);
        changes_take(&ret_digest->changes, &v);
        if (!words_take(&words, &v, arena)) {
            return no_memory(err);
        }
    }
    if (cursor.malformed || d.summary->count != count) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "malformed_block",
                       "the block is damaged behind record %u of %u", d.summary->count, count);
    }
    ret_digest->summary = d.summary;
    ret_digest->text = words_end(&words);
    return OW_OK;
}
