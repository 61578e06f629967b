#include "services/runner/runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/log/log.h"
#include "services/runner/internal.h"

#define RECORDS_DRAIN_US 5000000 // once nothing runs any more
#define MAINTAIN_US 100000
#define MAINTAIN_STEERED_US 10000 // a clock that tests move
#define MAINTAIN_IDLE_US 1000000

// ---- time

void runner_tick(struct runner *runner) {
    runner->scheduler.now_us = ow_loop_now_us(runner->loop);
    runner->scheduler.clock_us = ow_clock_mono_us(runner->env->clock);
}

void runner_wake(struct runner *runner) {
    if (runner->asleep) {
        ow_loop_wake(runner->loop);
    }
}

static int64_t maintenance_delay_us(const struct runner *runner) {
    bool busy = runner->scheduler.instances > 0 || runner->parked != NULL;
    if (ow_clock_is_steered(runner->env->clock) && busy) {
        return MAINTAIN_STEERED_US;
    }
    return busy ? MAINTAIN_US : MAINTAIN_IDLE_US;
}

void runner_need_maintenance(struct runner *runner) {
    int64_t due_us = ow_loop_now_us(runner->loop) + maintenance_delay_us(runner);
    if (runner->maintenance.index == 0 || due_us < runner->maintenance.due_us) {
        (void)ow_loop_timer_set(runner->loop, &runner->maintenance, due_us);
    }
}

static void on_maintenance(void *self) {
    struct runner *runner = self;
    runner_tick(runner);
    levels_maintain(runner);
    pools_maintain(&runner->pools);
    invoke_expire_parked(runner);
    routes_sweep(&runner->routes, runner->scheduler.now_us);
    if (runner->pools.count > 0 || runner->parked != NULL) {
        runner_need_maintenance(runner);
    }
    runner_wake(runner);
}

// ---- the turn

static int64_t on_complete(void *self) {
    struct runner *runner = self;
    runner_tick(runner);
    if (runner->asleep) {
        runner->asleep = false;
        ow_host_awake(runner->host);
    }
    invoke_resume_settled(runner);
    ow_host_poll(runner->host);
    return -1;
}

static int64_t on_dispatch(void *self) {
    struct runner *runner = self;
    runner_tick(runner);
    invoke_resume_settled(runner);
    scheduler_run(&runner->scheduler, pools_checked);
    ow_host_kick(runner->host);
    return -1;
}

static int64_t on_flush(void *self) {
    struct runner *runner = self;
    if (runner->scheduler.active != NULL || runner->settled != NULL ||
        !ow_host_sleep(runner->host)) {
        return 0;
    }
    runner->asleep = true;
    return -1;
}

static void on_host_ready(void *self, uint32_t events) {
    struct runner *runner = self;
    (void)events;
    runner_tick(runner);
    ow_host_pump(runner->host);
}

static void on_host_woken(void *self, uint32_t events) {
    (void)self;
    (void)events; // the turn does the rest
}

// ---- the host's events

static void host_zygote(void *ctx, ow_host_zygote *zygote, const ow_host_zygote_status *status) {
    struct runner *runner = ctx;
    runtimes_on_zygote(&runner->runtimes, zygote, status);
}

static void host_ready(void *ctx, ow_host_instance *handle, const ow_host_ready *ready) {
    (void)ctx;
    instance_on_ready(ow_host_instance_user(handle), ready);
}

static void host_completed(void *ctx, ow_host_instance *handle, const ow_host_completion *done) {
    (void)ctx;
    instance_on_completed(ow_host_instance_user(handle), done);
}

static void host_called(void *ctx, ow_host_instance *handle, const ow_host_call *call) {
    struct instance *instance = ow_host_instance_user(handle);
    ow_err err = {0};
    switch (call->kind) {
    case OW_HOST_CALL_FUNCTION:
        nested_begin(ctx, instance, call);
        break;
    case OW_HOST_CALL_SECRET:
        secrets_answer(ctx, instance, call);
        break;
    case OW_HOST_CALL_METHOD:
        host_api_call(ctx, instance, call);
        break;
    default:
        (void)ow_fail(&err, OW_UNIMPLEMENTED, "unimplemented", "there is no such host call");
        nested_refuse(instance, call->number, &err);
    }
}

static void host_exited(void *ctx, ow_host_instance *handle, const ow_host_exit *exit) {
    (void)ctx;
    instance_on_exited(ow_host_instance_user(handle), exit);
}

static const ow_host_events host_events = {
    .zygote = host_zygote,
    .ready = host_ready,
    .completed = host_completed,
    .called = host_called,
    .exited = host_exited,
};

static void on_runtime_changed(void *self, struct runtime *runtime) {
    struct runner *runner = self;
    pools_on_runtime(&runner->pools, runtime);
}

// ---- metrics

static void collect(void *self) {
    struct runner *runner = self;
    int64_t waiting = runner->parked_count;
    for (struct pool *at = runner->scheduler.pools; at != NULL; at = at->next) {
        waiting += at->waiting;
    }
    ow_gauge_set(runner->instances_gauge, runner->scheduler.instances);
    ow_gauge_set(runner->waiting_gauge, waiting);
    levels_collect(runner);
    ow_gauge_set(runner->stale_gauge, !runner->watch.is_fresh);
}

static void add_metrics(struct runner *runner) {
    ow_metrics *metrics = runner->env->metrics;
    runner->instances_gauge =
        ow_metrics_gauge(metrics, "overworld_runner_instances", "Instances alive", NULL);
    runner->waiting_gauge = ow_metrics_gauge(metrics, "overworld_runner_waiting",
                                             "Calls waiting for an instance", NULL);
    runner->stale_gauge = ow_metrics_gauge(metrics, "overworld_runner_routes_stale",
                                           "1 while the routing table is not being updated", NULL);
    runner->collector = (ow_metrics_collector){.collect = collect, .self = runner};
    ow_metrics_collector_add(metrics, &runner->collector);
}

// ---- the module

static struct scheduler_limits limits_of(const struct runner_config *config) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return (struct scheduler_limits){
        .quota = (unsigned)config->quota,
        .min_instances = (unsigned)config->min_instances,
        .instances = (unsigned)config->instances,
        .queue_requests = (unsigned)config->queue_requests,
        .queue_bytes = (size_t)config->queue_bytes,
        .title_memory = (uint64_t)config->title_memory,
        .idle_us = config->idle,
        .init_us = config->init_limit,
        .cores = cores > 2 ? (unsigned)cores : 2,
    };
}

static bool is_one_of_several(const ow_module_env *env) {
    return env->id != NULL && env->id[0] != '\0';
}

static bool set_paths(struct runner *runner) {
    const ow_module_env *env = runner->env;
    return asprintf(&runner->cache_folder, "%s/runner-cache%s%s", env->data_folder,
                    is_one_of_several(env) ? "-" : "", is_one_of_several(env) ? env->id : "") > 0 &&
           asprintf(&runner->build_binary, "%s/ow-build-c", env->binary_folder) > 0;
}

static void runner_free(void *self);

static ow_code runner_init(ow_module_env *env, const void *config, void **ret_self, ow_err *err) {
    struct runner *runner = calloc(1, sizeof *runner);
    if (runner == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for the runner");
    }
    runner->env = env;
    runner->config = config;
    runner->loop = env->loop;
    runner->host_watch.fd = runner->wake_watch.fd = -1;
    struct scheduler_limits limits = limits_of(runner->config);
    scheduler_init(&runner->scheduler, &limits);
    runner->scheduler.port = &pools_port;
    runner->scheduler.port_self = runner;
    runner->scheduler.events = &invoke_events;
    runner->scheduler.events_self = runner;
    if (!set_paths(runner) || !routes_init(&runner->routes) ||
        !pools_init(&runner->pools, runner)) {
        runner_free(runner);
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for the runner");
    }
    ow_directory_expect_here(env->directory, &overworld__runner__v1__runner__descriptor);
    *ret_self = runner;
    return OW_OK;
}

static ow_code open_parts(struct runner *runner, ow_err *err) {
    const ow_module_env *env = runner->env;
    runner->registry =
        ow_directory_get(env->directory, &overworld__registry__v1__registry__descriptor);
    runner->telemetry =
        ow_directory_get(env->directory, &overworld__telemetry__v1__telemetry__descriptor);
    runner->peers = ow_directory_get(env->directory, &overworld__runner__v1__runner__descriptor);
    struct blobs_options blobs = {.loop = runner->loop,
                                  .pool = env->pool,
                                  .registry = runner->registry,
                                  .folder = runner->cache_folder,
                                  .cache_bytes = runner->config->cache_bytes};
    struct records_options records = {.loop = runner->loop,
                                      .clock = env->clock,
                                      .telemetry = runner->telemetry,
                                      .process = env->process,
                                      .unwanted = !runner->config->records};
    ow_host_options host = {.build_binary = runner->build_binary};
    ow_service_options service = {.descriptor = &overworld__runner__v1__runner__descriptor,
                                  .methods = runner_methods,
                                  .api = env->api,
                                  .self = runner,
                                  .loop = runner->loop,
                                  .pool = env->pool};
    ow_code code = blobs_new(&blobs, &runner->blobs, err);
    code = code == OW_OK ? host_api_open(runner, err) : code;
    code = code == OW_OK ? records_new(&records, &runner->records, err) : code;
    code = code == OW_OK ? ow_host_open(&host, &host_events, runner, &runner->host, err) : code;
    code = code == OW_OK ? ow_service_new(&service, &runner->service, err) : code;
    return code;
}

static ow_code enter_loop(struct runner *runner, ow_err *err) {
    runner->on_complete = (ow_turn_hook){.on_turn = on_complete, .self = runner};
    runner->on_dispatch = (ow_turn_hook){.on_turn = on_dispatch, .self = runner};
    runner->on_flush = (ow_turn_hook){.on_turn = on_flush, .self = runner};
    runner->maintenance = (ow_timer){.on_due = on_maintenance, .self = runner};
    runner->host_watch = (ow_watch){.on_ready = on_host_ready, .self = runner, .fd = -1};
    runner->wake_watch = (ow_watch){.on_ready = on_host_woken, .self = runner, .fd = -1};
    ow_code code =
        ow_loop_watch(runner->loop, &runner->host_watch, ow_host_fd(runner->host), EPOLLIN, err);
    if (code == OW_OK) {
        code = ow_loop_watch(runner->loop, &runner->wake_watch, ow_host_wake_fd(runner->host),
                             EPOLLIN, err);
    }
    if (code == OW_OK) {
        ow_loop_hook_add(runner->loop, OW_TURN_COMPLETE, &runner->on_complete);
        ow_loop_hook_add(runner->loop, OW_TURN_DISPATCH, &runner->on_dispatch);
        ow_loop_hook_add(runner->loop, OW_TURN_FLUSH, &runner->on_flush);
        runner->hooked = true;
    }
    return code;
}

static const char *const sandbox_choices[] = {"require", "best_effort", NULL};
static const ow_host_sandbox_level least_levels[] = {OW_HOST_SANDBOX_LANDLOCK,
                                                     OW_HOST_SANDBOX_SECCOMP};

static ow_code runner_start(void *self, ow_err *err) {
    struct runner *runner = self;
    ow_code code = open_parts(runner, err);
    levels_maintain(runner); // the first step begins
    if (code == OW_OK) {
        code = enter_loop(runner, err);
    }
    if (code == OW_OK) {
        code = ow_directory_offer(runner->env->directory, runner->service, err);
    }
    if (code != OW_OK) {
        return code;
    }
    add_metrics(runner);
    runner_tick(runner);
    runner->builds = (struct builds){.blobs = runner->blobs,
                                     .loop = runner->loop,
                                     .binary = runner->build_binary,
                                     .at_once = (unsigned)runner->config->builds};
    runner->runtimes.least = least_levels[runner->config->sandbox];
    runner->runtimes.loop = runner->loop;
    runner->runtimes.host = runner->host;
    runner->runtimes.binary_folder = runner->env->binary_folder;
    runner->runtimes.changed = on_runtime_changed;
    runner->runtimes.self = runner;
    runtimes_start(&runner->runtimes);
    watch_routes(runner);
    return OW_OK;
}

// Zygotes start beside the rest: the first call waits for its own.
static bool runner_ready(void *self, const char **why_not) {
    const struct runner *runner = self;
    if (runner->draining) {
        *why_not = "it is stopping";
    }
    return !runner->draining;
}

static void runner_drain(void *self) {
    struct runner *runner = self;
    runner->draining = true;
    runner->drain_until_us = ow_loop_now_us(runner->loop) + runner->config->drain;
    runtimes_stop(&runner->runtimes);
    ow_subscription_stop(&runner->watch);
    builds_abandon(&runner->builds);
}

// The runs first, then what was written about them.
static bool runner_drained(void *self) {
    struct runner *runner = self;
    runner_tick(runner);
    bool late = runner->scheduler.now_us >= runner->drain_until_us;
    if (runner->running > 0 || runner->parked != NULL || runner->builds.first != NULL) {
        if (late) {
            invoke_abandon_all(runner);
            runner_wake(runner);
        }
        return false;
    }
    records_flush(runner->records);
    bool quiet = records_busy(runner->records) == 0 && runner->watch.call == NULL &&
                 blobs_busy(runner->blobs) == 0 && ow_service_running(runner->service) == 0;
    return quiet || runner->scheduler.now_us >= runner->drain_until_us + RECORDS_DRAIN_US;
}

// What instances still wait for ends without them.
static void abandon_calls(struct runner *runner) {
    for (struct pool *pool = runner->scheduler.pools; pool != NULL; pool = pool->next) {
        for (struct instance *at = pool->instances; at != NULL; at = at->next) {
            nested_abandon_of(at);
        }
    }
}

static void runner_stop(void *self) {
    struct runner *runner = self;
    runner->draining = true;
    if (runner->service != NULL) {
        ow_directory_withdraw(runner->env->directory, runner->service);
    }
    if (runner->watch.loop != NULL) {
        ow_subscription_stop(&runner->watch);
        runtimes_stop(&runner->runtimes);
    }
    if (runner->hooked) {
        runner->hooked = false;
        ow_loop_hook_remove(runner->loop, OW_TURN_COMPLETE, &runner->on_complete);
        ow_loop_hook_remove(runner->loop, OW_TURN_DISPATCH, &runner->on_dispatch);
        ow_loop_hook_remove(runner->loop, OW_TURN_FLUSH, &runner->on_flush);
    }
    ow_loop_unwatch(runner->loop, &runner->host_watch);
    ow_loop_unwatch(runner->loop, &runner->wake_watch);
    ow_loop_timer_cancel(runner->loop, &runner->maintenance);
    if (runner->collector.self != NULL) {
        ow_metrics_collector_remove(runner->env->metrics, &runner->collector);
        runner->collector.self = NULL;
    }
    abandon_calls(runner);
    secrets_deinit(runner); // answers of registry that are still to come find nobody
    runner->host = ow_host_free(runner->host); // ends zygotes and instances
}

// Instances that ended with the host are told to nobody: they go with their pools.
static void forget_instances(struct runner *runner) {
    for (struct pool *pool = runner->scheduler.pools; pool != NULL; pool = pool->next) {
        while (pool->instances != NULL) {
            instance_discard(pool->instances);
        }
    }
}

static void runner_free(void *self) {
    struct runner *runner = self;
    if (runner == NULL) {
        return;
    }
    forget_instances(runner);
    pools_deinit(&runner->pools);
    runner->blobs = blobs_free(runner->blobs);
    runner->records = records_free(runner->records);
    runner->service = ow_service_free(runner->service);
    host_api_close(runner);
    routes_deinit(&runner->routes);
    free(runner->cache_folder);
    free(runner->build_binary);
    free(runner);
}

#define KEY(field, kind, fallback, least, most, text)                                              \
    {                                                                                              \
        .name = #field, .type = kind, .offset = offsetof(struct runner_config, field),             \
        .default_value = fallback, .min = least, .max = most, .doc = text                          \
    }

static const ow_config_key keys[] = {
    KEY(quota, OW_CONFIG_INT, "32", 1, 1000, "Most instances of one function and revision."),
    KEY(min_instances, OW_CONFIG_INT, "0", 0, 32,
        "Instances of a function in use that stay when they are idle."),
    KEY(instances, OW_CONFIG_INT, "512", 1, 10000, "Most instances of this runner."),
    KEY(queue_requests, OW_CONFIG_INT, "1000", 1, 100000,
        "Calls that may wait for an instance of one function; more are answered 429."),
    KEY(queue_bytes, OW_CONFIG_SIZE, "16MB", 65536, (int64_t)1 << 30,
        "Payloads that may wait for one function; more are answered 429."),
    KEY(title_memory, OW_CONFIG_SIZE, "8GB", (int64_t)64 << 20, (int64_t)1 << 44,
        "Sum of the memory limits of all instances of one title."),
    KEY(idle, OW_CONFIG_DURATION, "60s", 1000, (int64_t)86400 * 1000000,
        "How long an idle instance is kept."),
    KEY(init_limit, OW_CONFIG_DURATION, "10s", 100000, (int64_t)60 * 1000000,
        "How long loading a function and its ow_init may take."),
    KEY(drain, OW_CONFIG_DURATION, "10s", 0, (int64_t)900 * 1000000,
        "How long running calls may go on when the runner stops."),
    KEY(pools, OW_CONFIG_INT, "4096", 1, 1000000,
        "Functions and revisions that this runner keeps in mind; unused ones are forgotten."),
    KEY(cache_bytes, OW_CONFIG_SIZE, "1GB", (int64_t)1 << 20, (int64_t)1 << 44,
        "Code and bundle files kept on disk, in runner-cache below the data folder."),
    KEY(fetch_calls, OW_CONFIG_INT, "16", 0, 1000,
        "Requests that one call of a function may send."),
    KEY(fetch_at_once, OW_CONFIG_INT, "64", 1, 1000,
        "Requests under way at a time, of one function and revision."),
    KEY(fetch_timeout, OW_CONFIG_DURATION, "10s", 1000, (int64_t)900 * 1000000,
        "How long a function's request may take."),
    KEY(fetch_response, OW_CONFIG_SIZE, "1MB", 1024, 5 << 20, "Bytes of a response's body."),
    KEY(builds, OW_CONFIG_INT, "2", 1, 64, "Compilations at the same time; 32 may wait."),
    {.name = "sandbox",
     .type = OW_CONFIG_CHOICE,
     .offset = offsetof(struct runner_config, sandbox),
     .default_value = "require",
     .choices = sandbox_choices,
     .doc = "Where this machine allows neither namespaces nor Landlock, functions could read its "
            "files: require refuses to run them, best_effort runs them. Without seccomp they never "
            "run."},
    {.name = "records",
     .type = OW_CONFIG_BOOL,
     .offset = offsetof(struct runner_config, records),
     .default_value = "true",
     .doc = "Whether runs and their lines go to telemetry; without, its log, traces, series and "
            "alarms lack them."},
    {.name = NULL},
};

static const char *const needs[] = {"telemetry", "registry", NULL};

const ow_module ow_runner_module = {
    .name = "runner",
    .doc = "instances, sandbox, scheduling of invocations, quotas",
    .needs_to_start = needs,
    .config = keys,
    .config_size = sizeof(struct runner_config),
    .init = runner_init,
    .start = runner_start,
    .ready = runner_ready,
    .drain = runner_drain,
    .drained = runner_drained,
    .stop = runner_stop,
    .free = runner_free,
};
