#include "services/runner/host_api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/runner/internal.h"

// ---- opening

static const ProtobufCMethodDescriptor *find_method(const struct host_api_row *row,
                                                    unsigned *ret_index) {
    for (unsigned i = 0; i < row->service->n_methods; i++) {
        if (strcmp(row->service->methods[i].name, row->method) == 0) {
            *ret_index = i;
            return &row->service->methods[i];
        }
    }
    return NULL;
}

static ow_code open_method(struct runner *runner, const struct host_api_row *row,
                           struct host_api_method *method, ow_err *err) {
    ow_metrics *metrics = runner->env->metrics;
    ow_metric_labels labels = {{"method"}, {row->name}};
    const ProtobufCMethodDescriptor *found = find_method(row, &method->index);
    method->row = row;
    method->stub = ow_directory_get(runner->env->directory, row->service);
    if (found == NULL || method->stub == NULL) {
        return ow_fail(err, OW_INTERNAL, "bad_host_api", "%s is %s.%s, which is not there",
                       row->name, row->service->name, row->method);
    }
    method->input = found->input;
    method->calls = ow_metrics_counter(metrics, "overworld_runner_host_calls_total",
                                       "Calls of functions to the platform", &labels);
    method->failures =
        ow_metrics_counter(metrics, "overworld_runner_host_call_failures_total",
                           "Calls of functions to the platform that were not done", &labels);
    method->seconds = ow_metrics_histogram(metrics, "overworld_runner_host_call_seconds",
                                           "How long functions waited for the platform", &labels,
                                           &ow_histogram_of_durations);
    return OW_OK;
}

ow_code host_api_open(struct runner *runner, ow_err *err) {
    struct host_api *api = &runner->host_api;
    size_t rows = 0;
    while (host_api_rows[rows].name != NULL) {
        rows++;
    }
    api->methods = calloc(rows, sizeof *api->methods);
    if (api->methods == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for the runner");
    }
    for (api->count = 0; api->count < rows; api->count++) {
        ow_code code =
            open_method(runner, &host_api_rows[api->count], &api->methods[api->count], err);
        if (code != OW_OK) {
            return code;
        }
    }
    return OW_OK;
}

void host_api_close(struct runner *runner) {
    free(runner->host_api.methods);
    runner->host_api = (struct host_api){0};
}

// ---- the answer

// What a function can do something about is a refusal; the rest failed.
static ow_host_outcome outcome_of(ow_code code) {
    switch (code) {
    case OW_INVALID_ARGUMENT:
    case OW_NOT_FOUND:
    case OW_ALREADY_EXISTS:
    case OW_PERMISSION_DENIED:
    case OW_RESOURCE_EXHAUSTED:
    case OW_FAILED_PRECONDITION:
    case OW_ABORTED:
    case OW_OUT_OF_RANGE:
        return OW_HOST_REFUSED;
    default:
        return OW_HOST_USER_ERROR;
    }
}

// The runtimes tell kinds of failures by their code, functions by the reason behind it.
typedef struct code_text {
    char text[OW_REASON_MAX + 32];
} code_text;

static code_text code_of(const ow_err *err) {
    code_text code;
    snprintf(code.text, sizeof code.text, "%s/%s", ow_code_name(err->code), err->reason);
    return code;
}

static void answer_error(struct nested *nested, const ow_err *err) {
    nested_answer(nested, outcome_of(err->code), code_of(err).text, err->message,
                  strlen(err->message));
}

// Of a call that was not opened.
static void refuse(const struct instance *instance, uint32_t number, const ow_err *err) {
    (void)ow_host_instance_answer(instance->handle, number, outcome_of(err->code),
                                  code_of(err).text, err->message, strlen(err->message));
}

static void end(struct nested *nested, const struct host_api_method *method, const char *reason) {
    struct runner *runner = nested->runner;
    runner_tick(runner);
    ow_counter_add(method->calls, 1);
    ow_counter_add(method->failures, reason[0] != '\0');
    ow_histogram_observe(method->seconds, runner->scheduler.now_us - nested->began_us);
    nested_close(nested, reason);
}

static void end_failed(struct nested *nested, const struct host_api_method *method,
                       const ow_err *err) {
    answer_error(nested, err);
    end(nested, method, err->reason);
}

static void on_replied(const ProtobufCMessage *reply, void *closure_data) {
    ow_call *call = closure_data;
    struct nested *nested = call->user;
    const struct host_api_method *method = nested->user;
    if (reply == NULL) {
        end_failed(nested, method, &call->err);
        return;
    }
    size_t size = protobuf_c_message_get_packed_size(reply);
    uint8_t *bytes = ow_arena_alloc(call->arena, size + 1);
    if (bytes == NULL || size > OW_HOST_PAYLOAD_MAX) {
        ow_err err = {0};
        (void)ow_fail(&err, OW_RESOURCE_EXHAUSTED, "reply_too_large",
                      "the reply has %zu bytes, which is too many", size);
        end_failed(nested, method, &err);
        return;
    }
    protobuf_c_message_pack(reply, bytes);
    nested_answer(nested, OW_HOST_OK, NULL, bytes, size);
    end(nested, method, "");
}

// ---- the call

static struct host_api_method *find(struct runner *runner, const char *name) {
    for (size_t i = 0; i < runner->host_api.count; i++) {
        if (strcmp(runner->host_api.methods[i].row->name, name) == 0) {
            return &runner->host_api.methods[i];
        }
    }
    return NULL;
}

// Copied once, looked at then: the instance can write to what it sent.
static ow_code unpack(const struct host_api_method *method, const ow_host_call *wanted,
                      ow_arena *arena, ProtobufCMessage **ret_request, ow_err *err) {
    ProtobufCAllocator storage;
    if (wanted->length > method->row->request_max) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "request_too_large", "%s takes at most %zu bytes",
                       method->row->name, method->row->request_max);
    }
    const uint8_t *bytes = ow_arena_memdup_in(arena, wanted->payload, wanted->length);
    *ret_request =
        bytes != NULL ? protobuf_c_message_unpack(method->input, ow_arena_protobuf(arena, &storage),
                                                  wanted->length, bytes)
                      : NULL;
    return *ret_request != NULL ? OW_OK
                                : ow_fail(err, OW_INVALID_ARGUMENT, "bad_request",
                                          "this is no request of %s", method->row->name);
}

static ow_code admit(const struct nested *nested, const struct instance *instance,
                     ProtobufCMessage *request, ow_err *err) {
    const struct host_api_method *method = nested->user;
    const struct pool_entry *entry = entry_of(instance->pool);
    const struct host_api_caller caller = {
        .title_id = entry->title_id,
        .virtual_server = entry->virtual_server,
        .function = entry->function,
        .principal = nested->call->principal,
        .arena = nested->call->arena,
        .call = nested->call,
        .run = nested->parent,
    };
    return method->row->admit != NULL ? method->row->admit(&caller, request, err) : OW_OK;
}

void host_api_call(struct runner *runner, struct instance *instance, const ow_host_call *call) {
    struct host_api_method *method = find(runner, call->target);
    struct nested *nested = NULL;
    ProtobufCMessage *request = NULL;
    ow_err err = {0};
    ow_code code = method != NULL ? OW_OK
                                  : ow_fail(&err, OW_UNIMPLEMENTED, "no_host_call",
                                            "the platform has no `%.100s`", call->target);
    if (code == OW_OK) {
        code = nested_open(runner, instance, call, method->row->where, &nested, &err);
    }
    if (code != OW_OK) {
        refuse(instance, call->number, &err);
        return;
    }
    nested->user = method;
    code = unpack(method, call, nested->call->arena, &request, &err);
    code = code == OW_OK ? admit(nested, instance, request, &err) : code;
    if (code != OW_OK) {
        end_failed(nested, method, &err);
        return;
    }
    method->stub->invoke(method->stub, method->index, request, on_replied, nested->call);
}
