#include <overworld.h>

// The event itself, as the reply's body.
int echo(ow_ctx *ctx) {
    size_t size;
    const void *payload = ow_payload(ctx, &size);
    return ow_reply(ctx, payload, size);
}
