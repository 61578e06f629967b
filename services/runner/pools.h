#pragma once

// The table of pools: one for each function of each revision in use, with the code, the files and
// the metrics that belong to it, and the port from the scheduling rules to runtimes/host.

#include "core/arena/arena.h"
#include "core/id/id.h"
#include "core/loop/loop.h"
#include "core/rpc/call.h"
#include "services/runner/blobs.h"
#include "services/runner/fetch.h"
#include "services/runner/instance.h"
#include "services/runner/levels.h"
#include "services/runner/messages.h"
#include "services/runner/pool.h"
#include "services/runner/runtimes.h"
#include "services/runner/series.h"

struct runner;

// Shared by the pools of a title, and by those of one function over its revisions.
struct title_share {
    struct title_account account; // first
    struct title_share *next;
    unsigned pools;
    char title_id[OW_ID_MAX];
};

struct family {
    struct family *next;
    unsigned pools;
    unsigned retired_instances;
    char *key; // title/virtual_server/function
};

struct pool_entry {
    struct pool pool;             // first
    struct pool_entry *next_hash; // in its bucket
    struct runner *runner;
    ow_arena *arena; // of all its texts
    const char *title_id, *virtual_server, *function, *revision_id, *version_text;
    int64_t version;
    const char *symbol;
    const char *code_sha256;
    struct runtime *runtime; // NULL: this runner has none such
    struct title_share *title;
    struct family *family;
    const char **env;
    size_t env_count;
    ow_host_file *files; // fd -1 until it is here
    const char **file_hashes;
    const struct blob **blobs; // the code, then the files
    struct blob_wait *waits;   // likewise
    size_t blob_count, blobs_here;
    size_t file_count;
    bool blobs_asked;
    char why_not[200]; // why it cannot start; "": it can
    ow_timer timer;    // of pool.check_us
    int64_t timer_us;  // NEVER_US: not set
    ow_timer retry;    // of the blobs
    int64_t retired_us;
    struct series_set series;
    struct levels levels;
    struct fetcher fetcher;
};

struct pools {
    struct runner *runner;
    struct pool_entry **buckets;
    unsigned count;
    struct title_share *titles;
    struct family *families;
};

bool pools_init(struct pools *pools, struct runner *runner);
void pools_deinit(struct pools *pools);

// The pool, made when it is not there yet. NULL with err: not_found function_not_found (the routing
// table may be behind), resource_exhausted overloaded.
struct pool_entry *pools_get(struct pools *pools, const ow_call *call,
                             const invoke_request *request, ow_err *err);

// The pool that is there already; NULL: none.
struct pool_entry *pools_find(struct pools *pools, const char *title_id, const char *virtual_server,
                              const char *function, const char *revision_id);

// The routing table changed for a virtual server: pools of revisions that no name leads to retire.
void pools_on_routes(struct pools *pools, const char *title_id, const char *virtual_server);

// A runtime came or went.
void pools_on_runtime(struct pools *pools, const struct runtime *runtime);

// Ten times a second while there are instances, else once.
void pools_maintain(struct pools *pools);

// For scheduler_run: sets the timer.
void pools_checked(struct pool *pool);

// One instance less (or more) of a retired pool.
void pools_on_gone(struct pool_entry *entry);

extern const struct instance_port pools_port; // over runtimes/host; self is the runner

static inline struct pool_entry *entry_of(struct pool *pool) {
    return (struct pool_entry *)pool;
}
