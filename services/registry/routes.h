#pragma once

// The routing table in memory and those who watch it. The database is the truth: after a change was
// committed, routes_kick lets a reader fetch what is new, and every watcher gets it, in order. A
// change that was committed while its call was cancelled is found by routes_expect's timer.
//
// Loop thread for everything.

#include "core/db/db.h"
#include "core/rpc/service.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct routes routes;

// A watcher: the state of a WatchRoutes run.
typedef struct watcher {
    ow_run *run;
    routes *owner;
    struct watcher *next;
    bool in_list, sending, cancelled;
} watcher;

// Heap; freed after routes_stop and when routes_busy is false.
routes *routes_new(ow_loop *loop, ow_db *db);
routes *routes_free(routes *r);

// Fetches what changed.
void routes_kick(routes *r);

// The last step of a method that changed routes: fetches what changed and resumes `run` (whose
// state begins with a routes_waiter) when every watcher was sent it. Returns OW_PENDING, or OW_OK
// when the registry is stopping.
typedef struct routes_waiter {
    ow_run *run;
    struct routes_waiter *next;
} routes_waiter;

ow_code routes_announce(routes *r, ow_run *run);

// Says that a change may be committed soon: looks again some seconds from now, kick or not.
void routes_expect(routes *r);

// True once the table was read for the first time.
bool routes_loaded(const routes *r);

// Begins to send to `run` (whose state is a watcher): the whole table, then each change. Ends when
// the call is cancelled, the consumer is too slow, or routes_stop. Returns OW_PENDING.
ow_code routes_watch(routes *r, ow_run *run);

// Ends all watchers with unavailable "stopping" and fetches nothing any more.
void routes_stop(routes *r);
bool routes_busy(const routes *r);
