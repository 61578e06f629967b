#pragma once

// Digests, message authentication and the encodings that go with them. Any thread.

#include "core/error/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OW_SHA256_SIZE 32
#define OW_SHA256_HEX_SIZE 65 // with NUL

void ow_sha256(const void *bytes, size_t size, uint8_t ret_digest[static OW_SHA256_SIZE]);

// The same in pieces. Heap. _finish gives the digest and begins anew. _new: NULL when out of memory.
typedef struct ow_sha256_stream ow_sha256_stream;
ow_sha256_stream *ow_sha256_stream_new(void);
ow_sha256_stream *ow_sha256_stream_free(ow_sha256_stream *stream);
void ow_sha256_stream_add(ow_sha256_stream *stream, const void *bytes, size_t size);
void ow_sha256_stream_finish(ow_sha256_stream *stream, uint8_t ret_digest[static OW_SHA256_SIZE]);

#define OW_SHA1_SIZE 20

// For a protocol that asks for it (WebSocket's handshake); it protects nothing.
void ow_sha1(const void *bytes, size_t size, uint8_t ret_digest[static OW_SHA1_SIZE]);

// RFC 2104 with SHA-256; what runs on every call keeps the key.
void ow_hmac_sha256(const void *key, size_t key_size, const void *bytes, size_t size,
                    uint8_t ret_mac[static OW_SHA256_SIZE]);

// A key that was taken in, for as many as are signed with it. Heap; _free wipes it, accepts NULL and returns
// NULL. _new copies the key; NULL when out of memory. _sign: any thread, several at a time.
typedef struct ow_hmac_key ow_hmac_key;
ow_hmac_key *ow_hmac_key_new(const void *key, size_t size);
ow_hmac_key *ow_hmac_key_free(ow_hmac_key *key);
void ow_hmac_key_sign(const ow_hmac_key *key, const void *bytes, size_t size,
                      uint8_t ret_mac[static OW_SHA256_SIZE]);

// True when equal; takes the same time wherever they differ. For everything secret.
bool ow_equal_in_constant_time(const void *a, const void *b, size_t size);

// Lower-case hex and back. encode writes 2 * size characters and NUL. decode wants exactly
// 2 * size digits of either case.
void ow_hex_encode(const void *bytes, size_t size, char *ret_text);
bool ow_hex_decode(const char *text, size_t length, uint8_t *ret_bytes, size_t size);

// base64url without padding (RFC 4648 chapter 5). encode writes at most OW_BASE64URL_SIZE(size)
// with NUL and returns the characters. decode is strict: no padding, no white space, unused bits zero;
// it writes at most `max` bytes and returns their number, or -1.
#define OW_BASE64URL_SIZE(size) (((size)*4 + 2) / 3 + 1) // with NUL
size_t ow_base64url_encode(const void *bytes, size_t size, char *ret_text);
int64_t ow_base64url_decode(const char *text, size_t length, uint8_t *ret_bytes, size_t max);
