#pragma once

// All SQL about event types. In write or read steps. Codes as ow_db_exec besides those named.

#include "core/arena/arena.h"
#include "core/db/db.h"

typedef struct type_row {
    const char *title_id, *name, *description, *schema_json;
    bool client;
    int64_t created_us, updated_us, version;
} type_row;

// Codes: not_found "no_event_type".
ow_code type_read(ow_db_conn *db, const char *title_id, const char *name, ow_arena *arena,
                  type_row *ret_row, ow_err *err);

// Makes it or changes it; version and created_us are filled in. Codes: resource_exhausted
// "too_many_event_types".
ow_code type_put(ow_db_conn *db, type_row *row, const type_row *before, ow_err *err);

ow_code type_delete(ow_db_conn *db, const char *title_id, const char *name, ow_err *err);

// By name, behind `after`.
typedef struct type_range {
    const char *title_id, *after;
    int limit;
} type_range;
ow_code types_list(ow_db_conn *db, const type_range *range, ow_arena *arena, type_row **ret_rows,
                   size_t *ret_count, ow_err *err);
