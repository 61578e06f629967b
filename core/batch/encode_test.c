// What a batch has is what protobuf-c would have written, byte for byte: thousands of random messages, in
// blocks of every size.

#include "core/batch/batch.h"
#include "core/testing/ow_test.h"

#include "overworld/registry/v1/registry.pb-c.h"
#include "overworld/telemetry/v1/telemetry.pb-c.h"

#include <stdlib.h>
#include <string.h>

enum { MESSAGES = 20000, BLOCK_BYTES = 64 * 1024, TEXTS_MAX = 40000, CALLS_MAX = 300 };

typedef Overworld__Telemetry__V1__Record record_msg;
typedef Overworld__Telemetry__V1__InvocationRecord invocation_record;
typedef Overworld__Telemetry__V1__RequestRecord request_record;
typedef Overworld__Telemetry__V1__HostCall host_call;

// One batch with one message at a time, and what came of it.
typedef struct fixture {
    ow_loop *loop;
    ow_batch *batch;
    uint8_t got[BLOCK_BYTES];
    size_t size;
    uint64_t seed;
    char text[TEXTS_MAX + 1];
} fixture;

static void on_block(void *self, const ow_batch_block *block) {
    fixture *f = self;
    memcpy(f->got, block->bytes, block->size);
    f->size = block->size;
    ow_batch_block_done(f->batch, block, true);
}

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    ow_err err;
    assert_non_null(f);
    *state = f;
    f->seed = 7;
    memset(f->text, 'x', TEXTS_MAX);
    assert_ow_ok(ow_loop_new(&f->loop, &err), &err);
    ow_batch_options options = {.loop = f->loop,
                                .block_bytes = BLOCK_BYTES,
                                .max_age_us = 1000000,
                                .max_blocks_in_flight = 1,
                                .on_block = on_block,
                                .self = f};
    assert_ow_ok(ow_batch_new(&options, &f->batch, &err), &err);
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    ow_batch_free(f->batch);
    ow_loop_free(f->loop);
    free(f);
    return 0;
}

static uint64_t random_bits(fixture *f) {
    f->seed = f->seed * 6364136223846793005U + 1442695040888963407U;
    return f->seed >> 20;
}

// Mostly short; now and then as long as it takes for a length of three bytes.
static char *some_text(fixture *f) {
    uint64_t bits = random_bits(f);
    size_t size = bits % 5 == 0    ? 0
                  : bits % 97 == 0 ? 16000 + (bits >> 8) % 800
                  : bits % 13 == 0 ? 100 + (bits >> 8) % 60
                                   : (bits >> 8) % 40;
    return f->text + TEXTS_MAX - size;
}

static int64_t some_number(fixture *f) {
    uint64_t bits = random_bits(f);
    int64_t number = (int64_t)(bits >> (bits % 44));
    return bits % 7 == 0 ? 0 : bits % 11 == 0 ? -number : number;
}

static void must_equal(fixture *f, const ProtobufCMessage *message) {
    static uint8_t wanted[BLOCK_BYTES * 4];
    size_t size = protobuf_c_message_get_packed_size(message);
    size_t width = 1;
    for (size_t rest = size >> 7; rest > 0; rest >>= 7) {
        width++;
    }
    f->size = 0;
    uint64_t dropped = ow_batch_dropped(f->batch);
    ow_batch_add(f->batch, 1, message);
    ow_batch_flush(f->batch);
    if (size + 20 > BLOCK_BYTES) { // it need not have fitted
        assert_true(f->size == 0 || f->size == width + size);
        return;
    }
    assert_int_equal(ow_batch_dropped(f->batch), dropped);
    assert_int_equal(f->size, width + size);
    protobuf_c_message_pack(message, wanted);
    assert_memory_equal(f->got + width, wanted, size);
    uint64_t length = 0;
    for (size_t i = 0; i < width; i++) {
        length |= (uint64_t)(f->got[i] & 0x7F) << (7 * i);
    }
    assert_int_equal(length, size);
    assert_int_equal(f->got[width - 1] & 0x80, 0);
}

static void fill_invocation(fixture *f, invocation_record *run, host_call *calls,
                            host_call **list) {
    run->invocation_id = some_text(f);
    run->function = some_text(f);
    run->message = some_text(f);
    run->version = some_number(f);
    run->queued_us = some_number(f);
    run->memory_mb = (int32_t)some_number(f);
    run->init_only = random_bits(f) % 2;
    run->n_host_calls = random_bits(f) % 4 == 0 ? random_bits(f) % CALLS_MAX : 0;
    run->host_calls = list;
    for (size_t i = 0; i < run->n_host_calls; i++) {
        overworld__telemetry__v1__host_call__init(&calls[i]);
        calls[i].span_id = random_bits(f);
        calls[i].target = some_text(f);
        calls[i].duration_us = some_number(f);
        list[i] = &calls[i];
    }
}

static void equals_what_protobuf_c_writes(void **state) {
    fixture *f = *state;
    static host_call calls[CALLS_MAX];
    static host_call *list[CALLS_MAX];
    for (int i = 0; i < MESSAGES; i++) {
        record_msg record = OVERWORLD__TELEMETRY__V1__RECORD__INIT;
        invocation_record run = OVERWORLD__TELEMETRY__V1__INVOCATION_RECORD__INIT;
        request_record request = OVERWORLD__TELEMETRY__V1__REQUEST_RECORD__INIT;
        record.time_us = some_number(f);
        record.request_id = some_text(f);
        record.span_id = (uint64_t)some_number(f);
        record.trace_id = (ProtobufCBinaryData){random_bits(f) % 17, (uint8_t *)f->text};
        record.sampled = random_bits(f) % 2;
        if (random_bits(f) % 3 > 0) {
            record.invocation = &run;
            fill_invocation(f, &run, calls, list);
        }
        if (random_bits(f) % 2 > 0) {
            record.request = &request;
            request.status = (int32_t)some_number(f);
            request.payload = (ProtobufCBinaryData){random_bits(f) % TEXTS_MAX, (uint8_t *)f->text};
        }
        must_equal(f, &record.base);
    }
}

// Numbers in a list, and an empty message: the library's own way, and the shortest.
static void takes_any_message(void **state) {
    fixture *f = *state;
    Overworld__Telemetry__V1__SeriesPoint point = OVERWORLD__TELEMETRY__V1__SERIES_POINT__INIT;
    int64_t durations[] = {1, 0, 300, -5};
    point.time_us = 5;
    point.durations = durations;
    point.n_durations = 4;
    must_equal(f, &point.base);
    Overworld__Registry__V1__Diagnostic nothing = OVERWORLD__REGISTRY__V1__DIAGNOSTIC__INIT;
    must_equal(f, &nothing.base);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST_WITH(equals_what_protobuf_c_writes, set_up, tear_down),
        OW_TEST_WITH(takes_any_message, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
