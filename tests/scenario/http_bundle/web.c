#include <overworld.h>

// The event itself, as the reply's body.
int echo(ow_ctx *ctx) {
    size_t size;
    const void *payload = ow_payload(ctx, &size);
    return ow_reply(ctx, payload, size);
}

// Tells the caller.
int tell(ow_ctx *ctx) {
    if (ow_push(ctx, ow_player(ctx), "test", "{\"from\":\"a function\"}") != OW_DONE) {
        return ow_refuse(ctx, ow_error_reason(ctx), ow_error_message(ctx), NULL);
    }
    return ow_reply(ctx, "1", 1);
}

int broken(ow_ctx *ctx) {
    return ow_user_error(ctx, "as it is");
}
