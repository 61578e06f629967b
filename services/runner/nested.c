#include <stdio.h>
#include <string.h>

#include "services/runner/internal.h"

// Lives in the arena of its own call.
struct nested {
    struct invocation *parent;
    struct instance *instance; // waits for the answer; NULL: it is gone
    uint32_t number;
    int64_t run_began_us, began_us;
    uint8_t span_id[8];
    ow_call *call;
    invoke_request request;
};

static void note_call(const struct nested *nested, const invoke_response *reply) {
    struct invocation *parent = nested->parent;
    ow_arena *arena = parent->run->call->arena;
    if (parent->settled || parent->host_call_count++ >= HOST_CALLS_MAX) {
        return;
    }
    struct host_call *noted = ow_arena_calloc(arena, 1, sizeof *noted);
    const char *target = ow_arena_printf_in(arena, "%s/%s", nested->request.virtual_server,
                                            nested->request.function);
    const char *reason =
        ow_arena_strdup_in(arena, reply != NULL ? reply->reason : nested->call->err.reason);
    if (noted == NULL || target == NULL || reason == NULL) {
        return;
    }
    *noted = (struct host_call){
        .next = parent->host_calls,
        .target = target,
        .reason = reason,
        .after_us = nested->began_us - nested->run_began_us,
        .duration_us = parent->runner->scheduler.now_us - nested->began_us,
    };
    memcpy(noted->span_id, nested->span_id, sizeof noted->span_id);
    parent->host_calls = noted;
}

static void answer_failure(struct instance *instance, uint32_t number, const char *code,
                           const char *message) {
    (void)ow_host_instance_answer(instance->handle, number, OW_HOST_USER_ERROR, code, message,
                                  strlen(message));
}

static void answer(struct instance *instance, uint32_t number, const invoke_response *reply,
                   const ow_err *err) {
    if (reply == NULL) {
        answer_failure(instance, number, err->reason, err->message);
    } else if (reply->reason[0] == '\0') {
        (void)ow_host_instance_answer(instance->handle, number, OW_HOST_OK, NULL,
                                      reply->payload.data, reply->payload.len);
    } else if (strcmp(reply->reason, "refused") == 0) {
        (void)ow_host_instance_answer(instance->handle, number, OW_HOST_REFUSED,
                                      reply->refusal_code, reply->message, strlen(reply->message));
    } else {
        answer_failure(instance, number, reply->reason, reply->message);
    }
}

static void on_replied(const invoke_response *reply, void *closure_data) {
    ow_call *call = closure_data;
    struct nested *nested = call->user;
    struct invocation *parent = nested->parent;
    note_call(nested, reply);
    if (nested->instance != NULL) {
        nested->instance->user = NULL;
        answer(nested->instance, nested->number, reply, &call->err);
    }
    parent->nested = NULL;
    ow_call_free(call);
    if (parent->settled) {
        invocation_finish(parent);
    }
}

void nested_abandon_of(struct instance *instance) {
    struct nested *nested = instance->user;
    if (nested != NULL) {
        nested->instance = NULL;
        instance->user = NULL;
    }
}

void nested_cancel(struct nested *nested) {
    if (nested->instance != NULL) {
        nested_abandon_of(nested->instance);
    }
    ow_call_cancel(nested->call, OW_CANCELLED);
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
static bool aim(struct nested *nested, const char *target) {
    ow_arena *arena = nested->call->arena;
    const struct pool_entry *entry = nested->parent->entry;
    const invoke_request *cause = nested->parent->run->request;
    invoke_request *request = &nested->request;
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

static ow_code fill(struct nested *nested, const ow_host_call *wanted, ow_err *err) {
    ow_arena *arena = nested->call->arena;
    invoke_request *request = &nested->request;
    overworld__runner__v1__invoke_request__init(request);
    if (!aim(nested, wanted->target)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "invalid", "`%.100s` names no function",
                       wanted->target);
    }
    request->source = ow_arena_strdup_in(arena, "function");
    request->parent_invocation_id = nested->parent->request.invocation_id;
    request->content_type = ow_arena_strdup_in(arena, wanted->content_type);
    request->payload.len = wanted->length;
    request->payload.data = ow_arena_memdup_in(arena, wanted->payload, wanted->length);
    if (request->source == NULL || request->content_type == NULL || request->payload.data == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "overloaded", "no memory for the call");
    }
    return OW_OK;
}

static ow_call *child_of(struct invocation *parent, int64_t limit_us) {
    ow_call *call = ow_call_child(parent->run->call);
    if (call != NULL && limit_us < call->deadline_us) {
        call->deadline_us = limit_us;
    }
    return call;
}

static ow_code begin(struct runner *runner, struct instance *instance, struct invocation *parent,
                     int64_t since_us, const ow_host_call *wanted, ow_err *err) {
    if (parent->run->call->hops >= OW_CALL_MAX_HOPS) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "too_deep", "calls are nested %d deep",
                       OW_CALL_MAX_HOPS);
    }
    ow_call *call = child_of(parent, since_us + instance->pool->settings.timeout_us);
    struct nested *nested = call != NULL ? ow_arena_calloc(call->arena, 1, sizeof *nested) : NULL;
    if (nested == NULL) {
        ow_call_free(call);
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "overloaded", "no memory for the call");
    }
    nested->parent = parent;
    nested->instance = instance;
    nested->number = wanted->number;
    nested->call = call;
    nested->run_began_us = since_us;
    nested->began_us = runner->scheduler.now_us;
    memcpy(nested->span_id, call->trace.span_id, sizeof nested->span_id);
    ow_code code = fill(nested, wanted, err);
    if (code != OW_OK) {
        ow_call_free(call);
        return code;
    }
    call->user = nested;
    parent->nested = nested;
    instance->user = nested;
    overworld__runner__v1__runner__invoke(runner->peers, &nested->request, on_replied, call);
    return OW_OK;
}

void nested_begin(struct runner *runner, struct instance *instance, const ow_host_call *call) {
    int64_t since_us = 0;
    struct request *request = instance_running(instance, &since_us);
    if (call->kind != OW_HOST_CALL_FUNCTION) {
        answer_failure(instance, call->number, "unimplemented", "there is no such host call");
        return;
    }
    if (request == NULL || request->id != call->request) {
        answer_failure(instance, call->number, "invalid", "calls are possible during a call only");
        return;
    }
    struct invocation *parent = invocation_of(request);
    if (instance->user != NULL || parent->nested != NULL) {
        answer_failure(instance, call->number, "invalid", "one call at a time");
        return;
    }
    ow_err err = {0};
    if (begin(runner, instance, parent, since_us, call, &err) != OW_OK) {
        answer_failure(instance, call->number, err.reason, err.message);
    }
}
