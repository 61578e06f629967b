#pragma once

// What the rooms of the runner share.

#include "core/clock/clock.h"
#include "core/loop/loop.h"
#include "core/metrics/metrics.h"
#include "core/module/env.h"
#include "core/module/module.h"
#include "core/rpc/directory.h"
#include "core/rpc/service.h"
#include "core/rpc/subscription.h"
#include "services/runner/blobs.h"
#include "services/runner/builds.h"
#include "services/runner/host_api.h"
#include "services/runner/invoke.h"
#include "services/runner/pools.h"
#include "services/runner/records.h"
#include "services/runner/routes.h"
#include "services/runner/runtimes.h"
#include "services/runner/scheduler.h"
#include "services/runner/secrets.h"

struct runner_config {
    int64_t quota;
    int64_t min_instances;
    int64_t instances;
    int64_t queue_requests;
    int64_t queue_bytes;
    int64_t title_memory;
    int64_t idle;
    int64_t init_limit;
    int64_t drain;
    int64_t pools;
    int64_t cache_bytes;
    int64_t builds;
    int64_t fetch_calls, fetch_at_once, fetch_timeout, fetch_response;
    int64_t sandbox; // index in sandbox_choices
    bool records;
};

struct runner;

// ---- watch.c: the stream of the routing table

void watch_routes(struct runner *runner);

// ---- runner.c

struct runner {
    ow_module_env *env;
    const struct runner_config *config;
    ow_loop *loop;
    ow_host *host;
    struct scheduler scheduler;
    struct routes routes;
    ow_subscription watch; // of the routing table
    watch_routes_request watch_request;
    struct pools pools;
    struct runtimes runtimes;
    struct builds builds;
    struct secrets secrets;
    struct host_api host_api;
    struct blobs *blobs;
    struct records *records;
    ProtobufCService *service, *registry, *telemetry, *peers;
    ow_turn_hook on_complete, on_dispatch, on_flush;
    ow_watch host_watch, wake_watch;
    ow_timer maintenance;
    int64_t levels_step; // the step of time that the levels are of; 0: none yet
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

// ---- stats.c

ow_code stats_step(ow_run *run); // loop: GetFunctionStats

// ---- instances.c

ow_code instances_step(ow_run *run); // loop: ListInstances

// ---- runner_rpc.c

extern const ow_method runner_methods[];
