#pragma once

// The rules of keys and values. No I/O; any thread.

#include "core/arena/arena.h"
#include "core/error/error.h"
#include "core/id/id.h"
#include "services/data/messages.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    KV_KEY_MAX = 256,              // bytes
    KV_VALUE_MAX = 256 * 1024,     // bytes
    KV_KEYS_MAX = 64,              // of one request
    KV_BATCH_MAX = 1024 * 1024,    // bytes of the values of one request
    KV_READ_MAX = 5 * 1024 * 1024, // bytes of the values that one request reads: a reply has 6 MB
    KV_PAGE_MAX = 200,
    KV_PAGE_DEFAULT = 50,
    KV_LIST_BYTES_MAX = 1024 * 1024,  // of keys and values in one page
    KV_SLICE_BYTES = 8 * 1024 * 1024, // about, in one step: pages are freed one by one
    KV_SLICE = 256,                   // keys deleted in one step
    KV_NAME_MAX = 60,                 // of a virtual server
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

// Adds one more value to those that a request read. Codes: resource_exhausted "reply_too_large".
ow_code kv_add_read(size_t *bytes, size_t size, ow_err *err);

// When a value written now expires; 0: never. Codes: invalid_argument "bad_ttl".
ow_code kv_expiry(int64_t now_us, int64_t ttl_ms, int64_t *ret_expires_us, ow_err *err);

// Codes: invalid_argument "bad_condition".
ow_code kv_check_condition(const condition_msg *condition, ow_err *err);

// Where the keys with a prefix begin and end, in the order of their bytes.
typedef struct kv_span {
    char first[KV_KEY_MAX + 8], end[KV_KEY_MAX + 8];
} kv_span;

// The span of a prefix, "" for all. `page_token`: "", or one of kv_page_token; then what comes behind
// it, or before it when descending. Codes: invalid_argument "bad_prefix", "bad_page_token".
ow_code kv_span_of(const char *prefix, const char *page_token, bool descending, kv_span *ret_span,
                   ow_err *err);

// The token of the page behind `key`. In the arena; NULL when out of memory.
const char *kv_page_token(const char *key, ow_arena *arena);

// The whole text as a decimal int64; false when it is none. `text` need not end in NUL.
bool kv_parse_number(const void *text, size_t size, int64_t *ret_number);
