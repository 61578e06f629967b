// Calls of the platform: a request packed into the region, a reply unpacked out of it.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtimes/c/internal.h"
#include "runtimes/wire/region.h"

struct kept_block {
    struct kept_block *next;
    _Alignas(16) char bytes[];
};

static void *keep_bytes(void *self, size_t size) {
    ow_ctx *ctx = self;
    struct kept_block *block = malloc(sizeof *block + size + 1);
    if (!block) {
        return NULL;
    }
    block->next = ctx->blocks;
    ctx->blocks = block;
    block->bytes[size] = '\0'; // behind a value, which is as long as it is
    return block->bytes;
}

void *platform_keep(ow_ctx *ctx, size_t size) {
    return keep_bytes(ctx, size);
}

static void keep_on(void *self, void *bytes) {
    (void)self;
    (void)bytes; // until the call ends
}

void platform_reset(ow_ctx *ctx) {
    while (ctx->blocks) {
        struct kept_block *next = ctx->blocks->next;
        free(ctx->blocks);
        ctx->blocks = next;
    }
    ctx->error_reason[0] = ctx->error_message[0] = '\0';
}

const char *ow_error_reason(ow_ctx *ctx) {
    return ctx->error_reason;
}
const char *ow_error_message(ow_ctx *ctx) {
    return ctx->error_message;
}

ow_status platform_fail(ow_ctx *ctx, ow_status status, const char *reason, const char *message) {
    snprintf(ctx->error_reason, sizeof ctx->error_reason, "%s", reason);
    snprintf(ctx->error_message, sizeof ctx->error_message, "%s", message);
    return status;
}

static const struct {
    const char *code;
    ow_status status;
} statuses[] = {
    {"invalid_argument/", OW_INVALID}, {"failed_precondition/", OW_INVALID},
    {"out_of_range/", OW_INVALID},     {"not_found/", OW_NOTHING},
    {"already_exists/", OW_CONFLICT},  {"aborted/", OW_CONFLICT},
    {"resource_exhausted/", OW_FULL},  {"permission_denied/", OW_DENIED},
    {"unauthenticated/", OW_DENIED},   {"unimplemented/", OW_INVALID},
};

// The host says "<code>/<reason>".
static ow_status take_error(ow_ctx *ctx, const ow_rt_answer *answer) {
    char message[sizeof ctx->error_message];
    const char *slash = strchr(answer->code, '/');
    snprintf(message, sizeof message, "%.*s", (int)answer->length, (const char *)answer->data);
    for (size_t i = 0; slash && i < sizeof statuses / sizeof *statuses; i++) {
        if (strncmp(answer->code, statuses[i].code, strlen(statuses[i].code)) == 0) {
            return platform_fail(ctx, statuses[i].status, slash + 1, message);
        }
    }
    return platform_fail(ctx, OW_AWAY, slash ? slash + 1 : answer->code, message);
}

ow_status platform_call(ow_ctx *ctx, const char *method, const ProtobufCMessage *request,
                        const ProtobufCMessageDescriptor *reply, ProtobufCMessage **ret_reply) {
    ProtobufCAllocator kept = {.alloc = keep_bytes, .free = keep_on, .allocator_data = ctx};
    ow_rt_answer answer;
    size_t size = protobuf_c_message_get_packed_size(request);
    if (size > OW_REGION_PAYLOAD_MAX) {
        return platform_fail(ctx, OW_INVALID, "request_too_large", "the request is too large");
    }
    uint8_t *area = ow_rt_call_area(ctx->rt);
    protobuf_c_message_pack(request, area);
    if (ow_rt_call(ctx->rt, CALL_METHOD, method, "application/protobuf", area, size, &answer) !=
        0) {
        return platform_fail(ctx, OW_AWAY, "unavailable", "the platform does not answer");
    }
    if (answer.outcome != 0) {
        return take_error(ctx, &answer);
    }
    *ret_reply = protobuf_c_message_unpack(reply, &kept, answer.length, answer.data);
    if (!*ret_reply) {
        return platform_fail(ctx, OW_AWAY, "bad_reply", "the reply could not be read");
    }
    return OW_DONE;
}
