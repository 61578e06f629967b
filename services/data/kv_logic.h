#pragma once

// The rules of keys and values. No I/O; any thread.

#include "core/error/error.h"
#include "core/id/id.h"
#include "services/data/messages.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    KV_KEY_MAX = 256,          // bytes
    KV_VALUE_MAX = 256 * 1024, // bytes
    KV_KEYS_MAX = 64,          // of one request
    KV_NAME_MAX = 60,          // of a virtual server
    KV_SCOPE_SIZE = OW_ID_MAX + 3 + KV_NAME_MAX + 1,
};

typedef enum kv_kind { KV_OF_SERVER = 1, KV_OF_TITLE, KV_OF_PLAYER } kv_kind;

// One scope as the store knows it: "<title>:v:<virtual server>", "<title>:t:", "<title>:p:<player>".
typedef struct kv_scope {
    char text[KV_SCOPE_SIZE];
    char title[OW_ID_MAX];
    kv_kind kind;
} kv_scope;

// Codes: invalid_argument "no_title", "bad_scope" (says what is wrong with it).
ow_code kv_scope_of(const char *title, const scope_msg *wanted, kv_scope *ret_scope, ow_err *err);

// A key has 1 to KV_KEY_MAX bytes of UTF-8 without control characters and U+10FFFF, which lists use as
// the end of a prefix. Codes: invalid_argument "bad_key".
ow_code kv_check_key(const char *key, ow_err *err);

// Codes: invalid_argument "value_too_large".
ow_code kv_check_value(size_t size, ow_err *err);

// When a value written now expires; 0: never. Codes: invalid_argument "bad_ttl".
ow_code kv_expiry(int64_t now_us, int64_t ttl_ms, int64_t *ret_expires_us, ow_err *err);

// Codes: invalid_argument "bad_condition".
ow_code kv_check_condition(const condition_msg *condition, ow_err *err);

// The whole text as a decimal int64; false when it is none. `text` need not end in NUL.
bool kv_parse_number(const void *text, size_t size, int64_t *ret_number);
