#include "services/telemetry/series_query.h"

#include "core/timestamp/timestamp.h"

#include "services/telemetry/internal.h"

#include <string.h>

#define SECOND_US ((int64_t)1000000)
#define DEFAULT_SPAN_US (900 * SECOND_US)
#define FINE_SPAN_US (3600 * SECOND_US)
enum { STEPS_MAX = 10080 };

static int64_t time_of(const Google__Protobuf__Timestamp *time, int64_t otherwise) {
    return time != NULL ? ow_timestamp_us(time) : otherwise;
}

static ow_code set_time(series_filter *f, const series_request *request, int64_t now_us,
                        ow_err *err) {
    f->until_us = time_of(request->until, now_us);
    f->since_us = time_of(request->since, f->until_us - DEFAULT_SPAN_US);
    f->step_s = request->step_s;
    if (f->step_s == 0) {
        f->step_s = f->until_us - f->since_us <= FINE_SPAN_US ? SERIES_FINE_S : SERIES_COARSE_S;
    }
    if (f->step_s != SERIES_FINE_S && f->step_s != SERIES_COARSE_S) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_step", "step_s is %d or %d", SERIES_FINE_S,
                       SERIES_COARSE_S);
    }
    int64_t step_us = f->step_s * SECOND_US;
    if (f->since_us < 0 || f->since_us >= f->until_us ||
        (f->until_us - f->since_us) / step_us > STEPS_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_time",
                       "since is before until, and not more than %d steps", STEPS_MAX);
    }
    f->since_us -= f->since_us % step_us;
    return OW_OK;
}

ow_code series_begin(ow_run *run) {
    const telemetry *t = run->self;
    series_state *s = run->state;
    const series_request *request = run->request;
    s->arena = run->call->arena;
    s->filter = (series_filter){
        .title = run->call->principal->title,
        .virtual_server = request->virtual_server,
        .function = request->function,
        .qualifier = request->qualifier,
        .version = request->version,
    };
    if (s->filter.title[0] == 0) {
        return ow_fail(run->err, OW_FAILED_PRECONDITION, "title_needed",
                       "name a title in Overworld-Title");
    }
    return set_time(&s->filter, request, ow_clock_wall_us(t->env->clock), run->err);
}

// ---- On a reader thread ----

static bool is_of(const series_msg *m, const series_row *row) {
    return m->version == row->version && strcmp(m->function, row->function) == 0 &&
           strcmp(m->virtual_server, row->virtual_server) == 0 &&
           strcmp(m->qualifier, row->qualifier) == 0;
}

static series_list *list_of(series_state *s, const series_row *row) {
    for (int i = 0; i < s->list_count; i++) {
        if (is_of(s->lists[i].message, row)) {
            return &s->lists[i];
        }
    }
    series_msg *m = s->list_count < SERIES_LISTS_MAX ? ow_arena_alloc(s->arena, sizeof *m) : NULL;
    if (m == NULL) {
        return NULL;
    }
    overworld__telemetry__v1__series__init(m);
    m->virtual_server = ow_arena_strdup_in(s->arena, row->virtual_server);
    m->function = ow_arena_strdup_in(s->arena, row->function);
    m->qualifier = ow_arena_strdup_in(s->arena, row->qualifier);
    m->version = row->version;
    if (m->virtual_server == NULL || m->function == NULL || m->qualifier == NULL) {
        return NULL;
    }
    s->lists[s->list_count] = (series_list){.message = m};
    return &s->lists[s->list_count++];
}

static bool add(series_state *s, series_list *list, series_point *p) {
    series_msg *m = list->message;
    if (m->n_points == list->room) {
        size_t room = list->room == 0 ? 16 : list->room * 2;
        series_point **bigger = ow_arena_alloc(s->arena, room * sizeof(series_point *));
        if (bigger == NULL) {
            return false;
        }
        if (m->n_points > 0) {
            memcpy(bigger, m->points, m->n_points * sizeof(series_point *));
        }
        m->points = bigger;
        list->room = room;
    }
    m->points[m->n_points++] = p;
    return true;
}

static ow_code take_row(void *self, const series_row *row, ow_err *err) {
    series_state *s = self;
    point p;
    if (s->truncated) {
        return OW_OK;
    }
    ow_code code = point_unpack(row->point, row->size, s->arena, &p, err);
    if (code != OW_OK) {
        return code;
    }
    series_list *list = s->point_count < SERIES_POINTS_MAX ? list_of(s, row) : NULL;
    series_point *m = list != NULL ? point_message(&p, row->time_us, s->arena) : NULL;
    s->truncated = m == NULL || !add(s, list, m);
    s->point_count++;
    return OW_OK;
}

ow_code series_read(ow_run *run) {
    series_state *s = run->state;
    series_response *reply = run->reply;
    ow_code code = series_store_read(run->db, &s->filter, take_row, s, run->err);
    if (code != OW_OK) {
        return code;
    }
    reply->series = ow_arena_calloc(s->arena, (size_t)s->list_count + 1, sizeof *reply->series);
    if (reply->series == NULL) {
        return ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "memory", "the answer is too large");
    }
    for (int i = 0; i < s->list_count; i++) {
        reply->series[reply->n_series++] = s->lists[i].message;
    }
    reply->step_s = (int32_t)s->filter.step_s;
    reply->truncated = s->truncated;
    return OW_OK;
}
