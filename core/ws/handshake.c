#include "core/ws/handshake.h"

#include "core/crypto/hash.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define KEY_SIZE 24 // base64 of 16 bytes
#define NONCE_SIZE 16
#define PADDING 2

static const ow_ws_refusal not_get = {405, "method_not_allowed", "a WebSocket begins with GET"};
static const ow_ws_refusal no_upgrade = {426, "upgrade_required", "this door speaks WebSocket"};
static const ow_ws_refusal bad_version = {426, "upgrade_required",
                                          "WebSocket version 13 is spoken here"};
static const ow_ws_refusal bad_key = {400, "bad_request",
                                      "Sec-WebSocket-Key must be 16 bytes in base64"};

// True when `token` is one of a list with commas between, whatever its letters' case.
static bool names_token(const char *list, const char *token) {
    size_t wanted = strlen(token);
    for (const char *at = list; at != NULL && *at != '\0';) {
        at += strspn(at, " \t,");
        size_t size = strcspn(at, " \t,");
        if (size == wanted && strncasecmp(at, token, size) == 0) {
            return true;
        }
        at += size;
    }
    return false;
}

static char to_url(char c) {
    return (char)(c == '+' ? '-' : c == '/' ? '_' : c);
}

static char from_url(char c) {
    return (char)(c == '-' ? '+' : c == '_' ? '/' : c);
}

static bool is_key(const char *key) {
    char url[KEY_SIZE];
    uint8_t nonce[NONCE_SIZE];
    if (key == NULL || strlen(key) != KEY_SIZE || strcmp(key + KEY_SIZE - PADDING, "==") != 0 ||
        strpbrk(key, "-_") != NULL) {
        return false;
    }
    for (size_t i = 0; i < KEY_SIZE - PADDING; i++) {
        url[i] = to_url(key[i]);
    }
    return ow_base64url_decode(url, KEY_SIZE - PADDING, nonce, sizeof nonce) == NONCE_SIZE;
}

static void accept_of(const char *key, char ret_accept[static OW_WS_ACCEPT_MAX]) {
    char text[KEY_SIZE + sizeof GUID];
    uint8_t digest[OW_SHA1_SIZE];
    int size = snprintf(text, sizeof text, "%s%s", key, GUID);
    ow_sha1(text, (size_t)size, digest);
    size_t length = ow_base64url_encode(digest, sizeof digest, ret_accept);
    for (size_t i = 0; i < length; i++) {
        ret_accept[i] = from_url(ret_accept[i]);
    }
    memcpy(ret_accept + length, "=", sizeof "=");
}

const ow_ws_refusal *ow_ws_handshake(const ow_ws_hello *hello,
                                     char ret_accept[static OW_WS_ACCEPT_MAX]) {
    if (strcmp(hello->method, "GET") != 0) {
        return &not_get;
    }
    if (!names_token(hello->upgrade, "websocket") || !names_token(hello->connection, "upgrade")) {
        return &no_upgrade;
    }
    if (hello->version == NULL || strcmp(hello->version, "13") != 0) {
        return &bad_version;
    }
    if (!is_key(hello->key)) {
        return &bad_key;
    }
    accept_of(hello->key, ret_accept);
    return NULL;
}
