#include "services/runner/nested.h"

#include <stdio.h>
#include <string.h>

#include "services/runner/internal.h"

// ---- life

static void note_call(const struct nested *nested, const char *reason) {
    struct invocation *parent = nested->parent;
    if (parent == NULL || parent->settled || parent->host_call_count++ >= HOST_CALLS_MAX) {
        return;
    }
    ow_arena *arena = parent->run->call->arena;
    struct host_call *noted = ow_arena_calloc(arena, 1, sizeof *noted);
    const char *target = ow_arena_strdup_in(arena, nested->target);
    const char *why = ow_arena_strdup_in(arena, reason);
    if (noted == NULL || target == NULL || why == NULL) {
        return;
    }
    *noted = (struct host_call){
        .next = parent->host_calls,
        .target = target,
        .reason = why,
        .after_us = nested->began_us - nested->run_began_us,
        .duration_us = parent->runner->scheduler.now_us - nested->began_us,
    };
    memcpy(noted->span_id, nested->span_id, sizeof noted->span_id);
    parent->host_calls = noted;
}

void nested_refuse(struct instance *instance, uint32_t number, const ow_err *err) {
    (void)ow_host_instance_answer(instance->handle, number, OW_HOST_USER_ERROR, err->reason,
                                  err->message, strlen(err->message));
}

void nested_answer(struct nested *nested, ow_host_outcome outcome, const char *code,
                   const void *data, size_t length) {
    struct instance *instance = nested->instance;
    if (instance != NULL) {
        nested->instance = NULL;
        instance->user = NULL;
        (void)ow_host_instance_answer(instance->handle, nested->number, outcome, code, data,
                                      length);
    }
}

void nested_fail(struct nested *nested, const ow_err *err) {
    nested_answer(nested, OW_HOST_USER_ERROR, err->reason, err->message, strlen(err->message));
}

void nested_close(struct nested *nested, const char *reason) {
    struct invocation *parent = nested->parent;
    note_call(nested, reason);
    ow_call_free(nested->call);
    if (parent != NULL) {
        parent->nested = NULL;
        if (parent->settled) {
            invocation_finish(parent);
        }
    }
}

void nested_abandon_of(struct instance *instance) {
    struct nested *nested = instance->user;
    if (nested == NULL) {
        return;
    }
    nested->instance = NULL;
    instance->user = NULL;
    if (nested->parent == NULL) {
        ow_call_cancel(nested->call, OW_CANCELLED); // nobody else would
    }
}

void nested_cancel(struct nested *nested) {
    if (nested->instance != NULL) {
        nested->instance->user = NULL;
        nested->instance = NULL;
    }
    ow_call_cancel(nested->call, OW_CANCELLED);
}

// ---- the beginning

static ow_call *child_of(struct invocation *parent, int64_t limit_us) {
    ow_call *call = ow_call_child(parent->run->call);
    if (call != NULL && limit_us < call->deadline_us) {
        call->deadline_us = limit_us;
    }
    return call;
}

// In ow_init nobody asks: the platform does, for the title.
static ow_call *call_of_init(struct runner *runner, struct instance *instance) {
    ow_principal platform = {.kind = OW_PLATFORM};
    snprintf(platform.title, sizeof platform.title, "%s", entry_of(instance->pool)->title_id);
    ow_call_options options = {.principal = &platform,
                               .request_id = instance->cause[0] != '\0' ? instance->cause : NULL,
                               .timeout_us = runner->config->init_limit};
    return ow_call_new(runner->loop, &options);
}

// The run that the instance is in, NULL in ow_init. False: it may not call now.
static bool find_parent(struct instance *instance, const ow_host_call *wanted,
                        enum nested_where where, struct invocation **ret_parent,
                        int64_t *ret_since_us) {
    struct request *request = instance_running(instance, ret_since_us);
    if (request != NULL && request->id == wanted->request) {
        *ret_parent = invocation_of(request);
        return true;
    }
    *ret_parent = NULL;
    *ret_since_us = instance->spawned_us;
    return where == NESTED_IN_INIT_TOO && wanted->request == 0 && !instance->loaded;
}

static ow_code check(const struct instance *instance, const struct invocation *parent,
                     ow_err *err) {
    if (instance->user != NULL || (parent != NULL && parent->nested != NULL)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "invalid", "one call at a time");
    }
    if (parent != NULL && parent->run->call->hops >= OW_CALL_MAX_HOPS) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "too_deep", "calls are nested %d deep",
                       OW_CALL_MAX_HOPS);
    }
    return OW_OK;
}

ow_code nested_open(struct runner *runner, struct instance *instance, const ow_host_call *wanted,
                    enum nested_where where, struct nested **ret_nested, ow_err *err) {
    struct invocation *parent = NULL;
    int64_t since_us = 0;
    if (!find_parent(instance, wanted, where, &parent, &since_us)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "invalid",
                       "calls are possible during a call only");
    }
    if (check(instance, parent, err) != OW_OK) {
        return err->code;
    }
    ow_call *call = parent != NULL
                        ? child_of(parent, since_us + instance->pool->settings.timeout_us)
                        : call_of_init(runner, instance);
    struct nested *nested = call != NULL ? ow_arena_calloc(call->arena, 1, sizeof *nested) : NULL;
    const char *target = nested != NULL ? ow_arena_strdup_in(call->arena, wanted->target) : NULL;
    if (target == NULL) {
        ow_call_free(call);
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "overloaded", "no memory for the call");
    }
    *nested = (struct nested){.runner = runner,
                              .parent = parent,
                              .instance = instance,
                              .number = wanted->number,
                              .target = target,
                              .run_began_us = since_us,
                              .began_us = runner->scheduler.now_us,
                              .call = call};
    memcpy(nested->span_id, call->trace.span_id, sizeof nested->span_id);
    call->user = nested;
    instance->user = nested;
    if (parent != NULL) {
        parent->nested = nested;
    }
    *ret_nested = nested;
    return OW_OK;
}

// ---- other functions

static void answer(struct nested *nested, const invoke_response *reply, const ow_err *err) {
    if (reply == NULL) {
        nested_fail(nested, err);
    } else if (reply->reason[0] == '\0') {
        nested_answer(nested, OW_HOST_OK, NULL, reply->payload.data, reply->payload.len);
    } else if (strcmp(reply->reason, "refused") == 0) {
        nested_answer(nested, OW_HOST_REFUSED, reply->refusal_code, reply->message,
                      strlen(reply->message));
    } else {
        nested_answer(nested, OW_HOST_USER_ERROR, reply->reason, reply->message,
                      strlen(reply->message));
    }
}

static void on_replied(const invoke_response *reply, void *closure_data) {
    ow_call *call = closure_data;
    struct nested *nested = call->user;
    answer(nested, reply, &call->err);
    nested_close(nested, reply != NULL ? reply->reason : call->err.reason);
}

static bool all_there(const invoke_request *request) {
    const char *const texts[] = {request->virtual_server, request->function, request->qualifier,
                                 request->revision_id, request->routing_key};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i] == NULL) {
            return false;
        }
    }
    return request->virtual_server[0] != '\0' && request->function[0] != '\0' &&
           strchr(request->function, '/') == NULL;
}

// "function" of the caller's own virtual server, at the caller's own revision, or
// "virtual_server/function" by its default name.
static bool aim(const struct nested *nested, const char *target, invoke_request *request) {
    ow_arena *arena = nested->call->arena;
    const struct pool_entry *entry = nested->parent->entry;
    const invoke_request *cause = nested->parent->run->request;
    const char *slash = strchr(target, '/');
    request->virtual_server = slash != NULL
                                  ? ow_arena_memdup_in(arena, target, (size_t)(slash - target))
                                  : ow_arena_strdup_in(arena, entry->virtual_server);
    request->function = ow_arena_strdup_in(arena, slash != NULL ? slash + 1 : target);
    bool own = request->virtual_server != NULL &&
               strcmp(request->virtual_server, entry->virtual_server) == 0;
    request->qualifier = ow_arena_strdup_in(arena, own ? cause->qualifier : "$DEFAULT");
    request->revision_id = ow_arena_strdup_in(arena, own ? entry->revision_id : "");
    request->routing_key = ow_arena_strdup_in(arena, cause->routing_key);
    return all_there(request);
}

static ow_code fill(struct nested *nested, const ow_host_call *wanted, invoke_request *request,
                    ow_err *err) {
    ow_arena *arena = nested->call->arena;
    overworld__runner__v1__invoke_request__init(request);
    if (!aim(nested, wanted->target, request)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "invalid", "`%.100s` names no function",
                       wanted->target);
    }
    const char *target =
        ow_arena_printf_in(arena, "%s/%s", request->virtual_server, request->function);
    request->source = ow_arena_strdup_in(arena, "function");
    request->parent_invocation_id = nested->parent->request.invocation_id;
    request->depth =
        ((const Overworld__Runner__V1__InvokeRequest *)nested->parent->run->request)->depth;
    request->content_type = ow_arena_strdup_in(arena, wanted->content_type);
    request->payload.len = wanted->length;
    request->payload.data = ow_arena_memdup_in(arena, wanted->payload, wanted->length);
    if (target == NULL || request->source == NULL || request->content_type == NULL ||
        request->payload.data == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "overloaded", "no memory for the call");
    }
    nested->target = target;
    return OW_OK;
}

void nested_begin(struct runner *runner, struct instance *instance, const ow_host_call *call) {
    struct nested *nested = NULL;
    ow_err err = {0};
    if (nested_open(runner, instance, call, NESTED_IN_RUN, &nested, &err) != OW_OK) {
        nested_refuse(instance, call->number, &err);
        return;
    }
    invoke_request *request = ow_arena_calloc(nested->call->arena, 1, sizeof *request);
    ow_code code = request != NULL ? fill(nested, call, request, &err)
                                   : ow_fail(&err, OW_RESOURCE_EXHAUSTED, "overloaded",
                                             "no memory for the call");
    if (code != OW_OK) {
        nested_fail(nested, &err);
        nested_close(nested, err.reason);
        return;
    }
    overworld__runner__v1__runner__invoke(runner->peers, request, on_replied, nested->call);
}
