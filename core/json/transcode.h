#pragma once

// protobuf-c messages ⇄ JSON as proto3 defines it, driven by the generated descriptors.
// Source: https://protobuf.dev/programming-guides/json/
//
// Reading accepts: lowerCamel names and those of the .proto; 64-bit (and all) integers as numbers or
// in quotes, "1e3" and "2.0" included when they are integers exactly; enums by name or number; bytes
// in standard or URL base64, padded or not; Timestamp as RFC 3339, Duration as "1.5s"; "NaN",
// "Infinity", "-Infinity"; null as the default. It refuses: unknown fields (unless told not to), a
// field given twice, two fields of one oneof, null within arrays, numbers out of range, and all that
// ow_json_check refuses. Errors name the field's path: "items[2].price".
//
// Writing leaves out fields that have their default, writes 64-bit integers in quotes, enums by name
// (by number when it has none), bytes in standard base64.
//
// Not there, because our .proto files do not use them: custom json_name, maps, Any, Struct, wrapper
// types, FieldMask, proto2's required fields and extensions.

#include "core/arena/arena.h"
#include "core/error/error.h"
#include "core/json/writer.h"

#include <protobuf-c/protobuf-c.h>

#include <stdbool.h>
#include <stddef.h>

typedef struct ow_json_input {
    const char *text; // need not be NUL-terminated
    size_t size;
    bool ignore_unknown; // fields that the message does not have are skipped
} ow_json_input;

// Reads a JSON object into a new message of type `descriptor`, wholly in `arena`; nothing refers to
// the input afterwards. The arena's maximum bounds what a text can grow to. Any thread. Codes:
// invalid_argument "invalid_json" or "invalid_field", resource_exhausted "too_large".
ow_code ow_json_to_message(const ow_json_input *input, const ProtobufCMessageDescriptor *descriptor,
                           ow_arena *arena, ProtobufCMessage **ret_message, ow_err *err);

// Writes a message as JSON text into `arena`: at most `max_size` bytes, NUL-terminated. Any thread.
// Codes: resource_exhausted "too_large" (or nested deeper than 64), invalid_argument
// "invalid_field" (a Timestamp or Duration outside its range).
ow_code ow_json_from_message(const ProtobufCMessage *message, ow_arena *arena, size_t max_size,
                             const char **ret_text, size_t *ret_size, ow_err *err);
