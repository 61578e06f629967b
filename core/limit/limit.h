#pragma once

// Rate limits: for each key a bucket of `count` tokens, and a token comes back one window after it
// was taken. So no key gets more than `count` in any window, however its requests are spread (a
// bucket that refills steadily would let through up to twice as many).
//
//     uint64_t key = ow_limit_key(limit, player_id, strlen(player_id));
//     int64_t wait_us = ow_limit_take(limit, key, ow_clock_mono_us(clock));
//     if (wait_us > 0) { ... 429, Retry-After ... }
//
// A window is counted in sixteen parts: a token comes back up to a sixteenth of a window late, never
// early. A part holds at most 65,535 tokens: of a larger `count` not all can be taken at once. Memory
// is bounded: at most `max_keys` buckets of 64 bytes, made as they are needed; then the one that was
// idle for longest among a few gives way.
//
// One thread at a time for each ow_limit.

#include <stddef.h>
#include <stdint.h>

typedef struct ow_limit ow_limit;

typedef struct ow_limit_options {
    uint32_t count;    // tokens of a bucket; 0: no limit, every take succeeds
    int64_t window_us; // at least 16
    uint32_t max_keys; // at least 1
} ow_limit_options;

// Heap; ow_limit_free. NULL when out of memory or when no random key can be had.
ow_limit *ow_limit_new(const ow_limit_options *options);
// Accepts NULL; returns NULL.
ow_limit *ow_limit_free(ow_limit *limit);

// The key of some bytes: a SipHash with a random key of this limit's own, so that nobody can choose
// names that share a bucket.
uint64_t ow_limit_key(const ow_limit *limit, const void *bytes, size_t size);

// Takes a token at `now_us`, which is monotonic (an earlier time counts as the latest one). 0: taken;
// else the microseconds until the next token is back. Out of memory for a new bucket lets it pass.
int64_t ow_limit_take(ow_limit *limit, uint64_t key, int64_t now_us);

// The same with another number of tokens for this key than the limit's own; 0: no limit.
int64_t ow_limit_take_of(ow_limit *limit, uint64_t key, uint32_t count, int64_t now_us);

// Undoes the key's last successful take, when what it was for did not happen.
void ow_limit_give_back(ow_limit *limit, uint64_t key);

// Buckets in memory, and how many gave way before all their tokens were back.
size_t ow_limit_keys(const ow_limit *limit);
uint64_t ow_limit_forgotten(const ow_limit *limit);
