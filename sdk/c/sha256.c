#include "sdk/c/sha256.h"

#include <string.h>

enum { BLOCK = 64 };

typedef struct hash {
    uint32_t state[8];
    uint8_t block[BLOCK];
    uint64_t size; /* bytes so far */
} hash;

static const uint32_t rounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t x, int by) {
    return x >> by | x << (32 - by);
}

static void spread(const uint8_t block[BLOCK], uint32_t w[64]) {
    for (int i = 0; i < 16; i++) {
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    }
    for (int i = 16; i < 64; i++) {
        uint32_t a = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t b = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + a + w[i - 7] + b;
    }
}

static void compress(hash *h) {
    uint32_t w[64], s[8];
    spread(h->block, w);
    memcpy(s, h->state, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t e = rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25);
        uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
        uint32_t one = s[7] + e + choice + rounds[i] + w[i];
        uint32_t a = rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22);
        uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
        memmove(s + 1, s, 7 * sizeof s[0]);
        s[4] += one;
        s[0] = one + a + majority;
    }
    for (int i = 0; i < 8; i++) {
        h->state[i] += s[i];
    }
}

static void begin(hash *h) {
    static const hash fresh = {
        .state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
                  0x1f83d9ab, 0x5be0cd19},
    };
    *h = fresh;
}

static void add(hash *h, const void *data, size_t size) {
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++) {
        h->block[h->size++ % BLOCK] = bytes[i];
        if (h->size % BLOCK == 0) {
            compress(h);
        }
    }
}

static void end(hash *h, uint8_t digest[SDK_SHA256_SIZE]) {
    uint64_t bits = h->size * 8;
    uint8_t length[8];
    for (int i = 0; i < 8; i++) {
        length[i] = (uint8_t)(bits >> (56 - 8 * i));
    }
    add(h, "\x80", 1);
    while (h->size % BLOCK != BLOCK - sizeof length) {
        add(h, "", 1);
    }
    add(h, length, sizeof length);
    for (int i = 0; i < SDK_SHA256_SIZE; i++) {
        digest[i] = (uint8_t)(h->state[i / 4] >> (24 - 8 * (i % 4)));
    }
}

void sdk_sha256(const void *data, size_t size, uint8_t ret_digest[SDK_SHA256_SIZE]) {
    hash h;
    begin(&h);
    add(&h, data, size);
    end(&h, ret_digest);
}

void sdk_hmac_sha256(sdk_bytes key, sdk_bytes data, uint8_t ret_mac[SDK_SHA256_SIZE]) {
    uint8_t pad[BLOCK] = {0}, inner[SDK_SHA256_SIZE];
    hash h;
    if (key.size > BLOCK) {
        sdk_sha256(key.at, key.size, pad);
    } else if (key.size > 0) {
        memcpy(pad, key.at, key.size);
    }
    for (int i = 0; i < BLOCK; i++) {
        pad[i] ^= 0x36;
    }
    begin(&h);
    add(&h, pad, BLOCK);
    add(&h, data.at, data.size);
    end(&h, inner);
    for (int i = 0; i < BLOCK; i++) {
        pad[i] ^= 0x36 ^ 0x5c;
    }
    begin(&h);
    add(&h, pad, BLOCK);
    add(&h, inner, sizeof inner);
    end(&h, ret_mac);
}
