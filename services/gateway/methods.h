#pragma once

// The methods that are served to the outside: every one of our services whose access rule names
// more than other services.

#include "core/rpc/directory.h"

#include <protobuf-c/protobuf-c.h>

#include <stdbool.h>
#include <stddef.h>

typedef struct method {
    const ow_api_method *rule; // path, access, side effects
    const ProtobufCMessageDescriptor *input;
    ProtobufCService *service;
    unsigned index;
    bool is_public; // also on the public listener
} method;

typedef struct methods methods;

// Collects the methods of all services. Heap. Codes: internal (a method that the access rules do
// not know), resource_exhausted.
ow_code methods_new(const ow_api *api, ow_directory *directory, methods **ret_methods, ow_err *err);
methods *methods_free(methods *all);

// By path, "/package.Service/Method"; NULL when there is none.
const method *methods_find(const methods *all, const char *path);
