#pragma once

// JSON Pointer, https://www.rfc-editor.org/rfc/rfc6901: "/players/0/name". Any thread.

#include "core/error/error.h"
#include "core/json/tree.h"

#define OW_JSON_POINTER_MAX 256 // bytes

// Checks a text: "" (the whole value) or tokens behind slashes, '~' only as "~0" and "~1", UTF-8, at
// most OW_JSON_POINTER_MAX bytes. Codes: invalid_argument "bad_pointer".
ow_code ow_json_pointer_check(const char *pointer, ow_err *err);

// The value that a pointer (which was checked) names in `json`; NULL when there is none. "-", the
// element behind the last, never is. Borrowed from the tree.
const ow_json *ow_json_pointer_get(const ow_json *json, const char *pointer);
