#include "services/telemetry/trace.h"

#include "services/telemetry/query.h"
#include "services/telemetry/spans.h"

#include <stdlib.h>
#include <string.h>

enum { SCRATCH_MAX = 32 << 20, ROUNDS_MAX = 400 };

ow_code trace_begin(ow_run *run) {
    trace_state *t = run->state;
    const trace_request *request = run->request;
    query_request query = OVERWORLD__TELEMETRY__V1__QUERY_LOGS_REQUEST__INIT;
    int limit;
    query.request_id = request->request_id;
    ow_code code = filter_of(&query, &t->filter, &limit, run->err);
    if (code != OW_OK) {
        return code;
    }
    if (request->request_id[0] == 0) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "request_id_needed", "name a request");
    }
    queries_narrow_to_request(&t->filter, &query);
    t->arena = run->call->arena;
    return queries_set_title(&t->filter, run->call, run->err);
}

// ---- On a reader thread ----

static char *dup_or_empty(ow_arena *arena, const char *text) {
    char *copy = ow_arena_strdup_in(arena, text);
    return copy != NULL ? copy : (char *)(uintptr_t)protobuf_c_empty_string;
}

static void take_span(void *self, const record_msg *record, const span *s) {
    trace_state *t = self;
    span_msg *m = t->count < TRACE_SPANS_MAX ? ow_arena_alloc(t->arena, sizeof *m) : NULL;
    if (m == NULL) {
        t->truncated = true;
        return;
    }
    char text[SPAN_TEXT_MAX];
    overworld__telemetry__v1__span__init(m);
    span_text(s->span_id, text);
    m->span_id = dup_or_empty(t->arena, text);
    span_text(s->parent_span_id, text);
    m->parent_span_id = dup_or_empty(t->arena, text);
    m->name = dup_or_empty(t->arena, s->name);
    m->kind = dup_or_empty(t->arena, span_kind_name(s->kind));
    m->start_us = s->start_us;
    m->duration_us = s->duration_us;
    m->reason = dup_or_empty(t->arena, s->reason);
    m->failed = s->failed;
    m->invocation_id = dup_or_empty(t->arena, s->invocation_id);
    m->version = s->version;
    t->spans[t->count++] = m;
    if (t->trace_id[0] == 0) {
        trace_text(&record->trace_id, t->trace_id);
    }
}

// A run gives several entries; one of them stands for its record.
static bool stands_for_record(const item *it) {
    return strcmp(it->kind, "REQUEST") == 0 || strcmp(it->kind, "REPORT") == 0 ||
           strcmp(it->kind, "INIT") == 0;
}

static ow_code take_items(trace_state *t, const item_list *list, ow_arena *scratch, ow_err *err) {
    ProtobufCAllocator storage;
    ProtobufCAllocator *allocator = ow_arena_protobuf(scratch, &storage);
    for (size_t i = 0; i < list->count; i++) {
        const item *it = &list->items[i];
        if (!stands_for_record(it)) {
            continue;
        }
        const record_msg *record =
            overworld__telemetry__v1__record__unpack(allocator, it->view.size, it->view.bytes);
        if (record == NULL || !spans_of_record(record, scratch, take_span, t)) {
            return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "the trace is too large");
        }
    }
    return OW_OK;
}

static ow_code take_block(trace_state *t, ow_db_conn *db, int64_t block_id, ow_err *err) {
    ow_arena *scratch = ow_arena_new(SCRATCH_MAX);
    slice records;
    item_list list = {0};
    if (scratch == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for a trace");
    }
    ow_code code = store_records(db, block_id, scratch, &records, err);
    code = code == OW_OK ? items_of_block(&t->filter, records, scratch, &list, err) : code;
    code = code == OW_OK ? take_items(t, &list, scratch, err) : code;
    ow_arena_free(scratch);
    return code;
}

// *ret_more: there may be something behind these blocks.
static ow_code take_blocks(trace_state *t, ow_db_conn *db, const block_list *list, bool *ret_more,
                           ow_err *err) {
    *ret_more = list->count == ROWS_AT_ONCE && !t->truncated;
    for (int i = 0; i < list->count; i++) {
        const block_row *row = &list->rows[i];
        if (row->received_us > t->filter.until_us) {
            *ret_more = false;
            return OW_OK;
        }
        ow_code code = row->may_match ? take_block(t, db, row->block_id, err) : OW_OK;
        if (code != OW_OK) {
            return code;
        }
    }
    return OW_OK;
}

static int compare_spans(const void *left, const void *right) {
    const span_msg *a = *(const span_msg *const *)left;
    const span_msg *b = *(const span_msg *const *)right;
    if (a->start_us != b->start_us) {
        return a->start_us < b->start_us ? -1 : 1;
    }
    // What contains comes before what is contained.
    return a->duration_us > b->duration_us ? -1 : a->duration_us < b->duration_us;
}

static void fill_reply(trace_state *t, trace_response *reply) {
    qsort(t->spans, (size_t)t->count, sizeof *t->spans, compare_spans);
    reply->trace_id = t->trace_id;
    reply->spans = t->spans;
    reply->n_spans = (size_t)t->count;
    reply->truncated = t->truncated;
}

ow_code trace_read(ow_run *run) {
    trace_state *t = run->state;
    block_list *list = ow_arena_alloc(t->arena, sizeof *list);
    bool more = true;
    if (list == NULL) {
        return ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for a trace");
    }
    *list = (block_list){0};
    ow_code code = store_block_at(run->db, t->filter.since_us, &list->from, run->err);
    for (int round = 0; code == OW_OK && more && round < ROUNDS_MAX; round++) {
        code = store_blocks(run->db, &t->filter, t->arena, list, run->err);
        code = code == OW_OK ? take_blocks(t, run->db, list, &more, run->err) : code;
        list->from = list->count > 0 ? list->rows[list->count - 1].block_id + 1 : list->from;
    }
    if (code == OW_OK && t->count == 0) {
        return ow_fail(run->err, OW_NOT_FOUND, "no_trace",
                       "nothing is known of this request, or not yet");
    }
    if (code == OW_OK) {
        fill_reply(t, run->reply);
    }
    return code;
}
