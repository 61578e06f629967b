#pragma once

// For implementers of the storage seam: what a database has to offer so that core/db can run jobs,
// batches, migrations and statement caches over it. Implemented by core/db_sqlite and, wrapping
// another driver, by core/db/testing (faults).
//
// A driver is opened by its constructor with everything it needs (folder, schema, limits) and given
// to ow_db_open_driver, which owns it from then on. Connections are made on the opening thread and
// then used by one thread each. Functions that return ow_code fill `err`, with the codes and reasons
// of ow_db_exec (db.h).

#include "core/db/db.h"

typedef struct ow_db_driver ow_db_driver;
typedef struct ow_db_link ow_db_link;           // a connection; the driver's own type
typedef struct ow_db_statement ow_db_statement; // a prepared statement; the driver's own type

typedef enum ow_db_role {
    OW_DB_WRITER, // made first, exactly one
    OW_DB_READER, // refuses to change anything
} ow_db_role;

// What has become of the connection's transaction since `begin`: the worst of its operations.
typedef enum ow_db_trouble {
    OW_DB_FINE,   // it goes on; a statement may have failed
    OW_DB_LOST,   // rolled back as a whole, certainly, by the fault of the job that is running
    OW_DB_FULL,   // no space: to be rolled back as a whole, certainly not committed
    OW_DB_BROKEN, // I/O error or worse: the outcome is unknown
} ow_db_trouble;

// How much CPU the thread may still spend on a job. The driver asks from inside long statements,
// core/db between statements.
typedef struct ow_db_budget {
    int64_t limit_us; // 0: no limit
    int64_t start_us; // thread CPU time at the first question of this job; -1: none yet
} ow_db_budget;

// True when the job has spent its limit. On the connection's thread.
bool ow_db_budget_spent(ow_db_budget *budget);

typedef struct ow_db_value {
    char type; // 't', 'i', 'd', 'b', 'n' as in db.h
    union {
        int64_t integer;
        double real;
        const void *bytes; // 't' and 'b'
    };
    size_t size; // of bytes
} ow_db_value;

typedef enum ow_db_moment {
    OW_DB_AFTER_BATCH,
    OW_DB_IDLE,  // nothing is waiting
    OW_DB_SPACE, // a write found the disk full: give back what can be given
} ow_db_moment;

typedef struct ow_db_files {
    int64_t wal_bytes, file_bytes;
    uint64_t checkpoints; // done since the connection was made
} ow_db_files;

// The word index (db.h) in a dialect: statements with the parameters that are named, and what a
// search is written with.
typedef struct ow_db_word_sql {
    const char *make;   // OW_WORD_INDEX
    const char *put;    // number, words
    const char *remove; // number, words
    const char *find;   // search, first, last
    const char *word;   // around a word: "<word>" with %s
    const char *prefix; // around the beginning of words
    const char *both;   // between two that must both be there
} ow_db_word_sql;

typedef struct ow_db_driver_ops {
    const char *blob_type;       // what OW_BLOB stands for in DDL
    const ow_db_word_sql *words; // the word index in this dialect

    // `budget` outlives the link.
    ow_code (*connect)(ow_db_driver *driver, ow_db_role role, ow_db_budget *budget,
                       ow_db_link **ret_link, ow_err *err);
    // Rolls back what is open. All statements were finalized. Readers go before the writer.
    void (*disconnect)(ow_db_link *link);
    // Frees the driver when all links are gone.
    void (*close)(ow_db_driver *driver);

    // A serializable transaction; for a reader one snapshot. rollback does nothing when the
    // transaction is gone already. begin resets the trouble.
    ow_code (*begin)(ow_db_link *link, ow_err *err);
    ow_code (*commit)(ow_db_link *link, ow_err *err);
    void (*rollback)(ow_db_link *link);
    // One savepoint at a time. rollback_to keeps it, release ends it.
    ow_code (*savepoint)(ow_db_link *link, ow_err *err);
    ow_code (*rollback_to)(ow_db_link *link, ow_err *err);
    ow_code (*release)(ow_db_link *link, ow_err *err);
    ow_db_trouble (*trouble)(const ow_db_link *link);

    // Runs a text of several statements, inside a transaction. For migrations.
    ow_code (*script)(ow_db_link *link, const char *sql, ow_err *err);

    // `sql` is copied if needed. ret_parameters: how many $n it has.
    ow_code (*prepare)(ow_db_link *link, const char *sql, ow_db_statement **ret_statement,
                       int *ret_parameters, ow_err *err);
    void (*finalize)(ow_db_statement *statement);
    // `values` are used until the statement is reset when not `copy`, else only now.
    ow_code (*bind)(ow_db_statement *statement, const ow_db_value *values, int count, bool copy,
                    ow_err *err);
    ow_code (*step)(ow_db_statement *statement, bool *ret_row, ow_err *err);
    int64_t (*changes)(ow_db_statement *statement);
    void (*reset)(ow_db_statement *statement);

    int64_t (*column_int)(ow_db_statement *statement, int column);
    double (*column_double)(ow_db_statement *statement, int column);
    const char *(*column_text)(ow_db_statement *statement, int column);
    const void *(*column_blob)(ow_db_statement *statement, int column, size_t *ret_size);
    bool (*column_is_null)(ow_db_statement *statement, int column);

    // Copies the whole database, as the running transaction sees it, to a new file. NULL where a
    // database has means of its own for that.
    ow_code (*copy)(ow_db_link *link, const char *path, ow_err *err);

    // Housekeeping by the writer, outside a transaction (SQLite: checkpoints). A failure that is
    // not about space is as bad as a failed commit.
    ow_code (*maintain)(ow_db_link *link, ow_db_moment moment, ow_db_files *ret_files, ow_err *err);
} ow_db_driver_ops;

struct ow_db_driver {
    const ow_db_driver_ops *ops; // the driver's own struct begins with this
};

// Connects, migrates, starts the threads. Takes over `driver` also when it fails. `options` are
// copied, what they point to (migrations, name) must outlive the database. Codes:
// failed_precondition "newer_store" (the store has a higher migration than the options; both are
// named), internal "migration" (names the number and what failed), what the driver answers.
ow_code ow_db_open_driver(const ow_db_options *options, ow_db_driver *driver, ow_db **ret_db,
                          ow_err *err);
