#ifndef OVERWORLD_KV_H
#define OVERWORLD_KV_H

/* What functions remember: keys and values. Comes with overworld.h. */

#include "overworld.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Whose keys: every function of a virtual server shares OW_KV_SERVER, every function of the title
 * OW_KV_TITLE. OW_KV_PLAYER are those of the player on whose behalf this runs; a function that runs
 * for no player may name one by id instead ("plr_..."). */
#define OW_KV_SERVER "server"
#define OW_KV_TITLE "title"
#define OW_KV_PLAYER "player"

/* Valid until the function returns; a NUL stands behind the value. */
typedef struct ow_kv_item {
    const char *key;
    const void *value;
    size_t length;
    int64_t version;    /* never the same twice for a key */
    int64_t updated_us; /* microseconds since 1970 */
    int64_t expires_us; /* 0: never */
} ow_kv_item;

/* Reads a key. OW_NOTHING when it is not there; `item` is then all zero. */
ow_status ow_kv_get(ow_ctx *ctx, const char *scope, const char *key, ow_kv_item *item);

/* Writes a key: 1 to 256 bytes of UTF-8; values up to 256 KB. It is stored when this returns. After
 * `ttl_ms` milliseconds the key is gone; 0: it stays. */
ow_status ow_kv_set(ow_ctx *ctx, const char *scope, const char *key, const void *value,
                    size_t length, int64_t ttl_ms);

/* Writes it only if nobody did since you read it: `version` is that of the item, 0 when there was
 * none. OW_CONFLICT when it is another one now. The new version goes to `new_version` (may be
 * NULL). */
ow_status ow_kv_cas(ow_ctx *ctx, const char *scope, const char *key, const void *value,
                    size_t length, int64_t version, int64_t *new_version);

/* Deletes a key. OW_NOTHING when it was not there. */
ow_status ow_kv_delete(ow_ctx *ctx, const char *scope, const char *key);

/* Adds to a value that is a decimal number of 64 bits; a key that is not there counts as 0, and gets
 * `ttl_ms` (0: for good). What it came to goes to `value` (may be NULL). OW_INVALID when the value is
 * no number, or the sum leaves 64 bits. */
ow_status ow_kv_increment(ow_ctx *ctx, const char *scope, const char *key, int64_t delta,
                          int64_t ttl_ms, int64_t *value);

typedef struct ow_kv_query {
    const char *scope;
    const char *prefix; /* NULL: all keys */
    const char *cursor; /* NULL: from the beginning; else `next` of the page before */
    int limit;          /* entries, at most 200; 0: 50 */
    bool descending;    /* from the last key to the first */
    bool keys_only;     /* items without their values */
} ow_kv_query;

typedef struct ow_kv_page {
    const ow_kv_item *items; /* by the bytes of their keys */
    size_t count;
    const char *next; /* NULL: nothing is behind */
} ow_kv_page;

/* Lists the keys of a scope that begin with a prefix. A page may be shorter than asked for (1 MB of
 * values): go on until `next` is NULL. */
ow_status ow_kv_list(ow_ctx *ctx, const ow_kv_query *query, ow_kv_page *page);

/* Deletes keys that begin with a prefix, at most 256 in one call: again while *more. The number goes
 * to `deleted`; both may be NULL. */
ow_status ow_kv_delete_prefix(ow_ctx *ctx, const char *scope, const char *prefix, int64_t *deleted,
                              bool *more);

typedef enum ow_kv_action {
    OW_KV_GET = 1, /* with a condition: a check of what is not changed */
    OW_KV_SET = 2,
    OW_KV_DELETE = 3,
    OW_KV_INCREMENT = 4,
} ow_kv_action;

typedef enum ow_kv_condition {
    OW_KV_ANY = 0,
    OW_KV_IF_ABSENT = 1,
    OW_KV_IF_VERSION = 2, /* `version` is that of the key now */
} ow_kv_condition;

typedef struct ow_kv_operation {
    ow_kv_action action;
    const char *scope;
    const char *key;
    const void *value; /* SET */
    size_t length;
    int64_t ttl_ms; /* SET, INCREMENT */
    int64_t delta;  /* INCREMENT */
    ow_kv_condition condition;
    int64_t version;
    /* Filled in: */
    bool found;      /* the key was there before */
    ow_kv_item item; /* GET */
    int64_t written; /* SET, INCREMENT: the new version */
    int64_t number;  /* INCREMENT: what it came to */
} ow_kv_operation;

/* Carries out 1 to 64 operations as one, with at most 1 MB of values: each sees those before it, and
 * all are done or none. OW_CONFLICT when a condition is not met. */
ow_status ow_kv_batch(ow_ctx *ctx, ow_kv_operation *operations, size_t count);

/* The value of a key as JSON; NULL when it is not there, or is none (ow_error_reason says which:
 * "no_key", "not_json"). Freed by Overworld when the function returns. */
cJSON *ow_kv_get_json(ow_ctx *ctx, const char *scope, const char *key, int64_t *version);

/* Writes JSON and deletes the tree, whatever happens. */
ow_status ow_kv_set_json(ow_ctx *ctx, const char *scope, const char *key, cJSON *tree);

#ifdef __cplusplus
}
#endif

#endif
