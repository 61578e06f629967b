#include "services/telemetry/telemetry_store.h"

// The only row of a query without many; the rows are closed when there is none.
static ow_code one_row(ow_code code, ow_rows *rows, bool *ret_found, ow_err *err) {
    *ret_found = false;
    return code == OW_OK ? ow_rows_next(rows, ret_found, err) : code;
}

static ow_code no_state(ow_err *err) {
    return ow_fail(err, OW_DATA_LOSS, "no_state", "the row of the store is missing");
}

ow_code store_append(ow_db_conn *db, const new_block *b, int64_t *ret_bytes, ow_err *err) {
    const append_request *request = b->request;
    int64_t size = (int64_t)(request->records.len + b->summary->words_size);
    ow_rows *rows = NULL;
    bool found;
    ow_code code = ow_db_query(db, &rows, err,
                               "UPDATE store SET last_block = last_block + 1, bytes = bytes + $1"
                               " WHERE name = 'blocks' RETURNING last_block, bytes",
                               "i", size);
    code = one_row(code, rows, &found, err);
    if (code != OW_OK || !found) {
        return code != OW_OK ? code : no_state(err);
    }
    int64_t block_id = ow_rows_int(rows, 0);
    *ret_bytes = ow_rows_int(rows, 1);
    ow_rows_close(rows);
    return ow_db_exec(db, NULL, err,
                      "INSERT INTO blocks (block_id, received_us, first_us, last_us, count,"
                      " dropped, top_level, size, process, words, records)"
                      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                      "iiiiiiiitbb", block_id, b->received_us, request->first_us, request->last_us,
                      (int64_t)request->count, request->dropped, (int64_t)b->summary->top_level,
                      size, request->process, b->summary->words, b->summary->words_size,
                      request->records.data, request->records.len);
}

ow_code store_state(ow_db_conn *db, int64_t *ret_last, int64_t *ret_bytes, ow_err *err) {
    ow_rows *rows = NULL;
    bool found;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT last_block, bytes FROM store WHERE name = 'blocks'", "");
    code = one_row(code, rows, &found, err);
    if (code != OW_OK || !found) {
        return code != OW_OK ? code : no_state(err);
    }
    *ret_last = ow_rows_int(rows, 0);
    *ret_bytes = ow_rows_int(rows, 1);
    ow_rows_close(rows);
    return OW_OK;
}

// The oldest blocks, up to `last`.
typedef struct cut {
    int64_t last, bytes;
    int count;
} cut;

static ow_code find_cut(ow_db_conn *db, const retention *r, int64_t bytes, cut *ret_cut,
                        ow_err *err) {
    ow_rows *rows = NULL;
    bool more = true;
    cut c = {0};
    ow_code code = ow_db_query(
        db, &rows, err, "SELECT block_id, received_us, size FROM blocks ORDER BY block_id LIMIT $1",
        "i", (int64_t)r->slice);
    while (code == OW_OK && (code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        if (ow_rows_int(rows, 1) >= r->before_us && bytes - c.bytes <= r->max_bytes) {
            ow_rows_close(rows);
            break;
        }
        c.last = ow_rows_int(rows, 0);
        c.bytes += ow_rows_int(rows, 2);
        c.count++;
    }
    *ret_cut = c;
    return code;
}

ow_code store_retain(ow_db_conn *db, const retention *r, retained *ret_result, ow_err *err) {
    int64_t last = 0;
    int64_t bytes = 0;
    cut c = {0};
    ow_code code = store_state(db, &last, &bytes, err);
    if (code == OW_OK) {
        code = find_cut(db, r, bytes, &c, err);
    }
    if (code == OW_OK && c.count > 0) {
        code = ow_db_exec(db, NULL, err, "DELETE FROM blocks WHERE block_id <= $1", "i", c.last);
    }
    if (code == OW_OK && c.count > 0) {
        code =
            ow_db_exec(db, NULL, err, "UPDATE store SET bytes = bytes - $1 WHERE name = 'blocks'",
                       "i", c.bytes);
    }
    *ret_result = (retained){
        .more = c.count == r->slice,
        .bytes = bytes - c.bytes,
        .deleted = c.count,
    };
    return code;
}

static block_row read_row(ow_rows *rows, const filter *f, ow_arena *arena) {
    size_t size = 0;
    const uint8_t *words = ow_rows_blob(rows, 7, &size);
    block_row row = {
        .block_id = ow_rows_int(rows, 0),
        .received_us = ow_rows_int(rows, 1),
        .first_us = ow_rows_int(rows, 2),
        .last_us = ow_rows_int(rows, 3),
        .dropped = ow_rows_int(rows, 4),
        .top_level = (level)ow_rows_int(rows, 5),
        .process = "",
    };
    row.may_match = row.first_us <= f->until_us && row.last_us >= f->since_us &&
                    filter_may_match(f, row.top_level, words, size);
    if (row.dropped > 0) {
        const char *process = ow_arena_strdup_in(arena, ow_rows_text(rows, 6));
        row.process = process != NULL ? process : "";
    }
    return row;
}

ow_code store_blocks(ow_db_conn *db, const filter *f, ow_arena *arena, block_list *list,
                     ow_err *err) {
    ow_rows *rows = NULL;
    ow_code code =
        list->down
            ? ow_db_query(db, &rows, err,
                          "SELECT block_id, received_us, first_us, last_us, dropped, top_level,"
                          " process, words FROM blocks WHERE block_id <= $1"
                          " ORDER BY block_id DESC LIMIT $2",
                          "ii", list->from, (int64_t)ROWS_AT_ONCE)
            : ow_db_query(db, &rows, err,
                          "SELECT block_id, received_us, first_us, last_us, dropped, top_level,"
                          " process, words FROM blocks WHERE block_id >= $1"
                          " ORDER BY block_id LIMIT $2",
                          "ii", list->from, (int64_t)ROWS_AT_ONCE);
    bool more = true;
    list->count = 0;
    while (code == OW_OK && (code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        list->rows[list->count++] = read_row(rows, f, arena);
    }
    return code;
}

ow_code store_block_at(ow_db_conn *db, int64_t since_us, int64_t *ret_block, ow_err *err) {
    ow_rows *rows = NULL;
    bool found;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT block_id FROM blocks WHERE received_us >= $1"
                               " ORDER BY received_us, block_id LIMIT 1",
                               "i", since_us);
    code = one_row(code, rows, &found, err);
    if (code != OW_OK) {
        return code;
    }
    if (found) {
        *ret_block = ow_rows_int(rows, 0);
        ow_rows_close(rows);
        return OW_OK;
    }
    int64_t bytes;
    code = store_state(db, ret_block, &bytes, err);
    ++*ret_block;
    return code;
}

ow_code store_records(ow_db_conn *db, int64_t block_id, ow_arena *arena, slice *ret_records,
                      ow_err *err) {
    ow_rows *rows = NULL;
    bool found;
    ow_code code = ow_db_query(db, &rows, err, "SELECT records FROM blocks WHERE block_id = $1",
                               "i", block_id);
    code = one_row(code, rows, &found, err);
    *ret_records = (slice){"", 0};
    if (code != OW_OK || !found) {
        return code;
    }
    size_t size = 0;
    const void *bytes = ow_rows_blob(rows, 0, &size);
    const char *copy = ow_arena_memdup_in(arena, bytes, size);
    ow_rows_close(rows);
    if (copy == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "the block is too large");
    }
    *ret_records = (slice){copy, size};
    return OW_OK;
}
