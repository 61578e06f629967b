#pragma once

// The host API: methods of the platform's services that functions may call, by a short name each. What
// an instance sends is checked, completed with what it may not choose itself, called by the service's
// stub, and the reply sent back. README.md says how a method is added. Loop thread.

#include "core/error/error.h"
#include "core/metrics/metrics.h"
#include "core/rpc/call.h"
#include "runtimes/host/host.h"
#include "services/runner/nested.h"

struct runner;

// Whose function calls; valid during `admit`.
struct host_api_caller {
    const char *title_id, *virtual_server, *function;
    const ow_principal *principal; // whoever set the function going
    ow_arena *arena;               // of the call
    const ow_call *call;           // the one about to be made: request id, trace, deadline
    struct invocation *run;        // the run that calls; NULL in ow_init
};

struct host_api_row {
    const char *name; // as functions call it: "kv.get"
    const ProtobufCServiceDescriptor *service;
    const char *method;
    enum nested_where where;
    size_t request_max; // bytes of the request as it comes from the instance
    // Completes the request with what the function may not choose, and refuses what it may not ask for:
    // its title is the call's already. Texts that it sets are never freed: static, or of the arena. NULL:
    // as it is.
    ow_code (*admit)(const struct host_api_caller *caller, ProtobufCMessage *request, ow_err *err);
};

// host_api_table.c; ends with name NULL.
extern const struct host_api_row host_api_rows[];

// A row as it is used.
struct host_api_method {
    const struct host_api_row *row;
    ProtobufCService *stub;
    unsigned index; // of the method in its service
    const ProtobufCMessageDescriptor *input;
    ow_counter *calls, *failures;
    ow_histogram *seconds;
};

struct host_api {
    struct host_api_method *methods;
    size_t count;
};

// Finds the stubs. Codes: internal "bad_host_api" (a row names what is not there): a mistake in the table.
ow_code host_api_open(struct runner *runner, ow_err *err);
void host_api_close(struct runner *runner);

// Answers an instance's call of kind OW_HOST_CALL_METHOD, now or later.
void host_api_call(struct runner *runner, struct instance *instance, const ow_host_call *call);

// ---- host_api_fetch.c

ow_code host_api_fetch(const struct host_api_caller *caller, ProtobufCMessage *message,
                       ow_err *err);
// ---- host_api_push.c

ow_code host_api_push(const struct host_api_caller *caller, ProtobufCMessage *request, ow_err *err);

// ---- host_api_publish.c

ow_code host_api_publish(const struct host_api_caller *caller, ProtobufCMessage *request,
                         ow_err *err);

// ---- host_api_kv.c

ow_code host_api_kv_get(const struct host_api_caller *caller, ProtobufCMessage *request,
                        ow_err *err);
ow_code host_api_kv_set(const struct host_api_caller *caller, ProtobufCMessage *request,
                        ow_err *err);
ow_code host_api_kv_delete(const struct host_api_caller *caller, ProtobufCMessage *request,
                           ow_err *err);
ow_code host_api_kv_increment(const struct host_api_caller *caller, ProtobufCMessage *request,
                              ow_err *err);
ow_code host_api_kv_list(const struct host_api_caller *caller, ProtobufCMessage *request,
                         ow_err *err);
ow_code host_api_kv_batch(const struct host_api_caller *caller, ProtobufCMessage *request,
                          ow_err *err);
ow_code host_api_kv_delete_prefix(const struct host_api_caller *caller, ProtobufCMessage *request,
                                  ow_err *err);

// ---- host_api_spawn.c

ow_code host_api_spawn(const struct host_api_caller *caller, ProtobufCMessage *request,
                       ow_err *err);
