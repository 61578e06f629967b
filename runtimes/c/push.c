// ow_push of overworld.h.

#include <string.h>

#include "overworld/push/v1/push.pb-c.h"
#include "runtimes/c/internal.h"

typedef Overworld__Push__V1__SendRequest send_request;

ow_status ow_push_all(ow_ctx *ctx, const char *const *player_ids, size_t count, const char *topic,
                      const char *payload_json) {
    send_request request = OVERWORLD__PUSH__V1__SEND_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    request.player_ids = (char **)(uintptr_t)player_ids;
    request.n_player_ids = count;
    request.topic = (char *)(uintptr_t)(topic ? topic : "");
    request.payload_json = (char *)(uintptr_t)(payload_json ? payload_json : "null");
    return platform_call(ctx, "push", &request.base,
                         &overworld__push__v1__send_response__descriptor, &message);
}

ow_status ow_push(ow_ctx *ctx, const char *player_id, const char *topic, const char *payload_json) {
    const char *const players[] = {player_id ? player_id : ""};
    return ow_push_all(ctx, players, 1, topic, payload_json);
}
