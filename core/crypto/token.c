#include "core/crypto/token.h"

#include "core/crypto/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEADER_MAX = 128,  // base64url of the header
    PAYLOAD_MAX = 288, // JSON of the claims
    SIGNATURE_LENGTH = 43,
    SECONDS_DIGITS = 12,
};

static const int64_t SECONDS_MAX = INT64_C(999999999999);

typedef struct signing_key {
    char kid[OW_ID_MAX];
    char header[HEADER_MAX]; // as it stands in front of every token of this key, with the dot
    size_t header_length;
    ow_hmac_key *mac;
} signing_key;

struct ow_key_ring {
    size_t count;
    signing_key keys[OW_TOKEN_KEYS_MAX];
};

static const char *const kind_names[] = {
    [OW_TOKEN_PLAYER] = "player", [OW_TOKEN_SERVER] = "server"};

static size_t id_length(const char *text) {
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    return strspn(text, allowed);
}

static bool is_id(const char text[static OW_ID_MAX]) {
    size_t length = strnlen(text, OW_ID_MAX);
    return length > 0 && length < OW_ID_MAX && id_length(text) == length;
}

ow_key_ring *ow_key_ring_new(void) {
    return calloc(1, sizeof(ow_key_ring));
}

static void key_deinit(signing_key *key) {
    ow_hmac_key_free(key->mac);
    *key = (signing_key){0};
}

ow_key_ring *ow_key_ring_free(ow_key_ring *ring) {
    if (ring == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < ring->count; i++) {
        key_deinit(&ring->keys[i]);
    }
    free(ring);
    return NULL;
}

static signing_key *find_key(ow_key_ring *ring, const char *kid) {
    for (size_t i = 0; i < ring->count; i++) {
        if (strcmp(ring->keys[i].kid, kid) == 0) {
            return &ring->keys[i];
        }
    }
    return NULL;
}

static bool key_init(signing_key *key, const char *kid, const void *bytes, size_t size) {
    key->mac = ow_hmac_key_new(bytes, size);
    if (key->mac == NULL) {
        return false;
    }
    snprintf(key->kid, sizeof key->kid, "%s", kid);
    char header[OW_ID_MAX + 48];
    int length =
        snprintf(header, sizeof header, "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"%s\"}", kid);
    key->header_length = ow_base64url_encode(header, (size_t)length, key->header);
    key->header[key->header_length++] = '.';
    return true;
}

ow_code ow_key_ring_add(ow_key_ring *ring, const char *kid, const void *key, size_t size,
                        ow_err *err) {
    size_t length = strnlen(kid, OW_ID_MAX);
    if (length == 0 || length == OW_ID_MAX || id_length(kid) != length || size < OW_TOKEN_KEY_MIN) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_key",
                       "a signing key has a name of 1 to 39 characters and at least %d bytes",
                       OW_TOKEN_KEY_MIN);
    }
    signing_key *slot = find_key(ring, kid);
    if (slot == NULL && ring->count == OW_TOKEN_KEYS_MAX) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "too_many_keys",
                       "more than %d signing keys at once", OW_TOKEN_KEYS_MAX);
    }
    signing_key fresh = {0};
    if (!key_init(&fresh, kid, key, size)) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for a signing key");
    }
    if (slot == NULL) {
        slot = &ring->keys[ring->count++];
    }
    key_deinit(slot);
    *slot = fresh;
    return OW_OK;
}

void ow_key_ring_remove(ow_key_ring *ring, const char *kid) {
    signing_key *key = find_key(ring, kid);
    if (key != NULL) {
        key_deinit(key);
        *key = ring->keys[--ring->count];
        ring->keys[ring->count] = (signing_key){0};
    }
}

size_t ow_key_ring_count(const ow_key_ring *ring) {
    return ring->count;
}

static bool claims_are_sound(const ow_token_claims *claims) {
    return (claims->kind == OW_TOKEN_PLAYER || claims->kind == OW_TOKEN_SERVER) &&
           is_id(claims->title) && is_id(claims->subject) && is_id(claims->token_id) &&
           claims->issued_s >= 0 && claims->issued_s < claims->expires_s &&
           claims->expires_s <= SECONDS_MAX;
}

ow_code ow_token_sign(ow_key_ring *ring, const char *kid, const ow_token_claims *claims,
                      char ret_token[static OW_TOKEN_SIZE], ow_err *err) {
    signing_key *key = find_key(ring, kid);
    if (key == NULL) {
        return ow_fail(err, OW_NOT_FOUND, "no_key", "there is no signing key %s", kid);
    }
    if (!claims_are_sound(claims)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_claims", "claims that no token can carry");
    }
    char payload[PAYLOAD_MAX];
    int payload_length =
        snprintf(payload, sizeof payload,
                 "{\"kind\":\"%s\",\"title\":\"%s\",\"sub\":\"%s\",\"jti\":\"%s\",\"iat\":%" PRId64
                 ",\"exp\":%" PRId64 "}",
                 kind_names[claims->kind], claims->title, claims->subject, claims->token_id,
                 claims->issued_s, claims->expires_s);
    char token[HEADER_MAX + OW_BASE64URL_SIZE(PAYLOAD_MAX) + SIGNATURE_LENGTH + 2];
    memcpy(token, key->header, key->header_length);
    size_t used = key->header_length;
    used += ow_base64url_encode(payload, (size_t)payload_length, token + used);
    uint8_t mac[OW_SHA256_SIZE];
    if (used + SIGNATURE_LENGTH + 2 > OW_TOKEN_SIZE) {
        return ow_fail(err, OW_INTERNAL, "crypto", "a token is too long");
    }
    ow_hmac_key_sign(key->mac, token, used, mac);
    token[used++] = '.';
    used += ow_base64url_encode(mac, sizeof mac, token + used);
    memcpy(ret_token, token, used + 1);
    return OW_OK;
}

// --- reading: each step takes what must come next, or fails ---

typedef struct reader {
    const char *at;
    bool failed;
} reader;

static void expect(reader *reader, const char *text) {
    size_t length = strlen(text);
    if (!reader->failed && strncmp(reader->at, text, length) == 0) {
        reader->at += length;
    } else {
        reader->failed = true;
    }
}

static void read_id(reader *reader, char ret_id[static OW_ID_MAX]) {
    size_t length = reader->failed ? 0 : id_length(reader->at);
    if (length == 0 || length >= OW_ID_MAX) {
        reader->failed = true;
        return;
    }
    memcpy(ret_id, reader->at, length);
    ret_id[length] = '\0';
    reader->at += length;
}

static int64_t read_seconds(reader *reader) {
    int64_t value = 0;
    int digits = 0;
    while (!reader->failed && *reader->at >= '0' && *reader->at <= '9' && digits < SECONDS_DIGITS) {
        value = value * 10 + (*reader->at++ - '0');
        digits++;
    }
    reader->failed |= digits == 0;
    return value;
}

static bool read_kind(reader *reader, ow_token_kind *ret_kind) {
    char name[OW_ID_MAX] = "";
    read_id(reader, name);
    for (int kind = OW_TOKEN_PLAYER; kind <= OW_TOKEN_SERVER; kind++) {
        if (strcmp(name, kind_names[kind]) == 0) {
            *ret_kind = (ow_token_kind)kind;
            return true;
        }
    }
    return false;
}

static bool read_claims(const char *payload, ow_token_claims *claims) {
    reader reader = {.at = payload};
    expect(&reader, "{\"kind\":\"");
    if (!read_kind(&reader, &claims->kind)) {
        return false;
    }
    expect(&reader, "\",\"title\":\"");
    read_id(&reader, claims->title);
    expect(&reader, "\",\"sub\":\"");
    read_id(&reader, claims->subject);
    expect(&reader, "\",\"jti\":\"");
    read_id(&reader, claims->token_id);
    expect(&reader, "\",\"iat\":");
    claims->issued_s = read_seconds(&reader);
    expect(&reader, ",\"exp\":");
    claims->expires_s = read_seconds(&reader);
    expect(&reader, "}");
    return !reader.failed && *reader.at == '\0';
}

static signing_key *key_of(ow_key_ring *ring, const char *token, size_t length) {
    for (size_t i = 0; i < ring->count; i++) {
        signing_key *key = &ring->keys[i];
        if (length > key->header_length + SIGNATURE_LENGTH + 1 &&
            memcmp(token, key->header, key->header_length) == 0) {
            return key;
        }
    }
    return NULL;
}

static bool signature_holds(const signing_key *key, const char *token, size_t signed_length) {
    uint8_t given[OW_SHA256_SIZE];
    uint8_t right[OW_SHA256_SIZE];
    ow_hmac_key_sign(key->mac, token, signed_length, right);
    return token[signed_length] == '.' &&
           ow_base64url_decode(token + signed_length + 1, SIGNATURE_LENGTH, given, sizeof given) ==
               OW_SHA256_SIZE &&
           ow_equal_in_constant_time(given, right, sizeof right);
}

ow_code ow_token_verify(ow_key_ring *ring, const char *token, size_t length, int64_t now_s,
                        ow_token_claims *ret_claims, ow_err *err) {
    signing_key *key = length < OW_TOKEN_SIZE ? key_of(ring, token, length) : NULL;
    size_t signed_length = length - SIGNATURE_LENGTH - 1;
    if (key == NULL || !signature_holds(key, token, signed_length)) {
        return ow_fail(err, OW_UNAUTHENTICATED, "bad_token",
                       "the token is not one of ours, or its key was withdrawn: log in again");
    }
    uint8_t payload[PAYLOAD_MAX + 1];
    ow_token_claims claims;
    int64_t size = ow_base64url_decode(token + key->header_length,
                                       signed_length - key->header_length, payload, PAYLOAD_MAX);
    if (size < 0) {
        return ow_fail(err, OW_UNAUTHENTICATED, "bad_token", "the token's claims are malformed");
    }
    payload[size] = '\0';
    if (!read_claims((const char *)payload, &claims)) {
        return ow_fail(err, OW_UNAUTHENTICATED, "bad_token", "the token's claims are malformed");
    }
    if (now_s >= claims.expires_s) {
        return ow_fail(err, OW_UNAUTHENTICATED, "token_expired",
                       "the token has expired: log in again");
    }
    *ret_claims = claims;
    return OW_OK;
}
