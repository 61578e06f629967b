#pragma once

// Collects small protobuf messages into blocks on their way to a store, so that recording never
// slows or blocks the work that is recorded: an add is one encode into memory, a full or late
// consumer costs dropped records, counted, never a wait.

#include "core/error/error.h"
#include "core/loop/loop.h"

#include <protobuf-c/protobuf-c.h>

#include <stdbool.h>
#include <stdint.h>

typedef struct ow_batch ow_batch;

typedef struct ow_batch_block {
    const uint8_t *bytes; // messages, each behind its length as a varint; valid until block_done
    size_t size;
    uint32_t count;
    int64_t first_us, last_us;
    uint64_t dropped; // since the block before
} ow_batch_block;

typedef struct ow_batch_options {
    ow_loop *loop;
    size_t block_bytes;       // a block is passed on when it reaches this
    int64_t max_age_us;       // ... or when its first message is this old
    int max_blocks_in_flight; // beyond: drop
    // Takes a block; must call ow_batch_block_done once for each, now or later.
    void (*on_block)(void *self, const ow_batch_block *block);
    void *self;
} ow_batch_options;

// Heap; freed by ow_batch_free when nothing is in flight. Loop thread for everything here.
ow_code ow_batch_new(const ow_batch_options *options, ow_batch **ret_batch, ow_err *err);
ow_batch *ow_batch_free(ow_batch *batch);

// Encodes a message. Never fails: what cannot be kept is counted as dropped.
void ow_batch_add(ow_batch *batch, int64_t time_us, const ProtobufCMessage *message);

// Hands a block back: `stored` false counts its messages as dropped.
void ow_batch_block_done(ow_batch *batch, const ow_batch_block *block, bool stored);

// Passes on what is there, for draining.
void ow_batch_flush(ow_batch *batch);

uint64_t ow_batch_dropped(const ow_batch *batch);
int ow_batch_in_flight(const ow_batch *batch);
