#include "services/telemetry/telemetry_logic.h"

#include "core/rpc/call.h"
#include "core/timestamp/timestamp.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- What is asked for ----

void position_format(char text[static POSITION_MAX], position p) {
    snprintf(text, POSITION_MAX, "b%" PRId64 ".%" PRId64, p.block, p.entry);
}

ow_code position_parse(const char *text, position *ret_position, ow_err *err) {
    char *end = NULL;
    position p = {0, 0};
    bool good = text[0] == 'b' && strlen(text) < POSITION_MAX;
    if (good) {
        p.block = strtoll(text + 1, &end, 10);
        good = end != text + 1 && *end == '.';
    }
    if (good) {
        const char *rest = end + 1;
        p.entry = strtoll(rest, &end, 10);
        good = end != rest && *end == 0 && p.block >= 0 && p.entry >= 0;
    }
    if (!good) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_page_token",
                       "page_token is not one that was handed out");
    }
    *ret_position = p;
    return OW_OK;
}

static int64_t time_of(const Google__Protobuf__Timestamp *time, int64_t otherwise) {
    return time == NULL ? otherwise : ow_timestamp_us(time);
}

static ow_code check_kind(const char *kind, ow_err *err) {
    static const char *const kinds[] = {"",      "REQUEST", "INIT",   "START",  "LINE",
                                        "ERROR", "END",     "REPORT", "DROPPED"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i], kind) == 0) {
            return OW_OK;
        }
    }
    return ow_fail(err, OW_INVALID_ARGUMENT, "bad_kind",
                   "kind is REQUEST, INIT, START, LINE, ERROR, END, REPORT or DROPPED");
}

static bool leaves_readers_out(const query_request *request) {
    return request->wait_ms > 0 && request->method[0] == 0 && request->request_id[0] == 0;
}

ow_code filter_of(const query_request *request, filter *ret_filter, int *ret_limit, ow_err *err) {
    filter f = {
        .request_id = request->request_id,
        .virtual_server = request->virtual_server,
        .function = request->function,
        .kind = request->kind,
        .invocation_id = request->invocation_id,
        .parent_invocation_id = request->parent_invocation_id,
        .principal = request->principal,
        .client_address = request->client_address,
        .method = request->method,
        .reason = request->reason,
        .source = request->source,
        .qualifier = request->qualifier,
        .revision_id = request->revision_id,
        .version = request->version,
        .status = request->status,
        .min_duration_us = request->min_duration_us,
        .since_us = time_of(request->since, 0),
        .until_us = time_of(request->until, INT64_MAX),
        .without_readers = leaves_readers_out(request),
    };
    const char *wanted = request->min_level;
    if (wanted[0] != 0) {
        f.min_level = level_of(wanted, strlen(wanted));
        if (strcmp(level_name(f.min_level), wanted) != 0) {
            return ow_fail(err, OW_INVALID_ARGUMENT, "bad_level",
                           "min_level is debug, info, warn or error");
        }
    }
    if (request->page_size < 0 || request->page_size > QUERY_PAGE_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_page_size", "page_size is 1 to %d",
                       QUERY_PAGE_MAX);
    }
    if (request->wait_ms < 0 || request->wait_ms > WAIT_MAX_MS) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_wait", "wait_ms is 0 to %d", WAIT_MAX_MS);
    }
    if (request->min_duration_us < 0) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_duration", "min_duration_us is not negative");
    }
    *ret_limit = request->page_size == 0 ? QUERY_PAGE_DEFAULT : request->page_size;
    ow_code code = check_kind(f.kind, err);
    code = code == OW_OK ? search_parse(request->text, &f.text, err) : code;
    search_query(&f.text, f.words);
    *ret_filter = f;
    return code;
}

static slice whole(const char *text) {
    return (slice){text, strlen(text)};
}

bool filter_may_match(const filter *f, level top_level, const uint8_t *words, size_t size) {
    if (top_level < f->min_level) {
        return false;
    }
    if (f->request_id[0] != 0 &&
        !words_may_have(words, size, word_of_request(whole(f->request_id)))) {
        return false;
    }
    if (f->virtual_server[0] == 0) {
        return true;
    }
    slice server = whole(f->virtual_server);
    uint64_t word =
        f->function[0] == 0 ? word_of_server(server) : word_of_function(server, whole(f->function));
    return words_may_have(words, size, word);
}

// A field that is asked for, with where a record has it.
typedef struct text_field {
    size_t wanted; // in filter
    size_t is;     // in record_view
} text_field;

#define FIELD(member)                                                                              \
    { offsetof(filter, member), offsetof(record_view, member) }

static const text_field text_fields[] = {
    FIELD(request_id),    FIELD(virtual_server), FIELD(function),
    FIELD(invocation_id), FIELD(principal),      FIELD(parent_invocation_id),
    FIELD(method),        FIELD(client_address), FIELD(reason),
    FIELD(source),        FIELD(qualifier),      FIELD(revision_id),
};

enum { TEXT_FIELDS = sizeof text_fields / sizeof *text_fields };

static const char *wanted_text(const filter *f, const text_field *field) {
    return *(const char *const *)(const void *)((const char *)f + field->wanted);
}

bool filter_shows_drops(const filter *f) {
    for (int i = 0; i < TEXT_FIELDS; i++) {
        if (wanted_text(f, &text_fields[i])[0] != 0) {
            return false;
        }
    }
    return (f->kind[0] == 0 || strcmp(f->kind, "DROPPED") == 0) && f->version == 0 &&
           f->status == 0 && f->min_duration_us == 0 && f->text.count == 0 &&
           f->min_level <= LEVEL_WARN;
}

static bool asked_or_equal(const char *wanted, slice is) {
    return wanted[0] == 0 || slice_is(is, wanted);
}

static bool numbers_match(const filter *f, const record_view *v) {
    return v->time_us >= f->since_us && v->time_us <= f->until_us &&
           (f->version == 0 || f->version == v->version) &&
           (f->status == 0 || f->status == v->status) &&
           (f->min_duration_us == 0 || v->duration_us >= f->min_duration_us);
}

static bool texts_match(const filter *f, const record_view *v) {
    for (int i = 0; i < TEXT_FIELDS; i++) {
        const slice *is = (const void *)((const char *)v + text_fields[i].is);
        if (!asked_or_equal(wanted_text(f, &text_fields[i]), *is)) {
            return false;
        }
    }
    return true;
}

// Its own record would wake one who waits for what is new, again and again.
static bool is_reader(const record_view *v) {
    return v->kind == RECORD_REQUEST &&
           (slice_is(v->method, "/overworld.telemetry.v1.Telemetry/QueryLogs") ||
            slice_is(v->method, "/overworld.telemetry.v1.Telemetry/TailLogs"));
}

static bool matches(const filter *f, const record_view *v) {
    if (f->without_readers && is_reader(v)) {
        return false;
    }
    bool title = slice_is(v->title_id, f->title) || (v->title_id.length == 0 && f->without_title);
    return title && numbers_match(f, v) && texts_match(f, v) &&
           (f->text.count == 0 || search_matches(&f->text, v));
}

// ---- From records to entries ----

typedef enum when { WHEN_START, WHEN_END } when;

typedef enum which { WHICH_ALWAYS, WHICH_FAILED } which;

// What a record shows. Ranks order what has the same time.
typedef struct shape {
    record_kind of;
    bool init_only;
    const char *kind;
    int rank;
    when at;
    which if_;
    bool as_bad; // has the record's level; others are information
    bool worded; // shows the text that is searched
} shape;

static const shape shapes[] = {
    {RECORD_REQUEST, false, "REQUEST", 0, WHEN_START, WHICH_ALWAYS, true, false},
    {RECORD_INVOCATION, false, "START", 2, WHEN_START, WHICH_ALWAYS, false, false},
    {RECORD_LINE, false, "LINE", 3, WHEN_END, WHICH_ALWAYS, true, true},
    {RECORD_INVOCATION, false, "ERROR", 4, WHEN_END, WHICH_FAILED, true, true},
    {RECORD_INVOCATION, false, "END", 5, WHEN_END, WHICH_ALWAYS, false, false},
    {RECORD_INVOCATION, false, "REPORT", 6, WHEN_END, WHICH_ALWAYS, false, false},
    {RECORD_INVOCATION, true, "INIT", 1, WHEN_START, WHICH_ALWAYS, false, false},
    {RECORD_INVOCATION, true, "ERROR", 4, WHEN_END, WHICH_FAILED, true, true},
};

enum { SHAPES = sizeof shapes / sizeof *shapes };

static bool applies(const shape *s, const record_view *v) {
    if (s->of != v->kind || s->init_only != v->init_only) {
        return false;
    }
    return s->if_ == WHICH_ALWAYS || v->failed;
}

static int64_t start_of(const record_view *v) {
    return v->time_us - (v->init_only ? v->init_us : v->duration_us);
}

static int64_t time_of_shape(const shape *s, const record_view *v) {
    return s->at == WHEN_END ? v->time_us : start_of(v);
}

typedef struct collection {
    ow_arena *arena;
    item *items;
    size_t count, room;
} collection;

static bool add_item(collection *c, const item *it) {
    if (c->count == c->room) {
        size_t room = c->room == 0 ? 256 : c->room * 2;
        item *bigger = ow_arena_alloc(c->arena, room * sizeof *bigger);
        if (bigger == NULL) {
            return false;
        }
        if (c->count > 0) {
            memcpy(bigger, c->items, c->count * sizeof *bigger);
        }
        c->items = bigger;
        c->room = room;
    }
    c->items[c->count++] = *it;
    return true;
}

// A process stamps the lines of a run a little before the run's record; for a run of microseconds
// that would put them in front of its start.
static void keep_lines_inside(collection *c, const record_view *run) {
    int64_t start_us = start_of(run);
    for (size_t i = c->count; i > 0; i--) {
        item *line = &c->items[i - 1];
        slice id = line->view.invocation_id;
        if (line->view.kind != RECORD_LINE || id.length != run->invocation_id.length ||
            memcmp(id.text, run->invocation_id.text, id.length) != 0) {
            return;
        }
        if (line->time_us < start_us) {
            line->time_us = start_us;
        }
    }
}

static bool is_asked_for(const shape *s, const filter *f) {
    return (f->kind[0] == 0 || strcmp(f->kind, s->kind) == 0) && (f->text.count == 0 || s->worded);
}

static bool add_record(collection *c, const filter *f, const record_view *v) {
    if (v->kind == RECORD_INVOCATION) {
        keep_lines_inside(c, v);
    }
    for (int i = 0; i < SHAPES; i++) {
        const shape *s = &shapes[i];
        level l = s->as_bad ? v->level : LEVEL_INFO;
        if (!applies(s, v) || l < f->min_level || !is_asked_for(s, f)) {
            continue;
        }
        item it = {
            .time_us = time_of_shape(s, v),
            .rank = s->rank,
            .seq = (uint32_t)c->count,
            .view = *v,
            .kind = s->kind,
        };
        it.view.level = l;
        if (!add_item(c, &it)) {
            return false;
        }
    }
    return true;
}

int items_compare(const void *left, const void *right) {
    const item *a = left;
    const item *b = right;
    if (a->time_us != b->time_us) {
        return a->time_us < b->time_us ? -1 : 1;
    }
    if (a->rank != b->rank) {
        return a->rank < b->rank ? -1 : 1;
    }
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

ow_code items_of_block(const filter *f, slice records, ow_arena *arena, item_list *ret_items,
                       ow_err *err) {
    collection c = {.arena = arena};
    record_cursor cursor = record_begin((const uint8_t *)records.text, records.length);
    record_view v;
    while (record_next(&cursor, &v)) {
        if (matches(f, &v) && !add_record(&c, f, &v)) {
            return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "the block is too large");
        }
    }
    if (cursor.malformed) {
        return ow_fail(err, OW_DATA_LOSS, "malformed_block", "a stored block is damaged");
    }
    if (c.count > 0) {
        qsort(c.items, c.count, sizeof *c.items, items_compare);
    }
    *ret_items = (item_list){c.items, c.count};
    return OW_OK;
}

// ---- Writing out ----

static char *or_empty(char *text) {
    return text != NULL ? text : (char *)(uintptr_t)protobuf_c_empty_string;
}

static char *milliseconds(ow_arena *arena, int64_t us) {
    return or_empty(
        ow_arena_printf_in(arena, "%" PRId64 ".%02dms", us / 1000, (int)(us % 1000 / 10)));
}

static char *megabytes(ow_arena *arena, int64_t bytes) {
    return or_empty(ow_arena_printf_in(arena, "%.1fMB", (double)bytes / (1024.0 * 1024.0)));
}

static const char *status_of(const invocation_record *run) {
    return run->reason[0] == 0 ? "ok" : run->reason;
}

static char *request_text(const request_record *r, ow_arena *arena) {
    bool names = r->function[0] != 0;
    return ow_arena_printf_in(
        arena, "%s%s%s%s%s status=%d total=%s instance=%s in=%" PRId64 "B out=%" PRId64 "B%s%s%s%s",
        r->method, names ? " " : "", names ? r->virtual_server : "", names ? "/" : "",
        names ? r->function : "", r->status, milliseconds(arena, r->total_us),
        milliseconds(arena, r->instance_us), r->bytes_in, r->bytes_out,
        r->principal[0] != 0 ? " principal=" : "", r->principal,
        r->reason[0] != 0 ? " reason=" : "", r->reason);
}

static char *start_text(const invocation_record *run, ow_arena *arena) {
    return ow_arena_printf_in(arena, "source=%s qualifier=%s queued=%s%s%s", run->source,
                              run->qualifier, milliseconds(arena, run->queued_us),
                              run->parent_invocation_id[0] != 0 ? " parent=" : "",
                              run->parent_invocation_id);
}

static char *init_text(const invocation_record *run, ow_arena *arena) {
    return ow_arena_printf_in(arena, "duration=%s peak=%s", milliseconds(arena, run->init_us),
                              megabytes(arena, run->peak_memory_bytes));
}

static char *error_text(const invocation_record *run, ow_arena *arena) {
    return ow_arena_printf_in(arena, "%s%s%s%s%s", run->reason, run->message[0] != 0 ? ": " : "",
                              run->message, run->stack[0] != 0 ? "\n" : "", run->stack);
}

static char *end_text(const invocation_record *run, ow_arena *arena) {
    return ow_arena_printf_in(arena, "status=%s", status_of(run));
}

static char *report_text(const invocation_record *run, ow_arena *arena) {
    char *init = run->init_us > 0
                     ? ow_arena_printf_in(arena, " init=%s", milliseconds(arena, run->init_us))
                     : NULL;
    char *limit =
        run->memory_mb > 0 ? ow_arena_printf_in(arena, " memory=%dMB", run->memory_mb) : NULL;
    char *lost = run->lines_dropped > 0
                     ? ow_arena_printf_in(arena, " lines_dropped=%" PRId64, run->lines_dropped)
                     : NULL;
    return ow_arena_printf_in(arena, "duration=%s%s%s peak=%s %s status=%s%s",
                              milliseconds(arena, run->duration_us), or_empty(init),
                              or_empty(limit), megabytes(arena, run->peak_memory_bytes),
                              run->init_us > 0 ? "cold" : "warm", status_of(run), or_empty(lost));
}

typedef struct writing {
    const char *kind;
    char *(*text)(const invocation_record *run, ow_arena *arena);
    bool whole; // carries the invocation's record
} writing;

static const writing writings[] = {
    {"INIT", init_text, false}, {"START", start_text, false},  {"ERROR", error_text, true},
    {"END", end_text, false},   {"REPORT", report_text, true},
};

static void write_invocation(log_entry *e, const item *it, invocation_record *run,
                             ow_arena *arena) {
    e->invocation_id = run->invocation_id;
    e->virtual_server = run->virtual_server;
    e->function = run->function;
    e->version = run->version;
    for (size_t i = 0; i < sizeof writings / sizeof *writings; i++) {
        if (strcmp(writings[i].kind, it->kind) == 0) {
            e->text = or_empty(writings[i].text(run, arena));
            e->invocation = writings[i].whole ? run : NULL;
        }
    }
}

static void write_record(log_entry *e, const item *it, record_msg *r, ow_arena *arena) {
    e->request_id = r->request_id;
    if (it->view.kind == RECORD_REQUEST && r->request != NULL) {
        e->virtual_server = r->request->virtual_server;
        e->function = r->request->function;
        e->text = or_empty(request_text(r->request, arena));
        e->request = r->request;
    } else if (it->view.kind == RECORD_LINE && r->line != NULL) {
        e->invocation_id = r->line->invocation_id;
        e->virtual_server = r->line->virtual_server;
        e->function = r->line->function;
        e->version = r->line->version;
        e->text = r->line->text;
    } else if (r->invocation != NULL) {
        write_invocation(e, it, r->invocation, arena);
    }
}

static log_entry *entry_in(ow_arena *arena, int64_t time_us, const char *kind, const char *level) {
    log_entry *e = ow_arena_alloc(arena, sizeof *e);
    Google__Protobuf__Timestamp *time = ow_timestamp_in(arena, time_us > 0 ? time_us : 0);
    if (e == NULL || time == NULL) {
        return NULL;
    }
    overworld__telemetry__v1__log_entry__init(e);
    e->time = time;
    e->kind = (char *)(uintptr_t)kind;
    e->level = (char *)(uintptr_t)level;
    return e;
}

log_entry *entry_of(const item *it, ow_arena *arena) {
    ProtobufCAllocator storage;
    ProtobufCAllocator *allocator = ow_arena_protobuf(arena, &storage);
    record_msg *r =
        overworld__telemetry__v1__record__unpack(allocator, it->view.size, it->view.bytes);
    log_entry *e = entry_in(arena, it->time_us, it->kind, level_name(it->view.level));
    if (r == NULL || e == NULL) {
        return NULL;
    }
    write_record(e, it, r, arena);
    return e;
}

log_entry *drop_entry(int64_t time_us, int64_t dropped, const char *process, ow_arena *arena) {
    log_entry *e = entry_in(arena, time_us, "DROPPED", level_name(LEVEL_WARN));
    if (e != NULL) {
        e->text = or_empty(
            ow_arena_printf_in(arena, "%" PRId64 " records of %s were lost", dropped, process));
    }
    return e;
}
