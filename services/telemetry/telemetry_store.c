#include "services/telemetry/telemetry_store.h"

// The only row of a query without many; the rows are closed when there is none.
static ow_code one_row(ow_code code, ow_rows *rows, bool *ret_found, ow_err *err) {
    *ret_found = false;
    return code == OW_OK ? ow_rows_next(rows, ret_found, err) : code;
}

static ow_code no_state(ow_err *err) {
    return ow_fail(err, OW_DATA_LOSS, "no_state", "the row of the store is missing");
}

static ow_code put_words(ow_db_conn *db, int64_t block_id, const block_text *text, ow_err *err) {
    if (text->too_many) {
        return ow_db_exec(db, NULL, err, "INSERT INTO unindexed (block_id) VALUES ($1)", "i",
                          block_id);
    }
    return text->size > 0 ? ow_db_words_put(db, block_id, text->words, err) : OW_OK;
}

ow_code store_append(ow_db_conn *db, const new_block *b, int64_t *ret_bytes, ow_err *err) {
    const append_request *request = b->request;
    int64_t size = (int64_t)(request->records.len + b->summary->words_size + b->text->size);
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
    code = put_words(db, block_id, b->text, err);
    if (code != OW_OK) {
        return code;
    }
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

enum { CUT_MAX = 16 };

// The oldest blocks, up to `last`.
typedef struct cut {
    int64_t last, bytes;
    int64_t blocks[CUT_MAX];
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
    while (code == OW_OK && c.count < CUT_MAX && (code = ow_rows_next(rows, &more, err)) == OW_OK &&
           more) {
        if (ow_rows_int(rows, 1) >= r->before_us && bytes - c.bytes <= r->max_bytes) {
            ow_rows_close(rows);
            break;
        }
        c.last = ow_rows_int(rows, 0);
        c.blocks[c.count] = c.last;
        c.bytes += ow_rows_int(rows, 2);
        c.count++;
    }
    *ret_cut = c;
    return code;
}

static ow_code is_unindexed(ow_db_conn *db, int64_t block_id, bool *ret_is, ow_err *err) {
    ow_rows *rows = NULL;
    ow_code code =
        ow_db_query(db, &rows, err, "SELECT 1 FROM unindexed WHERE block_id = $1", "i", block_id);
    code = one_row(code, rows, ret_is, err);
    ow_rows_close(rows);
    return code;
}

// The index keeps no text: it is told again what it was told.
static ow_code forget_words(ow_db_conn *db, int64_t block_id, ow_arena *arena, ow_err *err) {
    bool unindexed = false;
    slice records;
    block_text text = {.words = ""};
    ow_code code = is_unindexed(db, block_id, &unindexed, err);
    if (code != OW_OK || unindexed) {
        return code;
    }
    ow_arena_reset(arena);
    code = store_records(db, block_id, arena, &records, err);
    if (code == OW_OK) {
        code = text_of_block(records, arena, &text, err);
    }
    return code == OW_OK && text.size > 0 ? ow_db_words_remove(db, block_id, text.words, err)
                                          : code;
}

static ow_code delete_blocks(ow_db_conn *db, const cut *c, ow_arena *arena, ow_err *err) {
    ow_code code = OW_OK;
    for (int i = 0; i < c->count && code == OW_OK; i++) {
        code = forget_words(db, c->blocks[i], arena, err);
    }
    if (code == OW_OK) {
        code =
            ow_db_exec(db, NULL, err, "DELETE FROM unindexed WHERE block_id <= $1", "i", c->last);
    }
    if (code == OW_OK) {
        code = ow_db_exec(db, NULL, err, "DELETE FROM blocks WHERE block_id <= $1", "i", c->last);
    }
    if (code == OW_OK) {
        code =
            ow_db_exec(db, NULL, err, "UPDATE store SET bytes = bytes - $1 WHERE name = 'blocks'",
                       "i", c->bytes);
    }
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
        code = delete_blocks(db, &c, r->arena, err);
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

// A row that neither query names cannot match.
static ow_code mark_worded(ow_rows *rows, const block_list *list, bool *worded, ow_err *err) {
    bool more = true;
    ow_code code = OW_OK;
    while ((code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        int64_t block_id = ow_rows_int(rows, 0);
        for (int i = 0; i < list->count; i++) {
            worded[i] = worded[i] || list->rows[i].block_id == block_id;
        }
    }
    return code;
}

static ow_code keep_worded(ow_db_conn *db, const filter *f, block_list *list, ow_err *err) {
    bool worded[ROWS_AT_ONCE] = {false};
    int64_t one = list->rows[0].block_id;
    int64_t other = list->rows[list->count - 1].block_id;
    int64_t first = one < other ? one : other;
    int64_t last = one < other ? other : one;
    ow_rows *rows = NULL;
    ow_code code = ow_db_words_find(db, f->words, first, last, &rows, err);
    code = code == OW_OK ? mark_worded(rows, list, worded, err) : code;
    if (code == OW_OK) {
        code = ow_db_query(db, &rows, err,
                           "SELECT block_id FROM unindexed WHERE block_id BETWEEN $1 AND $2", "ii",
                           first, last);
    }
    code = code == OW_OK ? mark_worded(rows, list, worded, err) : code;
    for (int i = 0; i < list->count; i++) {
        list->rows[i].may_match = list->rows[i].may_match && worded[i];
    }
    return code;
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
    return code == OW_OK && f->words[0] != 0 && list->count > 0 ? keep_worded(db, f, list, err)
                                                                : code;
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
