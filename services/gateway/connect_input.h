#pragma once

// What a request of the Connect protocol says, without the connection that it came over: reading of
// strangers' bytes, no I/O. Source: https://connectrpc.com/docs/protocol

#include "core/arena/arena.h"
#include "core/error/error.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The method's time in microseconds, which the header Connect-Timeout-Ms (NULL: absent) can only
// shorten. 0: the header is malformed.
int64_t connect_timeout_us(const char *header, int64_t longest_us);

typedef struct connect_input {
    const ProtobufCMessageDescriptor *type;
    bool is_json;
    const char *bytes; // borrowed
    size_t size;
} connect_input;

// Sets the bytes from a query: "?message=", percent-encoded, then base64url when base64=1. In the
// arena. Codes: invalid_argument "bad_message".
ow_code connect_take_query(const char *query, ow_arena *arena, connect_input *input, ow_err *err);

// The message, in the arena. Codes: invalid_argument ("bad_message" and the transcoder's).
ow_code connect_decode(const connect_input *input, ow_arena *arena, ProtobufCMessage **ret_message,
                       ow_err *err);

enum { CONNECT_ENVELOPE = 5 }; // bytes in front of each message of a stream

// Takes the one message of a stream's request out of its envelope. Codes: invalid_argument "bad_message"
// (not exactly one, cut short, or compressed).
ow_code connect_open_envelope(connect_input *input, ow_err *err);
// Writes what stands in front of a message of that size. `last`: the end of the stream.
void connect_seal_envelope(size_t size, bool last, uint8_t ret_envelope[static CONNECT_ENVELOPE]);
