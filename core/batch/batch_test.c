#include "core/batch/batch.h"
#include "core/testing/ow_test.h"

#include <stdlib.h>
#include <string.h>

// The smallest message there is to encode: { bytes text = 1; }.
typedef struct note {
    ProtobufCMessage base;
    ProtobufCBinaryData text;
} note;

static const ProtobufCFieldDescriptor note_fields[] = {
    {.name = "text",
     .id = 1,
     .label = PROTOBUF_C_LABEL_NONE,
     .type = PROTOBUF_C_TYPE_BYTES,
     .offset = offsetof(note, text)},
};
static const unsigned note_by_name[] = {0};
static const ProtobufCIntRange note_ranges[] = {{1, 0}, {0, 1}};
static const ProtobufCMessageDescriptor note_descriptor = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .name = "note",
    .short_name = "note",
    .c_name = "note",
    .package_name = "",
    .sizeof_message = sizeof(note),
    .n_fields = 1,
    .fields = note_fields,
    .fields_sorted_by_name = note_by_name,
    .n_field_ranges = 1,
    .field_ranges = note_ranges,
};

typedef struct seen {
    size_t size;
    uint32_t count;
    int64_t first_us, last_us;
    uint64_t dropped;
    uint8_t first_byte; // of the last message's text
} seen;

typedef struct fixture {
    ow_loop *loop;
    ow_batch *batch;
    const ow_batch_block *held[8];
    int held_count;
    bool answer_at_once;
    seen blocks[16];
    int block_count;
    ow_err err;
} fixture;

static void on_block(void *self, const ow_batch_block *block) {
    fixture *f = self;
    seen *s = &f->blocks[f->block_count++];
    *s = (seen){block->size, block->count, block->first_us, block->last_us, block->dropped, 0};
    size_t at = 0;
    for (uint32_t i = 0; i < block->count; i++) {
        size_t length = block->bytes[at] & 0x7F;
        size_t width = 1;
        if (block->bytes[at] & 0x80) {
            length |= (size_t)block->bytes[at + 1] << 7;
            width = 2;
        }
        ProtobufCMessage *message =
            protobuf_c_message_unpack(&note_descriptor, NULL, length, block->bytes + at + width);
        assert_non_null(message);
        s->first_byte = ((note *)message)->text.data[0];
        protobuf_c_message_free_unpacked(message, NULL);
        at += width + length;
    }
    assert_int_equal(at, block->size);
    if (f->answer_at_once) {
        ow_batch_block_done(f->batch, block, true);
    } else {
        f->held[f->held_count++] = block;
    }
}

static void open_batch(fixture *f, int in_flight, int64_t max_age_us) {
    ow_batch_options options = {
        .loop = f->loop,
        .block_bytes = 1024,
        .max_age_us = max_age_us,
        .max_blocks_in_flight = in_flight,
        .on_block = on_block,
        .self = f,
    };
    assert_int_equal(ow_batch_new(&options, &f->batch, &f->err), OW_OK);
}

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    *state = f;
    return ow_loop_new(&f->loop, &f->err) == OW_OK ? 0 : -1;
}

static int tear_down(void **state) {
    fixture *f = *state;
    ow_batch_free(f->batch);
    ow_loop_free(f->loop);
    free(f);
    return 0;
}

static void add(fixture *f, int64_t time_us, size_t size, uint8_t byte) {
    uint8_t text[2048];
    memset(text, byte, sizeof text);
    note n = {.base = PROTOBUF_C_MESSAGE_INIT(&note_descriptor), .text = {size, text}};
    ow_batch_add(f->batch, time_us, &n.base);
}

static void release(fixture *f, bool stored) {
    const ow_batch_block *block = f->held[0];
    memmove(f->held, f->held + 1, sizeof f->held - sizeof *f->held);
    f->held_count--;
    ow_batch_block_done(f->batch, block, stored);
}

static void passes_on_a_full_block(void **state) {
    fixture *f = *state;
    open_batch(f, 2, 60000000);
    add(f, 30, 500, 1);
    add(f, 10, 400, 2);
    assert_int_equal(f->block_count, 0);
    add(f, 20, 300, 3);
    assert_int_equal(f->block_count, 1);
    assert_int_equal(f->blocks[0].count, 2);
    assert_int_equal(f->blocks[0].first_us, 10);
    assert_int_equal(f->blocks[0].last_us, 30);
    assert_int_equal(f->blocks[0].first_byte, 2);
    ow_batch_flush(f->batch);
    assert_int_equal(f->block_count, 2);
    assert_int_equal(f->blocks[1].count, 1);
    assert_int_equal(ow_batch_in_flight(f->batch), 2);
    release(f, true);
    release(f, true);
    assert_int_equal(ow_batch_in_flight(f->batch), 0);
    assert_int_equal(ow_batch_dropped(f->batch), 0);
}

static void passes_on_an_old_block(void **state) {
    fixture *f = *state;
    open_batch(f, 1, 1000);
    f->answer_at_once = true;
    add(f, 1, 10, 1);
    for (int i = 0; i < 1000 && f->block_count == 0; i++) {
        assert_int_equal(ow_loop_turn(f->loop, 10000, &f->err), OW_OK);
    }
    assert_int_equal(f->block_count, 1);
    ow_batch_flush(f->batch);
    assert_int_equal(f->block_count, 1);
}

static void drops_and_reports_when_the_consumer_is_late(void **state) {
    fixture *f = *state;
    open_batch(f, 1, 60000000);
    for (int i = 0; i < 5; i++) {
        add(f, i, 600, (uint8_t)i);
    }
    // One in flight, one waiting, three that found no room.
    assert_int_equal(f->block_count, 1);
    assert_int_equal(ow_batch_dropped(f->batch), 3);
    release(f, true);
    assert_int_equal(f->block_count, 2);
    assert_int_equal(f->blocks[1].dropped, 3);
    assert_int_equal(f->blocks[1].first_byte, 1);
    release(f, true);
    add(f, 9, 10, 9);
    ow_batch_flush(f->batch);
    assert_int_equal(f->blocks[2].dropped, 0);
    release(f, true);
}

static void counts_what_was_not_stored(void **state) {
    fixture *f = *state;
    open_batch(f, 1, 60000000);
    add(f, 1, 600, 1);
    add(f, 2, 600, 2);
    add(f, 3, 600, 3);
    assert_int_equal(ow_batch_dropped(f->batch), 1);
    release(f, false);
    assert_int_equal(ow_batch_dropped(f->batch), 2);
    assert_int_equal(f->blocks[1].dropped, 2);
    // This report is lost as well and comes again with the next block.
    release(f, false);
    add(f, 4, 10, 4);
    ow_batch_flush(f->batch);
    assert_int_equal(f->blocks[2].dropped, 3);
    release(f, true);
}

static void drops_what_fits_no_block(void **state) {
    fixture *f = *state;
    open_batch(f, 1, 60000000);
    add(f, 1, 1500, 1);
    assert_int_equal(ow_batch_dropped(f->batch), 1);
    add(f, 2, 900, 2);
    ow_batch_flush(f->batch);
    assert_int_equal(f->blocks[0].count, 1);
    assert_int_equal(f->blocks[0].dropped, 1);
    release(f, true);
}

static void refuses_useless_options(void **state) {
    fixture *f = *state;
    ow_batch_options options = {.loop = f->loop, .block_bytes = 10, .max_blocks_in_flight = 1};
    assert_int_equal(ow_batch_new(&options, &f->batch, &f->err), OW_INTERNAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(passes_on_a_full_block, set_up, tear_down),
        cmocka_unit_test_setup_teardown(passes_on_an_old_block, set_up, tear_down),
        cmocka_unit_test_setup_teardown(drops_and_reports_when_the_consumer_is_late, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(counts_what_was_not_stored, set_up, tear_down),
        cmocka_unit_test_setup_teardown(drops_what_fits_no_block, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_useless_options, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
