#pragma once

// The SQL of series. Every function runs inside a job of a database thread.

#include "services/telemetry/series.h"

#include "core/db/db.h"

// Adds the points of a block to what is there, in both steps.
ow_code series_store_add(ow_db_conn *db, const block_points *points, ow_arena *arena, ow_err *err);

// Deletes points from before `before_us`, at most `slice` of them; *ret_deleted: how many.
ow_code series_store_retain(ow_db_conn *db, int64_t before_us, int64_t slice, int64_t *ret_deleted,
                            ow_err *err);

// Which points; text is never NULL, "" and 0 stand for all.
typedef struct series_filter {
    const char *title, *virtual_server, *function, *qualifier;
    int64_t version;
    int64_t step_s, since_us, until_us;
} series_filter;

// Calls `take` for each point, by time; false from it ends the reading.
typedef struct series_row {
    int64_t time_us, version;
    const char *virtual_server, *function, *qualifier; // until the call returns
    const void *point;
    size_t size;
} series_row;
typedef ow_code (*series_taker)(void *self, const series_row *row, ow_err *err);
ow_code series_store_read(ow_db_conn *db, const series_filter *f, series_taker take, void *self,
                          ow_err *err);
