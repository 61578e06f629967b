// Lists, and deletions of many keys.

#include "services/data/kv_ledger.h"
#include "services/data/kv_store.h"

#include <stdio.h>
#include <string.h>

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for keys");
}

// ---- Lists ----

#define LIST(order)                                                                                \
    "SELECT key, CASE WHEN $1 = 0 THEN value END, version, updated_us, expires_us"                 \
    " FROM kv_entries WHERE scope = $2 AND key >= $3 AND key < $4"                                 \
    " AND (expires_us = 0 OR expires_us > $5) ORDER BY key" order " LIMIT $6"

static bool is_full(const kv_range *range, const kv_list *list, ow_rows *rows, size_t *bytes) {
    size_t size = 0;
    (void)ow_rows_blob(rows, 1, &size);
    *bytes += size + strlen(ow_rows_text(rows, 0));
    return list->count == range->limit || (list->count > 0 && *bytes > range->max_bytes);
}

static ow_code take_list(ow_rows *rows, const kv_range *range, ow_arena *arena, kv_list *list,
                         ow_err *err) {
    size_t bytes = 0;
    bool row = true;
    ow_code code;
    while ((code = ow_rows_next(rows, &row, err)) == OW_OK && row) {
        if (is_full(range, list, rows, &bytes)) {
            list->more = true;
            break;
        }
        code = kv_entry_take(rows, arena, &list->entries[list->count], err);
        if (code != OW_OK) {
            break;
        }
        list->count++;
    }
    return code;
}

ow_code kv_store_list(ow_db_conn *db, const kv_scope *scope, const kv_range *range, ow_arena *arena,
                      kv_list *ret_list, ow_err *err) {
    ow_rows *rows = NULL;
    kv_list list = {.entries =
                        ow_arena_calloc(arena, (size_t)range->limit + 1, sizeof *list.entries)};
    if (list.entries == NULL) {
        return no_memory(err);
    }
    ow_code code = ow_db_query(db, &rows, err, range->descending ? LIST(" DESC") : LIST(""),
                               "itttii", (int64_t)range->keys_only, scope->text, range->first,
                               range->end, range->now_us, (int64_t)range->limit + 1);
    code = code == OW_OK ? take_list(rows, range, arena, &list, err) : code;
    ow_rows_close(rows);
    if (code == OW_OK) {
        *ret_list = list;
    }
    return code;
}

// ---- Deletions ----

// How many keys up to which one, and how many bytes.
typedef struct slice {
    kv_quota less;
    char last[KV_KEY_MAX + 1];
    bool more;
} slice;

static ow_code measure(ow_db_conn *db, const kv_scope *scope, const kv_range *range,
                       slice *ret_slice, ow_err *err) {
    ow_rows *rows = NULL;
    bool row = true;
    int count = 0;
    *ret_slice = (slice){0};
    ow_code code =
        ow_db_query(db, &rows, err,
                    "SELECT key, bytes FROM kv_entries WHERE scope = $1 AND key >= $2"
                    " AND key < $3 ORDER BY key LIMIT $4",
                    "ttti", scope->text, range->first, range->end, (int64_t)range->limit + 1);
    while (code == OW_OK && (code = ow_rows_next(rows, &row, err)) == OW_OK && row) {
        if (count == range->limit || -ret_slice->less.bytes >= (int64_t)range->max_bytes) {
            ret_slice->more = true;
            break;
        }
        count++;
        ret_slice->less.keys--;
        ret_slice->less.bytes -= ow_rows_int(rows, 1);
        snprintf(ret_slice->last, sizeof ret_slice->last, "%s", ow_rows_text(rows, 0));
    }
    ow_rows_close(rows);
    return code;
}

ow_code kv_store_delete_range(ow_db_conn *db, const kv_scope *scope, const kv_range *range,
                              kv_deleted *ret_deleted, ow_err *err) {
    kv_ledger ledger;
    slice slice;
    ow_code code = measure(db, scope, range, &slice, err);
    *ret_deleted = (kv_deleted){.keys = -slice.less.keys, .more = slice.more};
    if (code != OW_OK || slice.less.keys == 0) {
        return code;
    }
    code = ow_db_exec(db, NULL, err,
                      "DELETE FROM kv_entries WHERE scope = $1 AND key >= $2 AND key <= $3", "ttt",
                      scope->text, range->first, slice.last);
    code = code == OW_OK ? kv_ledger_read(db, scope, &ledger, err) : code;
    return code == OW_OK ? kv_ledger_add(db, scope, &ledger, &slice.less, err) : code;
}

ow_code kv_store_end(ow_db_conn *db, const kv_scope *scope, int64_t now_us, ow_err *err) {
    return ow_db_exec(db, NULL, err,
                      "INSERT INTO kv_scopes (scope, title_id, sequence, keys, bytes, ended_us)"
                      " VALUES ($1, $2, 0, 0, 0, $3) ON CONFLICT (scope) DO UPDATE SET"
                      " ended_us = excluded.ended_us",
                      "tti", scope->text, scope->title, now_us);
}

ow_code kv_store_deployed(ow_db_conn *db, const kv_scope *scope, const kv_deployment *deployment,
                          bool *ret_counts, ow_err *err) {
    kv_ledger ledger;
    int64_t changed = 0;
    ow_code code = kv_ledger_read(db, scope, &ledger, err);
    code = code == OW_OK
               ? ow_db_exec(db, &changed, err,
                            "INSERT INTO kv_scopes (scope, title_id, sequence, keys, bytes,"
                            " ended_us, deployment) VALUES ($1, $2, $3, 0, 0, $4, $5)"
                            " ON CONFLICT (scope) DO UPDATE SET ended_us = excluded.ended_us,"
                            " deployment = excluded.deployment"
                            " WHERE kv_scopes.deployment <= excluded.deployment",
                            "ttiii", scope->text, scope->title, ledger.sequence,
                            deployment->ended_us, deployment->number)
               : code;
    *ret_counts = changed > 0;
    return code;
}

// ---- What has expired ----

typedef struct expired {
    const char *key;
    int64_t bytes;
    kv_scope scope;
} expired;

static bool take_expired(ow_rows *rows, ow_arena *arena, expired *ret_expired) {
    snprintf(ret_expired->scope.text, sizeof ret_expired->scope.text, "%s", ow_rows_text(rows, 0));
    snprintf(ret_expired->scope.title, sizeof ret_expired->scope.title, "%s",
             ow_rows_text(rows, 3));
    ret_expired->bytes = ow_rows_int(rows, 2);
    ret_expired->key = ow_arena_strdup_in(arena, ow_rows_text(rows, 1));
    return ret_expired->key != NULL;
}

static ow_code find_expired(ow_db_conn *db, int64_t now_us, ow_arena *arena, expired *found,
                            kv_deleted *ret_found, ow_err *err) {
    ow_rows *rows = NULL;
    bool row = true;
    int64_t bytes = 0;
    *ret_found = (kv_deleted){0};
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT e.scope, e.key, e.bytes, s.title_id FROM kv_entries e"
                               " JOIN kv_scopes s ON s.scope = e.scope"
                               " WHERE e.expires_us > 0 AND e.expires_us <= $1"
                               " ORDER BY e.expires_us LIMIT $2",
                               "ii", now_us, (int64_t)KV_SLICE + 1);
    while (code == OW_OK && (code = ow_rows_next(rows, &row, err)) == OW_OK && row) {
        if (ret_found->keys == KV_SLICE || bytes >= KV_SLICE_BYTES) {
            ret_found->more = true;
            break;
        }
        expired *at = &found[ret_found->keys++];
        if (!take_expired(rows, arena, at)) {
            code = no_memory(err);
        }
        bytes += at->bytes;
    }
    ow_rows_close(rows);
    return code;
}

static ow_code delete_expired(ow_db_conn *db, const expired *e, ow_err *err) {
    kv_ledger ledger;
    kv_quota less = {.keys = -1, .bytes = -e->bytes};
    ow_code code = ow_db_exec(db, NULL, err, "DELETE FROM kv_entries WHERE scope = $1 AND key = $2",
                              "tt", e->scope.text, e->key);
    code = code == OW_OK ? kv_ledger_read(db, &e->scope, &ledger, err) : code;
    return code == OW_OK ? kv_ledger_add(db, &e->scope, &ledger, &less, err) : code;
}

ow_code kv_store_sweep(ow_db_conn *db, int64_t now_us, ow_arena *arena, kv_deleted *ret_swept,
                       ow_err *err) {
    expired *found = ow_arena_calloc(arena, KV_SLICE, sizeof *found);
    if (found == NULL) {
        return no_memory(err);
    }
    ow_code code = find_expired(db, now_us, arena, found, ret_swept, err);
    for (int64_t i = 0; i < ret_swept->keys && code == OW_OK; i++) {
        code = delete_expired(db, &found[i], err);
    }
    return code;
}

ow_code kv_store_usage(ow_db_conn *db, const kv_scope *scope, kv_quota *ret_scope,
                       kv_quota *ret_title, ow_err *err) {
    kv_ledger ledger = {0};
    ow_code code = kv_ledger_read(db, scope, &ledger, err);
    *ret_scope = ledger.scope;
    *ret_title = ledger.title;
    return code;
}
