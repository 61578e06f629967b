#include "services/data/kv_store.h"

#include "services/data/kv_ledger.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ABSENT OVERWORLD__DATA__V1__CONDITION__KIND__ABSENT
#define VERSION OVERWORLD__DATA__V1__CONDITION__KIND__VERSION

// ---- Reading ----

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for values");
}

ow_code kv_entry_take(ow_rows *rows, ow_arena *arena, kv_entry *ret_entry, ow_err *err) {
    size_t size = 0;
    const void *value = ow_rows_blob(rows, 1, &size);
    *ret_entry = (kv_entry){
        .key = ow_arena_strdup_in(arena, ow_rows_text(rows, 0)),
        .value = size > 0 ? ow_arena_memdup_in(arena, value, size) : "",
        .size = size,
        .version = ow_rows_int(rows, 2),
        .updated_us = ow_rows_int(rows, 3),
        .expires_us = ow_rows_int(rows, 4),
    };
    return ret_entry->key != NULL && ret_entry->value != NULL ? OW_OK : no_memory(err);
}

ow_code kv_store_get(ow_db_conn *db, const kv_place *place, int64_t now_us, ow_arena *arena,
                     kv_entry *ret_entry, ow_err *err) {
    ow_rows *rows = NULL;
    bool found = false;
    *ret_entry = (kv_entry){.key = NULL};
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT key, value, version, updated_us, expires_us FROM kv_entries"
                               " WHERE scope = $1 AND key = $2"
                               " AND (expires_us = 0 OR expires_us > $3)",
                               "tti", place->scope->text, place->key, now_us);
    code = code == OW_OK ? ow_rows_next(rows, &found, err) : code;
    if (code == OW_OK && found) {
        code = kv_entry_take(rows, arena, ret_entry, err);
    }
    ow_rows_close(rows);
    return code;
}

// ---- Changing: what an operation finds ----

// What stands under a key now. An expired entry counts for the quota, and for nothing else.
typedef struct present {
    bool stored, there;
    int64_t bytes, version, expires_us;
    int64_t number;
    bool is_number;
} present;

static ow_code read_present(ow_db_conn *db, const kv_operation *op, int64_t now_us,
                            present *ret_present, ow_err *err) {
    ow_rows *rows = NULL;
    bool found = false;
    *ret_present = (present){0};
    // Values that may be numbers are short: the others need not be looked at.
    ow_code code =
        ow_db_query(db, &rows, err,
                    "SELECT bytes, version, expires_us, CASE WHEN bytes < 512 THEN value END"
                    " FROM kv_entries WHERE scope = $1 AND key = $2",
                    "tt", op->scope->text, op->key);
    code = code == OW_OK ? ow_rows_next(rows, &found, err) : code;
    if (code == OW_OK && found) {
        size_t size = 0;
        const void *value = ow_rows_blob(rows, 3, &size);
        ret_present->stored = true;
        ret_present->bytes = ow_rows_int(rows, 0);
        ret_present->version = ow_rows_int(rows, 1);
        ret_present->expires_us = ow_rows_int(rows, 2);
        ret_present->there = ret_present->expires_us == 0 || ret_present->expires_us > now_us;
        ret_present->is_number =
            ret_present->there && kv_parse_number(value, size, &ret_present->number);
    }
    ow_rows_close(rows);
    return code;
}

static ow_code check_condition(const kv_operation *op, const present *now, ow_err *err) {
    if (op->condition == ABSENT && now->there) {
        return ow_fail(err, OW_ABORTED, "stale_version", "%s is there, in version %" PRId64,
                       op->key, now->version);
    }
    if (op->condition == VERSION && !now->there) {
        return ow_fail(err, OW_ABORTED, "stale_version", "%s is not there", op->key);
    }
    if (op->condition == VERSION && now->version != op->version) {
        return ow_fail(err, OW_ABORTED, "stale_version", "%s is in version %" PRId64, op->key,
                       now->version);
    }
    return OW_OK;
}

// ---- Changing: quotas ----

static bool exceeds(const kv_quota *used, const kv_quota *more, const kv_quota *limit) {
    return (more->keys > 0 && used->keys + more->keys > limit->keys) ||
           (more->bytes > 0 && used->bytes + more->bytes > limit->bytes);
}

static ow_code check_quota(const kv_change *change, const kv_operation *op, const kv_ledger *books,
                           const kv_quota *more, ow_err *err) {
    const kv_quota *limit =
        op->scope->kind == KV_OF_PLAYER ? &change->quotas->player : &change->quotas->shared;
    if (exceeds(&books->scope, more, limit)) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "kv_full",
                       "the scope may have %" PRId64 " keys and %" PRId64 " bytes", limit->keys,
                       limit->bytes);
    }
    limit = &change->quotas->title;
    if (exceeds(&books->title, more, limit)) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "kv_full",
                       "the title may have %" PRId64 " keys and %" PRId64 " bytes", limit->keys,
                       limit->bytes);
    }
    return OW_OK;
}

// ---- Changing: the operations ----

typedef struct step {
    ow_db_conn *db;
    kv_change *change;
    kv_operation *op;
    present now;
    kv_ledger books;
} step;

static ow_code put(step *s, const void *value, size_t size, int64_t expires_us, ow_err *err) {
    kv_operation *op = s->op;
    int64_t bytes = (int64_t)(strlen(op->key) + size);
    kv_quota more = {.keys = !s->now.stored, .bytes = bytes - s->now.bytes};
    ow_code code = check_quota(s->change, op, &s->books, &more, err);
    if (code != OW_OK) {
        return code;
    }
    op->new_version = ++s->books.sequence;
    code = ow_db_exec(s->db, NULL, err,
                      "INSERT INTO kv_entries (scope, key, value, bytes, version, updated_us,"
                      " expires_us) VALUES ($1, $2, $3, $4, $5, $6, $7)"
                      " ON CONFLICT (scope, key) DO UPDATE SET value = excluded.value,"
                      " bytes = excluded.bytes, version = excluded.version,"
                      " updated_us = excluded.updated_us, expires_us = excluded.expires_us",
                      "ttbiiii", op->scope->text, op->key, size > 0 ? value : "", size, bytes,
                      op->new_version, s->change->now_us, expires_us);
    return code == OW_OK ? kv_ledger_add(s->db, op->scope, &s->books, &more, err) : code;
}

static ow_code do_get(step *s, ow_err *err) {
    kv_operation *op = s->op;
    kv_place place = {op->scope, op->key};
    ow_code code =
        kv_store_get(s->db, &place, s->change->now_us, s->change->arena, &op->entry, err);
    op->was_there = op->entry.key != NULL;
    // Here, so that what the others wrote is undone: a reply that cannot be sent must not leave it behind.
    return code == OW_OK && op->was_there ? kv_add_read(&s->change->read, op->entry.size, err)
                                          : code;
}

static ow_code do_set(step *s, ow_err *err) {
    return put(s, s->op->value, s->op->size, s->op->expires_us, err);
}

static ow_code do_delete(step *s, ow_err *err) {
    const kv_operation *op = s->op;
    if (!s->now.stored) {
        return OW_OK;
    }
    kv_quota less = {.keys = -1, .bytes = -s->now.bytes};
    ow_code code =
        ow_db_exec(s->db, NULL, err, "DELETE FROM kv_entries WHERE scope = $1 AND key = $2", "tt",
                   op->scope->text, op->key);
    return code == OW_OK ? kv_ledger_add(s->db, op->scope, &s->books, &less, err) : code;
}

static ow_code do_increment(step *s, ow_err *err) {
    kv_operation *op = s->op;
    char text[24];
    if (s->now.there && !s->now.is_number) {
        return ow_fail(err, OW_FAILED_PRECONDITION, "not_a_number",
                       "the value of %s is no whole number of 64 bits", op->key);
    }
    if (__builtin_add_overflow(s->now.there ? s->now.number : 0, op->delta, &op->number)) {
        return ow_fail(err, OW_OUT_OF_RANGE, "overflow",
                       "%s is %" PRId64 ": by %" PRId64 " it leaves 64 bits", op->key,
                       s->now.number, op->delta);
    }
    int length = snprintf(text, sizeof text, "%" PRId64, op->number);
    return put(s, text, (size_t)length, s->now.there ? s->now.expires_us : op->expires_us, err);
}

static ow_code (*const actions[])(step *s, ow_err *err) = {
    [KV_GET] = do_get,
    [KV_SET] = do_set,
    [KV_DELETE] = do_delete,
    [KV_INCREMENT] = do_increment,
};

static ow_code look(step *s, ow_err *err) {
    ow_code code = read_present(s->db, s->op, s->change->now_us, &s->now, err);
    code = code == OW_OK ? check_condition(s->op, &s->now, err) : code;
    code = code == OW_OK ? kv_ledger_read(s->db, s->op->scope, &s->books, err) : code;
    if (code == OW_OK && s->books.ended_us > 0 && s->op->action != KV_GET) {
        return s->op->scope->kind == KV_OF_PLAYER
                   ? ow_fail(err, OW_NOT_FOUND, "player_deleted", "the player was deleted")
                   : ow_fail(err, OW_NOT_FOUND, "virtual_server_deleted",
                             "the virtual server was deleted");
    }
    s->op->was_there = s->now.there;
    return code;
}

ow_code kv_store_apply(ow_db_conn *db, kv_change *change, ow_err *err) {
    ow_code code = OW_OK;
    change->read = 0;
    for (change->at = 0; change->at < change->count; change->at++) {
        step s = {.db = db, .change = change, .op = &change->operations[change->at]};
        code = s.op->action != KV_GET || s.op->condition != 0 ? look(&s, err) : OW_OK;
        code = code == OW_OK ? actions[s.op->action](&s, err) : code;
        if (code != OW_OK) {
            return code;
        }
    }
    return OW_OK;
}
