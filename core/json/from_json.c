#include "core/json/transcode.h"

#include "core/json/check.h"
#include "core/json/cursor.h"
#include "core/json/fields.h"
#include "core/json/internal.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PATH_MAX_TEXT 200
#define SEEN_WORDS 8 // fields of a message that are watched for doubles: 512

// One step of the way from the outermost message to where we are.
typedef struct path {
    const struct path *up;
    const char *name; // of a field; NULL: an element
    size_t index;
} path;

typedef struct reader {
    cursor at;
    ow_arena *arena;
    bool ignore_unknown;
    const path *path;
    ow_err *err;
} reader;

static size_t print_path(const path *step, char *text, size_t room) {
    size_t used = step->up != NULL ? print_path(step->up, text, room) : 0;
    int more;
    if (step->name == NULL) {
        more = snprintf(text + used, room - used, "[%zu]", step->index);
    } else {
        more = snprintf(text + used, room - used, "%s%s", used > 0 ? "." : "", step->name);
    }
    used += more > 0 ? (size_t)more : 0;
    return used < room ? used : room - 1;
}

static ow_code refuse(reader *in, const char *what) {
    char where[PATH_MAX_TEXT] = "the message";
    if (in->path != NULL) {
        print_path(in->path, where, sizeof where);
    }
    return ow_fail(in->err, OW_INVALID_ARGUMENT, "invalid_field", "%s: %s", where, what);
}

static ow_code too_large(reader *in) {
    return ow_fail(in->err, OW_RESOURCE_EXHAUSTED, "too_large",
                   "the message needs too much memory");
}

// The content of a string, decoded, in the arena and NUL-terminated.
static ow_code take_string(reader *in, char **ret_text, size_t *ret_size) {
    raw_string raw = cursor_string(&in->at);
    char *text = ow_arena_alloc(in->arena, raw.size + 1);
    if (text == NULL) {
        return too_large(in);
    }
    *ret_size = raw_string_decode(&raw, text);
    text[*ret_size] = '\0';
    *ret_text = text;
    return OW_OK;
}

// The text of a number, bare or in quotes; size 0 when there is none.
static raw_string take_number(reader *in) {
    raw_string raw = cursor_peek(&in->at) == '"' ? cursor_string(&in->at) : cursor_word(&in->at);
    const unsigned char *start = (const unsigned char *)raw.text;
    if (number_end(start, start + raw.size) != start + raw.size) {
        raw.size = 0;
    }
    return raw;
}

// True when the next value is an array or object: no scalar is.
static bool at_container(reader *in) {
    char c = cursor_peek(&in->at);
    return c == '{' || c == '[';
}

static ow_code read_signed(reader *in, int64_t min, int64_t max, int64_t *ret_value) {
    raw_string raw = {0};
    if (!at_container(in)) {
        raw = take_number(in);
    }
    int64_t value;
    if (raw.size == 0 || !number_to_int64(raw.text, raw.size, &value) || value < min ||
        value > max) {
        return refuse(in, max == INT32_MAX ? "a 32-bit integer was expected"
                                           : "a 64-bit integer was expected");
    }
    *ret_value = value;
    return OW_OK;
}

static ow_code read_unsigned(reader *in, uint64_t max, uint64_t *ret_value) {
    raw_string raw = {0};
    if (!at_container(in)) {
        raw = take_number(in);
    }
    uint64_t value;
    if (raw.size == 0 || !number_to_uint64(raw.text, raw.size, &value) || value > max) {
        return refuse(in, max == UINT32_MAX ? "an unsigned 32-bit integer was expected"
                                            : "an unsigned 64-bit integer was expected");
    }
    *ret_value = value;
    return OW_OK;
}

static ow_code read_int32(reader *in, const ProtobufCFieldDescriptor *field, void *out) {
    (void)field;
    int64_t value;
    ow_code code = read_signed(in, INT32_MIN, INT32_MAX, &value);
    if (code == OW_OK) {
        *(int32_t *)out = (int32_t)value;
    }
    return code;
}

static ow_code read_int64(reader *in, const ProtobufCFieldDescriptor *field, void *out) {
    (void)field;
    return read_signed(in, INT64_MIN, INT64_MAX, out);
}

static ow_code read_uint32(reader *in, const ProtobufCFieldDescriptor *field, void *out) {
    (void)field;
    uint64_t value;
    ow_code code = read_unsigned(in, UINT32_MAX, &value);
    if (code == OW_OK) {
        *(uint32_t *)out = (uint32_t)value;
    }
    return code;
}

static ow_code read_uint64(reader *in, const ProtobufCFieldDescriptor *field, void *out) {
    (void)field;
    return read_unsigned(in, UINT64_MAX, out);
}

static bool raw_is(const raw_string *raw, const char *text) {
    return raw->size == strlen(text) && memcmp(raw->text, text, raw->size) == 0;
}

// The names that JSON has for what its numbers cannot be.
static bool named_double(reader *in, double *ret_value) {
    cursor back = in->at;
    if (cursor_peek(&in->at) == '"') {
        raw_string raw = cursor_string(&in->at);
        if (raw_is(&raw, "NaN")) {
            *ret_value = (double)NAN;
            return true;
        }
        if (raw_is(&raw, "Infinity") || raw_is(&raw, "-Infinity")) {
            *ret_value = raw.text[0] == '-' ? -(double)INFINITY : (double)INFINITY;
            return true;
        }
    }
    in->at = back;
    return false;
}

static ow_code read_double(reader *in, const ProtobufCFieldDescriptor *field, void *out) {
    (void)field;
    double value;
    if (!at_container(in) && named_double(in, &value)) {
        *(double *)out = value;
        return OW_OK;
    }
    raw_string raw = {0};
    if (!at_container(in)) {
        raw = take_number(in);
    }
    if (raw.size == 0 || !number_to_double(raw.text, raw.size, &value)) {
        return refuse(in, "a number within range was expected");
    }
    *(double *)out = value;
    return OW_OK;
}

static ow_code read_float(reader *in, const ProtobufCFieldDescriptor *field, void *out) {
    double value;
    ow_code code = read_double(in, field, &value);
    if (code != OW_OK) {
        return code;
    }
    if (isfinite(value) && !isfinite((float)value)) {
        return refuse(in, "a number within range was expected");
    }
    *(float *)out = (float)value;
    return OW_OK;
}

static ow_code read_bool(reader *in, const ProtobufCFieldDescriptor *field, void *out) {
    (void)field;
    char c = cursor_peek(&in->at);
    if (c != 't' && c != 'f') {
        return refuse(in, "true or false was expected");
    }
    cursor_word(&in->at);
    *(protobuf_c_boolean *)out = c == 't';
    return OW_OK;
}

static ow_code read_enum(reader *in, const ProtobufCFieldDescriptor *field, void *out) {
    int64_t number;
    if (cursor_peek(&in->at) != '"') {
        ow_code code = read_signed(in, INT32_MIN, INT32_MAX, &number);
        if (code == OW_OK) {
            *(int *)out = (int)number;
        }
        return code;
    }
    char *name;
    size_t size;
    ow_code code = take_string(in, &name, &size);
    if (code != OW_OK) {
        return code;
    }
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value_by_name(field->descriptor, name);
    if (value == NULL) {
        return refuse(in, "no value of this enumeration has that name");
    }
    *(int *)out = value->value;
    return OW_OK;
}

static ow_code read_text(reader *in, const ProtobufCFieldDescriptor *field, void *out) {
    (void)field;
    size_t size;
    if (cursor_peek(&in->at) != '"') {
        return refuse(in, "a string was expected");
    }
    return take_string(in, out, &size);
}

static ow_code read_bytes(reader *in, const ProtobufCFieldDescriptor *field, void *out) {
    (void)field;
    ProtobufCBinaryData *bytes = out;
    char *text;
    size_t size;
    if (cursor_peek(&in->at) != '"') {
        return refuse(in, "a string with base64 was expected");
    }
    ow_code code = take_string(in, &text, &size);
    if (code != OW_OK) {
        return code;
    }
    // What is decoded never overtakes what is read, so it goes to the same place.
    if (!base64_decode(text, size, (uint8_t *)text, &bytes->len)) {
        return refuse(in, "not base64");
    }
    bytes->data = (uint8_t *)text;
    return OW_OK;
}

static ow_code read_members(reader *in, ProtobufCMessage *message);

static ow_code read_time(reader *in, const ProtobufCMessageDescriptor *type,
                         ProtobufCMessage *message) {
    bool is_timestamp = fields_is_timestamp(type);
    char *text;
    size_t size;
    if (cursor_peek(&in->at) != '"') {
        return refuse(in, is_timestamp ? "a time as RFC 3339 was expected"
                                       : "a duration such as \"1.5s\" was expected");
    }
    ow_code code = take_string(in, &text, &size);
    if (code != OW_OK) {
        return code;
    }
    int64_t seconds;
    int32_t nanos;
    bool good = is_timestamp ? timestamp_parse(text, size, &seconds, &nanos)
                             : duration_parse(text, size, &seconds, &nanos);
    if (!good) {
        return refuse(in, is_timestamp ? "not a time as RFC 3339 writes it"
                                       : "not a duration such as \"1.5s\"");
    }
    fields_set_time(message, seconds, nanos);
    return OW_OK;
}

static ow_code read_message(reader *in, const ProtobufCFieldDescriptor *field, void *out) {
    const ProtobufCMessageDescriptor *type = field->descriptor;
    ProtobufCMessage *message = ow_arena_alloc(in->arena, type->sizeof_message);
    if (message == NULL) {
        return too_large(in);
    }
    protobuf_c_message_init(type, message);
    *(ProtobufCMessage **)out = message;
    return fields_is_time(type) ? read_time(in, type, message) : read_members(in, message);
}

typedef ow_code (*value_reader)(reader *in, const ProtobufCFieldDescriptor *field, void *out);

static const value_reader value_readers[] = {
    [PROTOBUF_C_TYPE_INT32] = read_int32,     [PROTOBUF_C_TYPE_SINT32] = read_int32,
    [PROTOBUF_C_TYPE_SFIXED32] = read_int32,  [PROTOBUF_C_TYPE_INT64] = read_int64,
    [PROTOBUF_C_TYPE_SINT64] = read_int64,    [PROTOBUF_C_TYPE_SFIXED64] = read_int64,
    [PROTOBUF_C_TYPE_UINT32] = read_uint32,   [PROTOBUF_C_TYPE_FIXED32] = read_uint32,
    [PROTOBUF_C_TYPE_UINT64] = read_uint64,   [PROTOBUF_C_TYPE_FIXED64] = read_uint64,
    [PROTOBUF_C_TYPE_FLOAT] = read_float,     [PROTOBUF_C_TYPE_DOUBLE] = read_double,
    [PROTOBUF_C_TYPE_BOOL] = read_bool,       [PROTOBUF_C_TYPE_ENUM] = read_enum,
    [PROTOBUF_C_TYPE_STRING] = read_text,     [PROTOBUF_C_TYPE_BYTES] = read_bytes,
    [PROTOBUF_C_TYPE_MESSAGE] = read_message,
};

static ow_code read_elements(reader *in, const ProtobufCFieldDescriptor *field, char *elements) {
    size_t size = fields_value_size(field);
    path step = {.up = in->path};
    in->path = &step;
    cursor_take(&in->at, '[');
    if (!cursor_take(&in->at, ']')) {
        do {
            if (cursor_peek(&in->at) == 'n') {
                return refuse(in, "null is no element");
            }
            ow_code code = value_readers[field->type](in, field, elements + step.index * size);
            if (code != OW_OK) {
                return code;
            }
            step.index++;
        } while (cursor_take(&in->at, ','));
        cursor_take(&in->at, ']');
    }
    in->path = step.up;
    return OW_OK;
}

static ow_code read_repeated(reader *in, const ProtobufCFieldDescriptor *field,
                             ProtobufCMessage *message) {
    if (cursor_peek(&in->at) != '[') {
        return refuse(in, "an array was expected");
    }
    size_t count = cursor_count(&in->at);
    char *elements = ow_arena_calloc(in->arena, count, fields_value_size(field));
    if (elements == NULL) {
        return too_large(in);
    }
    ow_code code = read_elements(in, field, elements);
    if (code == OW_OK && count > 0) {
        *(char **)fields_member(message, field) = elements;
        *(size_t *)fields_quantifier(message, field) = count;
    }
    return code;
}

static ow_code read_field(reader *in, const ProtobufCFieldDescriptor *field,
                          ProtobufCMessage *message) {
    if (cursor_peek(&in->at) == 'n') {
        cursor_word(&in->at);
        return OW_OK;
    }
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        return read_repeated(in, field, message);
    }
    bool in_oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
    if (in_oneof && *(uint32_t *)fields_quantifier(message, field) != 0) {
        return refuse(in, "another field of the same oneof is given, too");
    }
    ow_code code = value_readers[field->type](in, field, fields_member(message, field));
    if (code == OW_OK && in_oneof) {
        *(uint32_t *)fields_quantifier(message, field) = field->id;
    } else if (code == OW_OK && fields_has_flag(field)) {
        *(protobuf_c_boolean *)fields_quantifier(message, field) = 1;
    }
    return code;
}

// Takes the name of a member and finds the field; *ret_field is NULL for an unknown one.
static ow_code take_name(reader *in, const ProtobufCMessageDescriptor *type, char **ret_name,
                         const ProtobufCFieldDescriptor **ret_field) {
    raw_string raw = cursor_string(&in->at);
    cursor name_at = {raw.text - 1, raw.text + raw.size + 1};
    *ret_field = raw.escaped ? NULL : fields_find(type, raw.text, raw.size);
    *ret_name = NULL;
    if (*ret_field == NULL) {
        reader again = *in;
        size_t size;
        again.at = name_at;
        ow_code code = take_string(&again, ret_name, &size);
        if (code != OW_OK) {
            return code;
        }
        *ret_field = fields_find(type, *ret_name, size);
    }
    cursor_take(&in->at, ':');
    return OW_OK;
}

static ow_code read_member(reader *in, ProtobufCMessage *message, uint64_t *seen) {
    const ProtobufCMessageDescriptor *type = message->descriptor;
    const ProtobufCFieldDescriptor *field;
    char *name;
    ow_code code = take_name(in, type, &name, &field);
    if (code != OW_OK) {
        return code;
    }
    path step = {.up = in->path, .name = field != NULL ? field->name : name};
    in->path = &step;
    if (field == NULL) {
        if (!in->ignore_unknown) {
            return refuse(in, "there is no such field");
        }
        cursor_skip(&in->at);
    } else {
        size_t number = (size_t)(field - type->fields);
        uint64_t bit = UINT64_C(1) << (number % 64);
        if (number < SEEN_WORDS * 64 && (seen[number / 64] & bit)) {
            return refuse(in, "given twice");
        }
        seen[number / 64 % SEEN_WORDS] |= number < SEEN_WORDS * 64 ? bit : 0;
        code = read_field(in, field, message);
    }
    in->path = code == OW_OK ? step.up : in->path;
    return code;
}

static ow_code read_members(reader *in, ProtobufCMessage *message) {
    uint64_t seen[SEEN_WORDS] = {0};
    if (cursor_peek(&in->at) != '{') {
        return refuse(in, "an object was expected");
    }
    cursor_take(&in->at, '{');
    if (cursor_take(&in->at, '}')) {
        return OW_OK;
    }
    do {
        ow_code code = read_member(in, message, seen);
        if (code != OW_OK) {
            return code;
        }
    } while (cursor_take(&in->at, ','));
    cursor_take(&in->at, '}');
    return OW_OK;
}

ow_code ow_json_to_message(const ow_json_input *input, const ProtobufCMessageDescriptor *descriptor,
                           ow_arena *arena, ProtobufCMessage **ret_message, ow_err *err) {
    ow_code code = ow_json_check(input->text, input->size, OW_JSON_MAX_DEPTH, err);
    if (code != OW_OK) {
        return code;
    }
    reader in = {.at = {input->text, input->text + input->size},
                 .arena = arena,
                 .ignore_unknown = input->ignore_unknown,
                 .err = err};
    ProtobufCFieldDescriptor outermost = {.descriptor = descriptor};
    ProtobufCMessage *message;
    code = read_message(&in, &outermost, &message);
    if (code == OW_OK) {
        *ret_message = message;
    }
    return code;
}
