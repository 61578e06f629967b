#include "core/json/fields.h"

#include <ctype.h>
#include <string.h>

// Compares a JSON name with the lowerCamel form of a .proto name without building it.
static bool is_json_name(const char *proto_name, const char *name, size_t size) {
    bool upper = false;
    size_t i = 0;
    for (const char *at = proto_name; *at != '\0'; at++) {
        if (*at == '_') {
            upper = true;
            continue;
        }
        char c = upper ? (char)toupper((unsigned char)*at) : *at;
        if (i == size || name[i] != c) {
            return false;
        }
        upper = false;
        i++;
    }
    return i == size;
}

static bool is_proto_name(const char *proto_name, const char *name, size_t size) {
    return strncmp(proto_name, name, size) == 0 && proto_name[size] == '\0';
}

const ProtobufCFieldDescriptor *fields_find(const ProtobufCMessageDescriptor *type,
                                            const char *name, size_t size) {
    for (unsigned i = 0; i < type->n_fields; i++) {
        const char *proto_name = type->fields[i].name;
        if (is_json_name(proto_name, name, size) || is_proto_name(proto_name, name, size)) {
            return &type->fields[i];
        }
    }
    return NULL;
}

void fields_json_name(const char *name, char *out, size_t room) {
    bool upper = false;
    size_t used = 0;
    for (const char *at = name; *at != '\0' && used + 1 < room; at++) {
        if (*at == '_') {
            upper = true;
            continue;
        }
        out[used++] = upper ? (char)toupper((unsigned char)*at) : *at;
        upper = false;
    }
    out[used] = '\0';
}

size_t fields_value_size(const ProtobufCFieldDescriptor *field) {
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return 4;
    }
}

bool fields_has_flag(const ProtobufCFieldDescriptor *field) {
    return field->label == PROTOBUF_C_LABEL_OPTIONAL && field->quantifier_offset != 0 &&
           field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_MESSAGE;
}

bool fields_is_timestamp(const ProtobufCMessageDescriptor *type) {
    return strcmp(type->name, "google.protobuf.Timestamp") == 0;
}

bool fields_is_time(const ProtobufCMessageDescriptor *type) {
    return fields_is_timestamp(type) || strcmp(type->name, "google.protobuf.Duration") == 0;
}

void fields_set_time(ProtobufCMessage *message, int64_t seconds, int32_t nanos) {
    const ProtobufCFieldDescriptor *fields = message->descriptor->fields;
    *(int64_t *)fields_member(message, &fields[0]) = seconds;
    *(int32_t *)fields_member(message, &fields[1]) = nanos;
}

void fields_get_time(const ProtobufCMessage *message, int64_t *ret_seconds, int32_t *ret_nanos) {
    const ProtobufCFieldDescriptor *fields = message->descriptor->fields;
    *ret_seconds = *(int64_t *)fields_member(message, &fields[0]);
    *ret_nanos = *(int32_t *)fields_member(message, &fields[1]);
}
