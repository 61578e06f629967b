#include "services/runner/invoke.h"

#include <stdio.h>
#include <string.h>

#include "core/json/check.h"
#include "services/runner/internal.h"

#define PARK_US 2000000       // for the table to catch up with the caller's
#define PARK_FIRST_US 5000000 // for the first table to come
#define PARKED_MAX 1000
#define TEXT_MAX 4096

static int64_t wall_us(const struct runner *runner) {
    return ow_clock_wall_us(runner->env->clock);
}

static struct record_owner owner_of(const struct invocation *invocation) {
    const struct pool_entry *entry = invocation->entry;
    return (struct record_owner){
        .request_id = invocation->run->call->request_id,
        .title_id = entry->title_id,
        .invocation_id = invocation->request.invocation_id,
        .virtual_server = entry->virtual_server,
        .function = entry->function,
        .version = entry->version,
    };
}

static char *borrow(const char *text) {
    return (char *)(uintptr_t)(text != NULL ? text : "");
}

// ---- what is recorded

static void list_host_calls(const struct invocation *invocation, host_call_msg *calls,
                            host_call_msg **list, invocation_record *run) {
    size_t count = 0;
    for (const struct host_call *at = invocation->host_calls; at != NULL; at = at->next) {
        host_call_msg *call = &calls[count];
        overworld__telemetry__v1__host_call__init(call);
        memcpy(&call->span_id, at->span_id, sizeof call->span_id);
        call->target = borrow(at->target);
        call->reason = borrow(at->reason);
        call->after_us = at->after_us;
        call->duration_us = at->duration_us;
        list[count++] = call;
    }
    run->host_calls = list;
    run->n_host_calls = count;
    run->host_calls_dropped = invocation->host_call_count - (int64_t)count;
}

static void record(struct invocation *invocation, const struct verdict *verdict) {
    struct records *records = invocation->runner->records;
    const invoke_request *request = invocation->run->request;
    struct record_owner owner = owner_of(invocation);
    invocation_record run = OVERWORLD__TELEMETRY__V1__INVOCATION_RECORD__INIT;
    char stack[2048];
    char message[512] = "";
    bool at_init = strcmp(verdict->reason, "init_failed") == 0;
    const ow_host_log *log = verdict->done != NULL               ? &verdict->done->log
                             : verdict->exit != NULL && !at_init ? &verdict->exit->log
                                                                 : NULL;
    if (log != NULL) {
        records_add_lines(records, &owner, log);
        run.lines_dropped = (int64_t)log->lines_lost;
    }
    if (verdict->exit != NULL) {
        run.stack = stack_text(stack, sizeof stack, verdict->exit);
    }
    if (verdict->message != NULL && verdict->message[0] != '\0') {
        run.message =
            clean_text(message, sizeof message, verdict->message, strlen(verdict->message));
    }
    run.parent_invocation_id = request->parent_invocation_id;
    run.source = request->source;
    run.qualifier = request->qualifier;
    run.revision_id = borrow(invocation->entry->revision_id);
    run.reason = borrow(verdict->reason);
    run.queued_us = verdict->queued_us;
    run.duration_us = verdict->instance_us;
    run.init_us = verdict->init_us;
    run.peak_memory_bytes = (int64_t)verdict->peak_bytes;
    run.memory_mb = (int32_t)(invocation->entry->pool.settings.memory_bytes >> 20);
    owner.trace = &invocation->trace;
    owner.parent_span = invocation->parent_span;
    owner.trace_state = invocation->run->call->tracestate;
    host_call_msg calls[HOST_CALLS_MAX];
    host_call_msg *list[HOST_CALLS_MAX];
    list_host_calls(invocation, calls, list, &run);
    records_add_run(records, &owner, &run);
}

static void count(struct invocation *invocation, const struct verdict *verdict) {
    const invoke_request *request = invocation->run->request;
    series_count(&invocation->entry->series, request->qualifier, series_reason_of(verdict->reason),
                 verdict->done != NULL ? verdict->instance_us : -1);
}

// ---- the reply

static char *text_in(ow_arena *arena, const char *text, ow_code *code) {
    char clean[TEXT_MAX];
    if (text == NULL || text[0] == '\0') {
        return borrow("");
    }
    char *copy = ow_arena_strdup_in(
        arena, clean_text(clean, sizeof clean, text, strnlen(text, sizeof clean - 1)));
    if (copy == NULL) {
        *code = OW_RESOURCE_EXHAUSTED;
    }
    return copy != NULL ? copy : borrow("");
}

static ow_code fill_success(ow_arena *arena, const ow_host_completion *done,
                            invoke_response *reply) {
    ow_code code = OW_OK;
    reply->content_type = text_in(arena, done->content_type, &code);
    reply->payload.len = done->length;
    // The one copy out of memory that the instance can still write to.
    reply->payload.data = ow_arena_memdup_in(arena, done->data, done->length);
    return reply->payload.data != NULL ? code : OW_RESOURCE_EXHAUSTED;
}

static ow_code fill_failure(ow_arena *arena, const struct verdict *verdict,
                            invoke_response *reply) {
    ow_code code = OW_OK;
    const ow_host_completion *done = verdict->done;
    reply->message = text_in(arena, verdict->message, &code);
    if (done != NULL && done->outcome == OW_HOST_REFUSED) {
        reply->refusal_code = text_in(arena, done->code, &code);
        size_t length = strlen(done->details);
        if (length > 0 && ow_json_check(done->details, length, OW_JSON_MAX_DEPTH, NULL) == OW_OK) {
            reply->details_json = ow_arena_memdup_in(arena, done->details, length);
            code = reply->details_json == NULL ? OW_RESOURCE_EXHAUSTED : code;
        }
    }
    if (verdict->exit != NULL) {
        char stack[2048];
        reply->stack = text_in(arena, stack_text(stack, sizeof stack, verdict->exit), &code);
    }
    return code;
}

static ow_code fill_reply(struct invocation *invocation, const struct verdict *verdict) {
    ow_run *run = invocation->run;
    ow_arena *arena = run->call->arena;
    invoke_response *reply = run->reply;
    const struct pool_entry *entry = invocation->entry;
    ow_code code = OW_OK;
    reply->invocation_id = invocation->request.invocation_id;
    reply->reason = borrow(verdict->reason); // all reasons are static
    reply->version = entry->version;
    // Copied: the pool may be gone before the call is.
    char *revision_id = ow_arena_strdup_in(arena, entry->revision_id);
    reply->revision_id = revision_id != NULL ? revision_id : borrow("");
    code = revision_id != NULL ? OW_OK : OW_RESOURCE_EXHAUSTED;
    reply->queued_us = verdict->queued_us;
    reply->instance_us = verdict->instance_us;
    reply->cold = verdict->init_us > 0;
    reply->retry_after_s = verdict->retry_after_s;
    if (code == OW_OK) {
        code = verdict->reason[0] == '\0' ? fill_success(arena, verdict->done, reply)
                                          : fill_failure(arena, verdict, reply);
    }
    return code == OW_OK ? OW_OK
                         : ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "no_memory",
                                   "the reply does not fit the call's memory");
}

// ---- the end

static void resume(struct invocation *invocation) {
    ow_run *run = invocation->run;
    invocation->runner->running--;
    run->call->on_cancel = NULL;
    ow_run_resume(run, invocation->code);
}

void invocation_finish(struct invocation *invocation) {
    struct runner *runner = invocation->runner;
    invocation->settled = true;
    if (invocation->nested != NULL) {
        nested_cancel(invocation->nested); // comes back here when it has ended
        return;
    }
    if (runner->cancelling > 0) {
        invocation->next = runner->settled;
        runner->settled = invocation;
        runner_wake(runner);
        return;
    }
    resume(invocation);
}

void invoke_resume_settled(struct runner *runner) {
    while (runner->settled != NULL) {
        struct invocation *invocation = runner->settled;
        runner->settled = invocation->next;
        resume(invocation);
    }
}

static ow_code cancelled_code(ow_run *run) {
    if (run->err->code == OW_OK) {
        ow_fail(run->err, OW_CANCELLED, "cancelled", "the caller went away");
    }
    return run->err->code;
}

static void on_answered(void *self, struct request *request, const struct verdict *verdict) {
    struct invocation *invocation = invocation_of(request);
    (void)self;
    record(invocation, verdict);
    count(invocation, verdict);
    if (invocation->run->call->cancelled) {
        invocation->code = cancelled_code(invocation->run);
    } else if (strcmp(verdict->reason, "stopping") == 0) {
        invocation->code =
            ow_fail(invocation->run->err, OW_UNAVAILABLE, "stopping", "%s", verdict->message);
    } else {
        invocation->code = fill_reply(invocation, verdict);
    }
    invocation_finish(invocation);
}

// ---- what instances are told and tell

static void on_describe(void *self, const struct request *request, ow_host_request *description) {
    const struct invocation *invocation = (const struct invocation *)request;
    const invoke_request *wanted = invocation->run->request;
    const ow_call *call = invocation->run->call;
    description->wall_us = wall_us(self);
    description->request_id = call->request_id;
    description->invocation_id = request->invocation_id;
    description->traceparent = invocation->traceparent;
    description->source = wanted->source;
    description->player = call->principal->kind == OW_PLAYER ? call->principal->id : "";
    description->principal = invocation->principal;
    description->virtual_server = invocation->entry->virtual_server;
    description->function = invocation->entry->function;
    description->version = invocation->entry->version_text;
    description->content_type = wanted->content_type;
    description->execution_id = wanted->execution_id;
    description->attempt = wanted->attempt;
    description->payload = wanted->payload.data;
    description->payload_length = wanted->payload.len;
}

static struct record_owner owner_of_instance(const struct instance *instance,
                                             const char *request_id, const char *invocation_id) {
    const struct pool_entry *entry = entry_of(instance->pool);
    return (struct record_owner){
        .request_id = request_id,
        .title_id = entry->title_id,
        .invocation_id = invocation_id,
        .virtual_server = entry->virtual_server,
        .function = entry->function,
        .version = entry->version,
    };
}

// A start has a record of its own, found by the request that it was made for.
static void on_started(void *self, struct instance *instance, const ow_host_ready *ready,
                       const ow_host_exit *exit) {
    struct runner *runner = self;
    char id[OW_ID_MAX];
    char stack[2048];
    char message[512];
    ow_id_make(id, "inv_", wall_us(runner));
    struct record_owner owner = owner_of_instance(instance, instance->cause, id);
    invocation_record run = OVERWORLD__TELEMETRY__V1__INVOCATION_RECORD__INIT;
    run.init_only = true;
    run.revision_id = borrow(entry_of(instance->pool)->revision_id);
    run.memory_mb = (int32_t)(instance->pool->settings.memory_bytes >> 20);
    run.lines_dropped = (int64_t)(ready != NULL ? ready->log.lines_lost : exit->log.lines_lost);
    if (ready != NULL) {
        records_add_lines(runner->records, &owner, &ready->log);
        run.init_us = (int64_t)(ready->init_ns / 1000) + 1;
        run.peak_memory_bytes = (int64_t)ready->peak_bytes;
    } else {
        records_add_lines(runner->records, &owner, &exit->log);
        run.init_us = runner->scheduler.now_us - instance->spawned_us + 1;
        run.peak_memory_bytes = (int64_t)exit->peak_bytes;
        run.reason = borrow("init_failed");
        run.message = clean_text(message, sizeof message, exit->message, strlen(exit->message));
        run.stack = stack_text(stack, sizeof stack, exit);
    }
    records_add_run(runner->records, &owner, &run);
}

static void on_gone(void *self, struct instance *instance, const ow_host_exit *exit) {
    struct runner *runner = self;
    pools_on_gone(entry_of(instance->pool));
    nested_abandon_of(instance);
    secrets_abandon_of(runner, instance);
    if (instance->killed_invocation[0] != '\0') {
        // Its request was answered when it was killed; its output came only now.
        struct record_owner owner =
            owner_of_instance(instance, instance->killed_request, instance->killed_invocation);
        records_add_lines(runner->records, &owner, &exit->log);
    }
}

const struct scheduler_events invoke_events = {
    .answered = on_answered,
    .describe = on_describe,
    .started = on_started,
    .gone = on_gone,
};

// ---- the beginning

static ow_code answer_now(struct invocation *invocation, const char *reason, const char *message) {
    invoke_response *reply = invocation->run->reply;
    reply->invocation_id = invocation->request.invocation_id;
    reply->reason = borrow(reason);
    reply->message = borrow(message);
    reply->retry_after_s = 1;
    return OW_OK;
}

// The caller knows a revision that has not come here yet. What a revision has never changes.
static bool is_behind(const struct invocation *invocation) {
    const struct runner *runner = invocation->runner;
    const invoke_request *request = invocation->run->request;
    struct route_key key = {invocation->run->call->principal->title, request->virtual_server,
                            request->function, request->revision_id};
    return request->revision_id[0] != '\0' &&
           !routes_know(&runner->routes, &key, runner->scheduler.now_us);
}

static bool may_park(const struct invocation *invocation) {
    const struct runner *runner = invocation->runner;
    bool behind = !runner->routes.complete || is_behind(invocation);
    int64_t patience_us = runner->routes.complete ? PARK_US : PARK_FIRST_US;
    int64_t waited_us = runner->scheduler.now_us - invocation->parked_us;
    bool in_time = invocation->parked_us == 0 || waited_us < patience_us;
    return behind && in_time && !runner->draining && runner->parked_count < PARKED_MAX &&
           invocation->request.deadline_us > runner->scheduler.now_us;
}

static void park(struct invocation *invocation) {
    struct runner *runner = invocation->runner;
    if (invocation->parked_us == 0) {
        invocation->parked_us = runner->scheduler.now_us;
    }
    invocation->parked = true;
    invocation->next = runner->parked;
    runner->parked = invocation;
    runner->parked_count++;
    runner_need_maintenance(runner);
}

static void unpark(struct invocation *invocation) {
    struct runner *runner = invocation->runner;
    struct invocation **at = &runner->parked;
    while (*at != invocation) {
        at = &(*at)->next;
    }
    *at = invocation->next;
    invocation->parked = false;
    runner->parked_count--;
}

// Queues it, parks it (both OW_PENDING), or ends it.
static ow_code place(struct invocation *invocation) {
    struct runner *runner = invocation->runner;
    ow_run *run = invocation->run;
    invocation->entry = pools_get(&runner->pools, run->call, run->request, run->err);
    if (invocation->entry == NULL) {
        if (run->err->code == OW_NOT_FOUND && may_park(invocation)) {
            *run->err = (ow_err){0};
            park(invocation);
            return OW_PENDING;
        }
        if (run->err->code == OW_RESOURCE_EXHAUSTED) {
            *run->err = (ow_err){0};
            return answer_now(invocation, "overloaded", "this runner serves no more functions");
        }
        if (!runner->routes.complete) {
            return ow_fail(run->err, OW_UNAVAILABLE, "no_routes",
                           "the runner has not heard from registry yet");
        }
        return run->err->code;
    }
    if (!pool_enqueue(&invocation->entry->pool, &invocation->request)) {
        const invoke_request *request = run->request;
        series_count(&invocation->entry->series, request->qualifier, SERIES_THROTTLED, -1);
        return answer_now(invocation, "throttled", "too many calls of this function are waiting");
    }
    runner_wake(runner);
    return OW_PENDING;
}

static void on_cancel(ow_call *call, void *self) {
    struct invocation *invocation = self;
    struct runner *runner = invocation->runner;
    if (invocation->settled) {
        return;
    }
    runner_tick(runner);
    runner->cancelling++;
    if (invocation->parked) {
        unpark(invocation);
        invocation->code = cancelled_code(invocation->run);
        invocation_finish(invocation);
    } else {
        bool late = call->err.code == OW_DEADLINE_EXCEEDED;
        pool_cancel(invocation->request.pool, &invocation->request, late ? "timeout" : "cancelled");
    }
    runner->cancelling--;
}

static ow_code check(const struct runner *runner, ow_run *run) {
    const invoke_request *request = run->request;
    if (run->call->principal->title[0] == '\0') {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "no_title", "a call names its title");
    }
    if (request->virtual_server[0] == '\0' || request->function[0] == '\0') {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "invalid",
                       "virtual_server and function are needed");
    }
    // What runs may finish, and what it calls belongs to it.
    if (runner->draining && strcmp(request->source, "function") != 0) {
        return ow_fail(run->err, OW_UNAVAILABLE, "stopping", "the runner is stopping");
    }
    return OW_OK;
}

static char *append(char *at, const char *text) {
    size_t size = strlen(text);
    memcpy(at, text, size + 1);
    return at + size;
}

// On the path of every call, where printf would cost as much as placing it.
static void describe_principal(const ow_principal *principal,
                               char text[static PRINCIPAL_TEXT_MAX]) {
    static const char *const kinds[] = {
        [OW_NOBODY] = "nobody",     [OW_PLAYER] = "player",     [OW_SERVER] = "server",
        [OW_OPERATOR] = "operator", [OW_PLATFORM] = "platform",
    };
    char *at = append(append(text, "{\"kind\":\""), kinds[principal->kind]);
    append(append(append(at, "\",\"id\":\""), principal->id), "\"}");
}

ow_code invoke_step(ow_run *run) {
    struct runner *runner = run->self;
    const invoke_request *request = run->request;
    struct invocation *invocation = run->state;
    ow_call *call = run->call;
    runner_tick(runner);
    ow_code code = check(runner, run);
    if (code != OW_OK) {
        return code;
    }
    invocation->runner = runner;
    invocation->run = run;
    invocation->request.deadline_us = call->deadline_us;
    invocation->request.bytes = request->payload.len;
    invocation->request.request_id = call->request_id;
    ow_id_make(invocation->request.invocation_id, "inv_", wall_us(runner));
    if (request->payload.len > OW_HOST_PAYLOAD_MAX) {
        return answer_now(invocation, "payload_too_large", "a payload has at most 6 MB");
    }
    // What the run asks for stands below the run, not below its caller.
    memcpy(invocation->parent_span, call->trace.span_id, sizeof invocation->parent_span);
    ow_trace_new_span(&call->trace);
    invocation->trace = call->trace;
    ow_trace_format(invocation->traceparent, &call->trace);
    describe_principal(call->principal, invocation->principal);
    code = place(invocation);
    if (code == OW_PENDING) {
        runner->running++;
        call->on_cancel = on_cancel;
        call->on_cancel_self = invocation;
    }
    return code;
}

// ---- waiting for the routing table

void invoke_retry_parked(struct runner *runner) {
    struct invocation *invocation = runner->parked;
    runner->parked = NULL;
    runner->parked_count = 0;
    while (invocation != NULL) {
        struct invocation *next = invocation->next;
        invocation->parked = false;
        ow_code code = place(invocation);
        if (code != OW_PENDING) {
            invocation->code = code;
            invocation->next = runner->settled;
            invocation->settled = true;
            runner->settled = invocation;
            runner_wake(runner);
        }
        invocation = next;
    }
}

void invoke_expire_parked(struct runner *runner) {
    if (runner->parked != NULL) {
        invoke_retry_parked(runner); // may_park says no to those who waited long enough
    }
}

void invoke_abandon_all(struct runner *runner) {
    for (struct pool *at = runner->scheduler.pools; at != NULL; at = at->next) {
        pool_abandon(at, "stopping", "the runner is stopping");
    }
    while (runner->parked != NULL) {
        struct invocation *invocation = runner->parked;
        unpark(invocation);
        invocation->code =
            ow_fail(invocation->run->err, OW_UNAVAILABLE, "stopping", "the runner is stopping");
        invocation_finish(invocation);
    }
}
