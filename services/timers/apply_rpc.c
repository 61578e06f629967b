// ApplyTriggers: the timers that a virtual server's versions in force declare. Those that go keep their place
// (see migrations/0001_timers.c), so that moving an alias there and back loses neither pauses nor history.

#include "services/timers/internal.h"

#include "core/id/id.h"

#include <stdio.h>
#include <string.h>

enum { APPLIED_MAX = 500, GONE_MAX = DECLARED_A_SERVER_MAX - APPLIED_MAX, REMOVED_AT_ONCE = 300 };

#define PAUSED_BY_MANIFEST "the manifest disables it"

typedef struct applying {
    ow_run *run;
    reader reader;
    const timers *timers;
    const apply_request *request;
    int64_t now_us;
    timer_row *known; // the declared ones that are there
    bool *kept;       // known[i] is declared again
    size_t known_count;
} applying;

ow_code apply_begin(ow_run *run) {
    const apply_request *request = run->request;
    if (request->triggers != NULL && request->triggers->n_timers > APPLIED_MAX) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "too_many_timers",
                       "a virtual server declares at most %d timers", APPLIED_MAX);
    }
    return timer_change_begin(run);
}

// ---- Problems ----

static ow_code add_problem(const applying *a, const timer_spec *spec, const char *reason,
                           const char *message) {
    apply_response *reply = a->run->reply;
    problem_msg *p = ow_arena_alloc(a->reader.arena, sizeof *p);
    char *text = ow_arena_strdup_in(a->reader.arena, message);
    char *why = ow_arena_strdup_in(a->reader.arena, reason);
    if (p == NULL || text == NULL || why == NULL) {
        return no_room(a->reader.err);
    }
    overworld__api__trigger_problem__init(p);
    p->kind = (char *)(uintptr_t) "timer";
    p->alias = (char *)(uintptr_t)spec_alias(spec);
    p->name = spec->name;
    p->reason = why;
    p->message = text;
    reply->problems[reply->n_problems++] = p;
    return OW_OK;
}

// ---- One timer ----

static bool same_spec(const timer_spec *a, const timer_spec *b) {
    uint8_t left[SPEC_BYTES_MAX];
    uint8_t right[SPEC_BYTES_MAX];
    size_t size = overworld__api__timer__get_packed_size(a);
    if (size > sizeof left || size != overworld__api__timer__get_packed_size(b)) {
        return false;
    }
    overworld__api__timer__pack(a, left);
    overworld__api__timer__pack(b, right);
    return memcmp(left, right, size) == 0;
}

static void obey_disabled(timer_row *row, bool was_disabled) {
    if (row->spec->disabled && !was_disabled) {
        row->paused = true;
        row->pause_reason = PAUSED_BY_MANIFEST;
        row->paused_by = "";
    } else if (!row->spec->disabled && row->paused &&
               strcmp(row->pause_reason, PAUSED_BY_MANIFEST) == 0) {
        row->paused = false;
        row->pause_reason = "";
    }
}

static ow_code begin_schedule(const applying *a, timer_row *row) {
    schedule s;
    row->anchor_us = a->now_us;
    ow_code code = schedule_of(a->timers->zones, row->spec, row->anchor_us, &s, a->reader.err);
    if (code == OW_OK) {
        row->next_due_us = row->paused ? NEVER : schedule_next(&s, a->now_us);
    }
    return code;
}

static ow_code add_timer(const applying *a, timer_spec *spec) {
    char id[OW_ID_MAX];
    ow_id_make(id, "tmr_", a->now_us);
    timer_row row = {
        .timer_id = id,
        .title_id = a->run->call->principal->title,
        .virtual_server = a->request->virtual_server,
        .spec = spec,
        .declared = true,
        .pause_reason = "",
        .paused_by = "",
        .last_execution_id = "",
        .created_us = a->now_us,
        .updated_us = a->now_us,
        .etag = 1,
    };
    obey_disabled(&row, false);
    ow_code code = begin_schedule(a, &row);
    return code == OW_OK ? timer_insert(&a->reader, &row) : code;
}

static ow_code change_timer(const applying *a, timer_row *row, timer_spec *spec) {
    bool same = same_spec(row->spec, spec);
    if (same && !row->gone) {
        return OW_OK;
    }
    bool was_disabled = row->spec->disabled;
    row->spec = spec;
    row->gone = false;
    row->updated_us = a->now_us;
    row->etag++;
    obey_disabled(row, was_disabled);
    ow_code code = begin_schedule(a, row);
    return code == OW_OK ? timer_save(&a->reader, row) : code;
}

static size_t find_known(const applying *a, const timer_spec *spec) {
    size_t i = 0;
    while (i < a->known_count && (strcmp(a->known[i].spec->name, spec->name) != 0 ||
                                  strcmp(spec_alias(a->known[i].spec), spec_alias(spec)) != 0)) {
        i++;
    }
    return i;
}

static ow_code apply_timer(applying *a, timer_spec *spec) {
    ow_err why;
    timer_row row;
    bool found = false;
    size_t i = find_known(a, spec);
    if (i < a->known_count) {
        a->kept[i] = true;
    }
    if (spec_check(a->timers->zones, spec, &why) != OW_OK) {
        return add_problem(a, spec, why.reason, why.message);
    }
    if (i < a->known_count) {
        return change_timer(a, &a->known[i], spec);
    }
    ow_code code = timer_find_named(&a->reader, a->run->call->principal->title,
                                    a->request->virtual_server, spec, &row, &found);
    if (code == OW_OK && found) {
        return add_problem(a, spec, "name_taken",
                           "a timer of that name was made by hand: delete it, then deploy again");
    }
    return code == OW_OK ? add_timer(a, spec) : code;
}

// ---- All ----

static ow_code keep_known(void *self, const timer_row *row, ow_err *err) {
    applying *a = self;
    if (a->known_count == DECLARED_A_SERVER_MAX) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "too_many_timers",
                       "the virtual server's versions declare too many timers");
    }
    a->known[a->known_count++] = *row;
    return OW_OK;
}

static ow_code drop_timer(void *self, const timer_row *row, ow_err *err) {
    applying *a = self;
    (void)err;
    a->known[a->known_count++] = *row;
    return OW_OK;
}

static ow_code read_known(applying *a, bool every) {
    a->known = ow_arena_calloc(a->reader.arena, DECLARED_A_SERVER_MAX, sizeof *a->known);
    a->kept = ow_arena_calloc(a->reader.arena, DECLARED_A_SERVER_MAX, sizeof *a->kept);
    if (a->known == NULL || a->kept == NULL) {
        return no_room(a->reader.err);
    }
    server_timers which = {.title_id = a->run->call->principal->title,
                           .server = a->request->virtual_server,
                           .every = every,
                           .limit = every ? REMOVED_AT_ONCE : DECLARED_A_SERVER_MAX + 1};
    return timers_of_server(&a->reader, &which, every ? drop_timer : keep_known, a);
}

static ow_code hide_the_rest(const applying *a) {
    ow_code code = OW_OK;
    for (size_t i = 0; code == OW_OK && i < a->known_count; i++) {
        timer_row *row = &a->known[i];
        if (!a->kept[i] && !row->gone) {
            row->gone = true;
            row->next_due_us = NEVER;
            row->updated_us = a->now_us;
            row->etag++;
            code = timer_save(&a->reader, row);
        }
    }
    return code;
}

static timer_row *longest_gone(const applying *a) {
    timer_row *oldest = NULL;
    for (size_t i = 0; i < a->known_count; i++) {
        timer_row *row = &a->known[i];
        if (!a->kept[i] && (oldest == NULL || row->updated_us < oldest->updated_us)) {
            oldest = row;
        }
    }
    return oldest;
}

// So many keep their place; with every name that ever was there would be no room for the next one some day.
static ow_code forget_some(applying *a) {
    size_t gone = 0;
    ow_code code = OW_OK;
    for (size_t i = 0; i < a->known_count; i++) {
        gone += a->kept[i] ? 0 : 1;
    }
    for (; code == OW_OK && gone > GONE_MAX; gone--) {
        timer_row *row = longest_gone(a);
        code = timer_delete(&a->reader, row->timer_id);
        a->kept[row - a->known] = true;
    }
    return code;
}

static ow_code apply_all(applying *a) {
    apply_response *reply = a->run->reply;
    const Overworld__Api__Triggers *triggers = a->request->triggers;
    size_t count = triggers != NULL ? triggers->n_timers : 0;
    reply->problems = ow_arena_calloc(a->reader.arena, count + 1, sizeof *reply->problems);
    if (reply->problems == NULL) {
        return no_room(a->reader.err);
    }
    ow_code code = read_known(a, false);
    for (size_t i = 0; code == OW_OK && i < count; i++) {
        code = apply_timer(a, triggers->timers[i]);
    }
    code = code == OW_OK ? hide_the_rest(a) : code;
    return code == OW_OK ? forget_some(a) : code;
}

static ow_code remove_all(applying *a) {
    ow_code code = read_known(a, true);
    for (size_t i = 0; code == OW_OK && i < a->known_count; i++) {
        code = timer_delete(&a->reader, a->known[i].timer_id);
    }
    return code;
}

// Those made by hand may be any number: some at a time, until whoever asked has asked often enough.
ow_code apply_tell(ow_run *run) {
    const timer_change *c = run->state;
    ow_code code = timer_tell(run);
    return code == OW_OK && c->more ? ow_fail(run->err, OW_UNAVAILABLE, "more_timers",
                                              "there are more timers to remove: ask again")
                                    : code;
}

ow_code apply_store(ow_run *run) {
    apply_response *reply = run->reply;
    timer_change *c = run->state;
    c->more = false;
    applying a = {.run = run,
                  .reader = reader_of(run),
                  .timers = run->self,
                  .request = run->request,
                  .now_us = c->now_us};
    const char *title = run->call->principal->title;
    int64_t last = 0;
    ow_code code = deployment_find(&a.reader, title, a.request->virtual_server, &last);
    if (code != OW_OK || a.request->deployment <= last) {
        reply->deployment = last;
        return code;
    }
    reply->deployment = a.request->deployment;
    code = a.request->removed ? remove_all(&a) : apply_all(&a);
    c->more = a.request->removed && a.known_count == REMOVED_AT_ONCE;
    return code == OW_OK && !c->more
               ? deployment_keep(&a.reader, title, a.request->virtual_server, a.request->deployment)
               : code;
}
