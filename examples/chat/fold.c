#include "fold.h"

// Bytes that the first byte announces; 0 when it cannot be a first byte.
static size_t announced_length(unsigned char first) {
    if (first < 0x80) {
        return 1;
    }
    if (first < 0xC2 || first > 0xF4) {
        return 0;
    }
    return first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

static bool read_sequence(const unsigned char *b, size_t length, uint32_t *ret_point) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t point = length == 1 ? b[0] : b[0] & (0xFFu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((b[i] & 0xC0) != 0x80) {
            return false;
        }
        point = point << 6 | (b[i] & 0x3Fu);
    }
    *ret_point = point;
    bool surrogate = point >= 0xD800 && point <= 0xDFFF;
    return point >= least[length] && point <= 0x10FFFF && !surrogate;
}

size_t fold_read(const char *text, size_t size, uint32_t *ret_point) {
    const unsigned char *b = (const unsigned char *)text;
    size_t length = announced_length(b[0]);
    if (length == 0 || length > size || !read_sequence(b, length, ret_point)) {
        *ret_point = 0xDC00u + b[0];
        return 1;
    }
    return length;
}

size_t fold_write(uint32_t point, char bytes[static 4]) {
    if (point < 0x80) {
        bytes[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        bytes[0] = (char)(0xC0 | point >> 6);
        bytes[1] = (char)(0x80 | (point & 0x3F));
        return 2;
    }
    if (point < 0x10000) {
        bytes[0] = (char)(0xE0 | point >> 12);
        bytes[1] = (char)(0x80 | (point >> 6 & 0x3F));
        bytes[2] = (char)(0x80 | (point & 0x3F));
        return 3;
    }
    bytes[0] = (char)(0xF0 | point >> 18);
    bytes[1] = (char)(0x80 | (point >> 12 & 0x3F));
    bytes[2] = (char)(0x80 | (point >> 6 & 0x3F));
    bytes[3] = (char)(0x80 | (point & 0x3F));
    return 4;
}

typedef struct lower_range {
    uint32_t first, last;
    int32_t add;   // to reach lower case
    uint32_t step; // 1: every code point is upper case; 2: upper and lower alternate
} lower_range;

static const lower_range lower_ranges[] = {
    {0x41, 0x5A, 32, 1},                          // Latin
    {0xC0, 0xD6, 32, 1},                          // Latin-1
    {0xD8, 0xDE, 32, 1},    {0x100, 0x12F, 1, 2}, // Latin Extended-A
    {0x132, 0x137, 1, 2},   {0x139, 0x148, 1, 2},    {0x14A, 0x177, 1, 2},
    {0x179, 0x17E, 1, 2},   {0x386, 0x386, 38, 1}, // Greek with tonos
    {0x388, 0x38A, 37, 1},  {0x38C, 0x38C, 64, 1},   {0x38E, 0x38F, 63, 1},
    {0x391, 0x3A1, 32, 1},                        // Greek
    {0x3A3, 0x3AB, 32, 1},  {0x3C2, 0x3C2, 1, 1}, // final sigma
    {0x400, 0x40F, 80, 1},                        // Cyrillic
    {0x410, 0x42F, 32, 1},  {0x460, 0x481, 1, 2},    {0x48A, 0x4BF, 1, 2},
    {0x4D0, 0x52F, 1, 2},   {0x1E00, 0x1E95, 1, 2},  // Latin Extended Additional
    {0x1EA0, 0x1EFF, 1, 2}, {0xFF21, 0xFF3A, 32, 1}, // full-width
};

uint32_t fold_lower(uint32_t point) {
    if (point == 0x130) { // dotted I
        return 'i';
    }
    if (point == 0x178) {
        return 0xFF;
    }
    for (size_t i = 0; i < sizeof lower_ranges / sizeof lower_ranges[0]; i++) {
        const lower_range *r = &lower_ranges[i];
        if (point >= r->first && point <= r->last) {
            bool upper = r->step == 1 || (point - r->first) % 2 == 0;
            return upper ? point + (uint32_t)r->add : point;
        }
    }
    return point;
}

typedef struct word_range {
    uint32_t first, last;
} word_range;

static const word_range word_ranges[] = {
    {'0', '9'},     {'A', 'Z'},     {'a', 'z'},     {0xAA, 0xAA},     {0xB5, 0xB5},
    {0xBA, 0xBA},   {0xC0, 0xD6},   {0xD8, 0xF6},   {0xF8, 0x2AF},    {0x300, 0x373},
    {0x376, 0x377}, {0x37B, 0x37D}, {0x386, 0x386}, {0x388, 0x481},   {0x48A, 0x556},
    {0x561, 0x587}, {0x5D0, 0x5EA}, {0x620, 0x669}, {0x66E, 0x6D3},   {0x6F0, 0x6FC},
    {0x900, 0x963}, {0x966, 0x96F}, {0x980, 0x9F1}, {0x1E00, 0x1FFC},
};

bool fold_is_word(uint32_t point) {
    for (size_t i = 0; i < sizeof word_ranges / sizeof word_ranges[0]; i++) {
        if (point < word_ranges[i].first) {
            return false;
        }
        if (point <= word_ranges[i].last) {
            return true;
        }
    }
    return false;
}
