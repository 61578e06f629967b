#include "services/telemetry/series_store.h"

#include <string.h>

// A point's place with its text as the database wants it.
typedef struct place {
    int64_t step_s, time_us, version;
    const char *title_id, *virtual_server, *function, *qualifier;
} place;

static const char *text_in(ow_arena *arena, slice s) {
    const char *text = ow_arena_memdup_in(arena, s.text, s.length);
    return text != NULL ? text : "";
}

static ow_code read_point(ow_db_conn *db, const place *at, ow_arena *arena, point *ret_point,
                          ow_err *err) {
    ow_rows *rows = NULL;
    bool found = false;
    *ret_point = (point){0};
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT point FROM series_points WHERE step_s = $1"
                               " AND title_id = $2 AND time_us = $3 AND virtual_server = $4"
                               " AND function = $5 AND version = $6 AND qualifier = $7",
                               "itittit", at->step_s, at->title_id, at->time_us, at->virtual_server,
                               at->function, at->version, at->qualifier);
    code = code == OW_OK ? ow_rows_next(rows, &found, err) : code;
    if (code != OW_OK || !found) {
        return code;
    }
    size_t size;
    const void *bytes = ow_rows_blob(rows, 0, &size);
    code = point_unpack(bytes, size, arena, ret_point, err);
    ow_rows_close(rows);
    return code;
}

static ow_code write_point(ow_db_conn *db, const place *at, const point *p, ow_arena *arena,
                           ow_err *err) {
    size_t size = 0;
    const uint8_t *bytes = point_pack(p, arena, &size);
    if (bytes == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for a point");
    }
    return ow_db_exec(db, NULL, err,
                      "INSERT INTO series_points (step_s, title_id, time_us, virtual_server,"
                      " function, version, qualifier, point)"
                      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
                      " ON CONFLICT (step_s, title_id, time_us, virtual_server, function, version,"
                      " qualifier) DO UPDATE SET point = excluded.point",
                      "itittitb", at->step_s, at->title_id, at->time_us, at->virtual_server,
                      at->function, at->version, at->qualifier, bytes, size);
}

static ow_code add_point(ow_db_conn *db, const block_point *from, int64_t step_s, ow_arena *arena,
                         ow_err *err) {
    point p;
    place at = {
        .step_s = step_s,
        .time_us = from->key.time_us - from->key.time_us % (step_s * 1000000),
        .version = from->key.version,
        .title_id = text_in(arena, from->key.title_id),
        .virtual_server = text_in(arena, from->key.virtual_server),
        .function = text_in(arena, from->key.function),
        .qualifier = text_in(arena, from->key.qualifier),
    };
    ow_code code = read_point(db, &at, arena, &p, err);
    if (code != OW_OK) {
        return code;
    }
    point_add(&p, &from->point);
    return write_point(db, &at, &p, arena, err);
}

ow_code series_store_add(ow_db_conn *db, const block_points *points, ow_arena *arena, ow_err *err) {
    ow_code code = OW_OK;
    for (int i = 0; i < points->count && code == OW_OK; i++) {
        code = add_point(db, &points->items[i], SERIES_FINE_S, arena, err);
        code = code == OW_OK ? add_point(db, &points->items[i], SERIES_COARSE_S, arena, err) : code;
    }
    return code;
}

ow_code series_store_retain(ow_db_conn *db, int64_t before_us, int64_t slice, int64_t *ret_deleted,
                            ow_err *err) {
    ow_rows *rows = NULL;
    bool found = false;
    *ret_deleted = 0;
    // The time of the last one of the slice: points have no number of their own to delete by.
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT max(time_us) FROM (SELECT time_us FROM series_points"
                               " WHERE time_us < $1 ORDER BY time_us LIMIT $2) AS oldest",
                               "ii", before_us, slice);
    code = code == OW_OK ? ow_rows_next(rows, &found, err) : code;
    if (code != OW_OK || !found || ow_rows_is_null(rows, 0)) {
        return code;
    }
    int64_t last_us = ow_rows_int(rows, 0);
    ow_rows_close(rows);
    return ow_db_exec(db, ret_deleted, err, "DELETE FROM series_points WHERE time_us <= $1", "i",
                      last_us);
}

ow_code series_store_read(ow_db_conn *db, const series_filter *f, series_taker take, void *self,
                          ow_err *err) {
    ow_rows *rows = NULL;
    bool more = true;
    ow_code code =
        ow_db_query(db, &rows, err,
                    "SELECT time_us, virtual_server, function, version, qualifier, point"
                    " FROM series_points WHERE step_s = $1 AND title_id = $2"
                    " AND time_us >= $3 AND time_us < $4"
                    " AND ($5 = '' OR virtual_server = $5) AND ($6 = '' OR function = $6)"
                    " AND ($7 = 0 OR version = $7) AND ($8 = '' OR qualifier = $8)"
                    " ORDER BY time_us",
                    "itiittit", f->step_s, f->title, f->since_us, f->until_us, f->virtual_server,
                    f->function, f->version, f->qualifier);
    while (code == OW_OK && (code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        series_row row = {
            .time_us = ow_rows_int(rows, 0),
            .virtual_server = ow_rows_text(rows, 1),
            .function = ow_rows_text(rows, 2),
            .version = ow_rows_int(rows, 3),
            .qualifier = ow_rows_text(rows, 4),
        };
        row.point = ow_rows_blob(rows, 5, &row.size);
        code = take(self, &row, err);
    }
    ow_rows_close(rows);
    return code;
}
