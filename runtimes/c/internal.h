#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "runtimes/zygote/runtime.h"
#include "sdk/function/c/overworld.h"

#define CALL_FUNCTION 1u // the host's OW_HOST_CALL_FUNCTION
#define CALL_SECRET 2u   // the host's OW_HOST_CALL_SECRET

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
};

// Ends a call: frees what was kept for it.
void context_reset(ow_ctx *ctx);
