#include "sdk/c/json.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 64, MAX_NAME = 64 };

#define NOT_A_CHARACTER UINT32_MAX

static const sdk_json none = {NULL, 0};

/* ---- Where a value ends: NULL when it is not one ---- */

static const char *value_end(const char *at, const char *end, int depth);

static const char *space_end(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) {
        at++;
    }
    return at;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static const char *escape_end(const char *at, const char *end) {
    if (at == end || strchr("\"\\/bfnrtu", *at) == NULL || *at == '\0') {
        return NULL;
    }
    if (*at != 'u') {
        return at + 1;
    }
    if (end - at < 5) {
        return NULL;
    }
    for (int i = 1; i <= 4; i++) {
        if (hex_digit(at[i]) < 0) {
            return NULL;
        }
    }
    return at + 5;
}

static const char *string_end(const char *at, const char *end) {
    at++;
    while (at != NULL && at < end && *at != '"') {
        if ((unsigned char)*at < 0x20) {
            return NULL;
        }
        at = *at == '\\' ? escape_end(at + 1, end) : at + 1;
    }
    return at != NULL && at < end ? at + 1 : NULL;
}

static const char *digits_end(const char *at, const char *end) {
    const char *start = at;
    while (at < end && *at >= '0' && *at <= '9') {
        at++;
    }
    return at > start ? at : NULL;
}

static const char *number_end(const char *at, const char *end) {
    at += *at == '-';
    at = at < end && *at == '0' ? at + 1 : digits_end(at, end);
    if (at != NULL && at < end && *at == '.') {
        at = digits_end(at + 1, end);
    }
    if (at != NULL && at < end && (*at == 'e' || *at == 'E')) {
        at++;
        at += at < end && (*at == '+' || *at == '-');
        at = digits_end(at, end);
    }
    return at;
}

static const char *word_end(const char *at, const char *end) {
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t size = strlen(words[i]);
        if ((size_t)(end - at) >= size && memcmp(at, words[i], size) == 0) {
            return at + size;
        }
    }
    return NULL;
}

/* "name" : */
static const char *name_end(const char *at, const char *end) {
    at = at < end && *at == '"' ? string_end(at, end) : NULL;
    at = at != NULL ? space_end(at, end) : NULL;
    return at != NULL && at < end && *at == ':' ? space_end(at + 1, end) : NULL;
}

/* An object or an array, between its brackets. */
static const char *list_end(const char *at, const char *end, int depth) {
    char close = *at == '{' ? '}' : ']';
    at = space_end(at + 1, end);
    if (at < end && *at == close) {
        return at + 1;
    }
    while (at != NULL) {
        at = close == '}' ? name_end(at, end) : at;
        at = at != NULL ? value_end(at, end, depth) : NULL;
        at = at != NULL ? space_end(at, end) : NULL;
        if (at == NULL || at == end || (*at != ',' && *at != close)) {
            return NULL;
        }
        if (*at == close) {
            return at + 1;
        }
        at = space_end(at + 1, end);
    }
    return NULL;
}

static const char *value_end(const char *at, const char *end, int depth) {
    if (at == end) {
        return NULL;
    }
    switch (*at) {
    case '{':
    case '[':
        return depth < MAX_DEPTH ? list_end(at, end, depth + 1) : NULL;
    case '"':
        return string_end(at, end);
    case '-':
        return number_end(at, end);
    default:
        return *at >= '0' && *at <= '9' ? number_end(at, end) : word_end(at, end);
    }
}

sdk_json sdk_json_parse(const void *text, size_t size) {
    if (size == 0) {
        return none;
    }
    const char *end = (const char *)text + size;
    const char *at = space_end(text, end);
    const char *after = value_end(at, end, 0);
    if (after == NULL || space_end(after, end) != end) {
        return none;
    }
    return (sdk_json){at, (size_t)(after - at)};
}

/* ---- Walking through what was checked ---- */

static sdk_json value_at(const char *at, const char *end) {
    return (sdk_json){at, (size_t)(value_end(at, end, 0) - at)};
}

/* The first thing after the bracket or the comma; NULL at the closing bracket. */
static const char *next_in_list(const char *at, const char *end) {
    at = space_end(at, end);
    at = *at == ',' || *at == '{' || *at == '[' ? space_end(at + 1, end) : at;
    return *at == '}' || *at == ']' ? NULL : at;
}

sdk_json sdk_json_member(sdk_json object, const char *name) {
    if (object.at == NULL || *object.at != '{') {
        return none;
    }
    const char *end = object.at + object.size;
    const char *at = next_in_list(object.at, end);
    while (at != NULL) {
        char own[MAX_NAME];
        sdk_json key = value_at(at, end);
        sdk_json value = value_at(name_end(at, end), end);
        /* A longer name is cut, and no name of ours is as long as that. */
        if (sdk_json_text(key, own, sizeof own) && strcmp(own, name) == 0) {
            return value;
        }
        at = next_in_list(value.at + value.size, end);
    }
    return none;
}

sdk_json sdk_json_element(sdk_json array, sdk_json previous) {
    if (array.at == NULL || *array.at != '[') {
        return none;
    }
    const char *end = array.at + array.size;
    const char *at =
        next_in_list(previous.at != NULL ? previous.at + previous.size : array.at, end);
    return at != NULL ? value_at(at, end) : none;
}

/* ---- Text ---- */

static uint32_t four_digits(const char *at) {
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        value = value << 4 | (uint32_t)hex_digit(at[i]);
    }
    return value;
}

/* The character of the escape whose letter stands at *at, which moves behind it. */
static uint32_t take_escape(const char **at, const char *end) {
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    char letter = *(*at)++;
    if (letter != 'u') {
        return (unsigned char)meanings[strchr(letters, letter) - letters];
    }
    uint32_t value = four_digits(*at);
    *at += 4;
    if (value < 0xd800 || value > 0xdfff) {
        return value != 0 ? value : NOT_A_CHARACTER;
    }
    bool has_pair = value < 0xdc00 && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u';
    uint32_t low = has_pair ? four_digits(*at + 2) : 0;
    if (low < 0xdc00 || low > 0xdfff) {
        return NOT_A_CHARACTER;
    }
    *at += 6;
    return 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00);
}

static size_t encode(uint32_t c, char out[4]) {
    static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t size = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    out[0] = (char)(leads[size] | c);
    return size;
}

/* How many bytes at the end belong to a character that was cut. */
static size_t cut_bytes(const char *text, size_t size) {
    size_t follow = 0;
    while (follow < 3 && follow < size && ((unsigned char)text[size - 1 - follow] & 0xc0) == 0x80) {
        follow++;
    }
    unsigned char lead = follow < size ? (unsigned char)text[size - 1 - follow] : 0;
    size_t wanted = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
    return wanted > follow ? follow + 1 : 0;
}

bool sdk_json_text(sdk_json value, char *ret_text, size_t room) {
    ret_text[0] = '\0';
    if (value.at == NULL || *value.at != '"') {
        return false;
    }
    const char *at = value.at + 1;
    const char *end = value.at + value.size - 1;
    size_t used = 0;
    bool is_full = false;
    while (at < end) {
        char bytes[4] = {*at};
        size_t size = 1;
        if (*at++ == '\\') {
            uint32_t c = take_escape(&at, end);
            if (c == NOT_A_CHARACTER) {
                ret_text[0] = '\0';
                return false;
            }
            size = encode(c, bytes);
        }
        is_full = is_full || used + size >= room;
        if (!is_full) {
            memcpy(ret_text + used, bytes, size);
            used += size;
        }
    }
    used -= is_full ? cut_bytes(ret_text, used) : 0;
    ret_text[used] = '\0';
    return true;
}

char *sdk_json_text_dup(sdk_json value) {
    /* Decoded text is never longer than what stands in the quotes. */
    char *text = value.at != NULL ? malloc(value.size + 1) : NULL;
    if (text != NULL && !sdk_json_text(value, text, value.size + 1)) {
        free(text);
        text = NULL;
    }
    return text;
}

bool sdk_json_is_true(sdk_json value) {
    return value.at != NULL && value.size == 4 && memcmp(value.at, "true", 4) == 0;
}

/* ---- Writing ---- */

static size_t write_text(char *out, const char *text) {
    size_t used = 0;
    out[used++] = '"';
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20) {
            used += (size_t)snprintf(out + used, 7, "\\u%04x", c);
            continue;
        }
        if (c == '"' || c == '\\') {
            out[used++] = '\\';
        }
        out[used++] = *text;
    }
    out[used++] = '"';
    return used;
}

char *sdk_json_object(const sdk_json_field *fields, size_t count) {
    size_t room = 3;
    for (size_t i = 0; i < count; i++) {
        /* An escape is at most six times what it stands for. */
        room +=
            fields[i].text != NULL ? 6 * (strlen(fields[i].name) + strlen(fields[i].text)) + 6 : 0;
    }
    char *out = malloc(room);
    if (out == NULL) {
        return NULL;
    }
    size_t used = 0;
    out[used++] = '{';
    for (size_t i = 0; i < count; i++) {
        if (fields[i].text == NULL) {
            continue;
        }
        if (used > 1) {
            out[used++] = ',';
        }
        used += write_text(out + used, fields[i].name);
        out[used++] = ':';
        if (fields[i].is_value) {
            memcpy(out + used, fields[i].text, strlen(fields[i].text));
            used += strlen(fields[i].text);
        } else {
            used += write_text(out + used, fields[i].text);
        }
    }
    out[used++] = '}';
    out[used] = '\0';
    return out;
}
