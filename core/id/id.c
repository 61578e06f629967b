#include "core/id/id.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    PREFIX_MAX = 8,
    TIME_BYTES = 6,
    RANDOM_BYTES = OW_ULID_BYTES - TIME_BYTES,
    TIME_DIGITS = 10,
    BUFFERED_BYTES = 1024,
};

static const char digits[33] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void ow_random_bytes(void *bytes, size_t size) {
    unsigned char *to = bytes;
    while (size > 0) {
        ssize_t got = getrandom(to, size, 0);
        if (got < 0 && errno != EINTR) {
            // No kernel that we run on refuses, and no key may ever be made without it.
            abort();
        }
        if (got > 0) {
            to += got;
            size -= (size_t)got;
        }
    }
}

void ow_random_id(void *bytes, size_t size) {
    static _Thread_local unsigned char buffer[BUFFERED_BYTES];
    static _Thread_local size_t left;
    if (size > sizeof buffer) {
        ow_random_bytes(bytes, size);
        return;
    }
    if (left < size) {
        ow_random_bytes(buffer, sizeof buffer);
        left = sizeof buffer;
    }
    left -= size;
    memcpy(bytes, buffer + left, size);
}

// 5 bytes are 8 digits.
static void write_40_bits(char *text, const unsigned char bytes[static 5]) {
    uint64_t value = 0;
    for (int i = 0; i < 5; i++) {
        value = value << 8 | bytes[i];
    }
    for (int i = 7; i >= 0; i--) {
        text[i] = digits[value & 31];
        value >>= 5;
    }
}

void ow_ulid_bytes(uint8_t bytes[static OW_ULID_BYTES], int64_t wall_us) {
    uint64_t ms = wall_us < 0 ? 0 : (uint64_t)wall_us / 1000;
    for (int i = TIME_BYTES - 1; i >= 0; i--) {
        bytes[i] = (uint8_t)ms;
        ms >>= 8;
    }
    ow_random_id(bytes + TIME_BYTES, RANDOM_BYTES);
}

void ow_id_make(char id[static OW_ID_MAX], const char *prefix, int64_t wall_us) {
    size_t length = strnlen(prefix, PREFIX_MAX);
    memcpy(id, prefix, length);
    char *text = id + length;
    uint64_t ms = wall_us < 0 ? 0 : (uint64_t)wall_us / 1000 & 0xffffffffffff;
    for (int i = TIME_DIGITS - 1; i >= 0; i--) {
        text[i] = digits[ms & 31];
        ms >>= 5;
    }
    unsigned char random[RANDOM_BYTES];
    ow_random_id(random, sizeof random);
    write_40_bits(text + TIME_DIGITS, random);
    write_40_bits(text + TIME_DIGITS + 8, random + 5);
    text[OW_ULID_LENGTH] = '\0';
}

static int digit_value(char c) {
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits);
}

// The first digit holds 3 bits only: 26 digits are 130 bits.
static bool is_ulid(const char *text) {
    if (strnlen(text, OW_ULID_LENGTH + 1) != OW_ULID_LENGTH || text[0] > '7') {
        return false;
    }
    for (int i = 0; i < OW_ULID_LENGTH; i++) {
        if (digit_value(text[i]) < 0) {
            return false;
        }
    }
    return true;
}

bool ow_id_is(const char *id, const char *prefix) {
    size_t length = strlen(prefix);
    return id != NULL && strncmp(id, prefix, length) == 0 && is_ulid(id + length);
}

int64_t ow_id_time_ms(const char *id) {
    size_t length = id == NULL ? 0 : strnlen(id, OW_ID_MAX);
    if (length < OW_ULID_LENGTH || !is_ulid(id + length - OW_ULID_LENGTH)) {
        return -1;
    }
    const char *text = id + length - OW_ULID_LENGTH;
    int64_t ms = 0;
    for (int i = 0; i < TIME_DIGITS; i++) {
        ms = ms << 5 | digit_value(text[i]);
    }
    return ms;
}
