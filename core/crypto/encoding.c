#include "core/crypto/hash.h"

static const char hex_digits[17] = "0123456789abcdef";
static const char base64_digits[65] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void ow_hex_encode(const void *bytes, size_t size, char *ret_text) {
    const uint8_t *from = bytes;
    for (size_t i = 0; i < size; i++) {
        ret_text[2 * i] = hex_digits[from[i] >> 4];
        ret_text[2 * i + 1] = hex_digits[from[i] & 15];
    }
    ret_text[2 * size] = '\0';
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool ow_hex_decode(const char *text, size_t length, uint8_t *ret_bytes, size_t size) {
    if (length != 2 * size) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (hex_value(text[i]) < 0) {
            return false;
        }
    }
    for (size_t i = 0; i < size; i++) {
        ret_bytes[i] = (uint8_t)(hex_value(text[2 * i]) << 4 | hex_value(text[2 * i + 1]));
    }
    return true;
}

size_t ow_base64url_encode(const void *bytes, size_t size, char *ret_text) {
    const uint8_t *from = bytes;
    size_t used = 0;
    uint32_t bits = 0;
    int count = 0;
    for (size_t i = 0; i < size; i++) {
        bits = bits << 8 | from[i];
        count += 8;
        while (count >= 6) {
            count -= 6;
            ret_text[used++] = base64_digits[bits >> count & 63];
        }
    }
    if (count > 0) {
        ret_text[used++] = base64_digits[bits << (6 - count) & 63];
    }
    ret_text[used] = '\0';
    return used;
}

// Value + 1 of each digit; 0: not a digit.
static const uint8_t base64_values[256] = {
    ['-'] = 63, ['_'] = 64, ['A'] = 1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11,
    12,         13,         14,         15, 16, 17, 18, 19, 20, 21, 22, 23, 24,
    25,         26,         ['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37,
    38,         39,         40,         41, 42, 43, 44, 45, 46, 47, 48, 49, 50,
    51,         52,         ['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62,
};

int64_t ow_base64url_decode(const char *text, size_t length, uint8_t *ret_bytes, size_t max) {
    if (length % 4 == 1 || length / 4 * 3 + length % 4 * 3 / 4 > max) {
        return -1;
    }
    size_t used = 0;
    uint32_t bits = 0;
    int count = 0;
    for (size_t i = 0; i < length; i++) {
        uint8_t value = base64_values[(unsigned char)text[i]];
        if (value == 0) {
            return -1;
        }
        bits = bits << 6 | (uint32_t)(value - 1);
        count += 6;
        if (count >= 8) {
            count -= 8;
            ret_bytes[used++] = (uint8_t)(bits >> count);
        }
    }
    // Otherwise one value would have several spellings.
    return (bits & ((1U << count) - 1)) == 0 ? (int64_t)used : -1;
}
