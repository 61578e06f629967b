#pragma once

// What both directions of the transcoder ask protobuf-c's descriptors.

#include <protobuf-c/protobuf-c.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The field of a JSON name or a .proto name; NULL when there is none.
const ProtobufCFieldDescriptor *fields_find(const ProtobufCMessageDescriptor *type,
                                            const char *name, size_t size);

// The lowerCamel JSON name of a .proto name, cut at `room`; NUL-terminated.
void fields_json_name(const char *name, char *out, size_t room);

// Size of one value in memory.
size_t fields_value_size(const ProtobufCFieldDescriptor *field);

static inline void *fields_member(const ProtobufCMessage *message,
                                  const ProtobufCFieldDescriptor *field) {
    return (char *)message + field->offset;
}

// The number of elements (size_t), the case of a oneof (uint32_t) or the has_ flag.
static inline void *fields_quantifier(const ProtobufCMessage *message,
                                      const ProtobufCFieldDescriptor *field) {
    return (char *)message + field->quantifier_offset;
}

// True for proto2's optional scalars, which have a has_ member.
bool fields_has_flag(const ProtobufCFieldDescriptor *field);

// google.protobuf.Timestamp and Duration: both have seconds = 1 and nanos = 2.
bool fields_is_timestamp(const ProtobufCMessageDescriptor *type);
bool fields_is_time(const ProtobufCMessageDescriptor *type);
void fields_set_time(ProtobufCMessage *message, int64_t seconds, int32_t nanos);
void fields_get_time(const ProtobufCMessage *message, int64_t *ret_seconds, int32_t *ret_nanos);
