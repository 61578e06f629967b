#pragma once

// What carries calls between the modules of this process: access rules, directory, CPU pool.

#include "core/error/error.h"

#include <stdbool.h>
#include <stdint.h>

struct ow_api;
struct ow_directory;
struct ow_loop;
struct ow_pool;

typedef struct calls_options {
    struct ow_loop *loop;
    int pool_threads;
    bool packed;
    uint64_t seed;
} calls_options;

typedef struct calls {
    struct ow_api *api;
    struct ow_directory *directory;
    struct ow_pool *pool;
} calls;

// Fills a zeroed `calls`; after a failure too call calls_close. Codes: internal, resource_exhausted.
ow_code calls_open(calls *calls, const calls_options *options, ow_err *err);

// Works off what waits in the pool and ends its threads; the results are then on their way to the
// loop. After the modules were stopped.
void calls_stop(calls *calls);

// Frees all. After the modules were freed.
void calls_close(calls *calls);
