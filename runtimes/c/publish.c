// ow_publish of overworld.h.

#include <stdio.h>
#include <string.h>

#include "overworld/events/v1/events.pb-c.h"
#include "runtimes/c/internal.h"

typedef Overworld__Events__V1__NewEvent new_event;
typedef Overworld__Events__V1__PublishRequest publish_request;
typedef Overworld__Events__V1__PublishResponse publish_response;

ow_status ow_publish(ow_ctx *ctx, const char *type, const char *data_json, const char *id) {
    new_event event = OVERWORLD__EVENTS__V1__NEW_EVENT__INIT;
    new_event *events[] = {&event};
    publish_request request = OVERWORLD__EVENTS__V1__PUBLISH_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    data_json = data_json ? data_json : "null";
    event.type = (char *)(uintptr_t)(type ? type : "");
    event.id = (char *)(uintptr_t)(id ? id : "");
    event.data.data = (uint8_t *)(uintptr_t)data_json;
    event.data.len = strlen(data_json);
    request.n_events = 1;
    request.events = events;
    return platform_call(ctx, "publish", &request.base,
                         &overworld__events__v1__publish_response__descriptor, &message);
}
