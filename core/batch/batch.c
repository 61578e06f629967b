#include "core/batch/batch.h"

#include "core/batch/encode.h"

#include <stdlib.h>
#include <string.h>

typedef struct slot {
    ow_batch_block block; // first: ow_batch_block_done gets its address back
    uint8_t *bytes;
    bool in_flight;
} slot;

struct ow_batch {
    ow_batch_options options;
    slot *slots; // one more than may be in flight: the one being filled
    slot *current;
    ow_timer timer;
    bool due; // the current block waits only for room in flight
    int in_flight;
    uint64_t dropped;            // in all
    uint64_t dropped_unreported; // not yet told with a block
};

static int slot_count(const ow_batch *batch) {
    return batch->options.max_blocks_in_flight + 1;
}

static void drop(ow_batch *batch, uint64_t count) {
    batch->dropped += count;
    batch->dropped_unreported += count;
}

static slot *idle_slot(ow_batch *batch) {
    for (int i = 0; i < slot_count(batch); i++) {
        slot *s = &batch->slots[i];
        if (!s->in_flight) {
            s->block = (ow_batch_block){0};
            return s;
        }
    }
    return NULL;
}

// Passes the current block on when there is something in it and room in flight.
static void pass_on(ow_batch *batch) {
    slot *s = batch->current;
    if (s == NULL || s->block.count == 0) {
        batch->due = false;
        return;
    }
    if (batch->in_flight == batch->options.max_blocks_in_flight) {
        batch->due = true;
        return;
    }
    batch->due = false;
    ow_loop_timer_cancel(batch->options.loop, &batch->timer);
    s->block.bytes = s->bytes;
    s->block.dropped = batch->dropped_unreported;
    batch->dropped_unreported = 0;
    s->in_flight = true;
    batch->in_flight++;
    batch->current = NULL;
    batch->options.on_block(batch->options.self, &s->block);
}

static void on_age(void *self) {
    pass_on(self);
}

ow_code ow_batch_new(const ow_batch_options *options, ow_batch **ret_batch, ow_err *err) {
    if (options->max_blocks_in_flight < 1 || options->block_bytes < 1024) {
        return ow_fail(err, OW_INTERNAL, "bad_batch", "a batch needs blocks of 1 KB in flight");
    }
    ow_batch *batch = calloc(1, sizeof *batch);
    if (batch != NULL) {
        batch->options = *options;
        batch->timer = (ow_timer){.on_due = on_age, .self = batch};
        batch->slots = calloc((size_t)slot_count(batch), sizeof *batch->slots);
    }
    if (batch == NULL || batch->slots == NULL) {
        ow_batch_free(batch);
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for a batch");
    }
    *ret_batch = batch;
    return OW_OK;
}

ow_batch *ow_batch_free(ow_batch *batch) {
    if (batch == NULL) {
        return NULL;
    }
    ow_loop_timer_cancel(batch->options.loop, &batch->timer);
    for (int i = 0; batch->slots != NULL && i < slot_count(batch); i++) {
        free(batch->slots[i].bytes);
    }
    free(batch->slots);
    free(batch);
    return NULL;
}

// The block that is being filled, a new one when there is none; NULL when there is no room for it.
static slot *current_slot(ow_batch *batch) {
    if (batch->current != NULL) {
        return batch->current;
    }
    slot *s = idle_slot(batch);
    if (s == NULL) {
        return NULL;
    }
    // Buffers are made when first needed: a quiet process holds one.
    if (s->bytes == NULL) {
        s->bytes = malloc(batch->options.block_bytes);
    }
    batch->current = s->bytes != NULL ? s : NULL;
    return batch->current;
}

static size_t put(const ow_batch *batch, slot *s, const ProtobufCMessage *message) {
    return s == NULL ? 0
                     : encode_delimited(s->bytes + s->block.size,
                                        batch->options.block_bytes - s->block.size, message);
}

static bool begin_block(ow_batch *batch, slot *s, int64_t time_us) {
    s->block.first_us = time_us;
    s->block.last_us = time_us;
    int64_t due_us = ow_loop_now_us(batch->options.loop) + batch->options.max_age_us;
    return ow_loop_timer_set(batch->options.loop, &batch->timer, due_us) == OW_OK;
}

void ow_batch_add(ow_batch *batch, int64_t time_us, const ProtobufCMessage *message) {
    slot *s = current_slot(batch);
    size_t size = put(batch, s, message);
    if (size == 0 && s != NULL && s->block.count > 0) {
        pass_on(batch);
        s = batch->current == NULL ? current_slot(batch) : NULL;
        size = put(batch, s, message);
    }
    if (size == 0 || (s->block.count == 0 && !begin_block(batch, s, time_us))) {
        drop(batch, 1);
        return;
    }
    ow_batch_block *block = &s->block;
    block->size += size;
    block->count++;
    if (time_us < block->first_us) {
        block->first_us = time_us;
    }
    if (time_us > block->last_us) {
        block->last_us = time_us;
    }
}

void ow_batch_block_done(ow_batch *batch, const ow_batch_block *block, bool stored) {
    slot *s = (slot *)(uintptr_t)block;
    if (!stored) {
        // What this block was to report is not known to anybody yet, so the next one says it.
        drop(batch, s->block.count);
        batch->dropped_unreported += s->block.dropped;
    }
    s->in_flight = false;
    batch->in_flight--;
    if (batch->due) {
        pass_on(batch);
    }
}

void ow_batch_flush(ow_batch *batch) {
    pass_on(batch);
}

uint64_t ow_batch_dropped(const ow_batch *batch) {
    return batch->dropped;
}

int ow_batch_in_flight(const ow_batch *batch) {
    return batch->in_flight;
}
