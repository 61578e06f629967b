// What functions publish: in the name of their virtual server, as deep in a chain as their run is.

#include "overworld/events/v1/events.pb-c.h"
#include "services/runner/host_api.h"
#include "services/runner/invoke.h"
#include "services/runner/messages.h"

typedef Overworld__Events__V1__PublishRequest publish_request;

ow_code host_api_publish(const struct host_api_caller *caller, ProtobufCMessage *message,
                         ow_err *err) {
    publish_request *request = (publish_request *)message;
    const Overworld__Runner__V1__InvokeRequest *run =
        caller->run != NULL ? caller->run->run->request : NULL;
    char *source = ow_arena_printf_in(caller->arena, "/functions/%s/%s", caller->virtual_server,
                                      caller->function);
    if (source == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for events");
    }
    request->depth = run != NULL ? run->depth : 0;
    for (size_t i = 0; i < request->n_events; i++) {
        request->events[i]->source = source; // a function speaks for itself
    }
    return OW_OK;
}
