// ServerLogin from anybody: what the checks let through can be signed, and no two different requests
// have one signature, so that nothing signed can be read as something else.
//
// Lines: key id, timestamp, nonce, title; then which field is changed, and into what.

#include "core/testing/scarce.h"
#include "services/identity/identity_logic.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINES = 6, NOW_S = 1700000000, TEXT_MAX = 1024 };

static bool passes(const server_login_request *request, uint8_t signature[OW_SHA256_SIZE]) {
    static const uint8_t secret[OW_SHA256_SIZE] = {1, 2, 3};
    ow_err err;
    if (check_server_login(request, NOW_S * SECOND_US, &err) != OW_OK) {
        return false;
    }
    bool is_signed = sign_login(secret, request, signature);
    if (!is_signed && !ow_scarce_has_failed()) {
        abort();
    }
    return is_signed;
}

static bool say_the_same(const server_login_request *a, const server_login_request *b) {
    return strcmp(a->key_id, b->key_id) == 0 && a->timestamp == b->timestamp &&
           strcmp(a->nonce, b->nonce) == 0 && strcmp(a->title, b->title) == 0;
}

static void change(server_login_request *request, const char *field, char *value) {
    switch (field[0]) {
    case 'k':
        request->key_id = value;
        break;
    case 't':
        request->timestamp = strtoll(value, NULL, 10);
        break;
    case 'n':
        request->nonce = value;
        break;
    default:
        request->title = value;
        break;
    }
}

static void compare(char *lines[LINES]) {
    uint8_t bytes[OW_SHA256_SIZE] = {0};
    uint8_t first[OW_SHA256_SIZE], second[OW_SHA256_SIZE];
    server_login_request a = OVERWORLD__IDENTITY__V1__SERVER_LOGIN_REQUEST__INIT;
    a.key_id = lines[0];
    a.timestamp = strtoll(lines[1], NULL, 10);
    a.nonce = lines[2];
    a.title = lines[3];
    a.signature = (ProtobufCBinaryData){sizeof bytes, bytes};
    server_login_request b = a;
    change(&b, lines[4], lines[5]);
    if (passes(&a, first) && passes(&b, second) &&
        (memcmp(first, second, sizeof first) == 0) != say_the_same(&a, &b)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char text[TEXT_MAX + 1];
    char *lines[LINES];
    if (size > TEXT_MAX) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    char *rest = text;
    for (int i = 0; i < LINES; i++) {
        lines[i] = rest != NULL ? rest : text + size;
        // The last line may hold line ends itself.
        char *end = rest != NULL && i < LINES - 1 ? strchr(rest, '\n') : NULL;
        rest = end != NULL ? end + 1 : NULL;
        if (end != NULL) {
            *end = '\0';
        }
    }
    compare(lines);
    return 0;
}
