#include "services/telemetry/blocks_for_test.h"

#include "core/testing/ow_test.h"

#include <stdlib.h>

static char *text(const char *from) {
    return (char *)(uintptr_t)(from != NULL ? from : "");
}

void test_block_free(test_block *b) {
    free(b->bytes);
    *b = (test_block){0};
}

static void add(test_block *b, const record_msg *r) {
    size_t size = overworld__telemetry__v1__record__get_packed_size(r);
    if (b->size + size + 10 > b->room) {
        b->room = 2 * (b->size + size + 10);
        b->bytes = realloc(b->bytes, b->room);
        assert_non_null(b->bytes);
    }
    size_t left = size;
    while (left >= 0x80) {
        b->bytes[b->size++] = (uint8_t)(left | 0x80);
        left >>= 7;
    }
    b->bytes[b->size++] = (uint8_t)left;
    b->size += overworld__telemetry__v1__record__pack(r, b->bytes + b->size);
    b->first_us = b->count == 0 || r->time_us < b->first_us ? r->time_us : b->first_us;
    b->last_us = b->count == 0 || r->time_us > b->last_us ? r->time_us : b->last_us;
    b->count++;
}

static record_msg record_of(int64_t time_us, const test_run *run) {
    record_msg r = OVERWORLD__TELEMETRY__V1__RECORD__INIT;
    r.time_us = time_us;
    r.title_id = text(run->title);
    r.request_id = text(run->request_id);
    if (run->trace_id != NULL) {
        r.trace_id = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)run->trace_id};
        r.span_id = run->span_id;
        r.parent_span_id = run->parent_span_id;
        r.sampled = !run->unsampled;
    }
    return r;
}

void test_block_request(test_block *b, int64_t time_us, const test_run *run, int32_t status) {
    record_msg r = record_of(time_us, run);
    request_record request = OVERWORLD__TELEMETRY__V1__REQUEST_RECORD__INIT;
    request.method = text(run->method != NULL ? run->method : "POST /v1/call");
    request.changes = run->changes;
    request.client_address = text("127.0.0.1");
    request.revision_id = text("rev_1");
    request.virtual_server = text(run->server);
    request.function = text(run->function);
    request.status = status;
    request.total_us = run->duration_us;
    request.principal = text("player:plr_1");
    r.request = &request;
    add(b, &r);
}

static void add_invocation(test_block *b, int64_t time_us, const test_run *run, bool init_only) {
    record_msg r = record_of(time_us, run);
    invocation_record i = OVERWORLD__TELEMETRY__V1__INVOCATION_RECORD__INIT;
    i.invocation_id = text(run->invocation_id);
    i.parent_invocation_id = text(run->parent);
    i.virtual_server = text(run->server);
    i.function = text(run->function);
    i.version = run->version;
    i.source = text("client");
    i.qualifier = text("$DEFAULT");
    i.reason = text(run->reason);
    i.revision_id = text("rev_1");
    i.message = text(run->message);
    i.stack = text(run->stack);
    i.duration_us = run->duration_us;
    i.init_us = run->init_us;
    i.peak_memory_bytes = 31142707;
    i.memory_mb = 128;
    i.init_only = init_only;
    i.queued_us = run->queued_us;
    host_call_msg call = OVERWORLD__TELEMETRY__V1__HOST_CALL__INIT;
    host_call_msg *calls[] = {&call};
    if (run->calls != NULL) {
        call.span_id = run->call_span_id;
        call.target = text(run->calls);
        call.after_us = run->duration_us / 4;
        call.duration_us = run->duration_us / 2;
        i.host_calls = calls;
        i.n_host_calls = 1;
    }
    r.invocation = &i;
    add(b, &r);
}

void test_block_invocation(test_block *b, int64_t time_us, const test_run *run) {
    add_invocation(b, time_us, run, false);
}

void test_block_init(test_block *b, int64_t time_us, const test_run *run) {
    add_invocation(b, time_us, run, true);
}

void test_block_levels(test_block *b, int64_t time_us, const test_run *run, int instances, int peak,
                       int waiting) {
    record_msg r = record_of(time_us, run);
    Overworld__Telemetry__V1__LevelsRecord l = OVERWORLD__TELEMETRY__V1__LEVELS_RECORD__INIT;
    r.request_id = text("");
    l.virtual_server = text(run->server);
    l.function = text(run->function);
    l.version = run->version;
    l.instances = instances;
    l.instances_peak = peak;
    l.waiting = waiting;
    l.waiting_peak = 2 * waiting;
    r.levels = &l;
    add(b, &r);
}

void test_block_line(test_block *b, int64_t time_us, const test_run *run, const char *level,
                     const char *line) {
    record_msg r = record_of(time_us, run);
    Overworld__Telemetry__V1__LineRecord l = OVERWORLD__TELEMETRY__V1__LINE_RECORD__INIT;
    l.invocation_id = text(run->invocation_id);
    l.virtual_server = text(run->server);
    l.function = text(run->function);
    l.version = run->version;
    l.level = text(level);
    l.text = text(line);
    r.line = &l;
    add(b, &r);
}
