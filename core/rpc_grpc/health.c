// grpc.health.v1: https://github.com/grpc/grpc/blob/master/doc/health-checking.md

#include "core/rpc_grpc/internal.h"

#include "grpc/health/v1/health.pb-c.h"

#include <stdlib.h>
#include <string.h>

enum { WATCHERS_MAX = 256 };

// The index of Watch in the descriptor; the other method is Check.
enum { WATCH = 1 };

typedef Grpc__Health__V1__HealthCheckRequest check_request;
typedef Grpc__Health__V1__HealthCheckResponse check_response;
typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus serving_status;

#define SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
#define NOT_SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING
#define SERVICE_UNKNOWN GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN

// In the arena of the watching call.
typedef struct watcher {
    health *health;
    ow_call *call;
    ProtobufCClosure closure;
    const char *service;
    serving_status told;
    struct watcher *next, *prev;
} watcher;

struct health {
    ProtobufCService base; // first
    ow_grpc *grpc;
    watcher *watchers;
    int count;
};

static serving_status status_of(const ow_grpc *g, const char *service) {
    serving_status status = *service == '\0' ? SERVING : SERVICE_UNKNOWN;
    for (const offer *o = g->offers; o != NULL; o = o->next) {
        if (*service == '\0' && !o->serving) {
            status = NOT_SERVING;
        } else if (strcmp(o->service->descriptor->name, service) == 0) {
            status = o->serving ? SERVING : NOT_SERVING;
        }
    }
    return g->draining && status == SERVING ? NOT_SERVING : status;
}

static void tell(watcher *w, serving_status status) {
    check_response response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    response.status = w->told = status;
    w->closure(&response.base, w->call); // may end the watch
}

static void on_cancel(ow_call *call, void *self) {
    watcher *w = self;
    if (w->prev != NULL) {
        w->prev->next = w->next;
    } else {
        w->health->watchers = w->next;
    }
    if (w->next != NULL) {
        w->next->prev = w->prev;
    }
    w->health->count--;
    w->closure(NULL, call);
}

static void watch(health *h, const check_request *request, ProtobufCClosure closure,
                  ow_call *call) {
    watcher *w = h->count < WATCHERS_MAX ? ow_arena_calloc(call->arena, 1, sizeof *w) : NULL;
    if (w == NULL) {
        ow_fail(&call->err, OW_RESOURCE_EXHAUSTED, "overloaded", "too many watch already");
        closure(NULL, call);
        return;
    }
    w->health = h;
    w->call = call;
    w->closure = closure;
    w->service = request->service; // as long as the call
    w->next = h->watchers;
    if (w->next != NULL) {
        w->next->prev = w;
    }
    h->watchers = w;
    h->count++;
    call->on_cancel = on_cancel;
    call->on_cancel_self = w;
    tell(w, status_of(h->grpc, w->service));
}

static void check(health *h, const check_request *request, ProtobufCClosure closure,
                  ow_call *call) {
    check_response response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    response.status = status_of(h->grpc, request->service);
    if (response.status == SERVICE_UNKNOWN) {
        ow_fail(&call->err, OW_NOT_FOUND, "unknown_service", "there is no such service here");
        closure(NULL, call);
        return;
    }
    closure(&response.base, call);
}

static void health_invoke(ProtobufCService *base, unsigned method, const ProtobufCMessage *request,
                          ProtobufCClosure closure, void *closure_data) {
    (method == WATCH ? watch : check)((health *)base, (const check_request *)request, closure,
                                      closure_data);
}

health *health_new(ow_grpc *g) {
    health *h = calloc(1, sizeof *h);
    if (h != NULL) {
        h->base = (ProtobufCService){
            .descriptor = &grpc__health__v1__health__descriptor,
            .invoke = health_invoke,
        };
        h->grpc = g;
    }
    return h;
}

health *health_free(health *h) {
    free(h);
    return NULL;
}

ProtobufCService *health_service(health *h) {
    return &h->base;
}

void health_changed(health *h) {
    watcher *next;
    for (watcher *w = h == NULL ? NULL : h->watchers; w != NULL; w = next) {
        next = w->next;
        serving_status status = status_of(h->grpc, w->service);
        if (status != w->told) {
            tell(w, status);
        }
    }
}
