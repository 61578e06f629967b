// ow_spawn of overworld.h.

#include <string.h>

#include "overworld/events/v1/queue.pb-c.h"
#include "runtimes/c/internal.h"

enum { NAME_ROOM = 64 };

typedef Overworld__Events__V1__EnqueueRequest enqueue_request;
typedef Overworld__Events__V1__NewExecution new_execution;

static char *text_of(const char *text) {
    return (char *)(uintptr_t)(text ? text : "");
}

ow_status ow_spawn(ow_ctx *ctx, const char *target, const void *payload, size_t length,
                   const ow_spawn_options *options) {
    static const ow_spawn_options none;
    char server[NAME_ROOM] = "";
    const char *slash = strchr(target, '/');
    size_t server_size = slash ? (size_t)(slash - target) : 0;
    if (server_size >= sizeof server) {
        return platform_fail(ctx, OW_INVALID, "invalid", "no virtual server has such a name");
    }
    memcpy(server, target, server_size);
    options = options ? options : &none;
    enqueue_request request = OVERWORLD__EVENTS__V1__ENQUEUE_REQUEST__INIT;
    new_execution wanted = OVERWORLD__EVENTS__V1__NEW_EXECUTION__INIT;
    new_execution *list[] = {&wanted};
    ProtobufCMessage *message = NULL;
    request.n_executions = 1;
    request.executions = list;
    wanted.virtual_server = server;
    wanted.function = text_of(slash ? slash + 1 : target);
    wanted.payload.data = (uint8_t *)(uintptr_t)payload;
    wanted.payload.len = length;
    wanted.content_type = text_of(options->content_type);
    wanted.deduplication_key = text_of(options->key);
    wanted.ordering_key = text_of(options->order);
    return platform_call(ctx, "spawn", &request.base,
                         &overworld__events__v1__enqueue_response__descriptor, &message);
}
