#pragma once

// What the rooms of the runner share.

#include "core/clock/clock.h"
#include "core/loop/loop.h"
#include "core/metrics/metrics.h"
#include "core/module/env.h"
#include "core/module/module.h"
#include "core/rpc/directory.h"
#include "core/rpc/service.h"
#include "services/runner/blobs.h"
#include "services/runner/builds.h"
#include "services/runner/instance.h"
#include "services/runner/messages.h"
#include "services/runner/pool.h"
#include "services/runner/records.h"
#include "services/runner/routes.h"
#include "services/runner/runtimes.h"
#include "services/runner/scheduler.h"

struct runner_config {
    int64_t quota;
    int64_t min_instances;
    int64_t instances;
    int64_t queue_requests;
    int64_t queue_bytes;
    int64_t title_memory;
    int64_t idle;
    int64_t init_limit;
    int64_t pools;
    int64_t cache_bytes;
    int64_t builds;
};

struct runner;

// ---- pools.c: the table of pools

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

struct pool_metrics {
    ow_metric_labels labels; // its texts are the entry's
    ow_counter *calls, *errors;
    ow_histogram *durations;
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
    ow_host_file *files;      // fd -1 until it is here
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
    struct pool_metrics metrics;
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
struct pool_entry *pools_get(struct pools *pools, const char *title_id, const invoke_request *request,
                             ow_err *err);

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

// ---- invoke.c: one call of a function, from the request to the reply

struct nested;

struct invocation {
    struct request request; // first
    struct runner *runner;
    ow_run *run;
    struct pool_entry *entry; // NULL while it waits for the routing table
    struct nested *nested;    // the call that the function waits for; NULL
    bool settled;             // answered; goes when nested is back and nobody is cancelling
    ow_code code;
    struct invocation *next; // parked, or to be resumed
    bool parked;
    int64_t parked_us;
    char traceparent[OW_TRACEPARENT_MAX];
    char principal[OW_ID_MAX + 64];
};

ow_code invoke_step(ow_run *run);
extern const struct scheduler_events invoke_events; // self is the runner

// Those waiting for the routing table: it changed, or time passed.
void invoke_retry_parked(struct runner *runner);
void invoke_expire_parked(struct runner *runner);

// Ends those that were answered while they could not be resumed.
void invoke_resume_settled(struct runner *runner);

// Everybody out: the rest get unavailable.
void invoke_abandon_all(struct runner *runner);

static inline struct invocation *invocation_of(struct request *request) {
    return (struct invocation *)request;
}

// ---- nested.c: calls that functions make

void nested_begin(struct runner *runner, struct instance *instance, const ow_host_call *call);

// Its instance is gone, or its caller was answered: nobody waits for it any more.
void nested_abandon_of(struct instance *instance);
void nested_cancel(struct nested *nested);

// For invoke.c: the invocation's last word is said; resume it.
void invocation_finish(struct invocation *invocation);

// ---- watch.c: the stream of the routing table

struct route_watch {
    struct runner *runner;
    ow_call *call; // NULL: no stream
    watch_routes_request request;
    ow_timer again;
    unsigned failures;
    bool stale, stopping;
};

void route_watch_start(struct route_watch *watch, struct runner *runner);
void route_watch_stop(struct route_watch *watch); // the closure still comes

// ---- runner.c

struct runner {
    ow_module_env *env;
    const struct runner_config *config;
    ow_loop *loop;
    ow_host *host;
    struct scheduler scheduler;
    struct routes routes;
    struct route_watch watch;
    struct pools pools;
    struct runtimes runtimes;
    struct builds builds;
    struct blobs *blobs;
    struct records *records;
    ProtobufCService *service, *registry, *telemetry, *peers;
    ow_turn_hook on_complete, on_dispatch, on_flush;
    ow_watch host_watch, wake_watch;
    ow_timer maintenance;
    bool hooked;
    bool asleep;         // the host was told so; nothing of this turn is left to do
    unsigned cancelling; // inside an on_cancel: nothing may be resumed
    struct invocation *parked, *settled;
    unsigned parked_count, running; // invocations
    bool draining;
    int64_t drain_until_us;
    char *cache_folder, *build_binary;
    ow_metrics_collector collector;
    ow_gauge *instances_gauge, *waiting_gauge, *stale_gauge;
};

// Brings the scheduler's time up to date; whoever enters from the loop calls it first.
void runner_tick(struct runner *runner);

// Something is to be done in this turn, or in the next one when this one is over.
void runner_wake(struct runner *runner);

// Sets the maintenance timer if it is not.
void runner_need_maintenance(struct runner *runner);

// ---- runner_rpc.c

extern const ow_method runner_methods[];
