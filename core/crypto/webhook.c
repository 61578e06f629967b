#include "core/crypto/webhook.h"

#include "core/crypto/hash.h"
#include "core/id/id.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEY_MADE = 24,
    KEY_MIN = 24,
    KEY_MAX = 64,
    SIGNATURES_MAX = 16, // looked at in one header
    TIMESTAMP_DIGITS_MAX = 12,
};

static const char secret_prefix[] = "whsec_";

// ---- base64: ours is base64url without padding; theirs is the other alphabet, padded ----

static void to_base64(char *text, size_t size) {
    for (size_t i = 0; i < size; i++) {
        text[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
    }
    while (size % 4 != 0) {
        text[size++] = '=';
    }
    text[size] = 0;
}

static int64_t from_base64(const char *text, uint8_t *bytes, size_t max) {
    char url[OW_WEBHOOK_SECRET_MAX * 2];
    size_t size = strcspn(text, "=");
    if (size >= sizeof url || strspn(text + size, "=") != strlen(text + size)) {
        return -1;
    }
    for (size_t i = 0; i < size; i++) {
        url[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
    }
    return ow_base64url_decode(url, size, bytes, max);
}

// ---- Secrets ----

void ow_webhook_make_secret(char secret[static OW_WEBHOOK_SECRET_MAX]) {
    uint8_t bytes[KEY_MADE];
    ow_random_bytes(bytes, sizeof bytes);
    size_t prefix = strlen(secret_prefix);
    memcpy(secret, secret_prefix, prefix);
    to_base64(secret + prefix, ow_base64url_encode(bytes, sizeof bytes, secret + prefix));
}

static int64_t key_of(const char *secret, uint8_t key[static KEY_MAX]) {
    size_t prefix = strlen(secret_prefix);
    return strncmp(secret, secret_prefix, prefix) == 0 ? from_base64(secret + prefix, key, KEY_MAX)
                                                       : -1;
}

bool ow_webhook_is_secret(const char *secret) {
    uint8_t key[KEY_MAX];
    return key_of(secret, key) >= KEY_MIN;
}

// ---- Standard Webhooks ----

// The MAC of "id.timestamp.body"; false: bad secret or no memory.
static bool authenticate(const char *secret, const ow_webhook_message *m,
                         uint8_t mac[static OW_SHA256_SIZE]) {
    uint8_t key[KEY_MAX];
    char head[OW_WEBHOOK_ID_MAX + 32];
    int64_t key_size = key_of(secret, key);
    int head_size = snprintf(head, sizeof head, "%s.%" PRId64 ".", m->id, m->timestamp_s);
    if (key_size <= 0 || (size_t)head_size >= sizeof head) {
        return false;
    }
    uint8_t *text = malloc((size_t)head_size + m->size + 1);
    if (text == NULL) {
        return false;
    }
    memcpy(text, head, (size_t)head_size);
    if (m->size > 0) {
        memcpy(text + head_size, m->body, m->size);
    }
    ow_hmac_sha256(key, (size_t)key_size, text, (size_t)head_size + m->size, mac);
    free(text);
    return true;
}

bool ow_webhook_sign(const char *secret, const ow_webhook_message *message,
                     char signature[static OW_WEBHOOK_SIGNATURE_MAX]) {
    uint8_t mac[OW_SHA256_SIZE];
    if (!authenticate(secret, message, mac)) {
        return false;
    }
    memcpy(signature, "v1,", 3);
    to_base64(signature + 3, ow_base64url_encode(mac, sizeof mac, signature + 3));
    return true;
}

static bool is_id(const char *id) {
    size_t size = id != NULL ? strlen(id) : 0;
    if (size == 0 || size > OW_WEBHOOK_ID_MAX) {
        return false;
    }
    for (const char *at = id; *at != 0; at++) {
        if (*at < '!' || *at > '~' || *at == '.') {
            return false; // a dot would let parts of the signed text change places
        }
    }
    return true;
}

static bool is_timestamp(const char *text) {
    size_t size = text != NULL ? strlen(text) : 0;
    return size > 0 && size <= TIMESTAMP_DIGITS_MAX && strspn(text, "0123456789") == size;
}

static bool one_matches(const char *signatures, const char *wanted) {
    size_t size = strlen(wanted);
    bool found = false;
    const char *at = signatures + strspn(signatures, " ");
    for (int i = 0; *at != 0 && i < SIGNATURES_MAX; i++) {
        size_t length = strcspn(at, " ");
        found |= length == size && ow_equal_in_constant_time(at, wanted, size);
        at += length;
        at += strspn(at, " ");
    }
    return found;
}

ow_code ow_webhook_verify(const char *secret, const ow_webhook_headers *headers, const void *body,
                          size_t size, int64_t now_s, ow_err *err) {
    char wanted[OW_WEBHOOK_SIGNATURE_MAX];
    if (!is_id(headers->id) || !is_timestamp(headers->timestamp) || headers->signature == NULL) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_webhook",
                       "webhook-id, webhook-timestamp and webhook-signature are wanted");
    }
    int64_t timestamp_s = strtoll(headers->timestamp, NULL, 10);
    ow_webhook_message message = {headers->id, timestamp_s, body, size};
    if (!ow_webhook_is_secret(secret) || !ow_webhook_sign(secret, &message, wanted)) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "the signature cannot be checked");
    }
    if (!one_matches(headers->signature, wanted)) {
        return ow_fail(err, OW_UNAUTHENTICATED, "bad_signature",
                       "no signature is that of this body under the secret");
    }
    int64_t off_s = timestamp_s > now_s ? timestamp_s - now_s : now_s - timestamp_s;
    return off_s <= OW_WEBHOOK_TOLERANCE_S
               ? OW_OK
               : ow_fail(err, OW_UNAUTHENTICATED, "stale_webhook",
                         "it was signed %" PRId64 " s from now; %d s are allowed", off_s,
                         OW_WEBHOOK_TOLERANCE_S);
}

// ---- Plain HMAC ----

static bool decode_mac(const char *text, uint8_t mac[static OW_SHA256_SIZE]) {
    size_t size = strlen(text);
    return size == (size_t)OW_SHA256_SIZE * 2
               ? ow_hex_decode(text, size, mac, OW_SHA256_SIZE)
               : from_base64(text, mac, OW_SHA256_SIZE) == OW_SHA256_SIZE;
}

ow_code ow_webhook_verify_hmac(const char *secret, const char *header, const void *body,
                               size_t size, ow_err *err) {
    static const char prefix[] = "sha256=";
    uint8_t told[OW_SHA256_SIZE];
    uint8_t wanted[OW_SHA256_SIZE];
    const char *text = header != NULL ? header : "";
    text += strncmp(text, prefix, sizeof prefix - 1) == 0 ? sizeof prefix - 1 : 0;
    ow_hmac_sha256(secret, strlen(secret), body, size, wanted);
    bool good = secret[0] != 0 && decode_mac(text, told) &&
                ow_equal_in_constant_time(told, wanted, sizeof wanted);
    return good ? OW_OK
                : ow_fail(err, OW_UNAUTHENTICATED, "bad_signature",
                          "the signature is not that of this body under the secret");
}
