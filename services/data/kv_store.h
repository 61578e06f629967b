#pragma once

// All SQL of keys and values. Inside a job of the store, on its thread.

#include "core/arena/arena.h"
#include "core/db/db.h"
#include "services/data/kv_logic.h"

typedef struct kv_entry {
    const char *key;
    const void *value;
    size_t size;
    int64_t version, updated_us, expires_us; // expires_us 0: never
} kv_entry;

typedef struct kv_quota {
    int64_t keys, bytes;
} kv_quota;

typedef struct kv_quotas {
    kv_quota title;  // all scopes of a title together
    kv_quota shared; // the scope of a virtual server, and that of the title
    kv_quota player; // the scope of a player
} kv_quotas;

typedef enum kv_action { KV_GET, KV_SET, KV_DELETE, KV_INCREMENT } kv_action;

// One operation of a transaction, and what came of it.
typedef struct kv_operation {
    kv_action action;
    const kv_scope *scope;
    const char *key;
    const void *value; // KV_SET
    size_t size;
    int64_t expires_us; // KV_SET, and KV_INCREMENT of a key that is not there
    int64_t delta;      // KV_INCREMENT
    int condition;      // Overworld__Data__V1__Condition__Kind, of all but KV_GET
    int64_t version;    // that it needs

    bool was_there;
    int64_t new_version; // KV_SET, KV_INCREMENT
    int64_t number;      // KV_INCREMENT: what it came to
    kv_entry entry;      // KV_GET, when it was there; in the arena
} kv_operation;

typedef struct kv_change {
    kv_operation *operations;
    size_t count;
    int64_t now_us;
    const kv_quotas *quotas;
    ow_arena *arena;
    size_t at;   // the operation that failed
    size_t read; // bytes of the values that were read
} kv_change;

typedef struct kv_place {
    const kv_scope *scope;
    const char *key;
} kv_place;

// The row's entry, in the arena. Columns: key, value, version, updated_us, expires_us.
ow_code kv_entry_take(ow_rows *rows, ow_arena *arena, kv_entry *ret_entry, ow_err *err);

// The entry of a key as of `now_us`, in the arena; its key is NULL when there is none. Codes: the store's,
// resource_exhausted "out_of_memory".
ow_code kv_store_get(ow_db_conn *db, const kv_place *place, int64_t now_us, ow_arena *arena,
                     kv_entry *ret_entry, ow_err *err);

typedef struct kv_range {
    const char *first, *end; // keys from the one on to before the other
    bool descending, keys_only;
    int limit; // entries
    size_t
        max_bytes; // of keys and values: the list ends before the entry that exceeds it, but has one
    int64_t now_us;
} kv_range;

typedef struct kv_list {
    kv_entry *entries; // in the arena
    int count;
    bool more; // behind the last one
} kv_list;

// The entries of a scope in a range. Codes: the store's, resource_exhausted "out_of_memory".
ow_code kv_store_list(ow_db_conn *db, const kv_scope *scope, const kv_range *range, ow_arena *arena,
                      kv_list *ret_list, ow_err *err);

typedef struct kv_deleted {
    int64_t keys;
    bool more; // there may be others
} kv_deleted;

// Deletes the first keys of a range, expired ones too: `limit` and `max_bytes` as for a list.
ow_code kv_store_delete_range(ow_db_conn *db, const kv_scope *scope, const kv_range *range,
                              kv_deleted *ret_deleted, ow_err *err);

// Nothing is written to this scope any more.
ow_code kv_store_end(ow_db_conn *db, const kv_scope *scope, int64_t now_us, ow_err *err);

// What a deployment says of a virtual server's scope: ended since `ended_us`, or (0) open. `*ret_counts` false: a
// later one has spoken.
typedef struct kv_deployment {
    int64_t number, ended_us;
} kv_deployment;
ow_code kv_store_deployed(ow_db_conn *db, const kv_scope *scope, const kv_deployment *deployment,
                          bool *ret_counts, ow_err *err);

// Deletes a slice (KV_SLICE, KV_SLICE_BYTES) of what has expired by `now_us`, of whatever scopes.
ow_code kv_store_sweep(ow_db_conn *db, int64_t now_us, ow_arena *arena, kv_deleted *ret_swept,
                       ow_err *err);

// What a scope and its title hold.
ow_code kv_store_usage(ow_db_conn *db, const kv_scope *scope, kv_quota *ret_scope,
                       kv_quota *ret_title, ow_err *err);

// Carries out all operations, or none: the job fails with the first that cannot be. Codes: the store's;
// aborted "stale_version"; failed_precondition "not_a_number"; out_of_range "overflow";
// resource_exhausted "kv_full", "reply_too_large"; not_found "player_deleted", "virtual_server_deleted".
ow_code kv_store_apply(ow_db_conn *db, kv_change *change, ow_err *err);
