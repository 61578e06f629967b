#pragma once

// The bytes of a connection as they come, followed from one request to the next. A parser that ends a line
// with a bare line feed, or passes a NUL, leaves no trace of it in what it hands over; here each byte is
// seen before. Two readers on a connection must agree on where each line ends, so nothing but CR LF ends one.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum ow_http_wire_fault {
    OW_HTTP_WIRE_GOOD,
    OW_HTTP_WIRE_LINES,    // of a head: another line end than CR LF, a NUL, a folded line
    OW_HTTP_WIRE_CHUNKS,   // of a chunked body: the same, or a size that is none
    OW_HTTP_WIRE_TRAILERS, // something between its last chunk and the empty line
} ow_http_wire_fault;

typedef enum ow_http_wire_state {
    OW_HTTP_WIRE_HEAD, // zeroed: before or in a head
    OW_HTTP_WIRE_HELD, // behind it, until somebody says how long the body is
    OW_HTTP_WIRE_BODY,
    OW_HTTP_WIRE_SIZE,       // the digits of a chunk's
    OW_HTTP_WIRE_EXTENSION,  // the rest of that line
    OW_HTTP_WIRE_SIZE_FEED,  // its line feed
    OW_HTTP_WIRE_CHUNK,      // what the chunk holds
    OW_HTTP_WIRE_CHUNK_END,  // the CR behind it
    OW_HTTP_WIRE_CHUNK_FEED, // the line feed behind that
    OW_HTTP_WIRE_LAST,       // the CR of the empty line behind all chunks
    OW_HTTP_WIRE_LAST_FEED,
    OW_HTTP_WIRE_LOST, // a fault: nothing is followed any more, the connection must be closed
} ow_http_wire_state;

// One a connection, zeroed when it begins. No resources. One thread at a time.
typedef struct ow_http_wire {
    ow_http_wire_state state;
    ow_http_wire_fault fault;
    bool carriage_return; // a CR came; in a head
    uint32_t lines;       // of the head, without the empty ones before it
    uint32_t digits;      // of the chunk's size
    uint64_t line;        // bytes of the line, in a head
    uint64_t left;        // of the body or the chunk; of a chunk's size what was read of it
    size_t held;          // bytes behind the head that are not followed yet
} ow_http_wire;

// The next bytes of the connection.
void ow_http_wire_hear(ow_http_wire *wire, const char *bytes, size_t size);

// Says how long the body of the head that was heard is: `content_length` bytes, or -1: chunked. `held`
// holds wire->held bytes, all that were heard since that head. False: the head had a fault, or is not whole;
// nothing is read then.
bool ow_http_wire_begin_body(ow_http_wire *wire, const char *held, int64_t content_length);

// What is wrong with the body that is under way, as far as it was heard.
ow_http_wire_fault ow_http_wire_body_fault(const ow_http_wire *wire);
