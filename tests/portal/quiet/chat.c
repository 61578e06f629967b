#include <overworld.h>

// A virtual server without any triggers of its own.
int selftest(ow_ctx *ctx) {
    return ow_reply_text(ctx, "{}");
}
