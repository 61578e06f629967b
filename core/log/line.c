#include "core/log/internal.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { KEPT_FOR_THE_END = 24 }; // `,"cut":true}` and the newline

typedef struct escape {
    char text[8];
    size_t length;
} escape;

static void put(line *line, const char *text, size_t length) {
    size_t room = sizeof line->bytes - line->used;
    if (length > room) {
        length = room;
    }
    memcpy(line->bytes + line->used, text, length);
    line->used += length;
}

static bool fits(const line *line, size_t length) {
    return line->used + length + KEPT_FOR_THE_END <= sizeof line->bytes;
}

typedef struct utf8_shape {
    unsigned char mask, lead;
    size_t length;
    uint32_t least; // above the control characters, and what no shorter sequence can say
} utf8_shape;

static bool is_sound_sequence(const unsigned char *text, const utf8_shape *shape) {
    uint32_t point = text[0] & (unsigned char)~shape->mask;
    for (size_t i = 1; i < shape->length; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return false;
        }
        point = point << 6 | (text[i] & 0x3f);
    }
    return point >= shape->least && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
}

// The length of the printable UTF-8 sequence that begins at `text`; 0 when there is none.
static size_t printable_length(const unsigned char *text, size_t left) {
    static const utf8_shape shapes[] = {{0x80, 0x00, 1, 0x20},
                                        {0xe0, 0xc0, 2, 0xa0},
                                        {0xf0, 0xe0, 3, 0x800},
                                        {0xf8, 0xf0, 4, 0x10000}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        const utf8_shape *shape = &shapes[i];
        if ((text[0] & shape->mask) == shape->lead) {
            bool sound = shape->length <= left && text[0] != 0x7f && is_sound_sequence(text, shape);
            return sound ? shape->length : 0;
        }
    }
    return 0;
}

static escape escape_byte(ow_log_format format, unsigned char c) {
    static const struct {
        char c;
        char text[3];
    } named[] = {{'"', "\\\""}, {'\\', "\\\\"}, {'\n', "\\n"}, {'\r', "\\r"}, {'\t', "\\t"}};
    escape escape = {.length = 2};
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        if ((unsigned char)named[i].c == c) {
            memcpy(escape.text, named[i].text, 2);
            return escape;
        }
    }
    const char *shape = format == OW_LOG_LOGFMT ? "\\x%02x" : c < 0x80 ? "\\u%04x" : "\\ufffd";
    escape.length = (size_t)snprintf(escape.text, sizeof escape.text, shape, c);
    return escape;
}

static bool needs_quotes(const value *value) {
    for (size_t i = 0; i < value->used; i++) {
        unsigned char c = (unsigned char)value->bytes[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\') {
            return true;
        }
    }
    return value->used == 0;
}

static void put_quoted(line *line, const value *value) {
    put(line, "\"", 1);
    size_t i = 0;
    while (i < value->used) {
        const char *at = value->bytes + i;
        size_t length = printable_length((const unsigned char *)at, value->used - i);
        i += length == 0 ? 1 : length;
        escape escaped;
        if (length <= 1 && (length == 0 || *at == '"' || *at == '\\')) {
            escaped = escape_byte(line->format, (unsigned char)*at);
            at = escaped.text;
            length = escaped.length;
        }
        if (!fits(line, length + 1)) {
            line->cut = true;
            break;
        }
        put(line, at, length);
    }
    put(line, "\"", 1);
}

static void put_key(line *line, const char *key, size_t length) {
    if (line->format == OW_LOG_JSON) {
        put(line, line->used == 1 ? "\"" : ",\"", line->used == 1 ? 1 : 2);
        put(line, key, length);
        put(line, "\":", 2);
        return;
    }
    if (line->used > 0) {
        put(line, " ", 1);
    }
    put(line, key, length);
    put(line, "=", 1);
}

void line_begin(line *line, ow_log_format format) {
    line->format = format;
    line->cut = false;
    line->used = 0;
    if (format == OW_LOG_JSON) {
        put(line, "{", 1);
    }
}

void line_add(line *line, const char *key, size_t key_length, const value *value) {
    bool bare = line->format == OW_LOG_JSON ? value->is_number : !needs_quotes(value);
    line->cut |= value->cut;
    if (!fits(line, key_length + 4 + (bare ? value->used : 2))) {
        line->cut = true;
        return;
    }
    put_key(line, key, key_length);
    if (bare) {
        put(line, value->bytes, value->used);
    } else {
        put_quoted(line, value);
    }
}

void line_end(line *line) {
    bool json = line->format == OW_LOG_JSON;
    if (line->cut) {
        const char *mark = json ? ",\"cut\":true" : " cut=true";
        put(line, mark, strlen(mark));
    }
    put(line, json ? "}\n" : "\n", json ? 2 : 1);
}
