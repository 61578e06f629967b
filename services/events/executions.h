#pragma once

// From what somebody wants to what the store keeps.

#include "services/events/executions_store.h"

#include "core/rpc/call.h"

typedef struct execution_limits {
    int64_t concurrency; // of a subscription that names none
} execution_limits;

// Where it comes from.
typedef struct execution_origin {
    const char *title_id;
    const char *request_id, *client_address;
    const ow_principal *principal; // for one that names none
    const ow_trace *trace;
    int64_t now_us;
} execution_origin;

// Checks `wanted` and fills `ret_new` but for the id; what it points to is in the arena or the origin's.
// Codes: invalid_argument "invalid", "bad_retry", "chain_too_deep", "payload_too_large";
// resource_exhausted "memory".
ow_code execution_prepare(const new_execution_msg *wanted, const execution_origin *origin,
                          const execution_limits *limits, ow_arena *arena, new_execution *ret_new,
                          ow_err *err);

// The facts of a stored one with another payload. False: out of memory.
bool execution_repack(const execution_row *row, ProtobufCBinaryData payload,
                      const char *content_type, ow_arena *arena, ProtobufCBinaryData *ret_facts,
                      ProtobufCBinaryData *ret_apart);

// Whom it runs for.
ow_principal execution_principal(const execution_row *row);
