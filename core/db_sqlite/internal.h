#pragma once

// core/db_sqlite in five files: folder.c (the files and their lock), link.c (connections and
// transactions), statement.c, copy.c, driver.c (the table, housekeeping).

#include "core/db_sqlite/db_sqlite.h"

#include <sqlite3.h>

enum { PATH_LENGTH_MAX = 512 };

typedef struct sqlite_driver {
    ow_db_driver driver; // first
    char path[PATH_LENGTH_MAX];
    int lock_fd;
    int index_fd; // holds the reserved space of the log's index
    int64_t max_wal_bytes;
    int page_bytes; // asked for; once the writer is connected: those of the file
} sqlite_driver;

struct ow_db_link {
    sqlite3 *db;
    sqlite_driver *driver;
    ow_db_budget *budget;
    ow_db_role role;
    ow_db_trouble trouble;
    bool in_checkpoint;
    bool in_transaction; // between begin and commit or rollback, as far as core/db knows
    sqlite3_stmt *begin, *commit, *rollback, *savepoint, *rollback_to, *release;
    int64_t wal_pages;          // as of the last commit
    int64_t checkpointed_pages; // of those, when the last checkpoint ended
    ow_db_files files;
};

struct ow_db_statement {
    sqlite3_stmt *stmt;
    ow_db_link *link;
};

// Makes and locks the folder and the file. On failure nothing stays behind in `driver`.
ow_code folder_open(sqlite_driver *driver, const ow_db_options *options, ow_err *err);
void folder_close(sqlite_driver *driver);

// Reserves the space of the log's index (-shm), once SQLite has made it. When the index cannot grow
// it does so behind the sync of a commit, and a full disk would look like a lost commit. A failure
// to reserve is none to open.
void folder_reserve_index(sqlite_driver *driver);

// Turns a result of SQLite into code and reason and notes what it means for the transaction.
// OW_OK for SQLITE_OK, SQLITE_ROW and SQLITE_DONE.
ow_code link_result(ow_db_link *link, int result, const char *sql, ow_err *err);

ow_code link_connect(ow_db_driver *driver, ow_db_role role, ow_db_budget *budget,
                     ow_db_link **ret_link, ow_err *err);
void link_disconnect(ow_db_link *link);
ow_code link_begin(ow_db_link *link, ow_err *err);
ow_code link_commit(ow_db_link *link, ow_err *err);
void link_rollback(ow_db_link *link);
ow_code link_savepoint(ow_db_link *link, ow_err *err);
ow_code link_rollback_to(ow_db_link *link, ow_err *err);
ow_code link_release(ow_db_link *link, ow_err *err);
ow_db_trouble link_trouble(const ow_db_link *link);
ow_code link_script(ow_db_link *link, const char *sql, ow_err *err);
ow_code link_copy(ow_db_link *link, const char *path, ow_err *err);
ow_code link_maintain(ow_db_link *link, ow_db_moment moment, ow_db_files *ret_files, ow_err *err);

ow_code statement_prepare(ow_db_link *link, const char *sql, ow_db_statement **ret_statement,
                          int *ret_parameters, ow_err *err);
void statement_finalize(ow_db_statement *statement);
ow_code statement_bind(ow_db_statement *statement, const ow_db_value *values, int count, bool copy,
                       ow_err *err);
ow_code statement_step(ow_db_statement *statement, bool *ret_row, ow_err *err);
int64_t statement_changes(ow_db_statement *statement);
void statement_reset(ow_db_statement *statement);
int64_t statement_int(ow_db_statement *statement, int column);
double statement_double(ow_db_statement *statement, int column);
const char *statement_text(ow_db_statement *statement, int column);
const void *statement_blob(ow_db_statement *statement, int column, size_t *ret_size);
bool statement_is_null(ow_db_statement *statement, int column);
