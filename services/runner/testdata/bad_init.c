#include <overworld.h>
#include <stdio.h>

int ow_init(ow_ctx *ctx) {
    (void)ctx;
    printf("cannot begin\n");
    return 1;
}

int echo(ow_ctx *ctx) {
    return ow_reply_text(ctx, "{}");
}
