// What functions put into the queue: functions of their title, for whoever set them going, one deeper in
// the chain.

#include <string.h>

#include "overworld/events/v1/queue.pb-c.h"
#include "services/runner/host_api.h"
#include "services/runner/internal.h"

#define SPAWNED_MAX 100

typedef Overworld__Events__V1__EnqueueRequest enqueue_request;
typedef Overworld__Events__V1__NewExecution new_execution;
typedef Overworld__Events__V1__Destination destination;

static char *text_of(const char *text) {
    return (char *)(uintptr_t)text;
}

// One virtual server's keys are not another's, nor those of the platform.
static ow_code own_key(const struct host_api_caller *caller, new_execution *wanted, ow_err *err) {
    if (wanted->deduplication_key[0] == '\0') {
        return OW_OK;
    }
    wanted->deduplication_key = ow_arena_printf_in(
        caller->arena, "spawn:%s:%s", caller->virtual_server, wanted->deduplication_key);
    return wanted->deduplication_key != NULL
               ? OW_OK
               : ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for the call");
}

// What is other services' to say: a URL and a subscription would have the platform sign and send in the name of
// a subscription that is not the function's, and with its concurrency a function would lift its own.
static void clear_foreign(new_execution *wanted) {
    wanted->url = text_of("");
    wanted->subscription_key = text_of("");
    wanted->concurrency = 0;
    wanted->due = NULL;
}

// What everybody is given of a virtual server that this copy of the routes does not know.
static bool may_name_unknown(const char *qualifier, ow_principal_kind kind) {
    return strcmp(qualifier, "$DEFAULT") == 0 || kind == OW_OPERATOR || kind == OW_PLATFORM;
}

// A function names for whoever set it going, so no more than they may. A virtual server that is not there is the
// queue's to report; it may also be there by the time that the queue comes to it, so no other name passes. "" is
// named by nobody: the queue's default.
static ow_code check_qualifier(const struct host_api_caller *caller, const char *virtual_server,
                               const char *qualifier, ow_err *err) {
    ow_principal_kind kind = caller->principal->kind;
    const server_routes *server =
        routes_server(&caller->run->runner->routes, caller->title_id, virtual_server);
    bool may = qualifier[0] == '\0' || (server != NULL ? routes_may_name(server, qualifier, kind)
                                                       : may_name_unknown(qualifier, kind));
    return may ? OW_OK
               : ow_fail(err, OW_PERMISSION_DENIED, "not_exposed",
                         "%.60s of %.60s is not for whoever set this function going", qualifier,
                         virtual_server);
}

// Who is told of the end is set going by the same caller.
static ow_code check_destination(const struct host_api_caller *caller, const destination *told,
                                 ow_err *err) {
    return told != NULL ? check_qualifier(caller, told->virtual_server, told->qualifier, err)
                        : OW_OK;
}

static ow_code complete(const struct host_api_caller *caller, new_execution *wanted, ow_err *err) {
    const invoke_request *cause = caller->run->run->request;
    bool is_own = wanted->virtual_server[0] == '\0' ||
                  strcmp(wanted->virtual_server, caller->virtual_server) == 0;
    if (wanted->virtual_server[0] == '\0') {
        wanted->virtual_server = text_of(caller->virtual_server);
    }
    ow_code code = OW_OK;
    if (wanted->qualifier[0] == '\0') {
        wanted->qualifier = text_of(is_own ? cause->qualifier : "$DEFAULT");
    } else {
        code = check_qualifier(caller, wanted->virtual_server, wanted->qualifier, err);
    }
    code = code == OW_OK ? check_destination(caller, wanted->on_success, err) : code;
    code = code == OW_OK ? check_destination(caller, wanted->on_failure, err) : code;
    clear_foreign(wanted);
    wanted->source = text_of("function");
    wanted->principal = NULL; // the call's own: whoever set the function going
    wanted->trigger_id = text_of("");
    wanted->routing_key = text_of(cause->routing_key);
    wanted->depth = cause->depth;
    return code == OW_OK ? own_key(caller, wanted, err) : code;
}

ow_code host_api_spawn(const struct host_api_caller *caller, ProtobufCMessage *request,
                       ow_err *err) {
    enqueue_request *enqueue = (enqueue_request *)request;
    if (enqueue->n_executions == 0 || enqueue->n_executions > SPAWNED_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "invalid", "1 to %d executions at once",
                       SPAWNED_MAX);
    }
    ow_code code = OW_OK;
    for (size_t i = 0; code == OW_OK && i < enqueue->n_executions; i++) {
        code = complete(caller, enqueue->executions[i], err);
    }
    return code;
}
