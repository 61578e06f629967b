#pragma once

// Blocks of records for tests, put together as processes do.

#include "services/telemetry/messages.h"

#include <stddef.h>
#include <stdint.h>

typedef struct test_block {
    uint8_t *bytes; // heap
    size_t size;
    int32_t count;
    int64_t first_us, last_us;
} test_block;

void test_block_free(test_block *b);

// What the records below are about.
typedef struct test_run {
    const char *title, *request_id, *invocation_id, *parent, *server, *function, *reason;
    const char *message, *stack;
    int64_t version, duration_us, init_us;
} test_run;

void test_block_request(test_block *b, int64_t time_us, const test_run *run, int32_t status);
void test_block_invocation(test_block *b, int64_t time_us, const test_run *run);
// The start of an instance.
void test_block_init(test_block *b, int64_t time_us, const test_run *run);
void test_block_line(test_block *b, int64_t time_us, const test_run *run, const char *level,
                     const char *text);
