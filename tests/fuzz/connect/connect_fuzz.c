// A Connect request from anybody. Lines: Connect-Timeout-Ms, then a query; behind them a body. What is
// read as JSON or from bytes can be packed, and reads the same again. The body also in the envelope of a
// stream's request: as it came, and sealed by us.

#include "services/gateway/connect_input.h"

#include "core/json/transcode_test.pb-c.h"
#include "core/testing/scarce.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZE_MAX_FUZZED = 4096, ARENA_MAX = 1 << 24 };

static const int64_t longest_us = 60000000;

static void must_be_short(void) {
    if (!ow_scarce_has_failed()) {
        abort();
    }
}

static void pack_and_read(const ProtobufCMessage *message, ow_arena *arena) {
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = ow_arena_alloc(arena, size);
    uint8_t *again = ow_arena_alloc(arena, size);
    ProtobufCMessage *copy = NULL;
    if (bytes == NULL || again == NULL) {
        return;
    }
    protobuf_c_message_pack(message, bytes);
    connect_input input = {message->descriptor, false, (const char *)bytes, size};
    if (connect_decode(&input, arena, &copy, NULL) != OW_OK) {
        must_be_short();
        return;
    }
    if (protobuf_c_message_get_packed_size(copy) != size) {
        abort();
    }
    protobuf_c_message_pack(copy, again);
    if (memcmp(bytes, again, size) != 0) {
        abort();
    }
}

static void decode(connect_input input, ow_arena *arena) {
    for (int is_json = 0; is_json < 2; is_json++) {
        ProtobufCMessage *message = NULL;
        input.is_json = is_json != 0;
        if (connect_decode(&input, arena, &message, NULL) == OW_OK) {
            pack_and_read(message, arena);
        }
    }
}

// An envelope holds what stands behind its five bytes, all of it and nothing else.
static void open_envelope(connect_input input, ow_arena *arena) {
    const connect_input sealed = input;
    if (connect_open_envelope(&input, NULL) != OW_OK) {
        return;
    }
    if (input.bytes != sealed.bytes + CONNECT_ENVELOPE ||
        input.size + CONNECT_ENVELOPE != sealed.size || sealed.bytes[0] != 0) {
        abort();
    }
    decode(input, arena);
}

static void seal_and_open(connect_input input, ow_arena *arena) {
    size_t size = input.size + CONNECT_ENVELOPE;
    uint8_t *sealed = ow_arena_alloc(arena, size);
    connect_input again = {.type = input.type, .bytes = (const char *)sealed, .size = size};
    if (sealed == NULL) {
        return;
    }
    connect_seal_envelope(input.size, false, sealed);
    memcpy(sealed + CONNECT_ENVELOPE, input.bytes, input.size);
    if (connect_open_envelope(&again, NULL) != OW_OK || again.size != input.size ||
        memcmp(again.bytes, input.bytes, input.size) != 0) {
        abort();
    }
    // The end of a stream is nothing that a request may be.
    connect_seal_envelope(input.size, true, sealed);
    again = (connect_input){.type = input.type, .bytes = (const char *)sealed, .size = size};
    if (connect_open_envelope(&again, NULL) == OW_OK) {
        abort();
    }
}

static char *end_line(char *text) {
    char *end = strchr(text, '\n');
    if (end == NULL) {
        return text + strlen(text);
    }
    *end = '\0';
    return end + 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char text[SIZE_MAX_FUZZED + 1];
    ow_arena *arena = size <= SIZE_MAX_FUZZED ? ow_arena_new(ARENA_MAX) : NULL;
    if (arena == NULL) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    char *query = end_line(text);
    char *body = end_line(query);
    int64_t timeout_us = connect_timeout_us(text, longest_us);
    if (timeout_us < 0 || timeout_us > longest_us) {
        abort();
    }
    connect_input input = {.type = &overworld__json__test__everything__descriptor};
    if (connect_take_query(query, arena, &input, NULL) == OW_OK) {
        decode(input, arena);
    }
    input.bytes = body;
    input.size = (size_t)(text + size - body);
    decode(input, arena);
    open_envelope(input, arena);
    seal_and_open(input, arena);
    ow_arena_free(arena);
    return 0;
}
