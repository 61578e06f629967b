#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

#include "runtimes/zygote/runtime.h"
#include "sdk/function/c/overworld.h"

#define CALL_FUNCTION 1u // the host's OW_HOST_CALL_FUNCTION
#define CALL_SECRET 2u   // the host's OW_HOST_CALL_SECRET
#define CALL_METHOD 3u   // the host's OW_HOST_CALL_METHOD

typedef int function_entry(ow_ctx *ctx);

struct ow_ctx {
    ow_rt *rt;
    function_entry *entry;
    cJSON *payload;
    bool payload_parsed;
    bool in_init;
    char init_message[256];
    cJSON **trees; // freed when the call ends
    size_t tree_count;
    size_t tree_capacity;
    struct kept_secret *secrets; // wiped when the call ends
    struct kept_block *blocks;   // freed when the call ends
    // of the last call of the platform that was not done
    char error_reason[64];
    char error_message[384];
};

// Asks the platform for a method of the host API ("kv.get"). The reply is unpacked by `reply`'s
// descriptor, with a NUL behind every value, and lives until the call ends.
ow_status platform_call(ow_ctx *ctx, const char *method, const ProtobufCMessage *request,
                        const ProtobufCMessageDescriptor *reply, ProtobufCMessage **ret_reply);

// The same with a status of the runtime's own; for what need not be asked. Returns `status`.
ow_status platform_fail(ow_ctx *ctx, ow_status status, const char *reason, const char *message);

// Room until the call ends; NULL without memory.
void *platform_keep(ow_ctx *ctx, size_t size);

// A tree that is freed when the call ends; NULL for NULL or without memory (then it is gone).
cJSON *context_keep(ow_ctx *ctx, cJSON *tree);

// Frees what replies of this call left.
void platform_reset(ow_ctx *ctx);

// Ends a call: frees what was kept for it.
void context_reset(ow_ctx *ctx);
