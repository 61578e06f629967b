// One function for each thing that the scenarios look at.
#define _POSIX_C_SOURCE 200809L

#include <overworld.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int echo(ow_ctx *ctx) {
    size_t size;
    const void *payload = ow_payload(ctx, &size);
    ow_set_content_type(ctx, ow_content_type(ctx));
    return ow_reply(ctx, payload, size);
}

// [1,"2",-3 ...]: reads each as a 64-bit integer and writes it again, with quotes where it had them.
int numbers(ow_ctx *ctx) {
    size_t size;
    const char *text = ow_payload(ctx, &size);
    char *reply = malloc(size + 1);
    size_t used = 0;
    for (size_t at = 0; reply != NULL && at < size;) {
        if (text[at] != '-' && (text[at] < '0' || text[at] > '9')) {
            reply[used++] = text[at++];
            continue;
        }
        char *end = NULL;
        long long number = strtoll(text + at, &end, 10);
        used += (size_t)snprintf(reply + used, size + 1 - used, "%lld", number);
        at = (size_t)(end - text);
    }
    int result = ow_reply(ctx, reply, used);
    free(reply);
    return result;
}

int refuse(ow_ctx *ctx) {
    return ow_refuse(ctx, "too_poor", "not enough gold", "{\"gold\":3}");
}

int fail(ow_ctx *ctx) {
    printf("about to fail\n");
    ow_log(ctx, OW_WARN, "failing on purpose");
    return ow_user_error(ctx, "the dice fell badly");
}

int inner(ow_ctx *ctx) {
    ow_log(ctx, OW_INFO, "inner runs for %s", ow_source(ctx));
    return ow_reply_text(ctx, "{\"inner\":true}");
}

int nested(ow_ctx *ctx) {
    ow_result result;
    if (ow_call(ctx, "inner", "{}", 2, &result) != 0) {
        return ow_user_error(ctx, "inner: %s %.*s", result.code, (int)result.length,
                             (const char *)result.data);
    }
    char reply[256];
    snprintf(reply, sizeof reply, "{\"outer\":%.*s}", (int)result.length,
             (const char *)result.data);
    return ow_reply_text(ctx, reply);
}

// Calls itself until the platform says that it is too deep.
int deep(ow_ctx *ctx) {
    ow_result result;
    if (ow_call(ctx, "deep", "{}", 2, &result) == 0) {
        return ow_reply(ctx, result.data, result.length);
    }
    char reply[128];
    snprintf(reply, sizeof reply, "{\"stopped\":\"%s\"}", result.code);
    return ow_reply_text(ctx, reply);
}

int for_servers(ow_ctx *ctx) {
    return ow_reply_text(ctx, "\"server\"");
}

static void sleep_ms(long ms) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

int slow(ow_ctx *ctx) {
    sleep_ms((long)ow_json_number(ow_payload_json(ctx), "ms", 1000));
    return ow_reply_text(ctx, "\"done\"");
}

int hasty(ow_ctx *ctx) {
    (void)ctx;
    for (;;) {
    }
}

static int __attribute__((noinline)) fall(volatile int *where) {
    return *where;
}

int crash(ow_ctx *ctx) {
    ow_log(ctx, OW_ERROR, "this will hurt");
    return fall(NULL);
}

int whoami(ow_ctx *ctx) {
    cJSON *reply = cJSON_CreateObject();
    cJSON_AddStringToObject(reply, "player", ow_player(ctx));
    cJSON_AddStringToObject(reply, "source", ow_source(ctx));
    cJSON_AddStringToObject(reply, "version", ow_version(ctx));
    cJSON_AddStringToObject(reply, "request_id", ow_request_id(ctx));
    cJSON_AddStringToObject(reply, "greeting", ow_env(ctx, "GREETING"));
    return ow_reply_json(ctx, reply);
}
