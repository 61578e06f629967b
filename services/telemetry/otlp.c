#include "services/telemetry/otlp.h"

#include "services/telemetry/spans.h"

#include "core/json/writer.h"
#include "core/rpc/call.h"

#include <string.h>

enum { SCRATCH_MAX = 64 << 20 };

// opentelemetry.proto.trace.v1: Span.SpanKind and Status.StatusCode.
static const int kinds[] = {[SPAN_SERVER] = 2, [SPAN_INTERNAL] = 1, [SPAN_CLIENT] = 3};
enum { STATUS_ERROR = 2 };

typedef struct writing {
    ow_json_writer w;
    int64_t spans;
} writing;

static void attribute(ow_json_writer *w, const char *key, const char *value) {
    if (value[0] == 0) {
        return;
    }
    ow_json_object_open(w);
    ow_json_name(w, "key");
    ow_json_text(w, key);
    ow_json_name(w, "value");
    ow_json_object_open(w);
    ow_json_name(w, "stringValue");
    ow_json_text(w, value);
    ow_json_object_close(w);
    ow_json_object_close(w);
}

static void number_attribute(ow_json_writer *w, const char *key, int64_t value) {
    if (value == 0) {
        return;
    }
    ow_json_object_open(w);
    ow_json_name(w, "key");
    ow_json_text(w, key);
    ow_json_name(w, "value");
    ow_json_object_open(w);
    ow_json_name(w, "intValue");
    ow_json_int64_text(w, value);
    ow_json_object_close(w);
    ow_json_object_close(w);
}

static void attributes(ow_json_writer *w, const record_msg *record, const span *s) {
    ow_json_name(w, "attributes");
    ow_json_array_open(w);
    attribute(w, "overworld.title", record->title_id);
    attribute(w, "overworld.request_id", s->request_id);
    attribute(w, "overworld.virtual_server", s->virtual_server);
    attribute(w, "faas.name", s->function);
    attribute(w, "faas.invocation_id", s->invocation_id);
    number_attribute(w, "faas.version", s->version);
    number_attribute(w, "http.response.status_code", s->status);
    ow_json_array_close(w);
}

static void take_span(void *self, const record_msg *record, const span *s) {
    writing *writing = self;
    ow_json_writer *w = &writing->w;
    char trace[TRACE_TEXT_MAX];
    char id[SPAN_TEXT_MAX];
    char parent[SPAN_TEXT_MAX];
    trace_text(&record->trace_id, trace);
    span_text(s->span_id, id);
    span_text(s->parent_span_id, parent);
    ow_json_object_open(w);
    ow_json_name(w, "traceId");
    ow_json_text(w, trace);
    ow_json_name(w, "spanId");
    ow_json_text(w, id);
    if (parent[0] != 0) {
        ow_json_name(w, "parentSpanId");
        ow_json_text(w, parent);
    }
    if (record->trace_state[0] != 0) {
        ow_json_name(w, "traceState");
        ow_json_text(w, record->trace_state);
    }
    ow_json_name(w, "name");
    ow_json_text(w, s->name);
    ow_json_name(w, "kind");
    ow_json_int(w, kinds[s->kind]);
    ow_json_name(w, "startTimeUnixNano");
    ow_json_int64_text(w, s->start_us * 1000);
    ow_json_name(w, "endTimeUnixNano");
    ow_json_int64_text(w, (s->start_us + s->duration_us) * 1000);
    attributes(w, record, s);
    ow_json_name(w, "status");
    ow_json_object_open(w);
    if (s->failed) {
        ow_json_name(w, "code");
        ow_json_int(w, STATUS_ERROR);
        ow_json_name(w, "message");
        ow_json_text(w, s->reason);
    }
    ow_json_object_close(w);
    ow_json_object_close(w);
    writing->spans++;
}

static void begin(ow_json_writer *w, const char *process, const char *version) {
    ow_json_object_open(w);
    ow_json_name(w, "resource");
    ow_json_object_open(w);
    ow_json_name(w, "attributes");
    ow_json_array_open(w);
    attribute(w, "service.name", "overworld");
    attribute(w, "service.instance.id", process);
    attribute(w, "service.version", version);
    ow_json_array_close(w);
    ow_json_object_close(w);
    ow_json_name(w, "scopeSpans");
    ow_json_array_open(w);
    ow_json_object_open(w);
    ow_json_name(w, "scope");
    ow_json_object_open(w);
    ow_json_name(w, "name");
    ow_json_text(w, "overworld");
    ow_json_object_close(w);
    ow_json_name(w, "spans");
    ow_json_array_open(w);
}

static void end(ow_json_writer *w) {
    ow_json_array_close(w);
    ow_json_object_close(w);
    ow_json_array_close(w);
    ow_json_object_close(w);
}

static bool add_record(writing *writing, const record_view *v, ow_arena *arena) {
    ProtobufCAllocator storage;
    const record_msg *record = overworld__telemetry__v1__record__unpack(
        ow_arena_protobuf(arena, &storage), v->size, v->bytes);
    if (record == NULL || !record->sampled || record->trace_id.len != 16) {
        return true;
    }
    return spans_of_record(record, arena, take_span, writing);
}

static bool write_block(slice records, const otlp_source *source, ow_arena *scratch,
                        writing *writing) {
    record_cursor cursor = record_begin((const uint8_t *)records.text, records.length);
    record_view v;
    ow_json_writer_init(&writing->w, scratch, OTLP_BLOCK_MAX);
    begin(&writing->w, source->process, source->version);
    while (record_next(&cursor, &v)) {
        if (v.kind != RECORD_LINE && !add_record(writing, &v, scratch)) {
            return false;
        }
    }
    end(&writing->w);
    return true;
}

ow_code otlp_of_block(slice records, const otlp_source *source, ow_arena *arena,
                      otlp_text *ret_text, ow_err *err) {
    writing writing = {.spans = 0};
    size_t size = 0;
    const char *text = NULL;
    ow_arena *scratch = ow_arena_new(SCRATCH_MAX);
    if (scratch != NULL && write_block(records, source, scratch, &writing)) {
        text = ow_json_writer_end(&writing.w, &size);
        text = text != NULL ? ow_arena_memdup_in(arena, text, size) : NULL;
    }
    ow_arena_free(scratch);
    if (text == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for a block's spans");
    }
    *ret_text = (otlp_text){.text = text, .size = size, .spans = writing.spans};
    return OW_OK;
}
