#include "core/rpc/call.h"

#include <assert.h>
#include <string.h>

// version, flags, principal kind, role, hops, trace id, span id, trace flags, then three texts, each
// a length byte and its characters: principal id, title, request id, client address.
enum {
    VERSION = 1,
    FLAG_FROM_OUTSIDE = 1,
    FLAG_EVERY_TITLE = 2,
    FLAG_API_KEY = 4,
    FLAGS = FLAG_FROM_OUTSIDE | FLAG_EVERY_TITLE | FLAG_API_KEY,
    IDS = 3,
};

static_assert(5 + 16 + 8 + 1 + IDS * OW_ID_MAX + OW_ADDRESS_MAX <= OW_CALL_METADATA_MAX,
              "the record fits");

static uint8_t *put_text(uint8_t *to, const char *text, size_t room) {
    size_t length = strnlen(text, room - 1);
    *to++ = (uint8_t)length;
    memcpy(to, text, length);
    return to + length;
}

size_t ow_call_metadata_encode(const ow_call *call, uint8_t bytes[static OW_CALL_METADATA_MAX]) {
    uint8_t *to = bytes;
    *to++ = VERSION;
    *to++ = (uint8_t)((call->from_outside ? FLAG_FROM_OUTSIDE : 0) |
                      (call->principal->every_title ? FLAG_EVERY_TITLE : 0) |
                      (call->principal->with_api_key ? FLAG_API_KEY : 0));
    *to++ = (uint8_t)call->principal->kind;
    *to++ = (uint8_t)call->principal->role;
    *to++ = call->hops;
    memcpy(to, call->trace.trace_id, sizeof call->trace.trace_id);
    to += sizeof call->trace.trace_id;
    memcpy(to, call->trace.span_id, sizeof call->trace.span_id);
    to += sizeof call->trace.span_id;
    *to++ = call->trace.flags;
    to = put_text(to, call->principal->id, OW_ID_MAX);
    to = put_text(to, call->principal->title, OW_ID_MAX);
    to = put_text(to, call->request_id, OW_ID_MAX);
    to = put_text(to, call->client_address, OW_ADDRESS_MAX);
    return (size_t)(to - bytes);
}

typedef struct reader {
    const uint8_t *at;
    size_t left;
    bool good;
} reader;

static void take(reader *r, void *to, size_t size) {
    if (!r->good || r->left < size) {
        r->good = false;
        return;
    }
    memcpy(to, r->at, size);
    r->at += size;
    r->left -= size;
}

static uint8_t take_byte(reader *r, uint8_t max) {
    uint8_t value = 0;
    take(r, &value, 1);
    r->good = r->good && value <= max;
    return value;
}

// Printable ASCII only: these end up in logs and headers.
static void take_text(reader *r, char *text, uint8_t room) {
    size_t length = take_byte(r, (uint8_t)(room - 1));
    take(r, text, r->good ? length : 0);
    for (size_t i = 0; r->good && i < length; i++) {
        r->good = text[i] > ' ' && text[i] < 127;
    }
    text[r->good ? length : 0] = '\0';
}

// A role, one that holds in every title, and API keys are an operator's alone.
static bool is_sound(const ow_principal *who) {
    return who->kind == OW_OPERATOR ||
           (who->role == OW_ROLE_NONE && !who->every_title && !who->with_api_key);
}

static bool any_set(const uint8_t *bytes, size_t size) {
    uint8_t any = 0;
    for (size_t i = 0; i < size; i++) {
        any |= bytes[i];
    }
    return any != 0;
}

ow_code ow_call_metadata_decode(const uint8_t *bytes, size_t size, ow_call_metadata *ret_metadata,
                                ow_err *err) {
    reader r = {.at = bytes, .left = size, .good = true};
    ow_call_metadata metadata = {0};
    r.good = take_byte(&r, VERSION) == VERSION;
    uint8_t flags = take_byte(&r, FLAGS);
    metadata.from_outside = (flags & FLAG_FROM_OUTSIDE) != 0;
    metadata.principal.every_title = (flags & FLAG_EVERY_TITLE) != 0;
    metadata.principal.with_api_key = (flags & FLAG_API_KEY) != 0;
    metadata.principal.kind = take_byte(&r, OW_PLATFORM);
    metadata.principal.role = take_byte(&r, OW_ROLE_ADMIN);
    metadata.hops = take_byte(&r, UINT8_MAX);
    take(&r, metadata.trace.trace_id, sizeof metadata.trace.trace_id);
    take(&r, metadata.trace.span_id, sizeof metadata.trace.span_id);
    metadata.trace.flags = take_byte(&r, UINT8_MAX);
    take_text(&r, metadata.principal.id, OW_ID_MAX);
    take_text(&r, metadata.principal.title, OW_ID_MAX);
    take_text(&r, metadata.request_id, OW_ID_MAX);
    take_text(&r, metadata.client_address, OW_ADDRESS_MAX);
    if (!r.good || r.left != 0 || metadata.request_id[0] == '\0' ||
        !is_sound(&metadata.principal) ||
        !any_set(metadata.trace.trace_id, sizeof metadata.trace.trace_id)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_metadata",
                       "the record beside the call is malformed");
    }
    *ret_metadata = metadata;
    return OW_OK;
}
