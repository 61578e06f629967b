/* SHA-256 (FIPS 180-4) and HMAC (RFC 2104), for the signature of a server key. */
#ifndef OVERWORLD_SDK_SHA256_H
#define OVERWORLD_SDK_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SDK_SHA256_SIZE = 32 };

void sdk_sha256(const void *data, size_t size, uint8_t ret_digest[SDK_SHA256_SIZE]);

typedef struct sdk_bytes {
    const void *at;
    size_t size;
} sdk_bytes;

void sdk_hmac_sha256(sdk_bytes key, sdk_bytes data, uint8_t ret_mac[SDK_SHA256_SIZE]);

#endif
