// What the bench of keys and values calls: many operations one after another in a call, so that they are what
// is measured.

#include <overworld.h>
#include <stdio.h>
#include <string.h>

enum { OPERATIONS = 100, KEYS = 1000 };

static unsigned next;

static const char *some_key(ow_ctx *ctx, char key[32]) {
    if (next == 0) {
        next = (unsigned)ow_now_us(ctx);
    }
    next = next * 1664525u + 1013904223u;
    snprintf(key, 32, "player/%04u", next % KEYS);
    return key;
}

int kv_get(ow_ctx *ctx) {
    char key[32];
    ow_kv_item item;
    for (int i = 0; i < OPERATIONS; i++) {
        ow_status status = ow_kv_get(ctx, OW_KV_SERVER, some_key(ctx, key), &item);
        if (status != OW_DONE && status != OW_NOTHING) {
            return ow_user_error(ctx, "%s", ow_error_reason(ctx));
        }
    }
    return ow_reply_text(ctx, "1");
}

int kv_set(ow_ctx *ctx) {
    char key[32], value[100];
    memset(value, 'v', sizeof value);
    for (int i = 0; i < OPERATIONS; i++) {
        if (ow_kv_set(ctx, OW_KV_SERVER, some_key(ctx, key), value, sizeof value, 0) != OW_DONE) {
            return ow_user_error(ctx, "%s", ow_error_reason(ctx));
        }
    }
    return ow_reply_text(ctx, "1");
}
