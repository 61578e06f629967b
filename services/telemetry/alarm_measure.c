// What an alarm has seen: on a reader thread.

#include "services/telemetry/alarms.h"

#include "services/telemetry/series_store.h"
#include "services/telemetry/telemetry_store.h"

#include "core/json/writer.h"

#include <string.h>

enum { SCRATCH_MAX = 32 << 20, ENTRIES_MAX = 100000, BODY_MAX = 4096, DEFAULT_WINDOW_S = 60 };

static int64_t window_us(const alarm_rule *rule) {
    return (int64_t)(rule->window_s > 0 ? rule->window_s : DEFAULT_WINDOW_S) * 1000000;
}

// ---- Series ----

// Rows come by their time: those of one are added up, then what was before is topped.
typedef struct summing {
    point sum, step;
    int64_t step_us;
    ow_arena *arena;
} summing;

static void end_step(summing *s) {
    point_add(&s->sum, &s->step);
    s->step = (point){0};
}

static ow_code take_point(void *self, const series_row *row, ow_err *err) {
    summing *s = self;
    point p;
    ow_code code = point_unpack(row->point, row->size, s->arena, &p, err);
    if (code == OW_OK) {
        p.reason_count = 0; // of no measure, and their text goes with the row
        if (row->time_us != s->step_us) {
            end_step(s);
            s->step_us = row->time_us;
        }
        point_add_beside(&s->step, &p);
    }
    return code;
}

static ow_code measure_series(ow_db_conn *db, const alarm_row *row, int64_t now_us, ow_arena *arena,
                              double *ret_value, ow_err *err) {
    const alarm_rule *rule = row->rule;
    summing s = {.arena = arena};
    series_filter f = {
        .title = row->title_id,
        .virtual_server = rule->virtual_server,
        .function = rule->function,
        .qualifier = rule->qualifier,
        .version = rule->version,
        .step_s = SERIES_FINE_S,
        .since_us = now_us - window_us(rule),
        .until_us = now_us + 1,
    };
    ow_code code = series_store_read(db, &f, take_point, &s, err);
    end_step(&s);
    *ret_value = alarm_value(rule, &s.sum);
    return code;
}

// ---- The log ----

static ow_code filter_for(const alarm_row *row, int64_t now_us, filter *ret_filter, ow_err *err) {
    query_request query = OVERWORLD__TELEMETRY__V1__QUERY_LOGS_REQUEST__INIT;
    int limit;
    query.virtual_server = row->rule->virtual_server;
    query.function = row->rule->function;
    query.version = row->rule->version;
    query.text = row->rule->text;
    query.min_level = row->rule->min_level;
    ow_code code = filter_of(&query, ret_filter, &limit, err);
    ret_filter->title = row->title_id;
    ret_filter->since_us = now_us - window_us(row->rule);
    ret_filter->until_us = now_us;
    return code;
}

static ow_code count_block(ow_db_conn *db, const filter *f, int64_t block_id, int64_t *count,
                           ow_err *err) {
    ow_arena *scratch = ow_arena_new(SCRATCH_MAX);
    slice records;
    item_list list = {0};
    if (scratch == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for an alarm");
    }
    ow_code code = store_records(db, block_id, scratch, &records, err);
    code = code == OW_OK ? items_of_block(f, records, scratch, &list, err) : code;
    ow_arena_free(scratch);
    *count += (int64_t)list.count;
    return code;
}

static ow_code count_blocks(ow_db_conn *db, const filter *f, const block_list *list, int64_t *count,
                            ow_err *err) {
    ow_code code = OW_OK;
    for (int i = 0; i < list->count && code == OW_OK && *count < ENTRIES_MAX; i++) {
        if (list->rows[i].may_match) {
            code = count_block(db, f, list->rows[i].block_id, count, err);
        }
    }
    return code;
}

static ow_code measure_log(ow_db_conn *db, const alarm_row *row, int64_t now_us, ow_arena *arena,
                           double *ret_value, ow_err *err) {
    filter *f = ow_arena_alloc(arena, sizeof *f);
    block_list *list = ow_arena_alloc(arena, sizeof *list);
    int64_t count = 0;
    if (f == NULL || list == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for an alarm");
    }
    *list = (block_list){0};
    ow_code code = filter_for(row, now_us, f, err);
    code = code == OW_OK ? store_block_at(db, f->since_us, &list->from, err) : code;
    do {
        code = code == OW_OK ? store_blocks(db, f, arena, list, err) : code;
        code = code == OW_OK ? count_blocks(db, f, list, &count, err) : code;
        list->from = list->count > 0 ? list->rows[list->count - 1].block_id + 1 : list->from;
    } while (code == OW_OK && list->count == ROWS_AT_ONCE && count < ENTRIES_MAX);
    *ret_value = (double)count;
    return code;
}

ow_code alarm_measure(ow_db_conn *db, const alarm_row *row, int64_t now_us, ow_arena *arena,
                      double *ret_value, ow_err *err) {
    return alarm_is_of_log(row->rule) ? measure_log(db, row, now_us, arena, ret_value, err)
                                      : measure_series(db, row, now_us, arena, ret_value, err);
}

// ---- What is told ----

const char *alarm_body(const alarm_row *row, alarm_event event, const char *notice_id,
                       int64_t now_us, ow_arena *arena) {
    ow_json_writer w;
    const alarm_rule *rule = row->rule;
    ow_json_writer_init(&w, arena, BODY_MAX);
    ow_json_object_open(&w);
    ow_json_name(&w, "type");
    ow_json_text(&w, alarm_event_type(event));
    ow_json_name(&w, "notice_id");
    ow_json_text(&w, notice_id);
    ow_json_name(&w, "timestamp_us");
    ow_json_int64_text(&w, now_us);
    ow_json_name(&w, "data");
    ow_json_object_open(&w);
    const char *const texts[][2] = {{"alarm_id", row->alarm_id},
                                    {"title_id", row->title_id},
                                    {"name", rule->name},
                                    {"measure", rule->measure},
                                    {"virtual_server", rule->virtual_server},
                                    {"function", rule->function},
                                    {"qualifier", rule->qualifier},
                                    {"text", rule->text}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i][1][0] != 0) {
            ow_json_name(&w, texts[i][0]);
            ow_json_text(&w, texts[i][1]);
        }
    }
    ow_json_name(&w, "value");
    ow_json_double(&w, row->value);
    ow_json_name(&w, "threshold");
    ow_json_double(&w, rule->threshold);
    ow_json_name(&w, "window_s");
    ow_json_int(&w, window_us(rule) / 1000000);
    ow_json_object_close(&w);
    ow_json_object_close(&w);
    return ow_json_writer_end(&w, NULL);
}
