#include "core/json/check.h"

#include "core/json/internal.h"

#include <string.h>

typedef unsigned char byte;

// What a byte means inside a string.
enum { PLAIN = 0, QUOTE, ESCAPE, CONTROL, HIGH };

static const byte string_class[256] = {
    [0 ... 0x1f] = CONTROL, ['"'] = QUOTE, ['\\'] = ESCAPE, [0x80 ... 0xff] = HIGH};

static const byte is_space[256] = {[' '] = 1, ['\t'] = 1, ['\n'] = 1, ['\r'] = 1};
static const byte is_digit[256] = {['0' ... '9'] = 1};

static const byte is_short_escape[256] = {
    ['"'] = 1, ['\\'] = 1, ['/'] = 1, ['b'] = 1, ['f'] = 1, ['n'] = 1, ['r'] = 1, ['t'] = 1};

// A checking run: where it is and what it found wrong.
typedef struct checker {
    const byte *at;
    const byte *end;
    const char *wrong;
    uint64_t objects; // one bit a level: 1 = object, 0 = array
    int depth;
    int max_depth;
} checker;

static bool is_continuation(byte b) {
    return (b & 0xc0) == 0x80;
}

// RFC 3629: only the second byte has bounds of its own, which keep out overlong forms, surrogates and
// what is above U+10FFFF.
static bool is_second(byte first, byte second) {
    static const struct {
        byte first, low, high;
    } narrow[] = {{0xe0, 0xa0, 0xbf}, {0xed, 0x80, 0x9f}, {0xf0, 0x90, 0xbf}, {0xf4, 0x80, 0x8f}};
    for (size_t i = 0; i < sizeof narrow / sizeof narrow[0]; i++) {
        if (narrow[i].first == first) {
            return second >= narrow[i].low && second <= narrow[i].high;
        }
    }
    return is_continuation(second);
}

const byte *utf8_sequence_end(const byte *at, const byte *end) {
    byte first = at[0];
    if (first < 0xc2 || first > 0xf4) {
        return NULL;
    }
    size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if ((size_t)(end - at) < length || !is_second(first, at[1])) {
        return NULL;
    }
    for (size_t i = 2; i < length; i++) {
        if (!is_continuation(at[i])) {
            return NULL;
        }
    }
    return at + length;
}

bool ow_utf8_check(const char *text, size_t size) {
    const byte *at = (const byte *)text;
    const byte *end = at + size;
    while (at < end) {
        if (*at < 0x80) {
            if (*at == 0) {
                return false;
            }
            at++;
            continue;
        }
        at = utf8_sequence_end(at, end);
        if (at == NULL) {
            return false;
        }
    }
    return true;
}

int hex4(const byte *digits) {
    int value = 0;
    for (int i = 0; i < 4; i++) {
        byte b = digits[i];
        int digit = b >= '0' && b <= '9'   ? b - '0'
                    : b >= 'a' && b <= 'f' ? b - 'a' + 10
                    : b >= 'A' && b <= 'F' ? b - 'A' + 10
                                           : -1;
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

size_t utf8_put(char *out, uint32_t scalar) {
    if (scalar < 0x80) {
        out[0] = (char)scalar;
        return 1;
    }
    if (scalar < 0x800) {
        out[0] = (char)(0xc0 | scalar >> 6);
        out[1] = (char)(0x80 | (scalar & 0x3f));
        return 2;
    }
    if (scalar < 0x10000) {
        out[0] = (char)(0xe0 | scalar >> 12);
        out[1] = (char)(0x80 | (scalar >> 6 & 0x3f));
        out[2] = (char)(0x80 | (scalar & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | scalar >> 18);
    out[1] = (char)(0x80 | (scalar >> 12 & 0x3f));
    out[2] = (char)(0x80 | (scalar >> 6 & 0x3f));
    out[3] = (char)(0x80 | (scalar & 0x3f));
    return 4;
}

static const byte *digits_end(const byte *at, const byte *end) {
    while (at < end && is_digit[*at]) {
        at++;
    }
    return at;
}

const byte *number_end(const byte *at, const byte *end) {
    if (at < end && *at == '-') {
        at++;
    }
    if (at == end || !is_digit[*at]) {
        return NULL;
    }
    at = *at == '0' ? at + 1 : digits_end(at, end);
    if (at < end && *at == '.') {
        const byte *fraction = at + 1;
        at = digits_end(fraction, end);
        if (at == fraction) {
            return NULL;
        }
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-')) {
            at++;
        }
        const byte *exponent = at;
        at = digits_end(exponent, end);
        if (at == exponent) {
            return NULL;
        }
    }
    return at;
}

static bool wrong(checker *check, const byte *at, const char *what) {
    check->at = at;
    check->wrong = what;
    return false;
}

// `at` is behind the backslash.
static const byte *escape_end(checker *check, const byte *at) {
    const byte *end = check->end;
    if (at == end) {
        wrong(check, at, "the text ends within a string");
        return NULL;
    }
    if (is_short_escape[*at]) {
        return at + 1;
    }
    int unit = *at == 'u' && end - at >= 5 ? hex4(at + 1) : -1;
    if (unit <= 0) {
        wrong(check, at, unit == 0 ? "NUL is not accepted" : "this escape does not exist");
        return NULL;
    }
    if (unit < 0xd800 || unit > 0xdfff) {
        return at + 5;
    }
    int low = unit < 0xdc00 && end - at >= 11 && at[5] == '\\' && at[6] == 'u' ? hex4(at + 7) : -1;
    if (low < 0xdc00 || low > 0xdfff) {
        wrong(check, at, "half of a surrogate pair");
        return NULL;
    }
    return at + 11;
}

// `check->at` is behind the opening quote; afterwards behind the closing one.
static bool check_string(checker *check) {
    const byte *at = check->at;
    const byte *end = check->end;
    for (;;) {
        while (at < end && string_class[*at] == PLAIN) {
            at++;
        }
        if (at == end) {
            return wrong(check, at, "the text ends within a string");
        }
        switch (string_class[*at]) {
        case QUOTE:
            check->at = at + 1;
            return true;
        case ESCAPE:
            at = escape_end(check, at + 1);
            if (at == NULL) {
                return false;
            }
            break;
        case HIGH: {
            const byte *next = utf8_sequence_end(at, end);
            if (next == NULL) {
                return wrong(check, at, "not UTF-8");
            }
            at = next;
            break;
        }
        default:
            return wrong(check, at, "a control character within a string");
        }
    }
}

static void skip_space(checker *check) {
    while (check->at < check->end && is_space[*check->at]) {
        check->at++;
    }
}

static bool check_word(checker *check, const char *word, size_t length) {
    if ((size_t)(check->end - check->at) < length || memcmp(check->at, word, length) != 0) {
        return wrong(check, check->at, "a value was expected");
    }
    check->at += length;
    return true;
}

static bool check_number(checker *check) {
    const byte *next = number_end(check->at, check->end);
    if (next == NULL) {
        return wrong(check, check->at, "not a number as JSON writes them");
    }
    check->at = next;
    return true;
}

static bool push(checker *check, bool object) {
    if (check->depth == check->max_depth) {
        return wrong(check, check->at, "nested too deeply");
    }
    check->objects = check->objects << 1 | object;
    check->depth++;
    check->at++;
    return true;
}

static bool pop(checker *check) {
    check->objects >>= 1;
    check->depth--;
    check->at++;
    return true;
}

// The name of a member and the colon behind it.
static bool check_name(checker *check) {
    skip_space(check);
    if (check->at == check->end || *check->at != '"') {
        return wrong(check, check->at, "a member's name was expected");
    }
    check->at++;
    if (!check_string(check)) {
        return false;
    }
    skip_space(check);
    if (check->at == check->end || *check->at != ':') {
        return wrong(check, check->at, "':' was expected");
    }
    check->at++;
    return true;
}

// Opens an array or object. `ret_value` tells whether a value must follow (it is not empty).
static bool open_container(checker *check, bool object, bool *ret_value) {
    if (!push(check, object)) {
        return false;
    }
    skip_space(check);
    if (check->at < check->end && *check->at == (object ? '}' : ']')) {
        *ret_value = false;
        return pop(check);
    }
    *ret_value = true;
    return object ? check_name(check) : true;
}

static bool check_value(checker *check, bool *ret_value_follows) {
    *ret_value_follows = false;
    skip_space(check);
    if (check->at == check->end) {
        return wrong(check, check->at, "a value was expected");
    }
    switch (*check->at) {
    case '{':
        return open_container(check, true, ret_value_follows);
    case '[':
        return open_container(check, false, ret_value_follows);
    case '"':
        check->at++;
        return check_string(check);
    case 't':
        return check_word(check, "true", 4);
    case 'f':
        return check_word(check, "false", 5);
    case 'n':
        return check_word(check, "null", 4);
    default:
        return check_number(check);
    }
}

// Behind a value: closes what ends here, up to the comma in front of the next value or the end.
static bool after_value(checker *check, bool *ret_value_follows) {
    *ret_value_follows = false;
    while (check->depth > 0) {
        bool object = check->objects & 1;
        skip_space(check);
        if (check->at == check->end) {
            return wrong(check, check->at, "the text ends within an array or object");
        }
        if (*check->at == ',') {
            check->at++;
            *ret_value_follows = true;
            return object ? check_name(check) : true;
        }
        if (*check->at != (object ? '}' : ']')) {
            return wrong(check, check->at,
                         object ? "',' or '}' was expected" : "',' or ']' was expected");
        }
        pop(check);
    }
    return true;
}

static bool check_text(checker *check) {
    bool more = true;
    while (more) {
        bool inside;
        if (!check_value(check, &inside)) {
            return false;
        }
        if (!inside && !after_value(check, &more)) {
            return false;
        }
    }
    skip_space(check);
    return check->at == check->end || wrong(check, check->at, "something follows the value");
}

ow_code ow_json_check(const char *text, size_t size, int max_depth, ow_err *err) {
    const byte *start = (const byte *)text;
    checker check = {.at = start,
                     .end = start + size,
                     .max_depth = max_depth < OW_JSON_MAX_DEPTH ? max_depth : OW_JSON_MAX_DEPTH};
    if (check_text(&check)) {
        return OW_OK;
    }
    return ow_fail(err, OW_INVALID_ARGUMENT, "invalid_json", "not valid JSON, byte %zu: %s",
                   (size_t)(check.at - start), check.wrong);
}
