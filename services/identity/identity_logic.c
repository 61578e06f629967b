#include "services/identity/identity_logic.h"

#include "core/request_key/request_key.h"

#include <stdio.h>
#include <string.h>

enum {
    NONCE_MIN = 16,
    NONCE_MAX = 64,
    NAME_MAX_LENGTH = 60,
    LOGIN_TEXT_MAX = 512,
};

static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
static const char WORD[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

static bool is_word(const char *text, size_t min, size_t max) {
    size_t length = strspn(text, WORD);
    return text[length] == '\0' && length >= min && length <= max;
}

ow_code check_title(const char *title, ow_err *err) {
    if (title[0] == '\0') {
        return ow_fail(err, OW_INVALID_ARGUMENT, "no_title",
                       "name the title in the header Overworld-Title");
    }
    return OW_OK;
}

ow_code check_key_id(const char *key_id, ow_err *err) {
    if (!ow_id_is(key_id, "key_")) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_key_id",
                       "key_id is not that of a server key");
    }
    return OW_OK;
}

ow_code check_server_login(const server_login_request *request, int64_t now_us, ow_err *err) {
    ow_code code = check_key_id(request->key_id, err);
    if (code != OW_OK) {
        return code;
    }
    if (!is_word(request->nonce, NONCE_MIN, NONCE_MAX)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_nonce",
                       "nonce must have %d to %d characters of A-Z a-z 0-9 _ -", NONCE_MIN,
                       NONCE_MAX);
    }
    if (request->signature.len != OW_SHA256_SIZE) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_signature", "signature must have %d bytes",
                       OW_SHA256_SIZE);
    }
    if (strlen(request->title) >= OW_ID_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_title", "title is not that of a title");
    }
    int64_t now_s = now_us / SECOND_US;
    if (request->timestamp < now_s - LOGIN_WINDOW_S ||
        request->timestamp > now_s + LOGIN_WINDOW_S) {
        return ow_fail(err, OW_UNAUTHENTICATED, "clock_off",
                       "the timestamp is more than %d s off; it is %lld here", LOGIN_WINDOW_S,
                       (long long)now_s);
    }
    return OW_OK;
}

ow_code check_key_name(const char *name, ow_err *err) {
    if (!is_word(name, 1, NAME_MAX_LENGTH) || strspn(name, LETTERS) == 0) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_name",
                       "name must have 1 to %d characters of A-Z a-z 0-9 _ - and begin with a "
                       "letter",
                       NAME_MAX_LENGTH);
    }
    return OW_OK;
}

ow_code check_create_key(const create_key_request *request, ow_err *err) {
    ow_code code = check_key_name(request->name, err);
    code = code == OW_OK ? check_limit_calls(request->limit_calls, err) : code;
    return code == OW_OK ? ow_request_key_check(request->request_key, err) : code;
}

ow_code check_limit_calls(int32_t calls, ow_err *err) {
    return calls >= 0 && calls <= LIMIT_CALLS_MAX
               ? OW_OK
               : ow_fail(err, OW_INVALID_ARGUMENT, "bad_limit",
                         "limit_calls must be between 0 (as many as of every key) and %d",
                         LIMIT_CALLS_MAX);
}

ow_code check_list_keys(const list_keys_request *request, int *ret_limit,
                        char ret_after[static OW_ID_MAX], ow_err *err) {
    if (request->page_size < 0 || request->page_size > PAGE_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_page_size",
                       "page_size must be between 0 (the default) and %d", PAGE_MAX);
    }
    uint8_t after[OW_ID_MAX] = "";
    int64_t size = ow_base64url_decode(request->page_token, strlen(request->page_token), after,
                                       sizeof after - 1);
    if (size < 0 || (size > 0 && !ow_id_is((const char *)after, "key_"))) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_page_token",
                       "page_token must be a next_page_token as it was given");
    }
    *ret_limit = request->page_size == 0 ? PAGE_DEFAULT : request->page_size;
    memcpy(ret_after, after, sizeof after);
    return OW_OK;
}

void make_page_token(const char *key_id, char ret_token[static OW_BASE64URL_SIZE(OW_ID_MAX)]) {
    ow_base64url_encode(key_id, strlen(key_id), ret_token);
}

void derive_secret(const void *master, size_t master_size, const char *key_id,
                   uint8_t ret_secret[static OW_SHA256_SIZE]) {
    ow_hmac_sha256(master, master_size, key_id, strlen(key_id), ret_secret);
}

bool sign_login(const uint8_t secret[static OW_SHA256_SIZE], const server_login_request *request,
                uint8_t ret_signature[static OW_SHA256_SIZE]) {
    uint8_t title_hash[OW_SHA256_SIZE];
    char title_hex[OW_SHA256_HEX_SIZE];
    ow_sha256(request->title, strlen(request->title), title_hash);
    ow_hex_encode(title_hash, sizeof title_hash, title_hex);

    char text[LOGIN_TEXT_MAX];
    int length =
        snprintf(text, sizeof text,
                 "overworld-server-login\n%s\n%lld\n%s\nPOST\n"
                 "/overworld.identity.v1.Identity/ServerLogin\n%s\n",
                 request->key_id, (long long)request->timestamp, request->nonce, title_hex);
    if (length < 0 || length >= LOGIN_TEXT_MAX) {
        return false;
    }
    ow_hmac_sha256(secret, OW_SHA256_SIZE, text, (size_t)length, ret_signature);
    return true;
}

int64_t nonce_expiry_us(const server_login_request *request) {
    return (request->timestamp + LOGIN_WINDOW_S + 1) * SECOND_US;
}
