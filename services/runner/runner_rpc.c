#include <string.h>

#include "services/runner/internal.h"

static ow_code build_step(ow_run *run) {
    struct runner *runner = run->self;
    if (runner->draining) {
        return ow_fail(run->err, OW_UNAVAILABLE, "stopping", "the runner is stopping");
    }
    return builds_begin(&runner->builds, run);
}

static char *copy(ow_arena *arena, const char *text) {
    char *made = ow_arena_strdup_in(arena, text);
    return made != NULL ? made : (char *)(uintptr_t) "";
}

// The state of GetRunnerStatus.
struct status_state {
    char toolchain[OW_BUILD_KEY_SIZE]; // "" when it is not known
};

// Looked up each time, so that a compiler that is replaced while the runner runs shows.
static ow_code toolchain_step(ow_run *run) {
    const struct runner *runner = run->self;
    struct status_state *state = run->state;
    ow_err err = {0};
    (void)ow_build_key(runner->build_binary, state->toolchain, &err);
    return OW_OK;
}

static runtime_status *describe_runtime(const struct runtime *runtime,
                                        const struct status_state *state, ow_arena *arena) {
    runtime_status *status = ow_arena_alloc(arena, sizeof *status);
    if (status == NULL) {
        return NULL;
    }
    overworld__runner__v1__runtime_status__init(status);
    ow_err err = {0};
    bool is_built = strcmp(runtime->name, BUILT_RUNTIME) == 0;
    status->name = copy(arena, runtime->name);
    status->ready = runtime_check(runtime, &err) == OW_OK;
    status->why_not = copy(arena, status->ready ? "" : err.message);
    status->toolchain = copy(arena, is_built ? state->toolchain : "");
    return status;
}

static void describe_runtimes(struct runner *runner, const struct status_state *state,
                              ow_arena *arena, status_response *reply) {
    ow_host_sandbox_level least = OW_HOST_SANDBOX_FULL;
    const char *detail = "";
    bool known = false;
    reply->runtimes = ow_arena_calloc(arena, RUNTIMES_COUNT, sizeof(runtime_status *));
    for (int i = 0; i < RUNTIMES_COUNT && reply->runtimes != NULL; i++) {
        const struct runtime *runtime = &runner->runtimes.each[i];
        runtime_status *status = describe_runtime(runtime, state, arena);
        if (status == NULL) {
            return;
        }
        reply->runtimes[reply->n_runtimes++] = status;
        if (runtime->status.ready && (!known || runtime->status.level < least)) {
            known = true;
            least = runtime->status.level;
            detail = runtime->refused ? runtime->why_not : runtime->status.text;
        }
    }
    reply->sandbox_level = copy(arena, known ? sandbox_level_name(least) : "unknown");
    reply->sandbox_detail = copy(arena, detail);
}

static pool_status *describe_pool(const struct pool_entry *entry, ow_arena *arena) {
    const struct pool *pool = &entry->pool;
    pool_status *status = ow_arena_alloc(arena, sizeof *status);
    if (status == NULL) {
        return NULL;
    }
    overworld__runner__v1__pool_status__init(status);
    int64_t now_us = pool->scheduler->now_us;
    status->title_id = copy(arena, entry->title_id);
    status->virtual_server = copy(arena, entry->virtual_server);
    status->function = copy(arena, entry->function);
    status->revision_id = copy(arena, entry->revision_id);
    status->version = entry->version;
    status->instances = (int32_t)pool->count;
    status->busy = (int32_t)pool->busy;
    status->waiting = (int32_t)pool->waiting;
    status->calls = pool->counts.calls;
    status->errors = pool->counts.errors;
    status->cold_starts = pool->counts.cold_starts;
    status->backing_off = pool->backoff.until_us > now_us;
    if (status->backing_off) {
        status->backing_off_reason =
            copy(arena,
                 ow_arena_printf_in(arena, "%s: %s", pool->backoff.reason, pool->backoff.message));
    } else if (entry->why_not[0] != '\0') {
        status->backing_off_reason = copy(arena, entry->why_not);
    }
    return status;
}

// An operator of one title sees that title's; the platform sees all.
static bool may_see(const ow_call *call, const struct pool_entry *entry) {
    const char *title = call->principal->title;
    return title[0] == '\0' || strcmp(title, entry->title_id) == 0;
}

static void describe_pools(struct runner *runner, const ow_call *call, status_response *reply) {
    reply->pools = ow_arena_calloc(call->arena, runner->pools.count + 1, sizeof(pool_status *));
    for (struct pool *at = runner->scheduler.pools; at != NULL && reply->pools != NULL;
         at = at->next) {
        pool_status *status =
            may_see(call, entry_of(at)) ? describe_pool(entry_of(at), call->arena) : NULL;
        if (status != NULL) {
            reply->pools[reply->n_pools++] = status;
        }
    }
}

static ow_code status_step(ow_run *run) {
    struct runner *runner = run->self;
    const status_request *request = run->request;
    status_response *reply = run->reply;
    runner_tick(runner);
    describe_runtimes(runner, run->state, run->call->arena, reply);
    reply->routes_stale = !runner->watch.is_fresh;
    reply->instances = (int32_t)runner->scheduler.instances;
    for (struct pool *at = runner->scheduler.pools; at != NULL; at = at->next) {
        for (struct instance *one = at->instances; one != NULL; one = one->next) {
            reply->instance_memory_bytes += (int64_t)one->resident_bytes;
        }
    }
    if (request->pools) {
        describe_pools(runner, run->call, reply);
    }
    return OW_OK;
}

const ow_method runner_methods[] = {
    {"Invoke", sizeof(struct invocation), {{OW_LOOP, invoke_step}}},
    {"Build", sizeof(struct build), {{OW_LOOP, build_step}}},
    {"Fetch", sizeof(struct fetching), {{OW_LOOP, fetch_step}}},
    {"GetRunnerStatus",
     sizeof(struct status_state),
     {{OW_POOL, toolchain_step}, {OW_LOOP, status_step}}},
    {"GetFunctionStats", 0, {{OW_LOOP, stats_step}}},
    {"ListInstances", 0, {{OW_LOOP, instances_step}}},
    {.name = NULL},
};
