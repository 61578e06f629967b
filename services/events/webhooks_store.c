#include "services/events/webhooks_store.h"

#include "services/events/store_rows.h"

#include "core/rpc/call.h"

#define COLUMNS                                                                                    \
    "title_id, name, virtual_server, deployment, declared, secret, disabled, created_us, updated_us"

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for webhooks");
}

static ow_code take_row(ow_rows *rows, ow_arena *arena, webhook_row *row, ow_err *err) {
    ProtobufCAllocator storage;
    size_t size = 0;
    const void *bytes = ow_rows_blob(rows, 4, &size);
    row->title_id = ow_arena_strdup_in(arena, ow_rows_text(rows, 0));
    row->name = ow_arena_strdup_in(arena, ow_rows_text(rows, 1));
    row->virtual_server = ow_arena_strdup_in(arena, ow_rows_text(rows, 2));
    row->deployment = ow_rows_int(rows, 3);
    row->declared =
        overworld__api__webhook__unpack(ow_arena_protobuf(arena, &storage), size, bytes);
    row->secret = ow_arena_strdup_in(arena, ow_rows_text(rows, 5));
    row->disabled = ow_rows_int(rows, 6) != 0;
    row->created_us = ow_rows_int(rows, 7);
    row->updated_us = ow_rows_int(rows, 8);
    bool whole = row->title_id != NULL && row->name != NULL && row->virtual_server != NULL &&
                 row->declared != NULL && row->secret != NULL;
    return whole ? OW_OK : no_memory(err);
}

ow_code webhook_read(ow_db_conn *db, const char *title_id, const char *name, ow_arena *arena,
                     webhook_row *ret_row, ow_err *err) {
    ow_rows *rows = NULL;
    bool found;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT " COLUMNS " FROM webhooks WHERE title_id = $1 AND name = $2",
                               "tt", title_id, name);
    code = rows_one(code, rows, &found, err);
    if (code == OW_OK) {
        code = found ? take_row(rows, arena, ret_row, err)
                     : ow_fail(err, OW_NOT_FOUND, "no_webhook", "there is no such webhook");
    }
    ow_rows_close(rows);
    return code;
}

static ow_code fail_if_full(ow_db_conn *db, const char *title_id, ow_err *err) {
    ow_rows *rows = NULL;
    bool found;
    ow_code code = ow_db_query(db, &rows, err, "SELECT count(*) FROM webhooks WHERE title_id = $1",
                               "t", title_id);
    code = rows_one(code, rows, &found, err);
    int64_t count = code == OW_OK && found ? ow_rows_int(rows, 0) : 0;
    ow_rows_close(rows);
    return code == OW_OK && count >= WEBHOOKS_MAX
               ? ow_fail(err, OW_RESOURCE_EXHAUSTED, "too_many_webhooks",
                         "a title has at most %d webhooks", WEBHOOKS_MAX)
               : code;
}

static ow_code pack(const webhook_msg *declared, ow_arena *arena, ProtobufCBinaryData *ret,
                    ow_err *err) {
    ret->len = overworld__api__webhook__get_packed_size(declared);
    ret->data = ow_arena_alloc(arena, ret->len);
    if (ret->data == NULL) {
        return no_memory(err);
    }
    overworld__api__webhook__pack(declared, ret->data);
    return OW_OK;
}

ow_code webhook_insert(ow_db_conn *db, const webhook_row *row, ow_arena *arena, ow_err *err) {
    ProtobufCBinaryData declared;
    int64_t count = 0;
    ow_code code = fail_if_full(db, row->title_id, err);
    code = code == OW_OK ? pack(row->declared, arena, &declared, err) : code;
    if (code == OW_OK) {
        code = ow_db_exec(db, &count, err,
                          "INSERT INTO webhooks (" COLUMNS ")"
                          " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
                          "tttibtiii", row->title_id, row->name, row->virtual_server,
                          row->deployment, declared.data, declared.len, row->secret,
                          (int64_t)row->disabled, row->created_us, row->updated_us);
    }
    return code == OW_OK && count == 0 ? ow_fail(err, OW_ALREADY_EXISTS, "webhook_exists",
                                                 "there is a webhook %s already", row->name)
                                       : code;
}

ow_code webhook_update(ow_db_conn *db, const webhook_row *row, ow_arena *arena, ow_err *err) {
    ProtobufCBinaryData declared;
    ow_code code = pack(row->declared, arena, &declared, err);
    return code == OW_OK
               ? ow_db_exec(db, NULL, err,
                            "UPDATE webhooks SET deployment = $1, declared = $2, secret = $3,"
                            " disabled = $4, updated_us = $5 WHERE title_id = $6 AND name = $7",
                            "ibtiitt", row->deployment, declared.data, declared.len, row->secret,
                            (int64_t)row->disabled, row->updated_us, row->title_id, row->name)
               : code;
}

ow_code webhook_delete(ow_db_conn *db, const char *title_id, const char *name, ow_err *err) {
    return ow_db_exec(db, NULL, err, "DELETE FROM webhooks WHERE title_id = $1 AND name = $2", "tt",
                      title_id, name);
}

ow_code webhooks_list(ow_db_conn *db, const webhook_range *range, ow_arena *arena,
                      webhook_row **ret_rows, size_t *ret_count, ow_err *err) {
    webhook_row *list = ow_arena_calloc(arena, (size_t)range->limit, sizeof *list);
    ow_rows *rows = NULL;
    bool found = true;
    size_t count = 0;
    if (list == NULL) {
        return no_memory(err);
    }
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT " COLUMNS " FROM webhooks WHERE title_id = $1 AND name > $2"
                               " AND ($3 = '' OR virtual_server = $3) AND deployment >= $4"
                               " ORDER BY name LIMIT $5",
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
