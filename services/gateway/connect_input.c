#include "services/gateway/connect_input.h"

#include "core/crypto/hash.h"
#include "core/http/text.h"
#include "core/json/transcode.h"
#include "core/rpc/call.h"

#include <string.h>

enum { MILLISECOND = 1000, TIMEOUT_DIGITS_MAX = 10 };

int64_t connect_timeout_us(const char *header, int64_t longest_us) {
    if (header == NULL) {
        return longest_us;
    }
    long long ms = strlen(header) <= TIMEOUT_DIGITS_MAX ? ow_http_parse_number(header) : -1;
    if (ms <= 0) {
        return 0;
    }
    return ms * MILLISECOND < longest_us ? ms * MILLISECOND : longest_us;
}

ow_code connect_take_query(const char *query, ow_arena *arena, connect_input *input, ow_err *err) {
    size_t room = strlen(query) + 1;
    char *text = ow_arena_alloc(arena, room);
    uint8_t *bytes = ow_arena_alloc(arena, room);
    char flag[4];
    long size = text != NULL ? ow_http_query_find(query, "message", text, room) : -2;
    if (size < 0 || bytes == NULL) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_message",
                       "the parameter message is missing or malformed");
    }
    input->bytes = text;
    input->size = (size_t)size;
    if (ow_http_query_find(query, "base64", flag, sizeof flag) != 1 || flag[0] != '1') {
        return OW_OK;
    }
    while (size > 0 && text[size - 1] == '=') {
        size--;
    }
    int64_t decoded = ow_base64url_decode(text, (size_t)size, bytes, room);
    if (decoded < 0) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_message",
                       "the parameter message is not base64url");
    }
    input->bytes = (const char *)bytes;
    input->size = (size_t)decoded;
    return OW_OK;
}

static bool has_field_zero(const ProtobufCMessage *message);

static bool member_has_field_zero(const ProtobufCMessage *message,
                                  const ProtobufCFieldDescriptor *field) {
    const char *base = (const char *)message;
    const void *member = base + field->offset;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t count = 0;
        ProtobufCMessage *const *list = NULL;
        memcpy(&count, base + field->quantifier_offset, sizeof count);
        memcpy(&list, member, sizeof list);
        for (size_t i = 0; i < count; i++) {
            if (has_field_zero(list[i])) {
                return true;
            }
        }
        return false;
    }
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        uint32_t chosen = 0;
        memcpy(&chosen, base + field->quantifier_offset, sizeof chosen);
        if (chosen != field->id) {
            return false;
        }
    }
    const ProtobufCMessage *one = NULL;
    memcpy(&one, member, sizeof one);
    return one != NULL && has_field_zero(one);
}

// protobuf-c reads an unknown field of the illegal number 0 when the tag is spelled in several bytes, and
// packs it in one, which no reader takes. Messages are not recursive, so this ends.
static bool has_field_zero(const ProtobufCMessage *message) {
    for (unsigned i = 0; i < message->n_unknown_fields; i++) {
        if (message->unknown_fields[i].tag == 0) {
            return true;
        }
    }
    const ProtobufCMessageDescriptor *type = message->descriptor;
    for (unsigned i = 0; i < type->n_fields; i++) {
        if (type->fields[i].type == PROTOBUF_C_TYPE_MESSAGE &&
            member_has_field_zero(message, &type->fields[i])) {
            return true;
        }
    }
    return false;
}

ow_code connect_decode(const connect_input *input, ow_arena *arena, ProtobufCMessage **ret_message,
                       ow_err *err) {
    if (input->is_json) {
        ow_json_input json = {.text = input->bytes, .size = input->size};
        return ow_json_to_message(&json, input->type, arena, ret_message, err);
    }
    ProtobufCAllocator *allocator =
        ow_arena_protobuf(arena, ow_arena_alloc(arena, sizeof(ProtobufCAllocator)));
    ProtobufCMessage *message = protobuf_c_message_unpack(input->type, allocator, input->size,
                                                          (const uint8_t *)input->bytes);
    if (message == NULL || has_field_zero(message)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_message", "the message cannot be read as %s",
                       input->type->name);
    }
    *ret_message = message;
    return OW_OK;
}

ow_code connect_open_envelope(connect_input *input, ow_err *err) {
    const uint8_t *head = (const uint8_t *)input->bytes;
    size_t size = 0;
    for (int i = 1; input->size >= CONNECT_ENVELOPE && i < CONNECT_ENVELOPE; i++) {
        size = size << 8 | head[i];
    }
    if (input->size < CONNECT_ENVELOPE || head[0] != 0 || size != input->size - CONNECT_ENVELOPE) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_message",
                       "a stream is asked for with one message, in an envelope, not compressed");
    }
    input->bytes += CONNECT_ENVELOPE;
    input->size = size;
    return OW_OK;
}

void connect_seal_envelope(size_t size, bool last, uint8_t ret_envelope[static CONNECT_ENVELOPE]) {
    ret_envelope[0] = last ? 2 : 0;
    for (int i = 1; i < CONNECT_ENVELOPE; i++) {
        ret_envelope[i] = (uint8_t)(size >> (8 * (CONNECT_ENVELOPE - 1 - i)));
    }
}
