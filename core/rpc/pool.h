#pragma once

// A small bounded pool of threads for CPU work (argon2, compression). Results come back on the
// loop of the job.

#include "core/error/error.h"
#include "core/loop/loop.h"

typedef struct ow_pool ow_pool;

typedef struct ow_pool_job {
    void (*work)(void *self); // on a pool thread
    void (*done)(void *self); // on the loop
    void *self;
    ow_loop *loop;
    ow_message message;       // private
    struct ow_pool_job *next; // private
} ow_pool_job;

// `threads` 1..16, `max_waiting` jobs may queue. Heap; ow_pool_free first lets the threads work off
// what waits. Each job's `done` still comes on its loop, so turn that afterwards. Codes: internal.
ow_code ow_pool_new(int threads, int max_waiting, ow_pool **ret_pool, ow_err *err);
ow_pool *ow_pool_free(ow_pool *pool);

// The job belongs to the pool until `done`. Any thread. Codes: resource_exhausted "overloaded" when
// the queue is full (the job is untouched).
ow_code ow_pool_submit(ow_pool *pool, ow_pool_job *job, ow_err *err);
