#pragma once

// Removes blobs that nothing refers to: bundles and code of revisions that are gone, uploads that were never
// deployed. A blob goes when it is old and two rounds in a row, an hour apart, found no reference to it:
// runners may still hold the routes of the round before. Whoever is about to refer to a blob makes it young
// first (blobs_touch).
//
// Loop thread; references are read on a database thread, folders on the pool, a slice at a time.

#include "services/registry/blobs.h"

#include "core/clock/clock.h"
#include "core/db/db.h"
#include "core/rpc/pool.h"

typedef struct sweep sweep;

// Borrows everything. Begins its rounds by itself. Heap; freed when it is not busy.
sweep *sweep_new(ow_loop *loop, ow_db *db, ow_pool *pool, const ow_clock *clock, const blobs *b);
sweep *sweep_free(sweep *s);

// A round now, unless one is under way. `least_age_s`: younger blobs are left alone.
void sweep_begin(sweep *s, int64_t least_age_s);
bool sweep_busy(const sweep *s);
// No round begins any more; one under way ends after its slice.
void sweep_stop(sweep *s);

// ---- sweep_store.c ----

typedef struct reference_sink {
    bool (*note)(void *self, const char *sha256); // false: out of memory
    void *self;
} reference_sink;

// Tells the hash of everything that the store refers to, some several times. A read step.
ow_code store_references(ow_db_conn *conn, const reference_sink *sink, ow_err *err);

// Forgets builds made before that time: their code may go. A write step.
ow_code store_builds_forget(ow_db_conn *conn, int64_t before_us, ow_err *err);
