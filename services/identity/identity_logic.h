#pragma once

// The rules of identity: what a request must look like, what is signed, how long things are valid.
// No I/O, no clock.

#include "services/identity/messages.h"

#include "core/crypto/hash.h"
#include "core/error/error.h"
#include "core/id/id.h"

#define SECOND_US INT64_C(1000000)
#define BANNED_FOR_GOOD_US (INT64_C(253402300799) * SECOND_US) // the end of the year 9999

enum {
    PLAYER_TOKEN_S = 3600,
    // No access token of an ended session lives longer; a minute for clocks that differ.
    ENDED_SESSION_KEPT_S = PLAYER_TOKEN_S + 60,
    SERVER_TOKEN_S = 600,
    LOGIN_WINDOW_S = 150, // how far a server's clock may be off
    PAGE_DEFAULT = 50,
    PAGE_MAX = 200,
    SERVER_KEYS_MAX = 1000, // valid ones of a title
    KEY_LIMITS_MAX = 4096,  // server keys with a limit of their own
    LIMIT_CALLS_MAX = 1000000,
};

// Codes of all checks: invalid_argument with a reason that names the field.
ow_code check_title(const char *title, ow_err *err); // "no_title"
// unauthenticated "clock_off" when the timestamp is out of the window.
ow_code check_server_login(const server_login_request *request, int64_t now_us, ow_err *err);
ow_code check_key_name(const char *name, ow_err *err); // "bad_name"
ow_code check_create_key(const create_key_request *request, ow_err *err);
ow_code check_limit_calls(int32_t calls, ow_err *err); // "bad_limit"
ow_code check_key_id(const char *key_id, ow_err *err);
// `ret_after`: the key id behind which the page begins, "" for the first page.
ow_code check_list_keys(const list_keys_request *request, int *ret_limit,
                        char ret_after[static OW_ID_MAX], ow_err *err);
void make_page_token(const char *key_id, char ret_token[static OW_BASE64URL_SIZE(OW_ID_MAX)]);

// The secret of a server key, an API key or a new member, by its id: derived from the master, so that
// the store holds none and a repeated request can be given the same answer.
void derive_secret(const void *master, size_t master_size, const char *key_id,
                   uint8_t ret_secret[static OW_SHA256_SIZE]);

// The signature that a ServerLogin must carry (text: see identity.proto). False when the text would
// be too long, which checked requests never are.
bool sign_login(const uint8_t secret[static OW_SHA256_SIZE], const server_login_request *request,
                uint8_t ret_signature[static OW_SHA256_SIZE]);

// Until when a nonce must be remembered.
int64_t nonce_expiry_us(const server_login_request *request);
