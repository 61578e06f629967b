#pragma once

// Shared by the files that hold the SQL of timers.

#include "services/timers/timers_store.h"

#define TIMER_COLUMNS                                                                              \
    "timers.timer_id, timers.title_id, timers.virtual_server, timers.spec, timers.declared,"       \
    " timers.gone, timers.paused, timers.pause_reason, timers.paused_by, timers.next_due_us,"      \
    " timers.last_due_us, timers.last_execution_id, timers.anchor_us, timers.created_us,"          \
    " timers.updated_us, timers.etag"

enum { TIMER_COLUMN_COUNT = 16 };

ow_code out_of_memory(ow_err *err);

// The row that TIMER_COLUMNS, first of the columns, stand in.
ow_code read_timer(const reader *r, ow_rows *rows, timer_row *ret_row);

// Hands all rows on, and closes.
ow_code take_timers(const reader *r, ow_code code, ow_rows *rows, timer_take take, void *self);

// The first column of the first row, when there is one; closes.
ow_code first_int(const reader *r, ow_code code, ow_rows *rows, int64_t *ret_value);
