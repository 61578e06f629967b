#include "services/events/types_store.h"

#include "services/events/rules.h"
#include "services/events/store_rows.h"

#define TYPE_COLUMNS                                                                               \
    "title_id, name, description, schema_json, client, created_us, updated_us, version"

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for event types");
}

static ow_code take_row(ow_rows *rows, ow_arena *arena, type_row *row, ow_err *err) {
    row->title_id = ow_arena_strdup_in(arena, ow_rows_text(rows, 0));
    row->name = ow_arena_strdup_in(arena, ow_rows_text(rows, 1));
    row->description = ow_arena_strdup_in(arena, ow_rows_text(rows, 2));
    row->schema_json = ow_arena_strdup_in(arena, ow_rows_text(rows, 3));
    row->client = ow_rows_int(rows, 4) != 0;
    row->created_us = ow_rows_int(rows, 5);
    row->updated_us = ow_rows_int(rows, 6);
    row->version = ow_rows_int(rows, 7);
    bool whole = row->title_id != NULL && row->name != NULL && row->description != NULL &&
                 row->schema_json != NULL;
    return whole ? OW_OK : no_memory(err);
}

ow_code type_read(ow_db_conn *db, const char *title_id, const char *name, ow_arena *arena,
                  type_row *ret_row, ow_err *err) {
    ow_rows *rows = NULL;
    bool found;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT " TYPE_COLUMNS " FROM event_types"
                               " WHERE title_id = $1 AND name = $2",
                               "tt", title_id, name);
    code = rows_one(code, rows, &found, err);
    if (code == OW_OK) {
        code = found ? take_row(rows, arena, ret_row, err)
                     : ow_fail(err, OW_NOT_FOUND, "no_event_type",
                               "there is no event type %.128s: declare it first", name);
    }
    ow_rows_close(rows);
    return code;
}

static ow_code fail_if_full(ow_db_conn *db, const char *title_id, ow_err *err) {
    ow_rows *rows = NULL;
    bool found;
    ow_code code = ow_db_query(
        db, &rows, err, "SELECT count(*) FROM event_types WHERE title_id = $1", "t", title_id);
    code = rows_one(code, rows, &found, err);
    int64_t count = code == OW_OK && found ? ow_rows_int(rows, 0) : 0;
    ow_rows_close(rows);
    return code == OW_OK && count >= TYPES_MAX
               ? ow_fail(err, OW_RESOURCE_EXHAUSTED, "too_many_event_types",
                         "a title declares at most %d types", TYPES_MAX)
               : code;
}

ow_code type_put(ow_db_conn *db, type_row *row, const type_row *before, ow_err *err) {
    ow_code code = before == NULL ? fail_if_full(db, row->title_id, err) : OW_OK;
    row->created_us = before != NULL ? before->created_us : row->updated_us;
    row->version = before != NULL ? before->version + 1 : 1;
    if (code != OW_OK) {
        return code;
    }
    return ow_db_exec(db, NULL, err,
                      "INSERT INTO event_types (" TYPE_COLUMNS ")"
                      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
                      " ON CONFLICT (title_id, name) DO UPDATE SET"
                      " description = excluded.description, schema_json = excluded.schema_json,"
                      " client = excluded.client, updated_us = excluded.updated_us,"
                      " version = excluded.version",
                      "ttttiiii", row->title_id, row->name, row->description, row->schema_json,
                      (int64_t)row->client, row->created_us, row->updated_us, row->version);
}

ow_code type_delete(ow_db_conn *db, const char *title_id, const char *name, ow_err *err) {
    return ow_db_exec(db, NULL, err, "DELETE FROM event_types WHERE title_id = $1 AND name = $2",
                      "tt", title_id, name);
}

ow_code types_list(ow_db_conn *db, const type_range *range, ow_arena *arena, type_row **ret_rows,
                   size_t *ret_count, ow_err *err) {
    type_row *list = ow_arena_calloc(arena, (size_t)range->limit, sizeof *list);
    ow_rows *rows = NULL;
    bool found = true;
    size_t count = 0;
    if (list == NULL) {
        return no_memory(err);
    }
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT " TYPE_COLUMNS " FROM event_types WHERE title_id = $1"
                               " AND name > $2 ORDER BY name LIMIT $3",
                               "tti", range->title_id, range->after, (int64_t)range->limit);
    while (code == OW_OK && count < (size_t)range->limit) {
        code = ow_rows_next(rows, &found, err);
        if (code != OW_OK || !found) {
            break;
        }
        code = take_row(rows, arena, &list[count++], err);
    }
    ow_rows_close(rows);
    *ret_rows = list;
    *ret_count = count;
    return code;
}
