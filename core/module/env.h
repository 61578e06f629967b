#pragma once

// What main hands to every module: the shared parts of one process. Each is owned by main, made
// before the first module's init and freed after the last module's free. Loop thread unless its own
// header says otherwise.

#include "core/error/error.h"

#include <stdbool.h>

struct ow_api;
struct ow_clock;
struct ow_directory;
struct ow_http_client;
struct ow_loop;
struct ow_metrics;
struct ow_modules;
struct ow_pool;

struct ow_module_env {
    struct ow_loop *loop;
    struct ow_clock *clock;
    struct ow_directory *directory; // services here and elsewhere
    const struct ow_api *api;       // access rules, embedded descriptors
    struct ow_pool *pool;           // CPU work
    struct ow_metrics *metrics;
    struct ow_http_client *outgoing; // requests to others, under the rules of server.egress_*
    struct ow_modules *modules;      // readiness and status of the others in this process
    const char *data_folder;         // absolute; 0700
    const char *binary_folder;       // absolute; where the runtime binaries stand
    const char *process;             // name of this process in records: its targets and pid
    const char *id;                  // which of several of its kind this process is; "": the only
    const char *version;             // of this build, for status; may be NULL
    bool rerun_writes;               // test mode of core/db
    // Ends the process at once after logging: outcome unknown (see core/db/db.h). Any thread.
    void (*on_fatal)(void *self, const ow_err *why);
    void *on_fatal_self;
};
