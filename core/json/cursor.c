#include "core/json/cursor.h"

#include "core/json/internal.h"

#include <string.h>

static bool is_space(char c) {
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static bool ends_word(char c) {
    return is_space(c) || c == ',' || c == ']' || c == '}';
}

char cursor_peek(cursor *at) {
    while (at->at < at->end && is_space(*at->at)) {
        at->at++;
    }
    return at->at < at->end ? *at->at : '\0';
}

bool cursor_take(cursor *at, char wanted) {
    if (cursor_peek(at) != wanted || at->at == at->end) {
        return false;
    }
    at->at++;
    return true;
}

raw_string cursor_string(cursor *at) {
    cursor_take(at, '"');
    raw_string raw = {.text = at->at};
    while (at->at < at->end && *at->at != '"') {
        if (*at->at == '\\') {
            raw.escaped = true;
            at->at++;
        }
        at->at++;
    }
    raw.size = (size_t)(at->at - raw.text);
    at->at++;
    return raw;
}

raw_string cursor_word(cursor *at) {
    cursor_peek(at);
    raw_string raw = {.text = at->at};
    while (at->at < at->end && !ends_word(*at->at)) {
        at->at++;
    }
    raw.size = (size_t)(at->at - raw.text);
    return raw;
}

void cursor_skip(cursor *at) {
    int depth = 0;
    do {
        char c = cursor_peek(at);
        if (c == '"') {
            cursor_string(at);
        } else if (c == '{' || c == '[') {
            depth++;
            at->at++;
        } else if (c == '}' || c == ']') {
            depth--;
            at->at++;
        } else if (c == ',' || c == ':') {
            at->at++;
        } else {
            cursor_word(at);
        }
    } while (depth > 0 && at->at < at->end);
}

size_t cursor_count(const cursor *at) {
    cursor copy = *at;
    size_t count = 0;
    cursor_take(&copy, '[');
    if (cursor_take(&copy, ']')) {
        return 0;
    }
    do {
        cursor_skip(&copy);
        count++;
    } while (cursor_take(&copy, ','));
    return count;
}

// Decodes the escape behind a backslash; returns what follows it.
static const char *decode_escape(const char *at, char *out, size_t *length) {
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    if (*at != 'u') {
        out[(*length)++] = to[strchr(from, *at) - from];
        return at + 1;
    }
    uint32_t scalar = (uint32_t)hex4((const unsigned char *)at + 1);
    at += 5;
    if (scalar >= 0xd800 && scalar <= 0xdbff) {
        uint32_t low = (uint32_t)hex4((const unsigned char *)at + 2);
        scalar = 0x10000 + ((scalar - 0xd800) << 10) + (low - 0xdc00);
        at += 6;
    }
    *length += utf8_put(out + *length, scalar);
    return at;
}

size_t raw_string_decode(const raw_string *raw, char *out) {
    if (!raw->escaped) {
        memcpy(out, raw->text, raw->size);
        return raw->size;
    }
    const char *at = raw->text;
    const char *end = raw->text + raw->size;
    size_t length = 0;
    while (at < end) {
        if (*at != '\\') {
            out[length++] = *at++;
        } else {
            at = decode_escape(at + 1, out, &length);
        }
    }
    return length;
}
