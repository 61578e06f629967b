#pragma once

// Blocks of records for tests, put together as processes do.

#include "services/telemetry/messages.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct test_block {
    uint8_t *bytes; // heap
    size_t size, room;
    int32_t count;
    int64_t first_us, last_us;
} test_block;

void test_block_free(test_block *b);

// What the records below are about.
typedef struct test_run {
    const char *title, *request_id, *invocation_id, *parent, *server, *function, *reason;
    const char *message, *stack;
    int64_t version, duration_us, init_us, queued_us;
    const uint8_t *trace_id; // 16 bytes; NULL: none
    uint64_t span_id, parent_span_id;
    bool unsampled;
    const char *method; // of a request; NULL: "POST /v1/call"
    bool changes;       // likewise
    const char *calls;  // another function that it called in the middle
    uint64_t call_span_id;
} test_run;

void test_block_request(test_block *b, int64_t time_us, const test_run *run, int32_t status);
void test_block_invocation(test_block *b, int64_t time_us, const test_run *run);
// The start of an instance.
void test_block_init(test_block *b, int64_t time_us, const test_run *run);
void test_block_levels(test_block *b, int64_t time_us, const test_run *run, int instances, int peak,
                       int waiting);
void test_block_line(test_block *b, int64_t time_us, const test_run *run, const char *level,
                     const char *text);
