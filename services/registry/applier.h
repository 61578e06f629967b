#pragma once

// Gives the triggers in force to the services that keep copies of them: after each change, and again until each
// has them. What is applied is remembered in the store, so that a start tells only what is new.
//
// Loop thread for everything.

#include "services/registry/messages.h"
#include "services/registry/triggers.h"

#include "core/db/db.h"
#include "core/rpc/directory.h"

typedef struct applier applier;

// One who waits until the pass that begins after it has ended.
typedef struct applier_waiter {
    ow_run *run;
    deploy_response *reply;     // gets what is pending and the problems; NULL: nobody looks
    const char *title, *server; // of which
    struct applier_waiter *next;
} applier_waiter;

typedef struct applier_options {
    ow_loop *loop;
    ow_db *db;
    ow_directory *directory;
} applier_options;

// Heap. NULL: out of memory.
applier *applier_new(const applier_options *options);
// When it is not busy any more. Accepts NULL; returns NULL.
applier *applier_free(applier *a);

// The last step of a method that changed what is in force: resumes the waiter's run when the services were told,
// or could not be reached. Returns OW_PENDING, or OW_OK when stopping.
ow_code applier_wait(applier *a, applier_waiter *waiter);

void applier_stop(applier *a);
bool applier_busy(const applier *a);
