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

// The last of the oldest blocks that go; -1: none.
static ow_code find_cut(ow_db_conn *db, const retention *r, int64_t bytes, int64_t *ret_cut,
                        int64_t *ret_freed, int *ret_count, ow_err *err) {
    ow_rows *rows = NULL;
    bool more = true;
    *ret_cut = -1;
    *ret_freed = 0;
    *ret_count = 0;
    ow_code code = ow_db_query(
        db, &rows, err, "SELECT block_id, received_us, size FROM blocks ORDER BY block_id LIMIT $1",
        "i", (int64_t)r->slice);
    while (code == OW_OK && (code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        if (ow_rows_int(rows, 1) >= r->before_us && bytes - *ret_freed <= r->max_bytes) {
            ow_rows_close(rows);
            break;
        }
        *ret_cut = ow_rows_int(rows, 0);
        *ret_freed += ow_rows_int(rows, 2);
        ++*ret_count;
    }
    return code;
}

ow_code store_retain(ow_db_conn *db, const retention *r, bool *ret_more, int64_t *ret_bytes,
                     int64_t *ret_deleted, ow_err *err) {
    int64_t last = 0;
    int64_t bytes = 0;
    int64_t cut = -1;
    int64_t freed = 0;
    int count = 0;
    ow_code code = store_state(db, &last, &bytes, err);
    if (code == OW_OK) {
        code = find_cut(db, r, bytes, &cut, &freed, &count, err);
    }
    if (code == OW_OK && count > 0) {
        code = ow_db_exec(db, NULL, err, "DELETE FROM blocks WHERE block_id <= $1", "i", cut);
    }
    if (code == OW_OK && count > 0) {
        code = ow_db_exec(db, NULL, err,
                          "UPDATE store SET bytes = bytes - $1 WHERE name = 'blocks'", "i", freed);
    }
    *ret_more = count == r->slice;
    *ret_bytes = bytes - freed;
    *ret_deleted = count;
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

ow_code store_blocks(ow_db_conn *db, const filter *f, int64_t from, bool down, ow_arena *arena,
                     block_row ret_rows[ROWS_AT_ONCE], int *ret_count, ow_err *err) {
    ow_rows *rows = NULL;
    ow_code code =
        down ? ow_db_query(db, &rows, err,
                           "SELECT block_id, received_us, first_us, last_us, dropped, top_level,"
                           " process, words FROM blocks WHERE block_id <= $1"
                           " ORDER BY block_id DESC LIMIT $2",
                           "ii", from, (int64_t)ROWS_AT_ONCE)
             : ow_db_query(db, &rows, err,
                           "SELECT block_id, received_us, first_us, last_us, dropped, top_level,"
                           " process, words FROM blocks WHERE block_id >= $1"
                           " ORDER BY block_id LIMIT $2",
                           "ii", from, (int64_t)ROWS_AT_ONCE);
    int count = 0;
    bool more = true;
    while (code == OW_OK && (code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        ret_rows[count++] = read_row(rows, f, arena);
    }
    *ret_count = count;
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

ow_code store_records(ow_db_conn *db, int64_t block_id, ow_arena *arena, const uint8_t **ret_bytes,
                      size_t *ret_size, ow_err *err) {
    ow_rows *rows = NULL;
    bool found;
    ow_code code = ow_db_query(db, &rows, err, "SELECT records FROM blocks WHERE block_id = $1",
                               "i", block_id);
    code = one_row(code, rows, &found, err);
    *ret_size = 0;
    if (code != OW_OK || !found) {
        return code;
    }
    size_t size = 0;
    const void *bytes = ow_rows_blob(rows, 0, &size);
    *ret_bytes = ow_arena_memdup_in(arena, bytes, size);
    *ret_size = size;
    ow_rows_close(rows);
    return *ret_bytes != NULL
               ? OW_OK
               : ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "the block is too large");
}
