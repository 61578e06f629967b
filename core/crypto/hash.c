#include "core/crypto/hash.h"

// OpenSSL's own digests, without the contexts that its newer interface allocates: a digest that can fail for
// want of memory leaves its caller nothing to do.
#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 64 // bytes that SHA-256 takes at a time

struct ow_sha256_stream {
    SHA256_CTX context;
};

// Both have taken the key.
struct ow_hmac_key {
    SHA256_CTX inner, outer;
};

void ow_sha256(const void *bytes, size_t size, uint8_t ret_digest[static OW_SHA256_SIZE]) {
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, bytes, size);
    SHA256_Final(ret_digest, &context);
}

void ow_sha1(const void *bytes, size_t size, uint8_t ret_digest[static OW_SHA1_SIZE]) {
    SHA_CTX context;
    SHA1_Init(&context);
    SHA1_Update(&context, bytes, size);
    SHA1_Final(ret_digest, &context);
}

ow_sha256_stream *ow_sha256_stream_new(void) {
    ow_sha256_stream *stream = calloc(1, sizeof *stream);
    if (stream != NULL) {
        SHA256_Init(&stream->context);
    }
    return stream;
}

ow_sha256_stream *ow_sha256_stream_free(ow_sha256_stream *stream) {
    free(stream);
    return NULL;
}

void ow_sha256_stream_add(ow_sha256_stream *stream, const void *bytes, size_t size) {
    SHA256_Update(&stream->context, bytes, size);
}

void ow_sha256_stream_finish(ow_sha256_stream *stream, uint8_t ret_digest[static OW_SHA256_SIZE]) {
    SHA256_Final(ret_digest, &stream->context);
    SHA256_Init(&stream->context);
}

// ---- RFC 2104 ----

static void take_key(SHA256_CTX *context, const uint8_t key[static BLOCK], uint8_t mask) {
    uint8_t padded[BLOCK];
    for (size_t i = 0; i < BLOCK; i++) {
        padded[i] = key[i] ^ mask;
    }
    SHA256_Init(context);
    SHA256_Update(context, padded, sizeof padded);
    OPENSSL_cleanse(padded, sizeof padded);
}

static void key_init(ow_hmac_key *made, const void *bytes, size_t size) {
    uint8_t key[BLOCK] = {0};
    if (size > BLOCK) {
        ow_sha256(bytes, size, key);
    } else if (size > 0) {
        memcpy(key, bytes, size);
    }
    take_key(&made->inner, key, 0x36);
    take_key(&made->outer, key, 0x5c);
    OPENSSL_cleanse(key, sizeof key);
}

ow_hmac_key *ow_hmac_key_new(const void *key, size_t size) {
    ow_hmac_key *made = calloc(1, sizeof *made);
    if (made != NULL) {
        key_init(made, key, size);
    }
    return made;
}

ow_hmac_key *ow_hmac_key_free(ow_hmac_key *key) {
    if (key != NULL) {
        OPENSSL_cleanse(key, sizeof *key);
    }
    free(key);
    return NULL;
}

void ow_hmac_key_sign(const ow_hmac_key *key, const void *bytes, size_t size,
                      uint8_t ret_mac[static OW_SHA256_SIZE]) {
    uint8_t digest[OW_SHA256_SIZE];
    SHA256_CTX context = key->inner;
    SHA256_Update(&context, bytes, size);
    SHA256_Final(digest, &context);
    context = key->outer;
    SHA256_Update(&context, digest, sizeof digest);
    SHA256_Final(ret_mac, &context);
}

void ow_hmac_sha256(const void *key, size_t key_size, const void *bytes, size_t size,
                    uint8_t ret_mac[static OW_SHA256_SIZE]) {
    ow_hmac_key keyed;
    key_init(&keyed, key, key_size);
    ow_hmac_key_sign(&keyed, bytes, size, ret_mac);
    OPENSSL_cleanse(&keyed, sizeof keyed);
}

bool ow_equal_in_constant_time(const void *a, const void *b, size_t size) {
    return CRYPTO_memcmp(a, b, size) == 0;
}
