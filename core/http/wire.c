#include "core/http/wire.h"

#include <string.h>

// Most of a chunk's size that is believed: libmicrohttpd refuses far less.
#define SIZE_BITS 60

static const char *lose(ow_http_wire *wire, ow_http_wire_fault fault, const char *end) {
    wire->state = OW_HTTP_WIRE_LOST;
    wire->fault = fault;
    return end;
}

// ---- heads ----

// Behind a CR. The empty line ends the head; empty lines before it are borne.
static const char *end_line(ow_http_wire *wire, const char *at, const char *end) {
    if (*at != '\n') {
        return lose(wire, OW_HTTP_WIRE_LINES, end);
    }
    bool is_empty = wire->line == 0;
    wire->carriage_return = false;
    wire->line = 0;
    if (!is_empty) {
        wire->lines++;
    } else if (wire->lines > 0) {
        wire->state = OW_HTTP_WIRE_HELD;
        wire->held = 0;
    }
    return at + 1;
}

static const char *hear_head(ow_http_wire *wire, const char *at, const char *end) {
    if (wire->carriage_return) {
        return end_line(wire, at, end);
    }
    bool is_folded = wire->line == 0 && wire->lines > 0 && (*at == ' ' || *at == '\t');
    const char *stop = memchr(at, '\r', (size_t)(end - at));
    stop = stop != NULL ? stop : end;
    size_t size = (size_t)(stop - at);
    if (is_folded || memchr(at, '\n', size) != NULL || memchr(at, '\0', size) != NULL) {
        return lose(wire, OW_HTTP_WIRE_LINES, end);
    }
    wire->line += size;
    wire->carriage_return = stop < end;
    return stop < end ? stop + 1 : end;
}

static const char *hold(ow_http_wire *wire, const char *at, const char *end) {
    wire->held += (size_t)(end - at);
    return end;
}

// ---- bodies ----

static void begin_head(ow_http_wire *wire) {
    wire->state = OW_HTTP_WIRE_HEAD;
    wire->lines = 0;
    wire->line = 0;
    wire->carriage_return = false;
}

static void begin_chunk(ow_http_wire *wire) {
    wire->state = OW_HTTP_WIRE_SIZE;
    wire->digits = 0;
    wire->left = 0;
}

static const char *skip(ow_http_wire *wire, const char *at, const char *end) {
    size_t size = (size_t)(end - at);
    size = size < wire->left ? size : (size_t)wire->left;
    wire->left -= size;
    return at + size;
}

static const char *hear_body(ow_http_wire *wire, const char *at, const char *end) {
    at = skip(wire, at, end);
    if (wire->left == 0) {
        begin_head(wire);
    }
    return at;
}

static const char *hear_chunk(ow_http_wire *wire, const char *at, const char *end) {
    at = skip(wire, at, end);
    if (wire->left == 0) {
        wire->state = OW_HTTP_WIRE_CHUNK_END;
    }
    return at;
}

static int digit_of(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static const char *hear_size(ow_http_wire *wire, const char *at, const char *end) {
    int digit = digit_of(*at);
    if (digit >= 0 && wire->left >> SIZE_BITS == 0) {
        wire->left = wire->left << 4 | (uint64_t)digit;
        wire->digits++;
        return at + 1;
    }
    if (wire->digits == 0 || (*at != ';' && *at != '\r')) {
        return lose(wire, OW_HTTP_WIRE_CHUNKS, end);
    }
    wire->state = *at == ';' ? OW_HTTP_WIRE_EXTENSION : OW_HTTP_WIRE_SIZE_FEED;
    return at + 1;
}

static const char *hear_extension(ow_http_wire *wire, const char *at, const char *end) {
    if (*at == '\n' || *at == '\0') {
        return lose(wire, OW_HTTP_WIRE_CHUNKS, end);
    }
    wire->state = *at == '\r' ? OW_HTTP_WIRE_SIZE_FEED : OW_HTTP_WIRE_EXTENSION;
    return at + 1;
}

// One byte that has to come, and what follows it.
static const char *hear_one(ow_http_wire *wire, const char *at, const char *end) {
    static const struct {
        ow_http_wire_state next;
        ow_http_wire_fault fault;
        char byte;
    } steps[] = {
        [OW_HTTP_WIRE_SIZE_FEED] = {OW_HTTP_WIRE_CHUNK, OW_HTTP_WIRE_CHUNKS, '\n'},
        [OW_HTTP_WIRE_CHUNK_END] = {OW_HTTP_WIRE_CHUNK_FEED, OW_HTTP_WIRE_CHUNKS, '\r'},
        [OW_HTTP_WIRE_CHUNK_FEED] = {OW_HTTP_WIRE_SIZE, OW_HTTP_WIRE_CHUNKS, '\n'},
        [OW_HTTP_WIRE_LAST] = {OW_HTTP_WIRE_LAST_FEED, OW_HTTP_WIRE_TRAILERS, '\r'},
        [OW_HTTP_WIRE_LAST_FEED] = {OW_HTTP_WIRE_HEAD, OW_HTTP_WIRE_CHUNKS, '\n'},
    };
    ow_http_wire_state was = wire->state;
    if (*at != steps[was].byte) {
        return lose(wire, *at == '\n' ? OW_HTTP_WIRE_CHUNKS : steps[was].fault, end);
    }
    wire->state = steps[was].next;
    if (wire->state == OW_HTTP_WIRE_CHUNK && wire->left == 0) {
        wire->state = OW_HTTP_WIRE_LAST;
    } else if (wire->state == OW_HTTP_WIRE_SIZE) {
        begin_chunk(wire);
    } else if (wire->state == OW_HTTP_WIRE_HEAD) {
        begin_head(wire);
    }
    return at + 1;
}

static const char *stay_lost(ow_http_wire *wire, const char *at, const char *end) {
    (void)wire;
    (void)at;
    return end;
}

// ---- all ----

void ow_http_wire_hear(ow_http_wire *wire, const char *bytes, size_t size) {
    static const char *(*const hear[])(ow_http_wire *, const char *, const char *) = {
        [OW_HTTP_WIRE_HEAD] = hear_head,           [OW_HTTP_WIRE_HELD] = hold,
        [OW_HTTP_WIRE_BODY] = hear_body,           [OW_HTTP_WIRE_SIZE] = hear_size,
        [OW_HTTP_WIRE_EXTENSION] = hear_extension, [OW_HTTP_WIRE_SIZE_FEED] = hear_one,
        [OW_HTTP_WIRE_CHUNK] = hear_chunk,         [OW_HTTP_WIRE_CHUNK_END] = hear_one,
        [OW_HTTP_WIRE_CHUNK_FEED] = hear_one,      [OW_HTTP_WIRE_LAST] = hear_one,
        [OW_HTTP_WIRE_LAST_FEED] = hear_one,       [OW_HTTP_WIRE_LOST] = stay_lost,
    };
    const char *end = bytes + size;
    while (bytes < end) {
        bytes = hear[wire->state](wire, bytes, end);
    }
}

bool ow_http_wire_begin_body(ow_http_wire *wire, const char *held, int64_t content_length) {
    if (wire->state != OW_HTTP_WIRE_HELD) {
        return false;
    }
    size_t size = wire->held;
    wire->held = 0;
    if (content_length < 0) {
        begin_chunk(wire);
    } else if (content_length == 0) {
        begin_head(wire);
    } else {
        wire->state = OW_HTTP_WIRE_BODY;
        wire->left = (uint64_t)content_length;
    }
    ow_http_wire_hear(wire, held, size);
    return true;
}

ow_http_wire_fault ow_http_wire_body_fault(const ow_http_wire *wire) {
    return wire->fault == OW_HTTP_WIRE_LINES ? OW_HTTP_WIRE_GOOD : wire->fault;
}
