#pragma once

// The reply of a method that streams; door_connect.c asks for it.

#include "services/gateway/internal.h"

// A stream ends after this time, so that whoever goes on watching is looked at again.
#define CONNECT_STREAM_US (INT64_C(300) * 1000000)

// The closure of a streaming method whose call's user is an exchange.
void connect_on_piece(const ProtobufCMessage *message, void *closure_data);

// A message as the caller wants it, in `arena`. Codes: resource_exhausted "too_large" and the
// transcoder's.
ow_code connect_encode(exchange *x, const ProtobufCMessage *message, ow_arena *arena,
                       const char **ret_bytes, size_t *ret_size, ow_err *err);
