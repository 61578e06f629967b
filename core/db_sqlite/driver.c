#include "core/db_sqlite/internal.h"

#include <stdlib.h>

enum {
    DEFAULT_PAGE_BYTES = 4096,
    DEFAULT_WAL_BYTES = 32 * 1024 * 1024,
    IDLE_PAGES_MIN = 64, // less is not worth a checkpoint at rest
};

// ---- Housekeeping ----

static ow_code checkpoint(ow_db_link *link, int mode, ow_err *err) {
    int log_pages = 0, done_pages = 0;
    link->in_checkpoint = true;
    int result = sqlite3_wal_checkpoint_v2(link->db, NULL, mode, &log_pages, &done_pages);
    link->in_checkpoint = false;
    if ((result & 0xff) == SQLITE_FULL || (result & 0xff) == SQLITE_BUSY ||
        (result & 0xff) == SQLITE_LOCKED) {
        return OW_OK; // the log stays and is tried again; nothing is lost
    }
    if (result == SQLITE_OK) {
        link->checkpointed_pages = done_pages;
        link->files.checkpoints++;
    }
    return link_result(link, result, "checkpoint", err);
}

// Beyond its bound the log is written back and begun anew. PASSIVE does the work while readers go
// on; RESTART then has only to wait until none of them reads from the log's old frames.
static ow_code bound_log(ow_db_link *link, ow_err *err) {
    int64_t bound = link->driver->max_wal_bytes / link->driver->page_bytes;
    // A reader that holds on to old frames would otherwise cost an attempt with every batch.
    if (link->wal_pages < bound || link->wal_pages - link->checkpointed_pages < bound / 8) {
        return OW_OK;
    }
    ow_code code = checkpoint(link, SQLITE_CHECKPOINT_PASSIVE, err);
    return code == OW_OK ? checkpoint(link, SQLITE_CHECKPOINT_RESTART, err) : code;
}

static ow_code tidy_log(ow_db_link *link, ow_err *err) {
    if (link->wal_pages - link->checkpointed_pages < IDLE_PAGES_MIN) {
        return OW_OK;
    }
    return checkpoint(link, SQLITE_CHECKPOINT_PASSIVE, err);
}

static void note_sizes(ow_db_link *link) {
    sqlite3_file *file = NULL;
    sqlite3_int64 size = 0;
    if (sqlite3_file_control(link->db, NULL, SQLITE_FCNTL_FILE_POINTER, &file) == SQLITE_OK &&
        file != NULL && file->pMethods != NULL &&
        file->pMethods->xFileSize(file, &size) == SQLITE_OK) {
        link->files.file_bytes = size;
    }
    link->files.wal_bytes = link->wal_pages * link->driver->page_bytes;
}

ow_code link_maintain(ow_db_link *link, ow_db_moment moment, ow_db_files *ret_files, ow_err *err) {
    ow_code code = OW_OK;
    uint64_t before = link->files.checkpoints;
    switch (moment) {
    case OW_DB_AFTER_BATCH:
        code = bound_log(link, err);
        break;
    case OW_DB_IDLE:
        code = tidy_log(link, err);
        break;
    case OW_DB_SPACE:
        code = checkpoint(link, SQLITE_CHECKPOINT_TRUNCATE, err);
        break;
    }
    if (code == OW_OK) {
        if (link->files.checkpoints != before || link->files.file_bytes == 0) {
            note_sizes(link);
        }
        link->files.wal_bytes = link->wal_pages * link->driver->page_bytes;
        *ret_files = link->files;
    }
    return code;
}

// ---- The table ----

static void driver_close(ow_db_driver *driver) {
    folder_close((sqlite_driver *)driver);
    free(driver);
}

// FTS5 without a copy of the text and without places in it; the tokenizer's words are those of db.h.
static const ow_db_word_sql words = {
    .make = "CREATE VIRTUAL TABLE word_index USING fts5(words, content='', detail=none,"
            " tokenize=\"ascii tokenchars '_'\")",
    .put = "INSERT INTO word_index (rowid, words) VALUES ($1, $2)",
    .remove = "INSERT INTO word_index (word_index, rowid, words) VALUES ('delete', $1, $2)",
    .find = "SELECT rowid FROM word_index WHERE word_index MATCH $1 AND rowid BETWEEN $2 AND $3"
            " ORDER BY rowid",
    .word = "\"%s\"",
    .prefix = "\"%s\" *",
    .both = " AND ",
};

static const ow_db_driver_ops ops = {
    .blob_type = "BLOB",
    .words = &words,
    .connect = link_connect,
    .disconnect = link_disconnect,
    .close = driver_close,
    .begin = link_begin,
    .commit = link_commit,
    .rollback = link_rollback,
    .savepoint = link_savepoint,
    .rollback_to = link_rollback_to,
    .release = link_release,
    .trouble = link_trouble,
    .script = link_script,
    .prepare = statement_prepare,
    .finalize = statement_finalize,
    .bind = statement_bind,
    .step = statement_step,
    .changes = statement_changes,
    .reset = statement_reset,
    .column_int = statement_int,
    .column_double = statement_double,
    .column_text = statement_text,
    .column_blob = statement_blob,
    .column_is_null = statement_is_null,
    .copy = link_copy,
    .maintain = link_maintain,
};

ow_code ow_db_sqlite_driver_new(const ow_db_options *options, ow_db_driver **ret_driver,
                                ow_err *err) {
    sqlite_driver *driver = calloc(1, sizeof *driver);
    if (driver == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for a driver");
    }
    driver->driver.ops = &ops;
    driver->lock_fd = -1;
    driver->index_fd = -1;
    driver->max_wal_bytes = options->max_wal_bytes > 0 ? options->max_wal_bytes : DEFAULT_WAL_BYTES;
    driver->page_bytes = options->page_bytes > 0 ? options->page_bytes : DEFAULT_PAGE_BYTES;
    ow_code code = folder_open(driver, options, err);
    if (code != OW_OK) {
        free(driver);
        return code;
    }
    *ret_driver = &driver->driver;
    return OW_OK;
}

ow_code ow_db_sqlite_open(const ow_db_options *options, ow_db **ret_db, ow_err *err) {
    ow_db_driver *driver = NULL;
    ow_code code = ow_db_sqlite_driver_new(options, &driver, err);
    return code == OW_OK ? ow_db_open_driver(options, driver, ret_db, err) : code;
}
