#include "services/events/subscriptions_store.h"

#include "services/events/rules.h"
#include "services/events/store_rows.h"

#include "core/rpc/call.h"

#define COLUMNS                                                                                    \
    "subscription_id, title_id, virtual_server, alias, name, deployment, declared, url_secret,"    \
    " disabled, disabled_reason, created_us, updated_us, version"

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for subscriptions");
}

static ow_code take_row(ow_rows *rows, ow_arena *arena, subscription_row *row, ow_err *err) {
    struct {
        int column;
        const char **place;
    } texts[] = {{1, &row->title_id}, {2, &row->virtual_server}, {3, &row->alias},
                 {4, &row->name},     {7, &row->url_secret},     {9, &row->disabled_reason}};
    ProtobufCAllocator storage;
    size_t size = 0;
    const void *bytes = ow_rows_blob(rows, 6, &size);
    rows_copy_id(rows, 0, row->subscription_id);
    row->deployment = ow_rows_int(rows, 5);
    row->declared =
        overworld__api__subscription__unpack(ow_arena_protobuf(arena, &storage), size, bytes);
    row->disabled = ow_rows_int(rows, 8) != 0;
    row->created_us = ow_rows_int(rows, 10);
    row->updated_us = ow_rows_int(rows, 11);
    row->version = ow_rows_int(rows, 12);
    bool whole = row->declared != NULL;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        *texts[i].place = ow_arena_strdup_in(arena, ow_rows_text(rows, texts[i].column));
        whole = whole && *texts[i].place != NULL;
    }
    return whole ? OW_OK : no_memory(err);
}

// The first row of a query, if there is one.
static ow_code take_one(ow_code code, ow_rows *rows, ow_arena *arena, subscription_row *row,
                        bool *ret_found, ow_err *err) {
    code = rows_one(code, rows, ret_found, err);
    if (code == OW_OK && *ret_found) {
        *row = (subscription_row){0};
        code = take_row(rows, arena, row, err);
    }
    ow_rows_close(rows);
    return code;
}

ow_code subscription_read(ow_db_conn *db, const char *title_id, const char *subscription_id,
                          ow_arena *arena, subscription_row *ret_row, ow_err *err) {
    ow_rows *rows = NULL;
    bool found;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT " COLUMNS " FROM subscriptions"
                               " WHERE subscription_id = $1 AND title_id = $2",
                               "tt", subscription_id, title_id);
    code = take_one(code, rows, arena, ret_row, &found, err);
    return code == OW_OK && !found ? ow_fail(err, OW_NOT_FOUND, "no_subscription",
                                             "there is no subscription %.40s", subscription_id)
                                   : code;
}

ow_code subscription_find(ow_db_conn *db, const subscription_row *like, ow_arena *arena,
                          subscription_row *ret_row, bool *ret_found, ow_err *err) {
    ow_rows *rows = NULL;
    ow_code code =
        ow_db_query(db, &rows, err,
                    "SELECT " COLUMNS " FROM subscriptions WHERE title_id = $1"
                    " AND virtual_server = $2 AND alias = $3 AND name = $4",
                    "tttt", like->title_id, like->virtual_server, like->alias, like->name);
    return take_one(code, rows, arena, ret_row, ret_found, err);
}

static ow_code fail_if_full(ow_db_conn *db, const char *title_id, ow_err *err) {
    ow_rows *rows = NULL;
    bool found;
    ow_code code = ow_db_query(
        db, &rows, err, "SELECT count(*) FROM subscriptions WHERE title_id = $1", "t", title_id);
    code = rows_one(code, rows, &found, err);
    int64_t count = code == OW_OK && found ? ow_rows_int(rows, 0) : 0;
    ow_rows_close(rows);
    return code == OW_OK && count >= SUBSCRIPTIONS_MAX
               ? ow_fail(err, OW_RESOURCE_EXHAUSTED, "too_many_subscriptions",
                         "a title has at most %d subscriptions", SUBSCRIPTIONS_MAX)
               : code;
}

// The rules of a title are compiled and kept in memory as a whole: the large ones have a bound together, and small ones
// are as many as there may be. To add them up takes longer than to count them.
static ow_code fail_if_too_large(ow_db_conn *db, const subscription_row *row, size_t size,
                                 ow_err *err) {
    ow_rows *rows = NULL;
    bool found;
    if (size <= SUBSCRIPTIONS_BYTES_MAX / SUBSCRIPTIONS_MAX) {
        return OW_OK;
    }
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT COALESCE(SUM(LENGTH(declared)), 0) FROM subscriptions"
                               " WHERE title_id = $1 AND subscription_id <> $2",
                               "tt", row->title_id, row->subscription_id);
    code = rows_one(code, rows, &found, err);
    int64_t others = code == OW_OK && found ? ow_rows_int(rows, 0) : 0;
    ow_rows_close(rows);
    return code == OW_OK && others + (int64_t)size > SUBSCRIPTIONS_BYTES_MAX
               ? ow_fail(err, OW_RESOURCE_EXHAUSTED, "too_many_conditions",
                         "a title's subscriptions have at most %d MB together",
                         SUBSCRIPTIONS_BYTES_MAX >> 20)
               : code;
}

static ow_code pack(const subscription_msg *declared, ow_arena *arena, ProtobufCBinaryData *ret,
                    ow_err *err) {
    size_t size = overworld__api__subscription__get_packed_size(declared);
    ret->data = ow_arena_alloc(arena, size);
    ret->len = size;
    if (ret->data == NULL) {
        return no_memory(err);
    }
    overworld__api__subscription__pack(declared, ret->data);
    return OW_OK;
}

ow_code subscription_insert(ow_db_conn *db, const subscription_row *row, ow_arena *arena,
                            ow_err *err) {
    ProtobufCBinaryData declared;
    ow_code code = fail_if_full(db, row->title_id, err);
    code = code == OW_OK ? pack(row->declared, arena, &declared, err) : code;
    code = code == OW_OK ? fail_if_too_large(db, row, declared.len, err) : code;
    if (code != OW_OK) {
        return code;
    }
    return ow_db_exec(db, NULL, err,
                      "INSERT INTO subscriptions (" COLUMNS ") VALUES"
                      " ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 1)",
                      "tttttibtitii", row->subscription_id, row->title_id, row->virtual_server,
                      row->alias, row->name, row->deployment, declared.data, declared.len,
                      row->url_secret, (int64_t)row->disabled, row->disabled_reason,
                      row->created_us, row->updated_us);
}

ow_code subscription_update(ow_db_conn *db, const subscription_row *row, ow_arena *arena,
                            ow_err *err) {
    ProtobufCBinaryData declared;
    ow_code code = pack(row->declared, arena, &declared, err);
    code = code == OW_OK ? fail_if_too_large(db, row, declared.len, err) : code;
    if (code != OW_OK) {
        return code;
    }
    return ow_db_exec(db, NULL, err,
                      "UPDATE subscriptions SET alias = $1, name = $2, deployment = $3,"
                      " declared = $4, url_secret = $5, disabled = $6, disabled_reason = $7,"
                      " updated_us = $8, version = version + 1 WHERE subscription_id = $9",
                      "ttibtitit", row->alias, row->name, row->deployment, declared.data,
                      declared.len, row->url_secret, (int64_t)row->disabled, row->disabled_reason,
                      row->updated_us, row->subscription_id);
}

// Of what waited for its batches there may be more than one write may delete: spread_batches drops it, a slice at a
// time, as it gets due.
ow_code subscription_delete(ow_db_conn *db, const char *subscription_id, ow_err *err) {
    return ow_db_exec(db, NULL, err, "DELETE FROM subscriptions WHERE subscription_id = $1", "t",
                      subscription_id);
}

ow_code subscriptions_list(ow_db_conn *db, const subscription_range *range, ow_arena *arena,
                           subscription_row **ret_rows, size_t *ret_count, ow_err *err) {
    subscription_row *list = ow_arena_calloc(arena, (size_t)range->limit, sizeof *list);
    ow_rows *rows = NULL;
    bool found = true;
    size_t count = 0;
    if (list == NULL) {
        return no_memory(err);
    }
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT " COLUMNS " FROM subscriptions WHERE title_id = $1"
                               " AND subscription_id > $2 AND ($3 = '' OR virtual_server = $3)"
                               " AND deployment >= $4 ORDER BY subscription_id LIMIT $5",
                               "tttii", range->title_id, range->after, range->virtual_server,
                               (int64_t)range->of_manifests, (int64_t)range->limit);
    while (code == OW_OK && count < (size_t)range->limit) {
        code = ow_rows_next(rows, &found, err);
        if (code != OW_OK || !found) {
            break;
        }
        code = take_row(rows, arena, &list[count++], err);
    }
    ow_rows_close(rows);
    *ret_rows = list;
    *ret_count = count;
    return code;
}
