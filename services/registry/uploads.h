#pragma once

// Bundles on their way in: which ones, how far, and that one piece at a time is written for each; others
// of the same bundle wait for their turn.
// Loop thread; the file I/O runs on the pool.

#include "services/registry/blobs.h"

#include "core/clock/clock.h"
#include "core/rpc/pool.h"
#include "core/rpc/service.h"

typedef struct uploads uploads;

enum { UPLOADS_MAX = 16 };

// Heap; freed when no piece is being written (uploads_busy).
uploads *uploads_new(ow_loop *loop, ow_pool *pool, const ow_clock *clock, const blobs *b);
uploads *uploads_free(uploads *u);
bool uploads_busy(const uploads *u);

// The one step of PutBundleChunk; its state is an upload_piece. Returns OW_PENDING or fails.
ow_code uploads_put(uploads *u, ow_run *run);

typedef struct upload_piece {
    uploads *owner;
    ow_run *run;
    struct upload *upload; // NULL: none is under way
    struct upload_piece *next;
    char evicted[OW_SHA256_HEX_SIZE];
    ow_pool_job job;
    ow_code code;
    ow_err err;
    bool complete;
} upload_piece;
