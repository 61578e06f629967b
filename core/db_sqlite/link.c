#include "core/db_sqlite/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    STEPS_BETWEEN_QUESTIONS = 4000, // of SQLite's virtual machine: some 100 µs
    BUSY_PAUSE_US = 1000,
    BUSY_TRIES_MAX = 200,
    CHECKPOINT_TRIES_MAX = 5, // it may be tried again later, and writes are waiting
};

// ---- What results mean ----

typedef struct meaning {
    int result; // SQLite's primary result code
    ow_code code;
    const char *reason;
    ow_db_trouble trouble;
} meaning;

static const meaning meanings[] = {
    {SQLITE_CONSTRAINT, OW_FAILED_PRECONDITION, "constraint", OW_DB_FINE},
    {SQLITE_INTERRUPT, OW_DEADLINE_EXCEEDED, "query_too_slow", OW_DB_FINE},
    {SQLITE_FULL, OW_UNAVAILABLE, "disk_full", OW_DB_FULL},
    {SQLITE_NOMEM, OW_RESOURCE_EXHAUSTED, "out_of_memory", OW_DB_FINE},
    {SQLITE_BUSY, OW_UNAVAILABLE, "store_busy", OW_DB_FINE},
    {SQLITE_LOCKED, OW_UNAVAILABLE, "store_busy", OW_DB_FINE},
    {SQLITE_IOERR, OW_INTERNAL, "store_io", OW_DB_BROKEN},
    {SQLITE_CANTOPEN, OW_INTERNAL, "store_io", OW_DB_BROKEN},
    {SQLITE_PROTOCOL, OW_INTERNAL, "store_io", OW_DB_BROKEN},
    {SQLITE_CORRUPT, OW_DATA_LOSS, "store_corrupt", OW_DB_BROKEN},
    {SQLITE_NOTADB, OW_DATA_LOSS, "store_corrupt", OW_DB_BROKEN},
};

static meaning meaning_of(int result) {
    if (result == SQLITE_CONSTRAINT_UNIQUE || result == SQLITE_CONSTRAINT_PRIMARYKEY ||
        result == SQLITE_CONSTRAINT_ROWID) {
        return (meaning){result, OW_ALREADY_EXISTS, "constraint", OW_DB_FINE};
    }
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
        if (meanings[i].result == (result & 0xff)) {
            return meanings[i];
        }
    }
    return (meaning){result, OW_INTERNAL, "sql", OW_DB_FINE};
}

ow_code link_result(ow_db_link *link, int result, const char *sql, ow_err *err) {
    if (result == SQLITE_OK || result == SQLITE_ROW || result == SQLITE_DONE) {
        return OW_OK;
    }
    meaning m = meaning_of(result);
    ow_fail(err, m.code, m.reason, "%s (sqlite %d): %.160s", sqlite3_errmsg(link->db), result, sql);
    // SQLite ends the whole transaction when it stops a statement that was writing, and in some
    // other cases: https://www.sqlite.org/lang_transaction.html section 3
    if (m.trouble == OW_DB_FINE && link->in_transaction && sqlite3_get_autocommit(link->db)) {
        m.trouble = OW_DB_LOST;
    }
    if (m.trouble > link->trouble) {
        link->trouble = m.trouble;
    }
    return m.code;
}

// ---- Connections ----

static int on_progress(void *self) {
    return ow_db_budget_spent(((ow_db_link *)self)->budget);
}

static int on_wal(void *self, sqlite3 *db, const char *schema, int pages) {
    (void)db;
    (void)schema;
    ow_db_link *link = self;
    if (pages < link->wal_pages) {
        link->checkpointed_pages = 0; // it began again from its start
    }
    link->wal_pages = pages;
    return SQLITE_OK;
}

static int on_busy(void *self, int tries) {
    const ow_db_link *link = self;
    if (tries >= (link->in_checkpoint ? CHECKPOINT_TRIES_MAX : BUSY_TRIES_MAX)) {
        return 0;
    }
    usleep(BUSY_PAUSE_US);
    return 1;
}

static int configure(sqlite3 *db, ow_db_role role) {
    static const struct {
        int option, value;
    } settings[] = {
        {SQLITE_DBCONFIG_DQS_DML, 0}, // "x" is a name, as in PostgreSQL
        {SQLITE_DBCONFIG_DQS_DDL, 0},        {SQLITE_DBCONFIG_DEFENSIVE, 1},
        {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0}, {SQLITE_DBCONFIG_ENABLE_FKEY, 1},
    };
    int result = SQLITE_OK;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0] && result == SQLITE_OK; i++) {
        result = sqlite3_db_config(db, settings[i].option, settings[i].value, NULL);
    }
    if (result == SQLITE_OK && role == OW_DB_READER) {
        // Debian's 3.40.1 can damage a WAL that two connections checkpoint or write at once:
        // https://www.sqlite.org/wal.html#walresetbug. So the writer's connection alone does.
        result = sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    }
    return result;
}

// Takes effect on an empty file alone; an older one keeps its pages, which are then read back.
static ow_code agree_on_pages(ow_db_link *link, ow_err *err) {
    char ask[48];
    snprintf(ask, sizeof ask, "PRAGMA page_size=%d", link->driver->page_bytes);
    ow_code code = link_script(link, ask, err);
    sqlite3_stmt *stmt = NULL;
    if (code == OW_OK) {
        int result = sqlite3_prepare_v2(link->db, "PRAGMA page_size", -1, &stmt, NULL);
        if (result == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
            link->driver->page_bytes = sqlite3_column_int(stmt, 0);
        }
        code = link_result(link, result, "page_size", err);
        sqlite3_finalize(stmt);
    }
    return code;
}

static ow_code require_wal(ow_db_link *link, ow_err *err) {
    sqlite3_stmt *stmt = NULL;
    int result = sqlite3_prepare_v2(link->db, "PRAGMA journal_mode=WAL", -1, &stmt, NULL);
    bool wal = false;
    if (result == SQLITE_OK) {
        result = sqlite3_step(stmt);
        const char *mode = (const char *)sqlite3_column_text(stmt, 0);
        wal = result == SQLITE_ROW && mode != NULL && strcmp(mode, "wal") == 0;
    }
    ow_code code = link_result(link, result, "journal_mode", err);
    sqlite3_finalize(stmt);
    if (code == OW_OK && !wal) {
        code = ow_fail(err, OW_FAILED_PRECONDITION, "no_wal",
                       "%s: the file system does not let SQLite use a write-ahead log",
                       link->driver->path);
    }
    return code;
}

static ow_code run_pragmas(ow_db_link *link, ow_err *err) {
    static const char common[] = "PRAGMA mmap_size=0;"
                                 "PRAGMA temp_store=MEMORY;"
                                 "PRAGMA wal_autocheckpoint=0;";
    char own[160];
    if (link->role == OW_DB_WRITER) {
        snprintf(
            own, sizeof own,
            "PRAGMA synchronous=FULL; PRAGMA cache_size=-8192; PRAGMA journal_size_limit=%lld;",
            (long long)link->driver->max_wal_bytes);
    } else {
        snprintf(own, sizeof own, "PRAGMA query_only=1;");
    }
    ow_code code = link_script(link, common, err);
    return code == OW_OK ? link_script(link, own, err) : code;
}

static ow_code prepare_own(ow_db_link *link, ow_err *err) {
    const struct {
        const char *sql;
        sqlite3_stmt **stmt;
    } own[] = {
        {link->role == OW_DB_WRITER ? "BEGIN IMMEDIATE" : "BEGIN", &link->begin},
        {"COMMIT", &link->commit},
        {"ROLLBACK", &link->rollback},
        {"SAVEPOINT ow_job", &link->savepoint},
        {"ROLLBACK TO ow_job", &link->rollback_to},
        {"RELEASE ow_job", &link->release},
    };
    ow_code code = OW_OK;
    for (size_t i = 0; i < sizeof own / sizeof own[0] && code == OW_OK; i++) {
        int result = sqlite3_prepare_v3(link->db, own[i].sql, -1, SQLITE_PREPARE_PERSISTENT,
                                        own[i].stmt, NULL);
        code = link_result(link, result, own[i].sql, err);
    }
    return code;
}

static ow_code set_up(ow_db_link *link, ow_err *err) {
    int result = sqlite3_open_v2(link->driver->path, &link->db,
                                 SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
                                     SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE,
                                 NULL);
    if (result == SQLITE_OK) {
        result = configure(link->db, link->role);
    }
    ow_code code = link_result(link, result, link->driver->path, err);
    if (code != OW_OK) {
        return code;
    }
    sqlite3_busy_handler(link->db, on_busy, link);
    sqlite3_progress_handler(link->db, STEPS_BETWEEN_QUESTIONS, on_progress, link);
    if (link->role == OW_DB_WRITER) {
        code = agree_on_pages(link, err);
        if (code == OW_OK) {
            code = require_wal(link, err);
        }
        if (code == OW_OK) {
            code = run_pragmas(link, err);
        }
        sqlite3_wal_hook(link->db, on_wal, link); // behind the pragma, which takes its place
        if (code == OW_OK) {
            code = link_script(link, "SELECT count(*) FROM sqlite_schema", err); // opens the log
            folder_reserve_index(link->driver);
        }
    } else {
        code = run_pragmas(link, err);
    }
    return code == OW_OK ? prepare_own(link, err) : code;
}

ow_code link_connect(ow_db_driver *driver, ow_db_role role, ow_db_budget *budget,
                     ow_db_link **ret_link, ow_err *err) {
    ow_db_link *link = calloc(1, sizeof *link);
    if (link == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for a connection");
    }
    link->driver = (sqlite_driver *)driver;
    link->role = role;
    link->budget = budget;
    ow_code code = set_up(link, err);
    if (code != OW_OK) {
        link_disconnect(link);
        return code;
    }
    *ret_link = link;
    return OW_OK;
}

void link_disconnect(ow_db_link *link) {
    sqlite3_stmt *own[] = {link->begin,     link->commit,      link->rollback,
                           link->savepoint, link->rollback_to, link->release};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        sqlite3_finalize(own[i]);
    }
    if (link->trouble == OW_DB_BROKEN && link->db != NULL) {
        // Nobody knows what the files hold; the next start recovers from the log.
        sqlite3_db_config(link->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    }
    sqlite3_close(link->db);
    free(link);
}

// ---- Transactions ----

static ow_code run_own(ow_db_link *link, sqlite3_stmt *stmt, ow_err *err) {
    int result = sqlite3_step(stmt);
    ow_code code = link_result(link, result, sqlite3_sql(stmt), err);
    sqlite3_reset(stmt);
    return code;
}

ow_code link_begin(ow_db_link *link, ow_err *err) {
    link->trouble = OW_DB_FINE;
    ow_code code = run_own(link, link->begin, err);
    link->in_transaction = code == OW_OK;
    return code;
}

ow_code link_commit(ow_db_link *link, ow_err *err) {
    ow_code code = run_own(link, link->commit, err);
    if (code == OW_OK) {
        link->in_transaction = false;
    }
    return code;
}

void link_rollback(ow_db_link *link) {
    link->in_transaction = false;
    if (!sqlite3_get_autocommit(link->db)) {
        run_own(link, link->rollback, NULL);
    }
}

ow_code link_savepoint(ow_db_link *link, ow_err *err) {
    return run_own(link, link->savepoint, err);
}

ow_code link_rollback_to(ow_db_link *link, ow_err *err) {
    return run_own(link, link->rollback_to, err);
}

ow_code link_release(ow_db_link *link, ow_err *err) {
    return run_own(link, link->release, err);
}

ow_db_trouble link_trouble(const ow_db_link *link) {
    return link->trouble;
}

ow_code link_script(ow_db_link *link, const char *sql, ow_err *err) {
    return link_result(link, sqlite3_exec(link->db, sql, NULL, NULL, NULL), sql, err);
}
