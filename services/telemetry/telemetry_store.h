#pragma once

// All SQL of telemetry. Every function runs inside a job of a database thread.

#include "services/telemetry/telemetry_logic.h"

#include "core/db/db.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct new_block {
    const append_request *request;
    const block_summary *summary;
    const block_text *text;
    int64_t received_us;
} new_block;

// Stores a block; `ret_bytes`: the size of all blocks with it.
ow_code store_append(ow_db_conn *db, const new_block *b, int64_t *ret_bytes, ow_err *err);

// Deletes the oldest blocks, at most `slice` of them: those received before `before_us`, and more
// while all of them together are larger than `max_bytes`.
typedef struct retention {
    int64_t before_us, max_bytes;
    int slice;
    ow_arena *arena; // for their words
} retention;

typedef struct retained {
    bool more;     // there is more to delete
    int64_t bytes; // the size of all blocks now
    int deleted;
} retained;

ow_code store_retain(ow_db_conn *db, const retention *r, retained *ret_result, ow_err *err);

// A block without its records.
typedef struct block_row {
    int64_t block_id, received_us, first_us, last_us, dropped;
    level top_level;
    bool may_match;
    const char *process; // only when dropped > 0
} block_row;

enum { ROWS_AT_ONCE = 256 };

// The next blocks from `from` on (`down`: from there downwards) with their words tested against the
// filter. Text lives in `arena`.
typedef struct block_list {
    int64_t from;
    bool down;
    int count; // found
    block_row rows[ROWS_AT_ONCE];
} block_list;

ow_code store_blocks(ow_db_conn *db, const filter *f, ow_arena *arena, block_list *list,
                     ow_err *err);

// The first block that was received at `since_us` or later; the one after the last when there is
// none.
ow_code store_block_at(ow_db_conn *db, int64_t since_us, int64_t *ret_block, ow_err *err);

// The number of the last block ever, and the size of what is there.
ow_code store_state(ow_db_conn *db, int64_t *ret_last, int64_t *ret_bytes, ow_err *err);

// A block's records, copied into `arena`; length 0 when the block is gone.
ow_code store_records(ow_db_conn *db, int64_t block_id, ow_arena *arena, slice *ret_records,
                      ow_err *err);
