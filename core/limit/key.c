// SipHash with one round a word and three at the end, as hash tables use it.
// Source: https://www.aumasson.jp/siphash/siphash.pdf

#include "core/limit/internal.h"

#include <string.h>

typedef struct sip_state {
    uint64_t a, b, c, d;
} sip_state;

static uint64_t rotate(uint64_t x, int by) {
    return x << by | x >> (64 - by);
}

static void mix(sip_state *s) {
    s->a += s->b;
    s->c += s->d;
    s->b = rotate(s->b, 13) ^ s->a;
    s->d = rotate(s->d, 16) ^ s->c;
    s->a = rotate(s->a, 32);
    s->c += s->b;
    s->a += s->d;
    s->b = rotate(s->b, 17) ^ s->c;
    s->d = rotate(s->d, 21) ^ s->a;
    s->c = rotate(s->c, 32);
}

static void add(sip_state *s, uint64_t word) {
    s->d ^= word;
    mix(s);
    s->a ^= word;
}

uint64_t siphash(const uint64_t secret[2], const void *bytes, size_t size) {
    sip_state s = {
        UINT64_C(0x736f6d6570736575) ^ secret[0], UINT64_C(0x646f72616e646f6d) ^ secret[1],
        UINT64_C(0x6c7967656e657261) ^ secret[0], UINT64_C(0x7465646279746573) ^ secret[1]};
    const uint8_t *at = bytes;
    size_t left = size;
    uint64_t word;
    for (; left >= sizeof word; left -= sizeof word) {
        memcpy(&word, at, sizeof word);
        add(&s, word);
        at += sizeof word;
    }
    word = 0;
    memcpy(&word, at, left);
    add(&s, word | (uint64_t)size << 56);
    s.c ^= 0xff;
    mix(&s);
    mix(&s);
    mix(&s);
    return s.a ^ s.b ^ s.c ^ s.d;
}
