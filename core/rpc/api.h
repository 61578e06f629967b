#pragma once

// What the .proto files say beyond protoc-c's descriptors: access rules and streaming flags, read at
// start from the embedded FileDescriptorSet. proto/ is the only definition of every API.

#include "core/error/error.h"
#include "core/rpc/call.h"

#include <protobuf-c/protobuf-c.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ow_api ow_api;

// An access rule is a set. Bits of `allow`:
enum {
    OW_ALLOW_PUBLIC = 1,
    OW_ALLOW_PLAYER = 2,
    OW_ALLOW_SERVER = 4,
    OW_ALLOW_OPERATOR = 8, // with at least `min_role`
    OW_ALLOW_SERVICE = 16, // other services of the platform
    OW_ALLOW_CONSOLE = 32, // anybody who reaches the console listener
};

typedef struct ow_api_method {
    const char *service; // "overworld.identity.v1.Identity"
    const char *name;    // "DeviceLogin"
    const char *path;    // "/overworld.identity.v1.Identity/DeviceLogin"
    uint32_t allow;
    ow_role min_role;
    bool every_title; // of operators only those whose role holds in every title
    bool server_streaming;
    bool no_side_effects; // idempotency_level NO_SIDE_EFFECTS
} ow_api_method;

// Reads a serialized google.protobuf.FileDescriptorSet (with imports). Heap; ow_api_free. The bytes
// must outlive it (reflection hands out file descriptors from there). Services of grpc.* have no
// rules and are no methods here. Codes: internal: malformed, or a method without an access rule
// (names it).
ow_code ow_api_open(const uint8_t *file_descriptor_set, size_t size, ow_api **ret_api, ow_err *err);
ow_api *ow_api_free(ow_api *api);

// The entry of a method, NULL when there is none. By path ("/service/Method") or by names. Borrowed.
// Any thread.
const ow_api_method *ow_api_find(const ow_api *api, const char *path);
const ow_api_method *ow_api_find_named(const ow_api *api, const char *service, const char *method);

// All methods, for tests and documentation.
const ow_api_method *ow_api_methods(const ow_api *api, size_t *ret_count);

// May this call use this method? OW_OK, unauthenticated "no_token" (nobody, where somebody is
// needed) or permission_denied "not_allowed". Calls made by services (not from_outside) pass when
// the rule names SERVICE or when the principal would be allowed from outside.
ow_code ow_api_check(const ow_api_method *method, const ow_call *call, ow_err *err);

// Source for gRPC reflection: the serialized FileDescriptorProto that defines `symbol` (a message,
// enum, service, method or extension, full name without leading dot) or is named `file`; false when
// there is none. Borrowed.
bool ow_api_file_of_symbol(const ow_api *api, const char *symbol, const uint8_t **ret_bytes,
                           size_t *ret_size);
bool ow_api_file_by_name(const ow_api *api, const char *file, const uint8_t **ret_bytes,
                         size_t *ret_size);
