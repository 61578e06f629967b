// Functions for the runner's tests: some behave, some do not.

#include <overworld.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int calls;

int ow_init(ow_ctx *ctx) {
    ow_log(ctx, OW_INFO, "initialised");
    return 0;
}

int echo(ow_ctx *ctx) {
    size_t length = 0;
    const void *payload = ow_payload(ctx, &length);
    ow_set_content_type(ctx, ow_content_type(ctx));
    return ow_reply(ctx, payload, length);
}

int count(ow_ctx *ctx) {
    char text[32];
    snprintf(text, sizeof text, "%d", ++calls);
    return ow_reply_text(ctx, text);
}

int who(ow_ctx *ctx) {
    char text[512];
    snprintf(text, sizeof text, "%s %s %s/%s@%s", ow_source(ctx), ow_principal(ctx),
             ow_virtual_server(ctx), ow_function(ctx), ow_version(ctx));
    return ow_reply_text(ctx, text);
}

int talk(ow_ctx *ctx) {
    printf("printed line\n");
    ow_log(ctx, OW_WARN, "logged %s", "line");
    return ow_reply_text(ctx, "{}");
}

int flood(ow_ctx *ctx) {
    for (int i = 0; i < 100; i++) {
        printf("%0999d\n", i); // 65 of these fit
    }
    return ow_reply_text(ctx, "{}");
}

int refuse(ow_ctx *ctx) {
    return ow_refuse(ctx, "too_poor", "not enough gold", "{\"missing\":5}");
}

int fail(ow_ctx *ctx) {
    return ow_user_error(ctx, "it did not %s", "work");
}

int crash(ow_ctx *ctx) {
    (void)ctx;
    printf("about to crash\n");
    *(volatile int *)0 = 1;
    return 0;
}

int leave(ow_ctx *ctx) {
    (void)ctx;
    exit(0);
}

int endless(ow_ctx *ctx) {
    (void)ctx;
    printf("round and round\n");
    for (volatile int i = 0;; i++) {
    }
    return 0;
}

int hungry(ow_ctx *ctx) {
    for (;;) {
        char *more = malloc(1 << 20);
        if (more == NULL) {
            return ow_user_error(ctx, "refused");
        }
        memset(more, 1, 1 << 20);
    }
}

int work(ow_ctx *ctx) {
    volatile unsigned long sum = 0;
    for (unsigned long i = 0; i < 20000000; i++) {
        sum += i;
    }
    return ow_reply_text(ctx, "{}");
}

// Calls the function that the payload names and tells what came back.
int relay(ow_ctx *ctx) {
    size_t length = 0;
    const char *payload = ow_payload(ctx, &length);
    char target[200];
    snprintf(target, sizeof target, "%.*s", (int)length, payload);
    ow_result result;
    int failed = ow_call(ctx, target, "inner", 5, &result);
    char text[512];
    snprintf(text, sizeof text, "%d [%s] %.*s", failed, result.code, (int)result.length,
             (const char *)result.data);
    return ow_reply_text(ctx, text);
}

// Itself again, until somebody stops it; the depth reached comes back.
int deeper(ow_ctx *ctx) {
    ow_result result;
    if (ow_call(ctx, "deeper", "", 0, &result) != 0) {
        return ow_reply_text(ctx, result.code);
    }
    char text[64];
    snprintf(text, sizeof text, "%.*s+1", (int)(result.length < 60 ? result.length : 60),
             (const char *)result.data);
    return ow_reply_text(ctx, text);
}

int words(ow_ctx *ctx) {
    size_t length = 0;
    const char *text = ow_file(ctx, "words.txt", &length);
    return text != NULL ? ow_reply(ctx, text, length) : ow_user_error(ctx, "no file");
}

int env(ow_ctx *ctx) {
    const char *value = ow_env(ctx, "MOOD");
    return ow_reply_text(ctx, value != NULL ? value : "none");
}
