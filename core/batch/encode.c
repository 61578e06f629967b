#include "core/batch/encode.h"

#include <stdbool.h>
#include <string.h>

enum {
    VARINT_MAX = 10,
    LENGTH_USUAL = 2, // bytes of a length that are kept free: up to 16,383
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2,
    WIRE_FIXED32 = 5,
};

typedef enum result { WRITTEN, NO_ROOM, UNKNOWN } result;

typedef struct writer {
    uint8_t *at, *end;
} writer;

static size_t put_varint(uint8_t *out, uint64_t value) {
    size_t size = 0;
    while (value >= 0x80) {
        out[size++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[size++] = (uint8_t)value;
    return size;
}

static result add_varint(writer *w, uint64_t value) {
    if (w->end - w->at < VARINT_MAX) {
        return NO_ROOM;
    }
    w->at += put_varint(w->at, value);
    return WRITTEN;
}

static result add_tag(writer *w, uint32_t number, unsigned wire) {
    return add_varint(w, (uint64_t)number << 3 | wire);
}

static result add_bytes(writer *w, uint32_t number, const void *bytes, size_t size) {
    if ((size_t)(w->end - w->at) < size + 2 * VARINT_MAX) {
        return NO_ROOM;
    }
    w->at += put_varint(w->at, (uint64_t)number << 3 | WIRE_BYTES);
    w->at += put_varint(w->at, size);
    memcpy(w->at, bytes, size);
    w->at += size;
    return WRITTEN;
}

// Numbers as they stand in memory: ours are little-endian, as the wire is.
static result add_fixed(writer *w, uint32_t number, const void *value, size_t size) {
    if ((size_t)(w->end - w->at) < size + VARINT_MAX) {
        return NO_ROOM;
    }
    w->at += put_varint(w->at, (uint64_t)number << 3 | (size == 8 ? WIRE_FIXED64 : WIRE_FIXED32));
    memcpy(w->at, value, size);
    w->at += size;
    return WRITTEN;
}

static result add_fields(writer *w, const ProtobufCMessage *message);

// The message behind its length, which is known afterwards.
static result add_delimited(writer *w, const ProtobufCMessage *message) {
    if (w->end - w->at < VARINT_MAX) {
        return NO_ROOM;
    }
    uint8_t *length = w->at;
    uint8_t *fields = length + LENGTH_USUAL;
    w->at = fields;
    result r = add_fields(w, message);
    if (r != WRITTEN) {
        return r;
    }
    uint8_t text[VARINT_MAX];
    size_t size = (size_t)(w->at - fields);
    size_t width = put_varint(text, size);
    if (width > LENGTH_USUAL && (size_t)(w->end - w->at) < width - LENGTH_USUAL) {
        return NO_ROOM;
    }
    if (width != LENGTH_USUAL) {
        memmove(length + width, fields, size);
    }
    memcpy(length, text, width);
    w->at = length + width + size;
    return WRITTEN;
}

static result add_message(writer *w, uint32_t number, const ProtobufCMessage *message) {
    result r = add_tag(w, number, WIRE_BYTES);
    return r == WRITTEN ? add_delimited(w, message) : r;
}

static result add_number(writer *w, uint32_t number, uint64_t value) {
    if (value == 0) {
        return WRITTEN;
    }
    result r = add_tag(w, number, WIRE_VARINT);
    return r == WRITTEN ? add_varint(w, value) : r;
}

static result add_text(writer *w, uint32_t number, const char *text) {
    return text == NULL || text[0] == 0 ? WRITTEN : add_bytes(w, number, text, strlen(text));
}

static result add_blob(writer *w, uint32_t number, const ProtobufCBinaryData *blob) {
    return blob->len == 0 ? WRITTEN : add_bytes(w, number, blob->data, blob->len);
}

static result add_word(writer *w, uint32_t number, uint64_t word) {
    return word == 0 ? WRITTEN : add_fixed(w, number, &word, sizeof word);
}

// A field that is there at most once; what is zero is left out.
static result add_single(writer *w, const ProtobufCFieldDescriptor *f, const void *member) {
    const ProtobufCMessage *message;
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        return add_number(w, f->id, *(const uint64_t *)member);
    case PROTOBUF_C_TYPE_INT32: // a negative one has ten bytes
        return add_number(w, f->id, (uint64_t)(int64_t) * (const int32_t *)member);
    case PROTOBUF_C_TYPE_BOOL:
        return add_number(w, f->id, *(const protobuf_c_boolean *)member != 0);
    case PROTOBUF_C_TYPE_FIXED64:
        return add_word(w, f->id, *(const uint64_t *)member);
    case PROTOBUF_C_TYPE_STRING:
        return add_text(w, f->id, *(char *const *)member);
    case PROTOBUF_C_TYPE_BYTES:
        return add_blob(w, f->id, member);
    case PROTOBUF_C_TYPE_MESSAGE:
        message = *(const ProtobufCMessage *const *)member;
        return message == NULL ? WRITTEN : add_message(w, f->id, message);
    default:
        return UNKNOWN;
    }
}

static result add_repeated(writer *w, const ProtobufCFieldDescriptor *f, size_t count,
                           const ProtobufCMessage *const *list) {
    result r = count == 0 || f->type == PROTOBUF_C_TYPE_MESSAGE ? WRITTEN : UNKNOWN;
    for (size_t i = 0; i < count && r == WRITTEN; i++) {
        r = add_message(w, f->id, list[i]);
    }
    return r;
}

static result add_field(writer *w, const ProtobufCFieldDescriptor *f,
                        const ProtobufCMessage *message) {
    const char *base = (const char *)message;
    if (f->label == PROTOBUF_C_LABEL_NONE && (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0) {
        return add_single(w, f, base + f->offset);
    }
    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        return add_repeated(
            w, f, *(const size_t *)(const void *)(base + f->quantifier_offset),
            *(const ProtobufCMessage *const *const *)(const void *)(base + f->offset));
    }
    return UNKNOWN;
}

static result add_fields(writer *w, const ProtobufCMessage *message) {
    const ProtobufCMessageDescriptor *d = message->descriptor;
    result r = message->n_unknown_fields == 0 ? WRITTEN : UNKNOWN;
    for (unsigned i = 0; i < d->n_fields && r == WRITTEN; i++) {
        r = add_field(w, &d->fields[i], message);
    }
    return r;
}

// Any message, in two walks.
static size_t encode_by_library(uint8_t *out, size_t room, const ProtobufCMessage *message) {
    size_t size = protobuf_c_message_get_packed_size(message);
    if (room < VARINT_MAX || size > room - VARINT_MAX) {
        return 0;
    }
    size_t width = put_varint(out, size);
    return width + protobuf_c_message_pack(message, out + width);
}

size_t encode_delimited(uint8_t *out, size_t room, const ProtobufCMessage *message) {
    writer w = {out, out + room};
    switch (add_delimited(&w, message)) {
    case WRITTEN:
        return (size_t)(w.at - out);
    case UNKNOWN:
        return encode_by_library(out, room, message);
    case NO_ROOM:
        break;
    }
    return 0;
}
