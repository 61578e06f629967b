#include "services/timers/fake_platform.h"

#include "core/testing/ow_test.h"

#include "overworld/api/bus.pb-c.h"
#include "overworld/events/v1/events.pb-c.h"
#include "overworld/registry/v1/registry.pb-c.h"

#include <stdio.h>
#include <string.h>

#define TEXT(literal) ((char *)(uintptr_t)(literal))

// "chat" has the function on_tick and the alias live.
static ow_code get_virtual_server(ow_run *run) {
    const fake_platform *f = run->self;
    const Overworld__Registry__V1__GetVirtualServerRequest *request = run->request;
    Overworld__Registry__V1__VirtualServer *reply = run->reply;
    struct {
        Overworld__Registry__V1__Revision latest;
        Overworld__Registry__V1__FunctionInfo function;
        Overworld__Registry__V1__FunctionInfo *functions[1];
        Overworld__Registry__V1__Alias aliases[2];
        Overworld__Registry__V1__Alias *list[2];
    } *all = ow_arena_calloc(run->call->arena, 1, sizeof *all);
    if (f->registry_fails != OW_OK) {
        return ow_fail(run->err, f->registry_fails, "not_now", "the registry does not say");
    }
    if (strcmp(request->name, "chat") != 0) {
        return ow_fail(run->err, OW_NOT_FOUND, "no_virtual_server", "there is none");
    }
    overworld__registry__v1__revision__init(&all->latest);
    overworld__registry__v1__function_info__init(&all->function);
    all->function.name = TEXT("on_tick");
    all->functions[0] = &all->function;
    all->latest.functions = all->functions;
    all->latest.n_functions = 1;
    for (int i = 0; i < 2; i++) {
        overworld__registry__v1__alias__init(&all->aliases[i]);
        all->aliases[i].name = TEXT(i == 0 ? "$DEFAULT" : "live");
        all->list[i] = &all->aliases[i];
    }
    reply->name = request->name;
    reply->latest = &all->latest;
    reply->aliases = all->list;
    reply->n_aliases = 2;
    return OW_OK;
}

static bool is_known(const fake_platform *f, const char *id) {
    for (int i = 0; i < f->count; i++) {
        if (strcmp(f->taken[i].id, id) == 0) {
            return true;
        }
    }
    return false;
}

static ow_code relay(ow_run *run) {
    fake_platform *f = run->self;
    const Overworld__Api__RelayRequest *request = run->request;
    for (size_t i = 0; i < request->n_events; i++) {
        const Overworld__Api__BusEvent *event = request->events[i];
        if (is_known(f, event->event_id)) {
            continue;
        }
        assert_true(f->count < FAKE_EVENTS_MAX);
        fake_event *to = &f->taken[f->count++];
        snprintf(to->id, sizeof to->id, "%s", event->event_id);
        snprintf(to->type, sizeof to->type, "%s", event->type);
        snprintf(to->title, sizeof to->title, "%s", run->call->principal->title);
        snprintf(to->data, sizeof to->data, "%s", event->data_json);
    }
    return OW_OK;
}

static const ow_method registry_methods[] = {
    {"GetVirtualServer", 0, {{OW_LOOP, get_virtual_server}}}, {0}};
static const ow_method events_methods[] = {{"Relay", 0, {{OW_LOOP, relay}}}, {0}};

static ProtobufCService *offer(ow_directory *directory, const ow_service_options *options) {
    ow_err err;
    ProtobufCService *service = NULL;
    ow_directory_expect_here(directory, options->descriptor);
    assert_int_equal(ow_service_new(options, &service, &err), OW_OK);
    assert_int_equal(ow_directory_offer(directory, service, &err), OW_OK);
    return service;
}

void fake_platform_offer(fake_platform *f, ow_directory *directory, const ow_api *api,
                         ow_loop *loop) {
    ow_service_options registry = {
        .descriptor = &overworld__registry__v1__registry__descriptor,
        .methods = registry_methods,
        .api = api,
        .self = f,
        .loop = loop,
        .is_stand_in = true,
    };
    ow_service_options events = registry;
    events.descriptor = &overworld__events__v1__events__descriptor;
    events.methods = events_methods;
    f->registry = offer(directory, &registry);
    f->events = offer(directory, &events);
}

void fake_platform_withdraw(fake_platform *f, ow_directory *directory) {
    ow_directory_withdraw(directory, f->registry);
    ow_directory_withdraw(directory, f->events);
    f->registry = ow_service_free(f->registry);
    f->events = ow_service_free(f->events);
}
