#include "core/json/writer.h"

#include "core/json/check.h"
#include "core/json/internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define FIRST_ROOM 256

void ow_json_writer_init(ow_json_writer *writer, ow_arena *arena, size_t max_size) {
    *writer = (ow_json_writer){.arena = arena, .max_size = max_size};
}

// Room for `size` more bytes and a NUL; NULL once the writer has failed.
static char *reserve(ow_json_writer *writer, size_t size) {
    if (writer->failed || size > writer->max_size - writer->size) {
        writer->failed = true;
        return NULL;
    }
    if (size < writer->room - writer->size) {
        return writer->text + writer->size;
    }
    size_t room = writer->room * 2 > FIRST_ROOM ? writer->room * 2 : FIRST_ROOM;
    room = room > writer->size + size + 1 ? room : writer->size + size + 1;
    char *text = ow_arena_alloc(writer->arena, room);
    if (text == NULL) {
        writer->failed = true;
        return NULL;
    }
    if (writer->size > 0) {
        memcpy(text, writer->text, writer->size);
    }
    writer->text = text;
    writer->room = room;
    return text + writer->size;
}

static void put(ow_json_writer *writer, const char *bytes, size_t size) {
    char *out = reserve(writer, size);
    if (out != NULL) {
        memcpy(out, bytes, size);
        writer->size += size;
    }
}

// Before each value or name: the comma behind its predecessor.
static void separate(ow_json_writer *writer) {
    uint64_t bit = UINT64_C(1) << (writer->depth & 63);
    if (writer->filled & bit) {
        put(writer, ",", 1);
    }
    writer->filled |= bit;
}

static void open_level(ow_json_writer *writer, char bracket) {
    separate(writer);
    put(writer, &bracket, 1);
    if (writer->depth + 1 >= OW_JSON_MAX_DEPTH) {
        writer->failed = true;
        return;
    }
    writer->depth++;
    writer->filled &= ~(UINT64_C(1) << writer->depth);
}

static void close_level(ow_json_writer *writer, char bracket) {
    put(writer, &bracket, 1);
    writer->depth -= writer->depth > 0;
}

void ow_json_object_open(ow_json_writer *writer) {
    open_level(writer, '{');
}

void ow_json_object_close(ow_json_writer *writer) {
    close_level(writer, '}');
}

void ow_json_array_open(ow_json_writer *writer) {
    open_level(writer, '[');
}

void ow_json_array_close(ow_json_writer *writer) {
    close_level(writer, ']');
}

static bool is_plain(unsigned char b) {
    return b >= 0x20 && b != '"' && b != '\\' && b < 0x80;
}

// Writes what stands at `at` and is not plain; returns what follows it.
static const unsigned char *put_special(ow_json_writer *writer, const unsigned char *at,
                                        const unsigned char *end) {
    static const char short_escapes[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                         ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};
    char escape[8];
    if (*at >= 0x80) {
        const unsigned char *next = utf8_sequence_end(at, end);
        if (next == NULL) {
            put(writer, "\xef\xbf\xbd", 3);
            return at + 1;
        }
        put(writer, (const char *)at, (size_t)(next - at));
        return next;
    }
    if (*at < sizeof short_escapes && short_escapes[*at] != 0) {
        snprintf(escape, sizeof escape, "\\%c", short_escapes[*at]);
    } else {
        snprintf(escape, sizeof escape, "\\u%04x", *at);
    }
    put(writer, escape, strlen(escape));
    return at + 1;
}

static void put_quoted(ow_json_writer *writer, const char *text, size_t size) {
    const unsigned char *at = (const unsigned char *)text;
    const unsigned char *end = at + size;
    put(writer, "\"", 1);
    while (at < end && !writer->failed) {
        const unsigned char *run = at;
        while (at < end && is_plain(*at)) {
            at++;
        }
        put(writer, (const char *)run, (size_t)(at - run));
        if (at < end) {
            at = put_special(writer, at, end);
        }
    }
    put(writer, "\"", 1);
}

void ow_json_name(ow_json_writer *writer, const char *name) {
    separate(writer);
    put_quoted(writer, name, strlen(name));
    put(writer, ":", 1);
    writer->filled &= ~(UINT64_C(1) << (writer->depth & 63));
}

void ow_json_text_n(ow_json_writer *writer, const char *text, size_t size) {
    separate(writer);
    put_quoted(writer, text, size);
}

void ow_json_text(ow_json_writer *writer, const char *text) {
    if (text == NULL) {
        ow_json_raw(writer, "null", 4);
    } else {
        ow_json_text_n(writer, text, strlen(text));
    }
}

void ow_json_bool(ow_json_writer *writer, bool value) {
    ow_json_raw(writer, value ? "true" : "false", value ? 4 : 5);
}

void ow_json_int(ow_json_writer *writer, int64_t value) {
    char text[24];
    int length = snprintf(text, sizeof text, "%" PRId64, value);
    ow_json_raw(writer, text, (size_t)length);
}

void ow_json_int64_text(ow_json_writer *writer, int64_t value) {
    char text[24];
    int length = snprintf(text, sizeof text, "\"%" PRId64 "\"", value);
    ow_json_raw(writer, text, (size_t)length);
}

void ow_json_uint64_text(ow_json_writer *writer, uint64_t value) {
    char text[24];
    int length = snprintf(text, sizeof text, "\"%" PRIu64 "\"", value);
    ow_json_raw(writer, text, (size_t)length);
}

void ow_json_double(ow_json_writer *writer, double value) {
    char text[NUMBER_TEXT_MAX];
    if (isfinite(value)) {
        ow_json_raw(writer, text, number_from_double(text, value));
    } else {
        ow_json_text(writer, isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
    }
}

void ow_json_float(ow_json_writer *writer, float value) {
    char text[NUMBER_TEXT_MAX];
    if (isfinite(value)) {
        ow_json_raw(writer, text, number_from_float(text, value));
    } else {
        ow_json_double(writer, (double)value);
    }
}

void ow_json_bytes(ow_json_writer *writer, const void *bytes, size_t size) {
    separate(writer);
    put(writer, "\"", 1);
    char *out = size <= writer->max_size ? reserve(writer, (size + 2) / 3 * 4) : NULL;
    if (out != NULL) {
        writer->size += base64_encode(bytes, size, out);
    } else {
        writer->failed = true;
    }
    put(writer, "\"", 1);
}

void ow_json_raw(ow_json_writer *writer, const char *json, size_t size) {
    separate(writer);
    put(writer, json, size);
}

const char *ow_json_writer_end(ow_json_writer *writer, size_t *ret_size) {
    char *end = reserve(writer, 0);
    if (end == NULL) {
        return NULL;
    }
    *end = '\0';
    if (ret_size != NULL) {
        *ret_size = writer->size;
    }
    return writer->text;
}
