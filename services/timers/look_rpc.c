// The methods that change nothing: timers, their slots, what is to come.

#include "services/timers/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_DEFAULT = 50, PAGE_MAX = 200, PREVIEW_DEFAULT = 10 };

static ow_code check_title(const ow_run *run) {
    return run->call->principal->title[0] != 0
               ? OW_OK
               : ow_fail(run->err, OW_FAILED_PRECONDITION, "title_needed",
                         "name a title in Overworld-Title");
}

static ow_code page_limit(int32_t page_size, int *ret_limit, ow_err *err) {
    if (page_size < 0 || page_size > PAGE_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_page_size", "page_size is 1 to %d", PAGE_MAX);
    }
    *ret_limit = page_size == 0 ? PAGE_DEFAULT : page_size;
    return OW_OK;
}

static ow_code bad_token(ow_err *err) {
    return ow_fail(err, OW_INVALID_ARGUMENT, "bad_page_token", "page_token is not one of ours");
}

// ---- GetTimer ----

ow_code timer_get(ow_run *run) {
    const get_timer_request *request = run->request;
    const reader r = reader_of(run);
    timer_row row;
    ow_code code = check_title(run);
    code =
        code == OW_OK ? timer_find(&r, run->call->principal->title, request->timer_id, &row) : code;
    if (code != OW_OK) {
        return code;
    }
    return fill_timer(run->reply, &row, run->call->arena) ? OW_OK : no_room(run->err);
}

// ---- ListTimers ----

typedef struct page {
    ow_arena *arena;
    list_timers_response *reply;
    timer_row last;
} page;

static ow_code take_timer(void *self, const timer_row *row, ow_err *err) {
    page *p = self;
    timer_msg *m = ow_arena_alloc(p->arena, sizeof *m);
    if (m == NULL || !fill_timer(m, row, p->arena)) {
        return no_room(err);
    }
    p->reply->timers[p->reply->n_timers++] = m;
    p->last = *row;
    return OW_OK;
}

// A token is what the last row was sorted by: "server/name/alias", or "due/id".
static bool read_token(char *token, timer_filter *f) {
    char *save = NULL;
    const char *parts[3] = {"", "", ""};
    if (token[0] == 0) {
        return true;
    }
    for (int i = 0; i < 3 && token != NULL; i++) {
        parts[i] = token;
        save = strchr(token, '/');
        token = save != NULL ? save + 1 : NULL;
        if (save != NULL) {
            *save = 0;
        }
    }
    f->after_server = parts[0];
    f->after_name = parts[1];
    f->after_alias = parts[2];
    f->after_due_us = strtoll(parts[0], NULL, 10);
    f->after_id = parts[1];
    return f->soonest ? parts[1][0] != 0 : parts[2][0] != 0;
}

static char *make_token(const timer_row *row, bool soonest, ow_arena *arena) {
    return soonest ? ow_arena_printf_in(arena, "%" PRId64 "/%s", row->next_due_us, row->timer_id)
                   : ow_arena_printf_in(arena, "%s/%s/%s", row->virtual_server, row->spec->name,
                                        spec_alias(row->spec));
}

// "50%" → "%50!%%". NULL: arena full.
static const char *like_of(const char *part, ow_arena *arena) {
    char *like = ow_arena_calloc(arena, 2 * strlen(part) + 3, 1);
    size_t size = 0;
    if (like == NULL || part[0] == 0) {
        return like;
    }
    like[size++] = '%';
    for (const char *at = part; *at != 0; at++) {
        if (strchr("%_!", *at) != NULL) {
            like[size++] = '!';
        }
        like[size++] = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
    }
    like[size] = '%';
    return like;
}

static ow_code check_contains(const char *part, ow_err *err) {
    return strlen(part) <= NAME_MAX_BYTES
               ? OW_OK
               : ow_fail(err, OW_INVALID_ARGUMENT, "bad_filter",
                         "name_contains has at most %d characters", NAME_MAX_BYTES);
}

static ow_code filter_of(const ow_run *run, timer_filter *f) {
    const list_timers_request *request = run->request;
    *f = (timer_filter){
        .title_id = run->call->principal->title,
        .virtual_server = request->virtual_server,
        .function = request->function,
        .name = request->name,
        .state = request->state,
        .soonest = request->soonest,
        .after_server = "",
        .after_name = "",
        .after_alias = "",
        .after_id = "",
    };
    char *token = ow_arena_strdup_in(run->call->arena, request->page_token);
    f->name_like = like_of(request->name_contains, run->call->arena);
    if (token == NULL || f->name_like == NULL) {
        return no_room(run->err);
    }
    // Nothing comes of those that are paused or have ended: they stand at the end.
    if (strcmp(f->state, "paused") == 0 || strcmp(f->state, "ended") == 0) {
        f->after_due_us = NEVER;
    }
    ow_code code = check_title(run);
    code = code == OW_OK ? check_contains(request->name_contains, run->err) : code;
    code = code == OW_OK ? page_limit(request->page_size, &f->limit, run->err) : code;
    return code != OW_OK || read_token(token, f) ? code : bad_token(run->err);
}

ow_code timer_list(ow_run *run) {
    list_timers_response *reply = run->reply;
    ow_arena *arena = run->call->arena;
    const reader r = reader_of(run);
    page p = {.arena = arena, .reply = reply};
    timer_filter f;
    ow_code code = filter_of(run, &f);
    if (code != OW_OK) {
        return code;
    }
    reply->timers = ow_arena_calloc(arena, (size_t)f.limit + 1, sizeof *reply->timers);
    if (reply->timers == NULL) {
        return no_room(run->err);
    }
    code = timers_list(&r, &f, take_timer, &p);
    if (code == OW_OK && reply->n_timers == (size_t)f.limit) {
        reply->next_page_token = make_token(&p.last, f.soonest, arena);
        return reply->next_page_token != NULL ? OW_OK : no_room(run->err);
    }
    return code;
}

// ---- ListSlots ----

bool fill_slot(slot_msg *m, const slot_row *row, ow_arena *arena) {
    overworld__timers__v1__slot__init(m);
    m->due = time_in(arena, row->due_us);
    m->state = (char *)(uintptr_t)row->state;
    m->kind = (char *)(uintptr_t)row->kind;
    m->execution_id = (char *)(uintptr_t)row->execution_id;
    m->reason = (char *)(uintptr_t)row->reason;
    m->count = row->count;
    m->last_due = time_in(arena, row->last_due_us);
    m->recorded_at = time_in(arena, row->made_us);
    return m->due != NULL && m->recorded_at != NULL;
}

static ow_code fill_slots(ow_run *run, const slot_row *rows, int count) {
    list_slots_response *reply = run->reply;
    ow_arena *arena = run->call->arena;
    reply->slots = ow_arena_calloc(arena, (size_t)count + 1, sizeof *reply->slots);
    for (int i = 0; reply->slots != NULL && i < count; i++) {
        slot_msg *m = ow_arena_alloc(arena, sizeof *m);
        if (m == NULL || !fill_slot(m, &rows[i], arena)) {
            return no_room(run->err);
        }
        reply->slots[reply->n_slots++] = m;
    }
    return reply->slots != NULL ? OW_OK : no_room(run->err);
}

static ow_code slot_filter_of(const ow_run *run, slot_filter *f) {
    const list_slots_request *request = run->request;
    char *end = NULL;
    *f = (slot_filter){.timer_id = request->timer_id,
                       .state = request->state,
                       .before_us = strtoll(request->page_token, &end, 10)};
    if (*end != 0 || f->before_us < 0) {
        return bad_token(run->err);
    }
    f->before_us = f->before_us > 0 ? f->before_us : NEVER;
    ow_code code = check_title(run);
    return code == OW_OK ? page_limit(request->page_size, &f->limit, run->err) : code;
}

ow_code slot_list(ow_run *run) {
    list_slots_response *reply = run->reply;
    const reader r = reader_of(run);
    timer_row row;
    slot_row rows[PAGE_MAX];
    int count = 0;
    slot_filter f;
    ow_code code = slot_filter_of(run, &f);
    code = code == OW_OK ? timer_find(&r, run->call->principal->title, f.timer_id, &row) : code;
    code = code == OW_OK ? slots_list(&r, &f, rows, &count) : code;
    code = code == OW_OK ? fill_slots(run, rows, count) : code;
    if (code == OW_OK && count == f.limit) {
        reply->next_page_token =
            ow_arena_printf_in(run->call->arena, "%" PRId64, rows[count - 1].due_us);
        return reply->next_page_token != NULL ? OW_OK : no_room(run->err);
    }
    return code;
}

// ---- PreviewTimer ----

ow_code preview_begin(ow_run *run) {
    const preview_request *request = run->request;
    const timers *t = run->self;
    preview_state *s = run->state;
    s->now_us = ow_clock_wall_us(t->env->clock);
    if (request->count < 0 || request->count > PREVIEW_MAX) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_count", "count is at most %d",
                       PREVIEW_MAX);
    }
    if ((request->timer_id[0] != 0) == (request->spec != NULL)) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_preview",
                       "name a timer or give a schedule, one of them");
    }
    return check_title(run);
}

static ow_code find_spec(ow_run *run) {
    const preview_request *request = run->request;
    preview_state *s = run->state;
    const reader r = reader_of(run);
    s->row = (timer_row){.spec = request->spec, .anchor_us = s->now_us};
    return request->spec == NULL
               ? timer_find(&r, run->call->principal->title, request->timer_id, &s->row)
               : OW_OK;
}

static ow_code fill_preview(ow_run *run, const schedule *s, int64_t after_us) {
    const preview_request *request = run->request;
    preview_response *reply = run->reply;
    ow_arena *arena = run->call->arena;
    int count = request->count > 0 ? request->count : PREVIEW_DEFAULT;
    reply->occurrences = ow_arena_calloc(arena, (size_t)count, sizeof *reply->occurrences);
    int64_t at_us = schedule_next(s, after_us);
    for (int i = 0; reply->occurrences != NULL && i < count && at_us != NEVER; i++) {
        occurrence_msg *o = ow_arena_alloc(arena, sizeof *o);
        if (o == NULL) {
            return no_room(run->err);
        }
        overworld__timers__v1__occurrence__init(o);
        o->at = time_in(arena, at_us);
        o->local = (char *)(uintptr_t)local_text(s->zone, at_us, arena);
        if (o->at == NULL || o->local == NULL) {
            return no_room(run->err);
        }
        reply->occurrences[reply->n_occurrences++] = o;
        at_us = schedule_next(s, at_us);
    }
    return reply->occurrences != NULL ? OW_OK : no_room(run->err);
}

ow_code preview_read(ow_run *run) {
    const preview_request *request = run->request;
    const timers *t = run->self;
    const preview_state *p = run->state;
    schedule s;
    ow_code code = find_spec(run);
    code =
        code == OW_OK ? schedule_of(t->zones, p->row.spec, p->row.anchor_us, &s, run->err) : code;
    int64_t after_us = request->after != NULL ? us_of_time(request->after) : p->now_us;
    return code == OW_OK ? fill_preview(run, &s, after_us) : code;
}
