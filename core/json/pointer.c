#include "core/json/pointer.h"

#include "core/json/check.h"

#include <string.h>

ow_code ow_json_pointer_check(const char *pointer, ow_err *err) {
    size_t size = strlen(pointer);
    bool sound = size <= OW_JSON_POINTER_MAX && (size == 0 || pointer[0] == '/') &&
                 ow_utf8_check(pointer, size);
    for (size_t i = 0; sound && i < size; i++) {
        sound = pointer[i] != '~' || pointer[i + 1] == '0' || pointer[i + 1] == '1';
    }
    return sound ? OW_OK
                 : ow_fail(err, OW_INVALID_ARGUMENT, "bad_pointer",
                           "a JSON Pointer is empty or \"/name/0\", at most %d bytes, '~' written "
                           "~0 and '/' written ~1",
                           OW_JSON_POINTER_MAX);
}

// Decodes the token at `at`, up to the next slash; returns what follows.
static const char *take_token(const char *at, char token[static OW_JSON_POINTER_MAX + 1]) {
    size_t size = 0;
    for (; *at != '\0' && *at != '/' && size < OW_JSON_POINTER_MAX; at++) {
        if (*at == '~') {
            at++;
            token[size++] = *at == '0' ? '~' : '/';
        } else {
            token[size++] = *at;
        }
    }
    token[size] = '\0';
    return at;
}

// An index has no leading zeros.
static const ow_json *element(const ow_json *array, const char *token) {
    size_t digits = strspn(token, "0123456789");
    if (digits == 0 || digits > 7 || token[digits] != '\0' || (token[0] == '0' && digits > 1)) {
        return NULL;
    }
    size_t index = 0;
    for (size_t i = 0; i < digits; i++) {
        index = index * 10 + (size_t)(token[i] - '0');
    }
    const ow_json *at = ow_json_first(array);
    while (at != NULL && index-- > 0) {
        at = ow_json_next(at);
    }
    return at;
}

const ow_json *ow_json_pointer_get(const ow_json *json, const char *pointer) {
    char token[OW_JSON_POINTER_MAX + 1];
    while (json != NULL && *pointer == '/') {
        pointer = take_token(pointer + 1, token);
        ow_json_kind kind = ow_json_kind_of(json);
        json = kind == OW_JSON_OBJECT  ? ow_json_get(json, token)
               : kind == OW_JSON_ARRAY ? element(json, token)
                                       : NULL;
    }
    return json;
}
