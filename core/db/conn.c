#include "core/db/internal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STEPS_BETWEEN_QUESTIONS = 256 };

bool ow_db_budget_spent(ow_db_budget *budget) {
    struct timespec now;
    if (budget->limit_us == 0 || clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) != 0) {
        return false;
    }
    int64_t now_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    if (budget->start_us < 0) {
        // Short jobs, nearly all, never come here and so never pay for asking.
        budget->start_us = now_us;
        return false;
    }
    return now_us - budget->start_us > budget->limit_us;
}

ow_code conn_open(ow_db_driver *driver, ow_db_role role, ow_db_conn **ret_conn, ow_err *err) {
    ow_db_conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for a connection");
    }
    conn->ops = driver->ops;
    conn->budget.start_us = -1;
    ow_code code = driver->ops->connect(driver, role, &conn->budget, &conn->link, err);
    if (code != OW_OK) {
        conn_close(conn);
        return code;
    }
    *ret_conn = conn;
    return OW_OK;
}

static void statement_drop(ow_db_conn *conn, cached_statement *cached) {
    if (cached->statement != NULL) {
        conn->ops->finalize(cached->statement);
    }
    free(cached->sql);
    *cached = (cached_statement){0};
}

ow_db_conn *conn_close(ow_db_conn *conn) {
    if (conn == NULL) {
        return NULL;
    }
    for (int i = 0; i < STATEMENT_SLOTS; i++) {
        statement_drop(conn, &conn->statements[i]);
    }
    if (conn->link != NULL) {
        conn->ops->disconnect(conn->link);
    }
    free(conn);
    return NULL;
}

void conn_begin_job(ow_db_conn *conn) {
    conn->budget.start_us = -1;
    conn->steps = 0;
    conn->failed = OW_OK;
}

ow_code conn_end_job(ow_db_conn *conn, ow_code code, ow_err *err) {
    for (int i = 0; i < OW_DB_ROWS_MAX; i++) {
        ow_rows_close(&conn->rows[i]);
    }
    if (code == OW_OK && conn->failed != OW_OK) {
        *err = conn->failed_err;
        code = conn->failed;
    }
    if (code != OW_OK && err->code != code) {
        ow_fail(err, code, "unspecified", "the job did not say why"); // not another job's words
    }
    return code;
}

// ---- Statements ----

static ow_code note_failure(ow_db_conn *conn, ow_code code, ow_err *err) {
    if (conn->failed == OW_OK) {
        conn->failed = code;
        conn->failed_err = *err;
    }
    return code;
}

static ow_code statement_fill(ow_db_conn *conn, cached_statement *cached, const char *sql,
                              ow_err *err) {
    cached->sql = strdup(sql);
    if (cached->sql == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for a statement");
    }
    ow_code code =
        conn->ops->prepare(conn->link, sql, &cached->statement, &cached->parameters, err);
    if (code != OW_OK) {
        statement_drop(conn, cached);
        return code;
    }
    cached->address = sql;
    return OW_OK;
}

static ow_code statement_get(ow_db_conn *conn, const char *sql, cached_statement **ret_cached,
                             ow_err *err) {
    size_t start = ((uintptr_t)sql * UINT64_C(0x9E3779B97F4A7C15)) >> 56;
    cached_statement *place = NULL;
    for (size_t i = 0; i < STATEMENT_WINDOW; i++) {
        cached_statement *cached = &conn->statements[(start + i) % STATEMENT_SLOTS];
        if (cached->busy) {
            continue;
        }
        if (cached->address == sql && strcmp(cached->sql, sql) == 0) {
            *ret_cached = cached;
            return OW_OK;
        }
        if (place == NULL || (place->address != NULL && cached->address == NULL)) {
            place = cached;
        }
    }
    statement_drop(conn, place); // never NULL: the window is wider than rows can be open
    ow_code code = statement_fill(conn, place, sql, err);
    if (code == OW_OK) {
        *ret_cached = place;
    }
    return code;
}

static int read_values(ow_db_value *values, const char *types, va_list arguments) {
    int count = 0;
    for (; count < PARAMETERS_MAX && types[count] != '\0'; count++) {
        ow_db_value *value = &values[count];
        value->type = types[count];
        switch (types[count]) {
        case 't':
            value->bytes = va_arg(arguments, const char *);
            value->size = value->bytes != NULL ? strlen(value->bytes) : 0;
            break;
        case 'i':
            value->integer = va_arg(arguments, int64_t);
            break;
        case 'd':
            value->real = va_arg(arguments, double);
            break;
        case 'b':
            value->bytes = va_arg(arguments, const void *);
            value->size = va_arg(arguments, size_t);
            break;
        case 'n':
            break;
        default:
            return -1;
        }
        if ((value->type == 't' || value->type == 'b') && value->bytes == NULL) {
            value->type = 'n';
        }
    }
    return count < PARAMETERS_MAX && types[count] == '\0' ? count : -1;
}

typedef struct argument_list {
    ow_db_value values[PARAMETERS_MAX];
    int count; // -1: `types` is malformed
    bool copy; // the statement outlives the call that has them
} argument_list;

// Everything before the first step.
static ow_code statement_start(ow_db_conn *conn, const char *sql, const argument_list *list,
                               cached_statement **ret_cached, ow_err *err) {
    if (conn->failed != OW_OK) {
        *err = conn->failed_err;
        return conn->failed;
    }
    cached_statement *cached = NULL;
    ow_code code = statement_get(conn, sql, &cached, err);
    if (code == OW_OK && list->count != cached->parameters) {
        code = ow_fail(err, OW_INTERNAL, "sql", "%d parameters, arguments for %d: %.200s",
                       cached->parameters, list->count, sql);
    }
    if (code == OW_OK) {
        code = conn->ops->bind(cached->statement, list->values, list->count, list->copy, err);
    }
    if (code != OW_OK) {
        return note_failure(conn, code, err);
    }
    cached->busy = true;
    *ret_cached = cached;
    return OW_OK;
}

static void statement_end(ow_db_conn *conn, cached_statement *cached) {
    conn->ops->reset(cached->statement);
    cached->busy = false;
}

static ow_code statement_step(ow_db_conn *conn, cached_statement *cached, bool *ret_row,
                              ow_err *err) {
    ow_code code = OW_OK;
    if (++conn->steps % STEPS_BETWEEN_QUESTIONS == 0 && ow_db_budget_spent(&conn->budget)) {
        code = ow_fail(err, OW_DEADLINE_EXCEEDED, "query_too_slow",
                       "stopped after %lld ms of CPU in %u statements and rows",
                       (long long)conn->budget.limit_us / 1000, conn->steps);
    } else {
        code = conn->ops->step(cached->statement, ret_row, err);
    }
    return code == OW_OK ? OW_OK : note_failure(conn, code, err);
}

ow_code ow_db_exec(ow_db_conn *conn, int64_t *ret_changes, ow_err *err, const char *sql,
                   const char *types, ...) {
    ow_err unwanted;
    unwanted.code = OW_OK;
    err = err != NULL ? err : &unwanted;
    argument_list list;
    list.copy = false;
    va_list arguments;
    va_start(arguments, types);
    list.count = read_values(list.values, types, arguments);
    va_end(arguments);

    cached_statement *cached = NULL;
    ow_code code = statement_start(conn, sql, &list, &cached, err);
    if (code != OW_OK) {
        return code;
    }
    bool row = false;
    code = statement_step(conn, cached, &row, err);
    if (code == OW_OK && row) {
        code = note_failure(
            conn, ow_fail(err, OW_INTERNAL, "sql", "ow_db_exec with rows: %.200s", sql), err);
    }
    if (code == OW_OK && ret_changes != NULL) {
        *ret_changes = conn->ops->changes(cached->statement);
    }
    statement_end(conn, cached);
    return code;
}

// ---- Rows ----

static ow_rows *rows_find_free(ow_db_conn *conn) {
    for (int i = 0; i < OW_DB_ROWS_MAX; i++) {
        if (conn->rows[i].cached == NULL) {
            return &conn->rows[i];
        }
    }
    return NULL;
}

ow_code ow_db_query(ow_db_conn *conn, ow_rows **ret_rows, ow_err *err, const char *sql,
                    const char *types, ...) {
    ow_err unwanted;
    unwanted.code = OW_OK;
    err = err != NULL ? err : &unwanted;
    argument_list list;
    list.copy = true;
    va_list arguments;
    va_start(arguments, types);
    list.count = read_values(list.values, types, arguments);
    va_end(arguments);

    ow_rows *rows = rows_find_free(conn);
    if (rows == NULL) {
        ow_fail(err, OW_INTERNAL, "sql", "more than %d queries open: %.200s", OW_DB_ROWS_MAX, sql);
        return note_failure(conn, OW_INTERNAL, err);
    }
    cached_statement *cached = NULL;
    ow_code code = statement_start(conn, sql, &list, &cached, err);
    if (code != OW_OK) {
        return code;
    }
    // Stepped here so that a RETURNING statement takes effect, and fails, in this call, as it does
    // on a database that is elsewhere.
    bool row = false;
    code = statement_step(conn, cached, &row, err);
    if (code != OW_OK) {
        statement_end(conn, cached);
        return code;
    }
    rows->conn = conn;
    rows->cached = cached;
    rows->first_row_waiting = row;
    if (!row) {
        conn->ops->reset(cached->statement);
    }
    *ret_rows = rows;
    return OW_OK;
}

ow_code ow_rows_next(ow_rows *rows, bool *ret_row, ow_err *err) {
    ow_err unwanted;
    unwanted.code = OW_OK;
    err = err != NULL ? err : &unwanted;
    if (rows->cached == NULL) {
        *ret_row = false;
        return OW_OK;
    }
    if (rows->first_row_waiting) {
        rows->first_row_waiting = false;
        rows->has_row = true;
        *ret_row = true;
        return OW_OK;
    }
    bool row = false;
    ow_code code = OW_OK;
    if (rows->has_row) {
        code = statement_step(rows->conn, rows->cached, &row, err);
    }
    if (code != OW_OK || !row) {
        ow_rows_close(rows);
    }
    if (code == OW_OK) {
        *ret_row = row;
    }
    return code;
}

ow_rows *ow_rows_close(ow_rows *rows) {
    if (rows != NULL && rows->cached != NULL) {
        statement_end(rows->conn, rows->cached);
        rows->cached = NULL;
        rows->has_row = false;
        rows->first_row_waiting = false;
    }
    return NULL;
}

int64_t ow_rows_int(ow_rows *rows, int column) {
    return rows->has_row ? rows->conn->ops->column_int(rows->cached->statement, column) : 0;
}

double ow_rows_double(ow_rows *rows, int column) {
    return rows->has_row ? rows->conn->ops->column_double(rows->cached->statement, column) : 0;
}

const char *ow_rows_text(ow_rows *rows, int column) {
    return rows->has_row ? rows->conn->ops->column_text(rows->cached->statement, column) : NULL;
}

const void *ow_rows_blob(ow_rows *rows, int column, size_t *ret_size) {
    if (!rows->has_row) {
        *ret_size = 0;
        return NULL;
    }
    return rows->conn->ops->column_blob(rows->cached->statement, column, ret_size);
}

bool ow_rows_is_null(ow_rows *rows, int column) {
    return !rows->has_row || rows->conn->ops->column_is_null(rows->cached->statement, column);
}

ow_code ow_db_copy(ow_db_conn *conn, const char *path, ow_err *err) {
    if (conn->ops->copy == NULL) {
        return ow_fail(err, OW_UNIMPLEMENTED, "no_copy",
                       "this kind of database is copied with its own tools");
    }
    return conn->ops->copy(conn->link, path, err);
}
