#include "services/timers/timers_store.h"

#include "services/timers/store_rows.h"

#include "core/rpc/call.h"

#include <string.h>

ow_code out_of_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for timers");
}

ow_code first_int(const reader *r, ow_code code, ow_rows *rows, int64_t *ret_value) {
    bool found = false;
    code = code == OW_OK ? ow_rows_next(rows, &found, r->err) : code;
    if (code == OW_OK && found) {
        *ret_value = ow_rows_int(rows, 0);
    }
    ow_rows_close(rows);
    return code;
}

static const char *text_of(const reader *r, ow_rows *rows, int column) {
    const char *text = ow_rows_text(rows, column);
    return ow_arena_strdup_in(r->arena, text != NULL ? text : "");
}

ow_code read_timer(const reader *r, ow_rows *rows, timer_row *row) {
    ProtobufCAllocator storage;
    size_t size;
    const void *bytes = ow_rows_blob(rows, 3, &size);
    *row = (timer_row){
        .timer_id = text_of(r, rows, 0),
        .title_id = text_of(r, rows, 1),
        .virtual_server = text_of(r, rows, 2),
        .spec = overworld__api__timer__unpack(ow_arena_protobuf(r->arena, &storage), size, bytes),
        .declared = ow_rows_int(rows, 4) != 0,
        .gone = ow_rows_int(rows, 5) != 0,
        .paused = ow_rows_int(rows, 6) != 0,
        .pause_reason = text_of(r, rows, 7),
        .paused_by = text_of(r, rows, 8),
        .next_due_us = ow_rows_int(rows, 9),
        .last_due_us = ow_rows_int(rows, 10),
        .last_execution_id = text_of(r, rows, 11),
        .anchor_us = ow_rows_int(rows, 12),
        .created_us = ow_rows_int(rows, 13),
        .updated_us = ow_rows_int(rows, 14),
        .etag = ow_rows_int(rows, 15),
    };
    bool whole = row->timer_id != NULL && row->title_id != NULL && row->virtual_server != NULL &&
                 row->spec != NULL && row->pause_reason != NULL && row->paused_by != NULL &&
                 row->last_execution_id != NULL;
    return whole ? OW_OK : out_of_memory(r->err);
}

ow_code take_timers(const reader *r, ow_code code, ow_rows *rows, timer_take take, void *self) {
    bool more = true;
    while (code == OW_OK && (code = ow_rows_next(rows, &more, r->err)) == OW_OK && more) {
        timer_row row;
        code = read_timer(r, rows, &row);
        code = code == OW_OK ? take(self, &row, r->err) : code;
    }
    ow_rows_close(rows);
    return code;
}

// ---- One ----

static ow_code pack_spec(const timer_spec *spec, uint8_t bytes[SPEC_BYTES_MAX], size_t *ret_size,
                         ow_err *err) {
    *ret_size = overworld__api__timer__get_packed_size(spec);
    if (*ret_size > SPEC_BYTES_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_timer", "the timer is too long");
    }
    overworld__api__timer__pack(spec, bytes);
    return OW_OK;
}

static ow_code check_room(const reader *r, const char *title_id) {
    ow_rows *rows = NULL;
    int64_t count = 0;
    ow_code code = ow_db_query(r->db, &rows, r->err,
                               "SELECT timers FROM titles WHERE title_id = $1", "t", title_id);
    code = first_int(r, code, rows, &count);
    if (code == OW_OK && count >= TIMERS_A_TITLE_MAX) {
        return ow_fail(r->err, OW_RESOURCE_EXHAUSTED, "too_many_timers",
                       "a title has at most %d timers", TIMERS_A_TITLE_MAX);
    }
    return code;
}

static ow_code count_timers(const reader *r, const char *title_id, int64_t more) {
    return ow_db_exec(r->db, NULL, r->err,
                      "INSERT INTO titles (title_id, timers) VALUES ($1, $2)"
                      " ON CONFLICT (title_id) DO UPDATE SET timers = titles.timers + $2",
                      "ti", title_id, more);
}

ow_code timer_insert(const reader *r, const timer_row *row) {
    uint8_t bytes[SPEC_BYTES_MAX];
    size_t size = 0;
    int64_t changes = 0;
    const timer_spec *spec = row->spec;
    ow_code code = pack_spec(spec, bytes, &size, r->err);
    code = code == OW_OK ? check_room(r, row->title_id) : code;
    if (code == OW_OK) {
        code = ow_db_exec(r->db, &changes, r->err,
                          "INSERT INTO timers (timer_id, title_id, virtual_server, name, alias,"
                          " function, spec, declared, gone, paused, pause_reason, paused_by,"
                          " next_due_us, last_due_us, last_execution_id, every_us, anchor_us,"
                          " created_us, updated_us, etag) VALUES ($1, $2, $3, $4, $5, $6, $7, $8,"
                          " 0, $9, $10, $11, $12, 0, '', $13, $14, $15, $16, $17)"
                          " ON CONFLICT (title_id, virtual_server, name, alias) DO NOTHING",
                          "ttttttbiittiiiiii", row->timer_id, row->title_id, row->virtual_server,
                          spec->name, spec_alias(spec), spec->function, bytes, size,
                          (int64_t)row->declared, (int64_t)row->paused, row->pause_reason,
                          row->paused_by, row->next_due_us, us_of_duration(spec->every),
                          row->anchor_us, row->created_us, row->updated_us, row->etag);
    }
    if (code == OW_OK && changes == 0) {
        return ow_fail(r->err, OW_ALREADY_EXISTS, "timer_exists",
                       "\"%s\" has a timer \"%s\" for %s already", row->virtual_server, spec->name,
                       spec_alias(spec));
    }
    return code == OW_OK ? count_timers(r, row->title_id, 1) : code;
}

ow_code timer_save(const reader *r, const timer_row *row) {
    uint8_t bytes[SPEC_BYTES_MAX];
    size_t size = 0;
    ow_code code = pack_spec(row->spec, bytes, &size, r->err);
    if (code != OW_OK) {
        return code;
    }
    return ow_db_exec(r->db, NULL, r->err,
                      "UPDATE timers SET function = $1, spec = $2, declared = $3, gone = $4,"
                      " paused = $5, pause_reason = $6, paused_by = $7, next_due_us = $8,"
                      " every_us = $9, anchor_us = $10, updated_us = $11, etag = $12"
                      " WHERE timer_id = $13",
                      "tbiiittiiiiit", row->spec->function, bytes, size, (int64_t)row->declared,
                      (int64_t)row->gone, (int64_t)row->paused, row->pause_reason, row->paused_by,
                      row->next_due_us, us_of_duration(row->spec->every), row->anchor_us,
                      row->updated_us, row->etag, row->timer_id);
}

ow_code timer_find(const reader *r, const char *title_id, const char *timer_id,
                   timer_row *ret_row) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code = ow_db_query(r->db, &rows, r->err,
                               "SELECT " TIMER_COLUMNS " FROM timers WHERE timers.timer_id = $1"
                               " AND timers.title_id = $2 AND timers.gone = 0",
                               "tt", timer_id, title_id);
    code = code == OW_OK ? ow_rows_next(rows, &found, r->err) : code;
    if (code == OW_OK) {
        code = found ? read_timer(r, rows, ret_row)
                     : ow_fail(r->err, OW_NOT_FOUND, "no_timer", "there is no such timer");
    }
    ow_rows_close(rows);
    return code;
}

ow_code timer_find_named(const reader *r, const char *title_id, const char *server,
                         const timer_spec *spec, timer_row *ret_row, bool *ret_found) {
    ow_rows *rows = NULL;
    ow_code code = ow_db_query(r->db, &rows, r->err,
                               "SELECT " TIMER_COLUMNS " FROM timers WHERE timers.title_id = $1"
                               " AND timers.virtual_server = $2 AND timers.name = $3"
                               " AND timers.alias = $4",
                               "tttt", title_id, server, spec->name, spec_alias(spec));
    code = code == OW_OK ? ow_rows_next(rows, ret_found, r->err) : code;
    if (code == OW_OK && *ret_found) {
        code = read_timer(r, rows, ret_row);
    }
    ow_rows_close(rows);
    return code;
}

// A timer of every second has 260,000 slots, which is more than a write may take: those that are settled go by
// their age like all others (slots_drop). Those that are not would be in the way of next_wake; there are few,
// which the index over try_us finds, as long as the one over timer_id is not taken.
ow_code timer_delete(const reader *r, const char *timer_id) {
    ow_code code = ow_db_exec(r->db, NULL, r->err,
                              "UPDATE titles SET timers = timers - 1 WHERE title_id ="
                              " (SELECT title_id FROM timers WHERE timer_id = $1)",
                              "t", timer_id);
    code = code == OW_OK ? ow_db_exec(r->db, NULL, r->err,
                                      "DELETE FROM slots WHERE timer_id || '' = $1"
                                      " AND try_us < 9223372036854775807",
                                      "t", timer_id)
                         : code;
    return code == OW_OK ? ow_db_exec(r->db, NULL, r->err, "DELETE FROM timers WHERE timer_id = $1",
                                      "t", timer_id)
                         : code;
}

// ---- Lists ----

#define FILTERS                                                                                    \
    " AND ($5 = '' OR timers.virtual_server = $5) AND ($6 = '' OR timers.function = $6)"           \
    " AND ($7 = '' OR timers.name = $7)"                                                           \
    " AND ($8 = '' OR LOWER(timers.name) LIKE $8 ESCAPE '!')"                                      \
    " AND ($9 = '' OR $9 = CASE WHEN timers.paused <> 0 THEN 'paused'"                             \
    " WHEN timers.next_due_us = 9223372036854775807 THEN 'ended' ELSE 'active' END)"

ow_code timers_list(const reader *r, const timer_filter *f, timer_take take, void *self) {
    ow_rows *rows = NULL;
    ow_code code =
        f->soonest
            ? ow_db_query(r->db, &rows, r->err,
                          "SELECT " TIMER_COLUMNS " FROM timers WHERE timers.title_id = $1"
                          " AND (timers.next_due_us, timers.timer_id) > ($2, $3)"
                          " AND timers.gone = 0 AND $4 = ''" FILTERS
                          " ORDER BY timers.next_due_us, timers.timer_id LIMIT $10",
                          "tittttttti", f->title_id, f->after_due_us, f->after_id, "",
                          f->virtual_server, f->function, f->name, f->name_like, f->state,
                          (int64_t)f->limit)
            : ow_db_query(r->db, &rows, r->err,
                          "SELECT " TIMER_COLUMNS " FROM timers WHERE timers.title_id = $1"
                          " AND (timers.virtual_server, timers.name, timers.alias) > ($2, $3, $4)"
                          " AND timers.gone = 0" FILTERS
                          " ORDER BY timers.virtual_server, timers.name, timers.alias LIMIT $10",
                          "ttttttttti", f->title_id, f->after_server, f->after_name, f->after_alias,
                          f->virtual_server, f->function, f->name, f->name_like, f->state,
                          (int64_t)f->limit);
    return take_timers(r, code, rows, take, self);
}

ow_code timers_of_server(const reader *r, const server_timers *which, timer_take take, void *self) {
    ow_rows *rows = NULL;
    ow_code code = ow_db_query(r->db, &rows, r->err,
                               "SELECT " TIMER_COLUMNS " FROM timers WHERE timers.title_id = $1"
                               " AND timers.virtual_server = $2"
                               " AND (timers.declared <> 0 OR $3 <> 0) LIMIT $4",
                               "ttii", which->title_id, which->server, (int64_t)which->every,
                               (int64_t)which->limit);
    return take_timers(r, code, rows, take, self);
}

ow_code timers_begin_anew(const reader *r, int64_t now_us, bool *ret_more) {
    int64_t changes = 0;
    ow_code code =
        ow_db_exec(r->db, &changes, r->err,
                   "UPDATE timers SET next_due_us = every_us + $1, anchor_us = $1"
                   " WHERE timer_id IN (SELECT timer_id FROM timers WHERE every_us > 0"
                   " AND next_due_us < 9223372036854775807 AND (next_due_us - every_us) > $1"
                   " LIMIT $2)",
                   "ii", now_us, (int64_t)ANEW_AT_ONCE);
    *ret_more = changes == ANEW_AT_ONCE;
    return code;
}

// ---- Deployments ----

ow_code deployment_find(const reader *r, const char *title_id, const char *server,
                        int64_t *ret_number) {
    ow_rows *rows = NULL;
    *ret_number = 0;
    ow_code code = ow_db_query(r->db, &rows, r->err,
                               "SELECT number FROM deployments WHERE title_id = $1"
                               " AND virtual_server = $2",
                               "tt", title_id, server);
    return first_int(r, code, rows, ret_number);
}

ow_code deployment_keep(const reader *r, const char *title_id, const char *server, int64_t number) {
    return ow_db_exec(r->db, NULL, r->err,
                      "INSERT INTO deployments (title_id, virtual_server, number)"
                      " VALUES ($1, $2, $3) ON CONFLICT (title_id, virtual_server)"
                      " DO UPDATE SET number = $3",
                      "tti", title_id, server, number);
}
