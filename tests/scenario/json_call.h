#pragma once

// Methods called with JSON.

#include "core/json/tree.h"
#include "sdk/c/overworld_client.h"

// Posts `body` to `path`; the answer is the caller's. NULL: refused, *ret_error says why.
ow_json *json_call(ow_client *client, const char *path, const char *body,
                   ow_client_error *ret_error);

// The same; fails the test when it is refused.
ow_json *json_must_call(ow_client *client, const char *path, const char *body);
