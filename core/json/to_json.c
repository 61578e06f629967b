#include "core/json/fields.h"
#include "core/json/internal.h"
#include "core/json/transcode.h"

#include <string.h>

#define NAME_MAX_TEXT 256

static bool write_time(ow_json_writer *writer, const ProtobufCMessage *message) {
    char text[TIME_TEXT_MAX];
    int64_t seconds;
    int32_t nanos;
    fields_get_time(message, &seconds, &nanos);
    bool good = fields_is_timestamp(message->descriptor) ? timestamp_print(text, seconds, nanos)
                                                         : duration_print(text, seconds, nanos);
    ow_json_text(writer, good ? text : "");
    return good;
}

static void write_enum(ow_json_writer *writer, const ProtobufCFieldDescriptor *field, int number) {
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(field->descriptor, number);
    if (value != NULL) {
        ow_json_text(writer, value->name);
    } else {
        ow_json_int(writer, number);
    }
}

// Writes a message as the next value of `writer`; false when a Timestamp or Duration is out of
// range (the text is then of no use).
static bool write_message(ow_json_writer *writer, const ProtobufCMessage *message);

static bool write_value(ow_json_writer *writer, const ProtobufCFieldDescriptor *field,
                        const void *value) {
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        ow_json_int(writer, *(const int32_t *)value);
        return true;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        ow_json_int(writer, *(const uint32_t *)value);
        return true;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        ow_json_int64_text(writer, *(const int64_t *)value);
        return true;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        ow_json_uint64_text(writer, *(const uint64_t *)value);
        return true;
    case PROTOBUF_C_TYPE_FLOAT:
        ow_json_float(writer, *(const float *)value);
        return true;
    case PROTOBUF_C_TYPE_DOUBLE:
        ow_json_double(writer, *(const double *)value);
        return true;
    case PROTOBUF_C_TYPE_BOOL:
        ow_json_bool(writer, *(const protobuf_c_boolean *)value != 0);
        return true;
    case PROTOBUF_C_TYPE_ENUM:
        write_enum(writer, field, *(const int *)value);
        return true;
    case PROTOBUF_C_TYPE_STRING: {
        const char *text = *(char *const *)value;
        ow_json_text(writer, text != NULL ? text : "");
        return true;
    }
    case PROTOBUF_C_TYPE_BYTES: {
        const ProtobufCBinaryData *bytes = value;
        ow_json_bytes(writer, bytes->data, bytes->len);
        return true;
    }
    case PROTOBUF_C_TYPE_MESSAGE:
        return write_message(writer, *(ProtobufCMessage *const *)value);
    }
    return true;
}

// True when a singular field outside a oneof has its default, which JSON leaves out.
static bool is_default(const ProtobufCFieldDescriptor *field, const void *value) {
    static const char zero[8] = {0};
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING: {
        const char *text = *(char *const *)value;
        return text == NULL || text[0] == '\0';
    }
    case PROTOBUF_C_TYPE_MESSAGE:
        return *(ProtobufCMessage *const *)value == NULL;
    case PROTOBUF_C_TYPE_BYTES:
        return ((const ProtobufCBinaryData *)value)->len == 0;
    default:
        return memcmp(value, zero, fields_value_size(field)) == 0;
    }
}

static bool is_given(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        return *(const uint32_t *)fields_quantifier(message, field) == field->id;
    }
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        return *(const size_t *)fields_quantifier(message, field) > 0;
    }
    if (fields_has_flag(field)) {
        return *(const protobuf_c_boolean *)fields_quantifier(message, field) != 0;
    }
    return !is_default(field, fields_member(message, field));
}

static bool write_field(ow_json_writer *writer, const ProtobufCMessage *message,
                        const ProtobufCFieldDescriptor *field) {
    char name[NAME_MAX_TEXT];
    fields_json_name(field->name, name, sizeof name);
    ow_json_name(writer, name);
    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        return write_value(writer, field, fields_member(message, field));
    }
    const char *elements = *(char *const *)fields_member(message, field);
    size_t count = *(const size_t *)fields_quantifier(message, field);
    size_t size = fields_value_size(field);
    bool good = true;
    ow_json_array_open(writer);
    for (size_t i = 0; i < count && good; i++) {
        good = write_value(writer, field, elements + i * size);
    }
    ow_json_array_close(writer);
    return good;
}

static bool write_message(ow_json_writer *writer, const ProtobufCMessage *message) {
    const ProtobufCMessageDescriptor *type = message->descriptor;
    if (fields_is_time(type)) {
        return write_time(writer, message);
    }
    bool good = true;
    ow_json_object_open(writer);
    for (unsigned i = 0; i < type->n_fields && good && !writer->failed; i++) {
        if (is_given(message, &type->fields[i])) {
            good = write_field(writer, message, &type->fields[i]);
        }
    }
    ow_json_object_close(writer);
    return good;
}

ow_code ow_json_from_message(const ProtobufCMessage *message, ow_arena *arena, size_t max_size,
                             const char **ret_text, size_t *ret_size, ow_err *err) {
    ow_json_writer writer;
    size_t size;
    ow_json_writer_init(&writer, arena, max_size);
    if (!write_message(&writer, message)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "invalid_field",
                       "%s: a time or duration is out of range", message->descriptor->name);
    }
    const char *text = ow_json_writer_end(&writer, &size);
    if (text == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "too_large",
                       "%s: more than %zu bytes of JSON, or nested too deeply",
                       message->descriptor->name, max_size);
    }
    *ret_text = text;
    *ret_size = size;
    return OW_OK;
}
