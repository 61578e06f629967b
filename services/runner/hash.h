#pragma once

// FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/: for tables inside this process.

#include <stdint.h>

#define HASH_START 14695981039346656037u

static inline uint64_t hash_text(uint64_t hash, const char *text) {
    for (; *text != '\0'; text++) {
        hash = (hash ^ (uint8_t)*text) * 1099511628211u;
    }
    return hash * 1099511628211u; // "ab","c" and "a","bc" differ
}
