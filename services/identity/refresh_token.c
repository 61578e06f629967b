#include "services/identity/refresh_token.h"

#include <stdio.h>
#include <string.h>

enum {
    SESSION_LENGTH = 4 + OW_ULID_LENGTH,
    TAG_SIZE = 16,
    TAG_LENGTH = 22,
    SECRET_SIZE = OW_SHA256_SIZE,
    SECRET_LENGTH = 43,
    TAG_AT = SESSION_LENGTH + 1,
    SECRET_AT = TAG_AT + TAG_LENGTH + 1,
};

_Static_assert(SECRET_AT + SECRET_LENGTH + 1 == REFRESH_TOKEN_SIZE, "the parts fill a token");

// What the key signs begins with its purpose: a tag is never a secret.
static void derive(const refresh_key *key, const char *purpose, const char *text,
                   uint8_t ret_mac[static OW_SHA256_SIZE]) {
    char all[16 + REFRESH_TOKEN_SIZE];
    int length = snprintf(all, sizeof all, "%s\n%s", purpose, text);
    ow_hmac_sha256(key->bytes, key->size, all, (size_t)length, ret_mac);
    explicit_bzero(all, sizeof all);
}

static void write_token(const char *session_id, const uint8_t tag[static TAG_SIZE],
                        uint8_t secret[static SECRET_SIZE],
                        char ret_token[static REFRESH_TOKEN_SIZE]) {
    memcpy(ret_token, session_id, SESSION_LENGTH);
    ret_token[SESSION_LENGTH] = '.';
    ow_base64url_encode(tag, TAG_SIZE, ret_token + TAG_AT);
    ret_token[SECRET_AT - 1] = '.';
    ow_base64url_encode(secret, SECRET_SIZE, ret_token + SECRET_AT);
    explicit_bzero(secret, SECRET_SIZE);
}

void refresh_token_make(const refresh_key *key, const char *session_id,
                        char ret_token[static REFRESH_TOKEN_SIZE]) {
    uint8_t tag[OW_SHA256_SIZE], secret[SECRET_SIZE];
    derive(key, "tag", session_id, tag);
    ow_random_bytes(secret, sizeof secret);
    write_token(session_id, tag, secret, ret_token);
}

void refresh_token_next(const refresh_key *key, const char *token,
                        char ret_token[static REFRESH_TOKEN_SIZE]) {
    uint8_t secret[SECRET_SIZE];
    derive(key, "next", token, secret);
    memcpy(ret_token, token, SECRET_AT);
    ow_base64url_encode(secret, sizeof secret, ret_token + SECRET_AT);
    explicit_bzero(secret, sizeof secret);
}

bool refresh_token_read(const refresh_key *key, const char *text,
                        char ret_session_id[static OW_ID_MAX]) {
    char session_id[OW_ID_MAX] = "";
    uint8_t given[TAG_SIZE], secret[SECRET_SIZE], tag[OW_SHA256_SIZE];
    if (strnlen(text, REFRESH_TOKEN_SIZE) != REFRESH_TOKEN_SIZE - 1 ||
        text[SESSION_LENGTH] != '.' || text[SECRET_AT - 1] != '.') {
        return false;
    }
    memcpy(session_id, text, SESSION_LENGTH);
    bool formed =
        ow_id_is(session_id, "ses_") &&
        ow_base64url_decode(text + TAG_AT, TAG_LENGTH, given, sizeof given) == TAG_SIZE &&
        ow_base64url_decode(text + SECRET_AT, SECRET_LENGTH, secret, sizeof secret) == SECRET_SIZE;
    explicit_bzero(secret, sizeof secret);
    if (!formed) {
        return false;
    }
    derive(key, "tag", session_id, tag);
    if (!ow_equal_in_constant_time(given, tag, sizeof given)) {
        return false;
    }
    memcpy(ret_session_id, session_id, OW_ID_MAX);
    return true;
}

void refresh_token_hash(const char *token, uint8_t ret_hash[static OW_SHA256_SIZE]) {
    ow_sha256(token, strlen(token), ret_hash);
}
