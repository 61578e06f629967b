#pragma once

// Private to this package: a message's bytes in one pass. protobuf-c walks a message for its size before it
// writes it, and each message within again; on the path of every call that is most of what recording costs.

#include <protobuf-c/protobuf-c.h>

#include <stdint.h>

// Writes the message behind its length as a varint into `room` bytes, the same bytes that protobuf-c writes.
// Returns how many; 0: there is no room (up to a varint's 10 bytes may then be left unused).
size_t encode_delimited(uint8_t *out, size_t room, const ProtobufCMessage *message);
