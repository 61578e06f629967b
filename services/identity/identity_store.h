#pragma once

// All SQL of identity. Every function runs inside a job (a read or a write step) and depends on its
// arguments and the store alone, so that it may be run again. Codes as in core/db/db.h, and those
// named.

#include "services/identity/messages.h"

#include "core/arena/arena.h"
#include "core/audit/audit.h"
#include "core/crypto/hash.h"
#include "core/db/db.h"
#include "core/id/id.h"

// ---- Server keys ----

typedef struct server_key_row {
    char key_id[OW_ID_MAX];
    char title[OW_ID_MAX];
    char name[64];
    int64_t created_us, revoked_us; // 0: not revoked
    int64_t limit_calls;            // 0: none of its own
    int64_t etag;
} server_key_row;

// Codes: not_found "no_key".
ow_code store_server_key_find(ow_db_conn *db, const char *key_id, server_key_row *ret_row,
                              ow_err *err);

// Remembers a nonce and forgets expired ones. Codes: unauthenticated "nonce_used", not_found
// "no_key" (revoked meanwhile).
ow_code store_nonce_use(ow_db_conn *db, const char *key_id, const char *nonce, int64_t expires_us,
                        int64_t now_us, ow_err *err);

// Who makes a change, when, and an arena for what the audit says about it.
typedef struct author {
    ow_audit_entry entry; // without action and object
    ow_arena *arena;
} author;

// Makes the key `row` (id, title, name, created_us, limit_calls, etag filled). Codes:
// resource_exhausted "too_many_keys", "too_many_limits".
ow_code store_key_create(ow_db_conn *db, const author *by, const server_key_row *row, ow_err *err);

// Codes: not_found "no_key" (in this title, not revoked), aborted "stale_etag", resource_exhausted
// "too_many_limits".
ow_code store_key_set_limit(ow_db_conn *db, const author *by, const set_key_limit_request *request,
                            server_key_row *ret_row, ow_err *err);

typedef struct key_limit_row {
    char key_id[OW_ID_MAX];
    int32_t calls;
} key_limit_row;

typedef struct key_limit_rows {
    key_limit_row *rows;
    size_t count;
} key_limit_rows;

// All keys that have a limit of their own and are not revoked, in the arena.
ow_code store_key_limits_load(ow_db_conn *db, ow_arena *arena, key_limit_rows *ret_rows,
                              ow_err *err);

// Revokes; a key that is revoked stays as it was. Codes: not_found "no_key" (in this title).
ow_code store_key_revoke(ow_db_conn *db, const author *by, const char *key_id,
                         server_key_row *ret_row, ow_err *err);

typedef struct key_range {
    const char *title;
    const char *after; // key id; "" from the first
    int limit;
} key_range;

// Calls `take` for the keys of the range in order of id, until it fails.
typedef ow_code (*take_key)(void *self, const server_key_row *row, ow_err *err);
ow_code store_keys_list(ow_db_conn *db, const key_range *range, take_key take, void *self,
                        ow_err *err);

// ---- What gateways verify with ----

enum { REVOKED_MAX = 4096 };

typedef struct verification_rows {
    char (*revoked)[OW_ID_MAX]; // REVOKED_MAX of them, the caller's
    int64_t *revoked_us;        // the same
    int revoked_count;
} verification_rows;

// The server keys revoked since `revoked_since_us`, newest first.
ow_code store_verification_load(ow_db_conn *db, int64_t revoked_since_us, verification_rows *rows,
                                ow_err *err);
