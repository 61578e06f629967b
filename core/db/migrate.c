#include "core/db/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char BLOB_MACRO[] = "OW_BLOB";
static const char WORDS_MACRO[] = "OW_WORD_INDEX";

// The text with `macro` replaced by the dialect's words. Heap; `sql` is freed.
static char *replaced(char *sql_text, const char *macro, const char *by) {
    if (sql_text == NULL) {
        return NULL;
    }
    const char *sql = sql_text;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        free(sql_text);
        return NULL;
    }
    const char *found = NULL;
    while ((found = strstr(sql, macro)) != NULL) {
        fwrite(sql, 1, (size_t)(found - sql), out);
        fputs(by, out);
        sql = found + strlen(macro);
    }
    fputs(sql, out);
    free(sql_text);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static char *in_dialect(const char *sql, const ow_db_driver_ops *ops) {
    char *text = replaced(strdup(sql), BLOB_MACRO, ops->blob_type);
    return replaced(text, WORDS_MACRO, ops->words->make);
}

static int highest_known(const ow_db_migration *migrations) {
    int highest = 0;
    for (; migrations != NULL && migrations->number != 0; migrations++) {
        highest = migrations->number;
    }
    return highest;
}

static ow_code check_order(const ow_db_migration *migrations, ow_err *err) {
    int expected = 1;
    for (; migrations != NULL && migrations->number != 0; migrations++, expected++) {
        if (migrations->number != expected) {
            return ow_fail(err, OW_INTERNAL, "migration", "number %d stands where %d is due",
                           migrations->number, expected);
        }
    }
    return OW_OK;
}

static ow_code read_number(ow_db_conn *conn, int *ret_number, ow_err *err) {
    ow_rows *rows = NULL;
    bool row = false;
    ow_code code =
        ow_db_query(conn, &rows, err, "SELECT coalesce(max(number), 0) FROM ow_migration", "");
    if (code == OW_OK) {
        code = ow_rows_next(rows, &row, err);
    }
    if (code == OW_OK && row) {
        *ret_number = (int)ow_rows_int(rows, 0);
    }
    ow_rows_close(rows);
    return code;
}

static ow_code apply(ow_db_conn *conn, const ow_db_migration *migration, ow_err *err) {
    char *sql = in_dialect(migration->sql, conn->ops);
    if (sql == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for a migration");
    }
    ow_code code = conn->ops->begin(conn->link, err);
    if (code == OW_OK) {
        code = conn->ops->script(conn->link, sql, err);
    }
    if (code == OW_OK) {
        code = ow_db_exec(conn, NULL, err, "INSERT INTO ow_migration (number) VALUES ($1)", "i",
                          (int64_t)migration->number);
    }
    if (code == OW_OK) {
        code = conn->ops->commit(conn->link, err);
    }
    if (code != OW_OK) {
        conn->ops->rollback(conn->link);
        ow_err_context(err, "migration %d", migration->number);
    }
    free(sql);
    return code;
}

// The table of applied numbers, and the highest of them.
static ow_code begin_migrating(ow_db_conn *conn, int *ret_number, ow_err *err) {
    ow_code code = conn->ops->begin(conn->link, err);
    if (code == OW_OK) {
        code = conn->ops->script(conn->link,
                                 "CREATE TABLE IF NOT EXISTS ow_migration ("
                                 " number BIGINT NOT NULL PRIMARY KEY)",
                                 err);
    }
    if (code == OW_OK) {
        code = read_number(conn, ret_number, err);
    }
    if (code == OW_OK) {
        code = conn->ops->commit(conn->link, err);
    }
    if (code != OW_OK) {
        conn->ops->rollback(conn->link);
    }
    return code;
}

ow_code migrate(ow_db_conn *conn, const ow_db_migration *migrations, ow_err *err) {
    conn_begin_job(conn);
    int number = 0;
    ow_code code = check_order(migrations, err);
    if (code == OW_OK) {
        code = begin_migrating(conn, &number, err);
    }
    if (code != OW_OK) {
        return code;
    }
    int known = highest_known(migrations);
    if (number > known) {
        return ow_fail(err, OW_FAILED_PRECONDITION, "newer_store",
                       "the store was written by a newer version: it is at migration %d, this "
                       "program knows %d; start a newer program or restore a backup",
                       number, known);
    }
    for (; number < known && code == OW_OK; number++) {
        code = apply(conn, &migrations[number], err);
    }
    return conn_end_job(conn, code, err);
}
