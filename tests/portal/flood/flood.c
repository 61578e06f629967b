#include <overworld.h>

#include <stdio.h>

enum { LINES = 100 };

// A hundred lines a call, as a match that tells of each of its players' steps would print them.
int pour_lines(ow_ctx *ctx) {
    for (int i = 0; i < LINES; i++) {
        printf("step %d: player %d moved to %d,%d and looked around for somebody\n", i, i % 16,
               i * 7 % 640, i * 13 % 480);
    }
    return ow_reply_text(ctx, "{}");
}
