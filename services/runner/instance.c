#include "services/runner/instance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct transition {
    enum instance_state next;
    bool kill;
};

static const struct transition transitions[INSTANCE_STATES][INSTANCE_EVENTS] = {
    [INSTANCE_STARTING] =
        {
            [INSTANCE_LOADED] = {INSTANCE_READY, false},
            [INSTANCE_EMPTIED] = {INSTANCE_STARTING, false},
            [INSTANCE_RETIRE] = {INSTANCE_DYING, true},
            [INSTANCE_KILL] = {INSTANCE_DYING, true},
        },
    [INSTANCE_READY] =
        {
            [INSTANCE_LOADED] = {INSTANCE_READY, false},
            [INSTANCE_EMPTIED] = {INSTANCE_READY, false},
            [INSTANCE_RETIRE] = {INSTANCE_FINISHING, false},
            [INSTANCE_KILL] = {INSTANCE_DYING, true},
        },
    [INSTANCE_FINISHING] =
        {
            [INSTANCE_LOADED] = {INSTANCE_FINISHING, false},
            [INSTANCE_EMPTIED] = {INSTANCE_DYING, true},
            [INSTANCE_RETIRE] = {INSTANCE_FINISHING, false},
            [INSTANCE_KILL] = {INSTANCE_DYING, true},
        },
    [INSTANCE_DYING] =
        {
            [INSTANCE_LOADED] = {INSTANCE_DYING, false},
            [INSTANCE_EMPTIED] = {INSTANCE_DYING, false},
            [INSTANCE_RETIRE] = {INSTANCE_DYING, false},
            [INSTANCE_KILL] = {INSTANCE_DYING, false},
        },
};

// Reasons as callers see them (docs/guide/functions.md), by what the function did
static const char *const outcome_reasons[] = {
    [OW_HOST_OK] = "",
    [OW_HOST_REFUSED] = "refused",
    [OW_HOST_USER_ERROR] = "user_error",
    [OW_HOST_REPLY_TOO_LARGE] = "reply_too_large",
    [OW_HOST_PROTOCOL] = "protocol",
};

// ... and by how its instance ended under it
static const char *const end_reasons[] = {
    [OW_HOST_END_KILLED] = "crashed",   [OW_HOST_END_CRASHED] = "crashed",
    [OW_HOST_END_MEMORY] = "memory",    [OW_HOST_END_PROTOCOL] = "protocol",
    [OW_HOST_END_INIT] = "init_failed", [OW_HOST_END_ZYGOTE] = "crashed",
};

// The pool's counters are the sum of what each instance contributes: taken out before a change,
// put in after it.
static void count(struct instance *instance, int sign) {
    struct pool *pool = instance->pool;
    bool ready = instance->state == INSTANCE_READY;
    pool->starting += (unsigned)(sign * (instance->state == INSTANCE_STARTING));
    pool->ready += (unsigned)(sign * ready);
    pool->busy += (unsigned)(sign * (ready && instance->count > 0));
    pool->held += (unsigned)(sign * (int)instance->count);
}

static void apply(struct instance *instance, enum instance_event event) {
    struct transition transition = transitions[instance->state][event];
    count(instance, -1);
    instance->state = transition.next;
    count(instance, +1);
    if (transition.kill) {
        instance->pool->scheduler->port->kill(instance->handle);
    }
}

static void link_first(struct instance *instance) {
    struct pool *pool = instance->pool;
    instance->previous = NULL;
    instance->next = pool->instances;
    if (instance->next != NULL) {
        instance->next->previous = instance;
    }
    pool->instances = instance;
}

static void unlink_instance(struct instance *instance) {
    if (instance->previous != NULL) {
        instance->previous->next = instance->next;
    } else {
        instance->pool->instances = instance->next;
    }
    if (instance->next != NULL) {
        instance->next->previous = instance->previous;
    }
}

static struct request *find_held(const struct instance *instance, uint64_t id) {
    for (unsigned i = 0; i < instance->count; i++) {
        if (instance->held[i]->id == id) {
            return instance->held[i];
        }
    }
    return NULL;
}

ow_code instance_start(struct pool *pool, ow_err *err) {
    struct scheduler *scheduler = pool->scheduler;
    struct instance *instance = calloc(1, sizeof *instance);
    if (instance == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for an instance");
    }
    instance->pool = pool;
    instance->state = INSTANCE_STARTING;
    instance->spawned_us = scheduler->now_us;
    instance->last_arrival = scheduler->last_request_id;
    if (pool->first != NULL && pool->first->request_id != NULL) {
        snprintf(instance->cause, sizeof instance->cause, "%s", pool->first->request_id);
    }
    ow_code code = scheduler->port->spawn(scheduler->port_self, instance, &instance->handle, err);
    if (code != OW_OK) {
        free(instance);
        return code;
    }
    link_first(instance);
    pool->count++;
    pool->peaks.instances =
        pool->count > pool->peaks.instances ? pool->count : pool->peaks.instances;
    pool->account->reserved += pool->settings.memory_bytes;
    scheduler->instances++;
    count(instance, +1);
    return OW_OK;
}

enum given instance_give(struct instance *instance, struct request *request) {
    struct pool *pool = instance->pool;
    struct scheduler *scheduler = pool->scheduler;
    if (instance->count == OW_HOST_DEPTH_MAX) {
        return GIVEN_NOT;
    }
    int64_t limit_us = scheduler->now_us + pool->settings.timeout_us;
    ow_host_request description = {.id = request->id};
    scheduler->events->describe(scheduler->events_self, request, &description);
    int64_t deadline_us = request->deadline_us < limit_us ? request->deadline_us : limit_us;
    description.deadline_ns = (uint64_t)deadline_us * 1000;
    ow_err err = {0};
    ow_code code = scheduler->port->submit(instance->handle, &description, &err);
    if (code == OW_INVALID_ARGUMENT) {
        bool large = strcmp(err.reason, "payload_too_large") == 0;
        struct verdict verdict = {.reason = large ? "payload_too_large" : "invalid",
                                  .message = err.message};
        pool_answer(pool, request, &verdict);
        return GIVEN_ANSWERED;
    }
    if (code != OW_OK) {
        return GIVEN_NOT;
    }
    count(instance, -1);
    instance->held[instance->count++] = request;
    count(instance, +1);
    request->instance = instance;
    if (request->submitted_us == 0) {
        request->submitted_us = scheduler->now_us;
    }
    if (limit_us < pool->limits_us) {
        pool->limits_us = limit_us;
    }
    if (instance->previous != NULL) {
        unlink_instance(instance);
        link_first(instance);
    }
    return GIVEN;
}

void instance_forget(struct instance *instance, struct request *request) {
    for (unsigned i = 0; i < instance->count; i++) {
        if (instance->held[i] == request) {
            count(instance, -1);
            instance->held[i] = instance->held[--instance->count];
            count(instance, +1);
            request->instance = NULL;
            return;
        }
    }
}

void instance_on_ready(struct instance *instance, const ow_host_ready *ready) {
    struct scheduler *scheduler = instance->pool->scheduler;
    instance->init_us = (int64_t)(ready->init_ns / 1000) + 1;
    instance->idle_since_us = scheduler->clock_us;
    instance->loaded = true;
    instance->pool->counts.cold_starts++;
    apply(instance, INSTANCE_LOADED);
    pool_touch(instance->pool);
    scheduler->events->started(scheduler->events_self, instance, ready, NULL);
}

static int64_t init_to_tell(struct instance *instance) {
    if (instance->init_told) {
        return 0;
    }
    instance->init_told = true;
    return instance->init_us;
}

// It has come out of a call.
static void came_out(struct instance *instance) {
    instance->stuck = false;
    instance->still_since_us = 0;
    if (instance->count == 0) {
        instance->idle_since_us = instance->pool->scheduler->clock_us;
        apply(instance, INSTANCE_EMPTIED);
    }
    pool_touch(instance->pool);
}

void instance_on_completed(struct instance *instance, const ow_host_completion *done) {
    struct request *request = find_held(instance, done->id);
    if (request == NULL) {
        came_out(instance); // answered before: cancelled as it ended
        return;
    }
    struct pool *pool = instance->pool;
    int64_t started_us = (int64_t)(done->started_ns / 1000);
    int64_t queued_us = started_us - request->enqueued_us;
    struct verdict verdict = {
        .reason = outcome_reasons[done->outcome],
        .message = done->message,
        .done = done,
        .queued_us = queued_us > 0 ? queued_us : 0,
        .instance_us = (int64_t)((done->finished_ns - done->started_ns) / 1000),
        .init_us = init_to_tell(instance),
        .peak_bytes = done->peak_bytes,
    };
    instance_forget(instance, request);
    instance->completed++;
    pool->backoff.deaths = 0;
    pool_on_call_time(pool, verdict.instance_us);
    came_out(instance);
    pool_answer(pool, request, &verdict);
}

unsigned instance_take_back(struct instance *instance) {
    uint64_t ids[OW_HOST_DEPTH_MAX];
    const struct instance_port *port = instance->pool->scheduler->port;
    unsigned taken = port->reclaim(instance->handle, ids, OW_HOST_DEPTH_MAX);
    for (unsigned i = 0; i < taken && i < OW_HOST_DEPTH_MAX; i++) {
        struct request *request = find_held(instance, ids[i]);
        if (request != NULL) {
            instance_forget(instance, request);
            pool_requeue(instance->pool, request);
        }
    }
    return taken;
}

struct request *instance_running(const struct instance *instance, int64_t *ret_since_us) {
    uint64_t id = 0;
    uint64_t since_ns = 0;
    const struct instance_port *port = instance->pool->scheduler->port;
    if (instance->count == 0 || !port->running(instance->handle, &id, &since_ns)) {
        return NULL;
    }
    if (ret_since_us != NULL) {
        *ret_since_us = (int64_t)(since_ns / 1000);
    }
    return find_held(instance, id);
}

bool instance_idle(const struct instance *instance) {
    return instance->state == INSTANCE_READY && instance->count == 0;
}

void instance_end(struct instance *instance, const char *reason) {
    if (instance->state == INSTANCE_DYING) {
        return;
    }
    instance_take_back(instance);
    instance->killed_for = reason;
    apply(instance, INSTANCE_KILL);
}

bool instance_end_running(struct instance *instance, struct request *request,
                          struct verdict *verdict) {
    struct pool *pool = instance->pool;
    int64_t since_us = 0;
    instance_take_back(instance);
    // After the hand-back nothing else can start in it, unless it already has.
    if (instance->state == INSTANCE_DYING || instance_running(instance, &since_us) != request) {
        return false;
    }
    instance->killed_for = verdict->reason;
    snprintf(instance->killed_request, sizeof instance->killed_request, "%s",
             request->request_id != NULL ? request->request_id : "");
    snprintf(instance->killed_invocation, sizeof instance->killed_invocation, "%s",
             request->invocation_id);
    instance_forget(instance, request);
    apply(instance, INSTANCE_KILL);
    pool_touch(pool);
    int64_t now_us = pool->scheduler->now_us;
    verdict->queued_us = since_us > request->enqueued_us ? since_us - request->enqueued_us : 0;
    verdict->instance_us = now_us > since_us ? now_us - since_us : 0;
    verdict->init_us = init_to_tell(instance);
    pool_on_call_time(pool, verdict->instance_us);
    pool_answer(pool, request, verdict);
    return true;
}

void instance_retire(struct instance *instance) {
    if (instance_idle(instance) || instance->state == INSTANCE_STARTING) {
        instance_end(instance, "retired");
    } else {
        apply(instance, INSTANCE_RETIRE);
    }
}

bool instance_died(const struct instance *instance, const ow_host_exit *exit) {
    if (instance->killed_for != NULL) {
        return strncmp(instance->killed_for, "init_", 5) == 0;
    }
    return exit->end != OW_HOST_END_KILLED && exit->end != OW_HOST_END_ZYGOTE;
}

static bool was_queued(const ow_host_exit *exit, uint64_t id) {
    for (unsigned i = 0; i < exit->queued_count && i < OW_HOST_DEPTH_MAX; i++) {
        if (exit->queued[i] == id) {
            return true;
        }
    }
    return false;
}

static void answer_started(struct instance *instance, struct request *request,
                           const ow_host_exit *exit) {
    struct pool *pool = instance->pool;
    int64_t waited_us = request->submitted_us - request->enqueued_us;
    struct verdict verdict = {
        .reason = instance->loaded ? end_reasons[exit->end] : "init_failed",
        .message = exit->message,
        .exit = exit,
        .queued_us = waited_us > 0 ? waited_us : 0,
        .instance_us = pool->scheduler->now_us - request->submitted_us,
        .init_us = init_to_tell(instance),
        .peak_bytes = exit->peak_bytes,
    };
    pool_answer(pool, request, &verdict);
}

// What it held goes back to the queue or fails, before anybody is told.
static unsigned split_held(struct instance *instance, const ow_host_exit *exit,
                           struct request *ret_started[static OW_HOST_DEPTH_MAX]) {
    unsigned started = 0;
    while (instance->count > 0) {
        struct request *request = instance->held[instance->count - 1];
        instance_forget(instance, request);
        if (was_queued(exit, request->id)) {
            pool_requeue(instance->pool, request);
        } else {
            ret_started[started++] = request;
        }
    }
    return started;
}

static void leave_pool(struct instance *instance) {
    struct pool *pool = instance->pool;
    count(instance, -1);
    unlink_instance(instance);
    pool->count--;
    pool->account->reserved -= pool->settings.memory_bytes;
    pool->scheduler->instances--;
}

void instance_discard(struct instance *instance) {
    leave_pool(instance);
    free(instance);
}

void instance_on_exited(struct instance *instance, const ow_host_exit *exit) {
    struct pool *pool = instance->pool;
    struct scheduler *scheduler = pool->scheduler;
    struct request *started[OW_HOST_DEPTH_MAX];
    pool_touch(pool); // so that it stays while answers are given
    unsigned started_count = split_held(instance, exit, started);
    leave_pool(instance);
    if (!instance->loaded && instance_died(instance, exit)) {
        scheduler->events->started(scheduler->events_self, instance, NULL, exit);
    }
    scheduler->events->gone(scheduler->events_self, instance, exit);
    for (unsigned i = 0; i < started_count; i++) {
        answer_started(instance, started[i], exit);
    }
    pool_on_death(pool, instance, exit);
    free(instance);
}
