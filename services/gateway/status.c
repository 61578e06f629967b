// The service Gateway: what the gateway says about itself and the process around it.

#include "services/gateway/internal.h"
#include "services/gateway/pushes.h"
#include "services/gateway/storage.h"

#include <string.h>

#define MICROSECONDS 1000000

typedef struct status_state {
    storage_sizes sizes;
    runner_status_request request;
} status_state;

// The services of the platform, and what the gateway itself knows of those that are elsewhere.
typedef struct known_service {
    const char *name;
    const ow_subscription *stream; // NULL: none
} known_service;

#define KNOWN_SERVICES 9

static void fill_service(const gateway *gw, const known_service *known, service_status *to) {
    const char *culprit = NULL;
    const char *why_not = NULL;
    bool here = ow_modules_chosen(gw->env->modules, known->name);
    to->name = (char *)(uintptr_t)known->name;
    to->where = (char *)(uintptr_t)(here ? "here" : "remote");
    to->ready = known->stream == NULL || known->stream->is_fresh;
    if (!to->ready) {
        to->detail = (char *)(uintptr_t) "its stream to the gateway is down";
    }
    if (here && !ow_modules_ready(gw->env->modules, &culprit, &why_not) && culprit != NULL &&
        strcmp(culprit, known->name) == 0) {
        to->ready = false;
        to->detail = (char *)(uintptr_t)(why_not != NULL ? why_not : "not ready");
    }
}

static ow_code fill_services(const gateway *gw, ow_arena *arena, gateway_status *reply) {
    const known_service known[KNOWN_SERVICES] = {{"gateway", NULL},
                                                 {"identity", &gw->watch_verification},
                                                 {"registry", &gw->watch_routes},
                                                 {"runner", NULL},
                                                 {"push", pushes_stream(gw->pushes)},
                                                 {"telemetry", NULL},
                                                 {"data", NULL},
                                                 {"events", NULL},
                                                 {"timers", NULL}};
    service_status *all = ow_arena_calloc(arena, KNOWN_SERVICES, sizeof *all);
    reply->services = ow_arena_calloc(arena, KNOWN_SERVICES, sizeof *reply->services);
    if (all == NULL || reply->services == NULL) {
        return OW_RESOURCE_EXHAUSTED;
    }
    for (size_t i = 0; i < KNOWN_SERVICES; i++) {
        overworld__gateway__v1__service_status__init(&all[i]);
        fill_service(gw, &known[i], &all[i]);
        reply->services[i] = &all[i];
    }
    reply->n_services = KNOWN_SERVICES;
    return OW_OK;
}

static ow_code fill_self(ow_run *run) {
    const gateway *gw = run->self;
    gateway_status *reply = run->reply;
    ow_arena *arena = run->call->arena;
    reply->version = (char *)(uintptr_t)(gw->env->version != NULL ? gw->env->version : "");
    reply->uptime_s = (ow_loop_now_us(gw->loop) - gw->started_us) / MICROSECONDS;
    reply->public_address =
        ow_arena_strdup_in(arena, ow_http_server_address(gw->public_side.server));
    reply->console_address =
        ow_arena_strdup_in(arena, ow_http_server_address(gw->console_side.server));
    reply->plain_http =
        (char *)(uintptr_t)(gw->config->plain_http == PLAIN_LOOPBACK ? "loopback" : "behind_proxy");
    reply->routes_stale = !gw->watch_routes.is_fresh;
    reply->keys_stale = !gw->watch_verification.is_fresh;
    reply->requests = (int64_t)gw->request_count;
    reply->connections = (int64_t)(ow_http_server_connections(gw->public_side.server) +
                                   ow_http_server_connections(gw->console_side.server));
    reply->records_dropped = (int64_t)ow_batch_dropped(gw->records);
    if (reply->public_address == NULL || reply->console_address == NULL ||
        fill_services(gw, arena, reply) != OW_OK) {
        return ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for a status");
    }
    const status_state *state = run->state;
    return storage_fill(&state->sizes, arena, reply, run->err);
}

// The runner's part is left empty when the runner does not answer: that is a status, too.
static void on_runner(const runner_status *answer, void *closure_data) {
    ow_call *sub = closure_data;
    ow_run *run = sub->user;
    gateway_status *reply = run->reply;
    ow_arena *arena = run->call->arena;
    char *level = NULL;
    char *detail = NULL;
    if (answer != NULL) {
        level = ow_arena_strdup_in(arena, answer->sandbox_level);
        detail = ow_arena_strdup_in(arena, answer->sandbox_detail);
    } else {
        detail = ow_arena_strdup_in(arena, sub->err.message);
        for (size_t i = 0; i < reply->n_services; i++) {
            if (strcmp(reply->services[i]->name, "runner") == 0 && detail != NULL) {
                reply->services[i]->ready = false;
                reply->services[i]->detail = detail;
            }
        }
    }
    reply->sandbox_level = level != NULL ? level : (char *)(uintptr_t) "unknown";
    reply->sandbox_detail = detail != NULL ? detail : (char *)(uintptr_t) "";
    ow_call_free(sub);
    ow_run_resume(run, OW_OK);
}

// A disk that hangs shall not take the doors with it.
static ow_code measure_storage(ow_run *run) {
    const gateway *gw = run->self;
    status_state *state = run->state;
    storage_measure(gw->env->data_folder, &state->sizes);
    return OW_OK;
}

static ow_code get_status(ow_run *run) {
    const gateway *gw = run->self;
    status_state *state = run->state;
    ow_code code = fill_self(run);
    if (code != OW_OK) {
        return code;
    }
    ow_call *sub = ow_call_child(run->call);
    if (sub == NULL) {
        return ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for a call");
    }
    sub->user = run;
    overworld__runner__v1__get_runner_status_request__init(&state->request);
    overworld__runner__v1__runner__get_runner_status(gw->runner, &state->request, on_runner, sub);
    return OW_PENDING;
}

static ow_code purge_routes(ow_run *run) {
    const gateway *gw = run->self;
    const purge_routes_request *request = run->request;
    purge_routes_response *reply = run->reply;
    const char *path = request->path_prefix[0] != '\0' ? request->path_prefix : "/";
    if (request->virtual_server[0] == '\0' || path[0] != '/') {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "invalid",
                       "virtual_server is named, and path_prefix begins with a '/'");
    }
    if (run->call->principal->title[0] == '\0') {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "no_title",
                       "name the title in Overworld-Title");
    }
    const char *prefix = ow_arena_printf_in(
        run->call->arena, "%s/%s%s", run->call->principal->title, request->virtual_server, path);
    if (prefix == NULL) {
        return ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for a name");
    }
    reply->purged = (int64_t)http_cache_purge(gw->http_cache, prefix);
    return OW_OK;
}

static const ow_method gateway_methods[] = {
    {"PurgeRoutes", 0, {{OW_LOOP, purge_routes}}},
    {"GetStatus", sizeof(status_state), {{OW_POOL, measure_storage}, {OW_LOOP, get_status}}},
    {0},
};

ow_code status_service_new(gateway *gw, ow_err *err) {
    ow_service_options options = {.descriptor = &overworld__gateway__v1__gateway__descriptor,
                                  .methods = gateway_methods,
                                  .api = gw->env->api,
                                  .self = gw,
                                  .loop = gw->loop,
                                  .pool = gw->env->pool};
    return ow_service_new(&options, &gw->own_service, err);
}
