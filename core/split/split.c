#include "core/split/split.h"

// FNV-1a. Each text ends with a byte that no UTF-8 text has, so "ab","c" and "a","bc" differ.
static uint64_t add_text(uint64_t hash, const char *text) {
    for (; *text != '\0'; text++) {
        hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    }
    return (hash ^ 0xff) * UINT64_C(0x100000001b3);
}

uint64_t ow_split_hash(const char *salt, const char *key) {
    uint64_t hash = add_text(add_text(UINT64_C(0xcbf29ce484222325), salt), key);
    // FNV's high bits depend little on the last characters; splitmix64's end mixes them all.
    hash = (hash ^ (hash >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    hash = (hash ^ (hash >> 27)) * UINT64_C(0x94d049bb133111eb);
    return hash ^ (hash >> 31);
}

unsigned ow_split_point(const char *salt, const char *key) {
    uint64_t hash = ow_split_hash(salt, key);
    return (unsigned)(((hash >> 32) * OW_SPLIT_WHOLE) >> 32);
}
