#include "services/events/occurrences_store.h"

#include "services/events/store_rows.h"

#include "core/rpc/call.h"

#define COLUMNS "trigger_id, title_id, event_key, received_us, matched, spreading, spread_to, facts"

enum { FACTS = 7 };                // the column of what was published
enum { LIST_BYTES_MAX = 5 << 20 }; // of one list

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for events");
}

// ---- Insert ----

static ow_code find_first(ow_db_conn *db, const occurrence_row *row,
                          char ret_first_id[static OW_ID_MAX], ow_err *err) {
    ow_rows *rows = NULL;
    bool found;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT trigger_id FROM occurrences WHERE title_id = $1"
                               " AND event_key = $2",
                               "tt", row->title_id, row->event_key);
    code = rows_one(code, rows, &found, err);
    if (code == OW_OK && found) {
        rows_copy_id(rows, 0, ret_first_id);
    }
    ow_rows_close(rows);
    return code;
}

ow_code occurrence_insert(ow_db_conn *db, const occurrence_row *row, ow_arena *arena,
                          bool *ret_duplicate, char ret_first_id[static OW_ID_MAX], ow_err *err) {
    size_t size = overworld__events__v1__occurrence_facts__get_packed_size(row->facts);
    uint8_t *bytes = ow_arena_alloc(arena, size);
    int64_t count = 0;
    if (bytes == NULL) {
        return no_memory(err);
    }
    overworld__events__v1__occurrence_facts__pack(row->facts, bytes);
    ow_code code =
        ow_db_exec(db, &count, err,
                   "INSERT INTO occurrences (trigger_id, title_id, event_key, type, received_us,"
                   " size, spreading, spread_to, matched, facts)"
                   " VALUES ($1, $2, $3, $4, $5, $6, 1, '', 0, $7) ON CONFLICT DO NOTHING",
                   "ttttiib", row->trigger_id, row->title_id, row->event_key,
                   row->facts->event->type, row->received_us, (int64_t)size, bytes, size);
    *ret_duplicate = code == OW_OK && count == 0;
    return *ret_duplicate ? find_first(db, row, ret_first_id, err) : code;
}

// ---- Read ----

static ow_code take_row(ow_rows *rows, ow_arena *arena, occurrence_row *row, ow_err *err) {
    ProtobufCAllocator storage;
    size_t size = 0;
    const void *bytes = ow_rows_blob(rows, FACTS, &size);
    rows_copy_id(rows, 0, row->trigger_id);
    row->title_id = ow_arena_strdup_in(arena, ow_rows_text(rows, 1));
    row->event_key = ow_arena_strdup_in(arena, ow_rows_text(rows, 2));
    row->received_us = ow_rows_int(rows, 3);
    row->matched = ow_rows_int(rows, 4);
    row->spreading = ow_rows_int(rows, 5) != 0;
    row->spread_to = ow_arena_strdup_in(arena, ow_rows_text(rows, 6));
    row->facts = overworld__events__v1__occurrence_facts__unpack(ow_arena_protobuf(arena, &storage),
                                                                 size, bytes);
    bool whole = row->title_id != NULL && row->event_key != NULL && row->spread_to != NULL &&
                 row->facts != NULL && row->facts->event != NULL;
    return whole ? OW_OK : no_memory(err);
}

static ow_code take_one(ow_code code, ow_rows *rows, ow_arena *arena, occurrence_row *row,
                        bool *ret_found, ow_err *err) {
    code = rows_one(code, rows, ret_found, err);
    if (code == OW_OK && *ret_found) {
        code = take_row(rows, arena, row, err);
    }
    ow_rows_close(rows);
    return code;
}

ow_code occurrence_read(ow_db_conn *db, const char *title_id, const char *trigger_id,
                        ow_arena *arena, occurrence_row *ret_row, ow_err *err) {
    ow_rows *rows = NULL;
    bool found;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT " COLUMNS " FROM occurrences WHERE trigger_id = $1"
                               " AND title_id = $2",
                               "tt", trigger_id, title_id);
    code = take_one(code, rows, arena, ret_row, &found, err);
    return code == OW_OK && !found ? ow_fail(err, OW_NOT_FOUND, "no_occurrence",
                                             "there is no event %.40s (any more)", trigger_id)
                                   : code;
}

ow_code occurrence_next_spreading(ow_db_conn *db, const char *title_id, ow_arena *arena,
                                  occurrence_row *ret_row, bool *ret_found, ow_err *err) {
    ow_rows *rows = NULL;
    ow_code code = title_id[0] != '\0'
                       ? ow_db_query(db, &rows, err,
                                     "SELECT " COLUMNS " FROM occurrences WHERE title_id = $1"
                                     " AND spreading = 1 ORDER BY trigger_id LIMIT 1",
                                     "t", title_id)
                       : ow_db_query(db, &rows, err,
                                     "SELECT " COLUMNS " FROM occurrences WHERE spreading = 1"
                                     " ORDER BY title_id, trigger_id LIMIT 1",
                                     "");
    return take_one(code, rows, arena, ret_row, ret_found, err);
}

ow_code occurrence_progress(ow_db_conn *db, const occurrence_row *row, ow_err *err) {
    return ow_db_exec(db, NULL, err,
                      "UPDATE occurrences SET spreading = $1, spread_to = $2, matched = $3"
                      " WHERE trigger_id = $4",
                      "itit", (int64_t)row->spreading, row->spread_to, row->matched,
                      row->trigger_id);
}

static bool is_full(const occurrence_range *range, const occurrence_list *list, size_t bytes) {
    return list->count == (size_t)range->limit || bytes >= LIST_BYTES_MAX;
}

ow_code occurrences_list(ow_db_conn *db, const occurrence_range *range, ow_arena *arena,
                         occurrence_list *ret_list, ow_err *err) {
    occurrence_list list = {.rows =
                                ow_arena_calloc(arena, (size_t)range->limit, sizeof *list.rows)};
    ow_rows *rows = NULL;
    bool found = true;
    size_t bytes = 0;
    if (list.rows == NULL) {
        return no_memory(err);
    }
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT " COLUMNS " FROM occurrences WHERE title_id = $1"
                               " AND ($2 = '' OR trigger_id < $2) AND ($3 = '' OR type = $3)"
                               " AND received_us >= $4 AND received_us < $5"
                               " ORDER BY trigger_id DESC LIMIT $6",
                               "tttiii", range->title_id, range->before, range->type,
                               range->since_us, range->until_us, (int64_t)range->limit + 1);
    while (code == OW_OK && !list.more) {
        code = ow_rows_next(rows, &found, err);
        if (code != OW_OK || !found) {
            break;
        }
        list.more = is_full(range, &list, bytes);
        if (!list.more) {
            size_t size = 0;
            (void)ow_rows_blob(rows, FACTS, &size);
            bytes += size;
            code = take_row(rows, arena, &list.rows[list.count++], err);
        }
    }
    ow_rows_close(rows);
    *ret_list = list;
    return code;
}

// ---- Retention ----

ow_code occurrences_size(ow_db_conn *db, int64_t *ret_bytes, ow_err *err) {
    ow_rows *rows = NULL;
    bool found;
    ow_code code =
        ow_db_query(db, &rows, err, "SELECT CAST(sum(size) AS BIGINT) FROM occurrences", "");
    code = rows_one(code, rows, &found, err);
    *ret_bytes = code == OW_OK && found ? ow_rows_int(rows, 0) : 0;
    ow_rows_close(rows);
    return code;
}

enum { SLICE_MAX = 200 };

static bool may_go(const occurrence_waste *waste, int64_t received_us, int64_t bytes) {
    return received_us < waste->before_us || (bytes > 0 && received_us < waste->young_us);
}

typedef struct old_one {
    char trigger_id[OW_ID_MAX];
} old_one;

ow_code occurrences_delete(ow_db_conn *db, const occurrence_waste *waste, int *ret_deleted,
                           ow_err *err) {
    old_one old[SLICE_MAX];
    ow_rows *rows = NULL;
    bool found = true;
    int count = 0;
    int64_t bytes = waste->bytes;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT trigger_id, received_us, size FROM occurrences"
                               " WHERE spreading = 0 ORDER BY received_us LIMIT $1",
                               "i", (int64_t)SLICE_MAX);
    while (code == OW_OK && count < SLICE_MAX) {
        code = ow_rows_next(rows, &found, err);
        if (code != OW_OK || !found || !may_go(waste, ow_rows_int(rows, 1), bytes)) {
            break;
        }
        bytes -= ow_rows_int(rows, 2);
        rows_copy_id(rows, 0, old[count++].trigger_id);
    }
    ow_rows_close(rows);
    for (int i = 0; code == OW_OK && i < count; i++) {
        code = ow_db_exec(db, NULL, err, "DELETE FROM occurrences WHERE trigger_id = $1", "t",
                          old[i].trigger_id);
    }
    *ret_deleted = code == OW_OK ? count : 0;
    return code;
}

// ---- Batches ----

ow_code batch_add(ow_db_conn *db, const batch_item *item, ow_err *err) {
    return ow_db_exec(db, NULL, err,
                      "INSERT INTO batch_items (item_id, title_id, subscription_id, lane,"
                      " trigger_id, due_us, size, item) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                      "tttttiib", item->item_id, item->title_id, item->subscription_id, item->lane,
                      item->trigger_id, item->due_us, (int64_t)item->item.len, item->item.data,
                      item->item.len);
}

#define ITEM_COLUMNS "item_id, title_id, subscription_id, lane, trigger_id, due_us, item"

static ow_code take_item(ow_rows *rows, ow_arena *arena, batch_item *item, ow_err *err) {
    size_t size = 0;
    const void *bytes = ow_rows_blob(rows, 6, &size);
    rows_copy_id(rows, 0, item->item_id);
    item->title_id = ow_arena_strdup_in(arena, ow_rows_text(rows, 1));
    item->subscription_id = ow_arena_strdup_in(arena, ow_rows_text(rows, 2));
    item->lane = ow_arena_strdup_in(arena, ow_rows_text(rows, 3));
    item->trigger_id = ow_arena_strdup_in(arena, ow_rows_text(rows, 4));
    item->due_us = ow_rows_int(rows, 5);
    item->item.data = ow_arena_memdup_in(arena, bytes, size);
    item->item.len = size;
    bool whole = item->title_id != NULL && item->subscription_id != NULL && item->lane != NULL &&
                 item->trigger_id != NULL && item->item.data != NULL;
    return whole ? OW_OK : no_memory(err);
}

ow_code batch_read(ow_db_conn *db, const batch_take *take, ow_arena *arena, batch_item **ret_items,
                   size_t *ret_count, ow_err *err) {
    batch_item *items = ow_arena_calloc(arena, (size_t)take->limit, sizeof *items);
    ow_rows *rows = NULL;
    bool found = true;
    size_t count = 0;
    int64_t bytes = 0;
    if (items == NULL) {
        return no_memory(err);
    }
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT " ITEM_COLUMNS " FROM batch_items"
                               " WHERE subscription_id = $1 AND lane = $2"
                               " ORDER BY item_id LIMIT $3",
                               "tti", take->subscription_id, take->lane, (int64_t)take->limit);
    while (code == OW_OK && count < (size_t)take->limit) {
        code = ow_rows_next(rows, &found, err);
        if (code != OW_OK || !found) {
            break;
        }
        code = take_item(rows, arena, &items[count], err);
        bytes += (int64_t)items[count].item.len + 1;
        if (count > 0 && bytes > take->bytes) {
            break;
        }
        count++;
    }
    ow_rows_close(rows);
    *ret_items = items;
    *ret_count = count;
    return code;
}

ow_code batch_measure(ow_db_conn *db, const char *subscription_id, const char *lane,
                      int64_t *ret_count, int64_t *ret_bytes, ow_err *err) {
    ow_rows *rows = NULL;
    bool found;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT count(*), CAST(sum(size) AS BIGINT) FROM batch_items"
                               " WHERE subscription_id = $1 AND lane = $2",
                               "tt", subscription_id, lane);
    code = rows_one(code, rows, &found, err);
    *ret_count = code == OW_OK && found ? ow_rows_int(rows, 0) : 0;
    *ret_bytes = code == OW_OK && found ? ow_rows_int(rows, 1) : 0;
    ow_rows_close(rows);
    return code;
}

ow_code batch_delete(ow_db_conn *db, const batch_item *item, ow_err *err) {
    return ow_db_exec(db, NULL, err, "DELETE FROM batch_items WHERE item_id = $1", "t",
                      item->item_id);
}

ow_code batch_next_due(ow_db_conn *db, ow_arena *arena, batch_item *ret_item, bool *ret_found,
                       ow_err *err) {
    ow_rows *rows = NULL;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT " ITEM_COLUMNS " FROM batch_items"
                               " ORDER BY due_us LIMIT 1",
                               "");
    code = rows_one(code, rows, ret_found, err);
    if (code == OW_OK && *ret_found) {
        code = take_item(rows, arena, ret_item, err);
    }
    ow_rows_close(rows);
    return code;
}
