#include "services/telemetry/alarm_store.h"

#include "core/rpc/call.h"

#include <string.h>

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for alarms");
}

// The first column of the only row.
static ow_code read_int(ow_code code, ow_rows *rows, int64_t *ret_value, ow_err *err) {
    bool found = false;
    code = code == OW_OK ? ow_rows_next(rows, &found, err) : code;
    if (code == OW_OK && found) {
        *ret_value = ow_rows_int(rows, 0);
    }
    ow_rows_close(rows);
    return code;
}

// ---- Alarms ----

static ow_code check_count(ow_db_conn *db, const char *title_id, ow_err *err) {
    ow_rows *rows = NULL;
    int64_t of_title = 0;
    int64_t all = 0;
    ow_code code = ow_db_query(db, &rows, err, "SELECT count(*) FROM alarms WHERE title_id = $1",
                               "t", title_id);
    code = read_int(code, rows, &of_title, err);
    rows = NULL;
    code = code == OW_OK ? ow_db_query(db, &rows, err, "SELECT count(*) FROM alarms", "") : code;
    code = read_int(code, rows, &all, err);
    if (code == OW_OK && (of_title >= ALARMS_A_TITLE_MAX || all >= ALARMS_MAX)) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "too_many_alarms", "a title has at most %d",
                       ALARMS_A_TITLE_MAX);
    }
    return code;
}

ow_code alarm_store_create(ow_db_conn *db, const alarm_row *row, ow_err *err) {
    uint8_t bytes[8192];
    int64_t changes = 0;
    size_t size = overworld__telemetry__v1__alarm_rule__get_packed_size(row->rule);
    if (size > sizeof bytes) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_rule", "the rule is too long");
    }
    overworld__telemetry__v1__alarm_rule__pack(row->rule, bytes);
    ow_code code = check_count(db, row->title_id, err);
    if (code == OW_OK) {
        code = ow_db_exec(db, &changes, err,
                          "INSERT INTO alarms (alarm_id, title_id, name, rule, secret, firing,"
                          " since_us, told, last_told_us, value, last_error)"
                          " VALUES ($1, $2, $3, $4, $5, 0, 0, 0, 0, 0, '')"
                          " ON CONFLICT (title_id, name) DO NOTHING",
                          "tttbt", row->alarm_id, row->title_id, row->rule->name, bytes, size,
                          row->secret);
    }
    return code == OW_OK && changes == 0 ? ow_fail(err, OW_ALREADY_EXISTS, "alarm_exists",
                                                   "there is an alarm %s already", row->rule->name)
                                         : code;
}

#define ALARM_COLUMNS                                                                              \
    "alarm_id, title_id, rule, secret, firing, since_us, told, last_told_us, value, last_error,"   \
    " (SELECT count(*) FROM notices WHERE notices.alarm_id = alarms.alarm_id)"

static ow_code read_alarm(ow_rows *rows, ow_arena *arena, alarm_row *row, ow_err *err) {
    ProtobufCAllocator storage;
    size_t size;
    const void *bytes = ow_rows_blob(rows, 2, &size);
    *row = (alarm_row){
        .alarm_id = ow_arena_strdup_in(arena, ow_rows_text(rows, 0)),
        .title_id = ow_arena_strdup_in(arena, ow_rows_text(rows, 1)),
        .rule = overworld__telemetry__v1__alarm_rule__unpack(ow_arena_protobuf(arena, &storage),
                                                             size, bytes),
        .secret = ow_arena_strdup_in(arena, ow_rows_text(rows, 3)),
        .state = {.firing = ow_rows_int(rows, 4) != 0,
                  .since_us = ow_rows_int(rows, 5),
                  .told = ow_rows_int(rows, 6) != 0,
                  .last_told_us = ow_rows_int(rows, 7)},
        .value = ow_rows_double(rows, 8),
        .last_error = ow_arena_strdup_in(arena, ow_rows_text(rows, 9)),
        .waiting = ow_rows_int(rows, 10),
    };
    bool whole = row->alarm_id != NULL && row->title_id != NULL && row->rule != NULL &&
                 row->secret != NULL && row->last_error != NULL;
    return whole ? OW_OK : no_memory(err);
}

ow_code alarm_store_list(ow_db_conn *db, const char *title_id, ow_arena *arena,
                         alarm_list *ret_list, ow_err *err) {
    ow_rows *rows = NULL;
    bool more = true;
    alarm_list list = {.rows = ow_arena_alloc(arena, ALARMS_MAX * sizeof *list.rows)};
    if (list.rows == NULL) {
        return no_memory(err);
    }
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT " ALARM_COLUMNS " FROM alarms WHERE $1 = '' OR title_id = $1"
                               " ORDER BY title_id, name",
                               "t", title_id != NULL ? title_id : "");
    while (code == OW_OK && list.count < ALARMS_MAX &&
           (code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        code = read_alarm(rows, arena, &list.rows[list.count++], err);
    }
    ow_rows_close(rows);
    *ret_list = list;
    return code;
}

static ow_code no_alarm(ow_err *err) {
    return ow_fail(err, OW_NOT_FOUND, "no_alarm", "there is no such alarm");
}

ow_code alarm_store_get(ow_db_conn *db, const char *title_id, const char *alarm_id, ow_arena *arena,
                        alarm_row *ret_row, ow_err *err) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code =
        ow_db_query(db, &rows, err,
                    "SELECT " ALARM_COLUMNS " FROM alarms WHERE alarm_id = $1 AND title_id = $2",
                    "tt", alarm_id, title_id);
    code = code == OW_OK ? ow_rows_next(rows, &found, err) : code;
    if (code == OW_OK) {
        code = found ? read_alarm(rows, arena, ret_row, err) : no_alarm(err);
    }
    ow_rows_close(rows);
    return code;
}

ow_code alarm_store_delete(ow_db_conn *db, const char *title_id, const char *alarm_id,
                           ow_err *err) {
    int64_t changes = 0;
    ow_code code =
        ow_db_exec(db, &changes, err, "DELETE FROM alarms WHERE alarm_id = $1 AND title_id = $2",
                   "tt", alarm_id, title_id);
    if (code == OW_OK && changes == 0) {
        return no_alarm(err);
    }
    return code == OW_OK
               ? ow_db_exec(db, NULL, err, "DELETE FROM notices WHERE alarm_id = $1", "t", alarm_id)
               : code;
}

ow_code alarm_store_look(ow_db_conn *db, const alarm_row *row, ow_err *err) {
    const alarm_state *s = &row->state;
    return ow_db_exec(db, NULL, err,
                      "UPDATE alarms SET firing = $1, since_us = $2, told = $3, last_told_us = $4,"
                      " value = $5 WHERE alarm_id = $6",
                      "iiiidt", (int64_t)s->firing, s->since_us, (int64_t)s->told, s->last_told_us,
                      row->value, row->alarm_id);
}

// ---- Notices ----

ow_code notice_store_add(ow_db_conn *db, const notice_row *n, int64_t *ret_lost, ow_err *err) {
    *ret_lost = 0;
    ow_code code =
        ow_db_exec(db, ret_lost, err,
                   "DELETE FROM notices WHERE notice_id IN (SELECT notice_id FROM notices"
                   " ORDER BY created_us DESC LIMIT 1000 OFFSET $1)",
                   "i", (int64_t)NOTICES_MAX - 1);
    if (code != OW_OK) {
        return code;
    }
    return ow_db_exec(
        db, NULL, err,
        "INSERT INTO notices (notice_id, alarm_id, body, created_us, due_us, attempts)"
        " VALUES ($1, $2, $3, $4, $5, 0)",
        "tttii", n->notice_id, n->alarm_id, n->body, n->created_us, n->due_us);
}

static const alarm_rule *read_rule(ow_rows *rows, int column, ow_arena *arena) {
    ProtobufCAllocator storage;
    size_t size;
    const void *bytes = ow_rows_blob(rows, column, &size);
    return overworld__telemetry__v1__alarm_rule__unpack(ow_arena_protobuf(arena, &storage), size,
                                                        bytes);
}

ow_code notice_store_next(ow_db_conn *db, int64_t now_us, ow_arena *arena, notice_row *ret_notice,
                          bool *ret_found, ow_err *err) {
    ow_rows *rows = NULL;
    ow_code code = ow_db_query(
        db, &rows, err,
        "SELECT notices.notice_id, notices.alarm_id, notices.body, notices.attempts,"
        " alarms.secret, alarms.rule, alarms.title_id FROM notices JOIN alarms ON alarms.alarm_id = notices.alarm_id"
        " WHERE notices.due_us <= $1 ORDER BY notices.due_us, notices.notice_id LIMIT 1",
        "i", now_us);
    code = code == OW_OK ? ow_rows_next(rows, ret_found, err) : code;
    if (code != OW_OK || !*ret_found) {
        return code;
    }
    *ret_notice = (notice_row){
        .notice_id = ow_arena_strdup_in(arena, ow_rows_text(rows, 0)),
        .alarm_id = ow_arena_strdup_in(arena, ow_rows_text(rows, 1)),
        .body = ow_arena_strdup_in(arena, ow_rows_text(rows, 2)),
        .attempts = ow_rows_int(rows, 3),
        .secret = ow_arena_strdup_in(arena, ow_rows_text(rows, 4)),
        .rule = read_rule(rows, 5, arena),
        .title_id = ow_arena_strdup_in(arena, ow_rows_text(rows, 6)),
    };
    ow_rows_close(rows);
    bool whole = ret_notice->notice_id != NULL && ret_notice->alarm_id != NULL &&
                 ret_notice->body != NULL && ret_notice->secret != NULL &&
                 ret_notice->rule != NULL && ret_notice->title_id != NULL;
    return whole ? OW_OK : no_memory(err);
}

ow_code notice_store_settle(ow_db_conn *db, const notice_row *n, bool gone, const char *why,
                            ow_err *err) {
    ow_code code = gone ? ow_db_exec(db, NULL, err, "DELETE FROM notices WHERE notice_id = $1", "t",
                                     n->notice_id)
                        : ow_db_exec(db, NULL, err,
                                     "UPDATE notices SET due_us = $1, attempts = $2"
                                     " WHERE notice_id = $3",
                                     "iit", n->due_us, n->attempts, n->notice_id);
    return code == OW_OK
               ? ow_db_exec(db, NULL, err, "UPDATE alarms SET last_error = $1 WHERE alarm_id = $2",
                            "tt", why != NULL ? why : "", n->alarm_id)
               : code;
}
