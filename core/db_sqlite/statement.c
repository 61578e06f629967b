#include "core/db_sqlite/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// $1 is a name for SQLite, numbered by first appearance.
static ow_code check_parameters(ow_db_statement *statement, const char *sql, ow_err *err) {
    int count = sqlite3_bind_parameter_count(statement->stmt);
    for (int i = 1; i <= count; i++) {
        char expected[16];
        snprintf(expected, sizeof expected, "$%d", i);
        const char *name = sqlite3_bind_parameter_name(statement->stmt, i);
        if (name == NULL || strcmp(name, expected) != 0) {
            return ow_fail(err, OW_INTERNAL, "sql", "%s stands where %s is due: %.160s",
                           name != NULL ? name : "?", expected, sql);
        }
    }
    return OW_OK;
}

ow_code statement_prepare(ow_db_link *link, const char *sql, ow_db_statement **ret_statement,
                          int *ret_parameters, ow_err *err) {
    ow_db_statement *statement = calloc(1, sizeof *statement);
    if (statement == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for a statement");
    }
    statement->link = link;
    const char *rest = "";
    int result =
        sqlite3_prepare_v3(link->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement->stmt, &rest);
    ow_code code = link_result(link, result, sql, err);
    if (code == OW_OK && (statement->stmt == NULL || rest[strspn(rest, " \t\r\n;")] != '\0')) {
        code = ow_fail(err, OW_INTERNAL, "sql", "not exactly one statement: %.160s", sql);
    }
    if (code == OW_OK) {
        code = check_parameters(statement, sql, err);
    }
    if (code != OW_OK) {
        statement_finalize(statement);
        return code;
    }
    *ret_parameters = sqlite3_bind_parameter_count(statement->stmt);
    *ret_statement = statement;
    return OW_OK;
}

void statement_finalize(ow_db_statement *statement) {
    sqlite3_finalize(statement->stmt);
    free(statement);
}

static int bind_one(sqlite3_stmt *stmt, int index, const ow_db_value *value,
                    sqlite3_destructor_type lifetime) {
    switch (value->type) {
    case 't':
        return sqlite3_bind_text64(stmt, index, value->bytes, value->size, lifetime, SQLITE_UTF8);
    case 'b':
        return sqlite3_bind_blob64(stmt, index, value->bytes, value->size, lifetime);
    case 'i':
        return sqlite3_bind_int64(stmt, index, value->integer);
    case 'd':
        return sqlite3_bind_double(stmt, index, value->real);
    default:
        return sqlite3_bind_null(stmt, index);
    }
}

ow_code statement_bind(ow_db_statement *statement, const ow_db_value *values, int count, bool copy,
                       ow_err *err) {
    int result = SQLITE_OK;
    for (int i = 0; i < count && result == SQLITE_OK; i++) {
        result =
            bind_one(statement->stmt, i + 1, &values[i], copy ? SQLITE_TRANSIENT : SQLITE_STATIC);
    }
    return link_result(statement->link, result, sqlite3_sql(statement->stmt), err);
}

ow_code statement_step(ow_db_statement *statement, bool *ret_row, ow_err *err) {
    int result = sqlite3_step(statement->stmt);
    ow_code code = link_result(statement->link, result, sqlite3_sql(statement->stmt), err);
    if (code == OW_OK) {
        *ret_row = result == SQLITE_ROW;
    }
    return code;
}

int64_t statement_changes(ow_db_statement *statement) {
    return sqlite3_stmt_readonly(statement->stmt) ? 0 : sqlite3_changes64(statement->link->db);
}

void statement_reset(ow_db_statement *statement) {
    sqlite3_reset(statement->stmt); // repeats the failure of the last step, which was answered
}

int64_t statement_int(ow_db_statement *statement, int column) {
    return sqlite3_column_int64(statement->stmt, column);
}

double statement_double(ow_db_statement *statement, int column) {
    return sqlite3_column_double(statement->stmt, column);
}

const char *statement_text(ow_db_statement *statement, int column) {
    return (const char *)sqlite3_column_text(statement->stmt, column);
}

const void *statement_blob(ow_db_statement *statement, int column, size_t *ret_size) {
    // In this order: asking for the size first could convert and move the value.
    const void *bytes = sqlite3_column_blob(statement->stmt, column);
    *ret_size = (size_t)sqlite3_column_bytes(statement->stmt, column);
    if (bytes == NULL && sqlite3_column_type(statement->stmt, column) != SQLITE_NULL) {
        return ""; // SQLite has no pointer for an empty blob
    }
    return bytes;
}

bool statement_is_null(ow_db_statement *statement, int column) {
    return sqlite3_column_type(statement->stmt, column) == SQLITE_NULL;
}
