#include "core/crypto/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

struct ow_sha256_stream {
    EVP_MD_CTX *context;
};

// With built-in SHA-256 and valid arguments these calls fail only without memory for a context. A
// digest that is wrong would be worse than no process.
static void must(int ok) {
    if (ok != 1) {
        abort();
    }
}

void ow_sha256(const void *bytes, size_t size, uint8_t ret_digest[static OW_SHA256_SIZE]) {
    must(EVP_Digest(bytes, size, ret_digest, NULL, EVP_sha256(), NULL));
}

void ow_sha1(const void *bytes, size_t size, uint8_t ret_digest[static OW_SHA1_SIZE]) {
    must(EVP_Digest(bytes, size, ret_digest, NULL, EVP_sha1(), NULL));
}

ow_sha256_stream *ow_sha256_stream_new(void) {
    ow_sha256_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        return NULL;
    }
    stream->context = EVP_MD_CTX_new();
    if (stream->context == NULL || EVP_DigestInit_ex(stream->context, EVP_sha256(), NULL) != 1) {
        return ow_sha256_stream_free(stream);
    }
    return stream;
}

ow_sha256_stream *ow_sha256_stream_free(ow_sha256_stream *stream) {
    if (stream != NULL) {
        EVP_MD_CTX_free(stream->context);
    }
    free(stream);
    return NULL;
}

void ow_sha256_stream_add(ow_sha256_stream *stream, const void *bytes, size_t size) {
    must(EVP_DigestUpdate(stream->context, bytes, size));
}

void ow_sha256_stream_finish(ow_sha256_stream *stream, uint8_t ret_digest[static OW_SHA256_SIZE]) {
    must(EVP_DigestFinal_ex(stream->context, ret_digest, NULL));
    must(EVP_DigestInit_ex(stream->context, NULL, NULL));
}

void ow_hmac_sha256(const void *key, size_t key_size, const void *bytes, size_t size,
                    uint8_t ret_mac[static OW_SHA256_SIZE]) {
    unsigned length = OW_SHA256_SIZE;
    must(HMAC(EVP_sha256(), key_size == 0 ? "" : key, (int)key_size, bytes, size, ret_mac,
              &length) != NULL);
}

bool ow_equal_in_constant_time(const void *a, const void *b, size_t size) {
    return CRYPTO_memcmp(a, b, size) == 0;
}
