#pragma once

// The storage seam: one database a service, one SQL text for SQLite and PostgreSQL.
//
// Rules for SQL: parameters are $1..$n, their first appearances in that order; BIGINT, TEXT, DOUBLE
// PRECISION and the macro OW_BLOB in DDL; ids and times come from C; no now(), no LIKE, no JSON
// operators, no DEFERRABLE (a constraint that fails at COMMIT would look like a lost commit).
//
// Writes are jobs. One writer thread runs what is waiting as one transaction, each job inside a
// savepoint of its own; `done` runs on the loop after the commit. A job may be run again from its
// start (rolled back in between), so `run` must depend on nothing but `self`'s inputs and the
// database, and must do SQL only. Reads run on reader threads with query-only connections; the
// queries of one read job see one snapshot. The writer stops a job after 50 ms of CPU, a reader
// after 2 s (x 10 under sanitizers): deadline_exceeded "query_too_slow".
//
// A statement that fails ends its job: later statements answer the same error, and the job is
// rolled back whatever `run` returns (PostgreSQL knows no other way). What may exist already is
// written with ON CONFLICT.
//
// A full disk is an answer: every job of the batch gets unavailable "disk_full", reads go
// on, writes are tried again as space returns. Any other failure of a commit means that the
// outcome is unknown: `on_fatal` is called and must not return to normal work; no job of that
// batch is answered, and none after it.

#include "core/error/error.h"
#include "core/loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OW_DB_ROWS_MAX 8
#define OW_DB_READERS_MAX 8

typedef struct ow_db ow_db;
typedef struct ow_db_conn ow_db_conn; // only inside a running job, only on its thread
typedef struct ow_rows ow_rows;       // the same

typedef struct ow_db_migration {
    int number;      // 1, 2, 3 ...
    const char *sql; // one or more statements; OW_BLOB stands for the dialect's blob type,
                     // OW_WORD_INDEX for what makes the store's word index (see below)
} ow_db_migration;

typedef struct ow_db_options {
    const char *name;   // of the service; SQLite: file <folder>/<name>.db; PostgreSQL: the schema
    const char *folder; // SQLite: made when missing, mode 0700, locked exclusively while open;
                        // only read while opening
    const ow_db_migration *migrations; // ends with number 0; numbers ascend from 1
    ow_loop *loop;                     // where `done` callbacks run
    int readers;                       // reader threads; 1..OW_DB_READERS_MAX
    int max_waiting_writes;            // more are answered with unavailable "overloaded"; so many
                                       // reads may wait besides. 0: 4096
    int64_t max_wal_bytes;             // SQLite: checkpoint when the WAL grows beyond; 0: 32 MB
    int page_bytes;                    // SQLite: of a new file, a power of 2, 512..65536; 0: 4096.
                                       // Large ones for stores of large blobs
    bool rerun_writes;                 // test mode: run each write job, roll back, run it again
    void (*on_fatal)(void *self, const ow_err *why); // the writer's thread
    void *on_fatal_self;
} ow_db_options;

typedef struct ow_db_job {
    // On a database thread, inside a transaction. What it returns is what `done` gets; a failing
    // write job is rolled back alone.
    ow_code (*run)(ow_db_conn *conn, void *self, ow_err *err);
    // On the loop, never before ow_db_write or ow_db_read returned. `err` is valid during the call
    // (NULL when all is well); the job may be freed or queued again from here.
    void (*done)(void *self, ow_code code, const ow_err *err);
    void *self;
    // Private to the database until `done`.
    struct ow_db_job *next;
    ow_err *err;
    ow_code code;
    bool is_write;
} ow_db_job;

// ---- Opening (db_sqlite.h, db_postgres.h have the constructors; see there) ----

// Commits and answers everything waiting (`done` runs from within this call), stops the threads,
// closes. Jobs queued meanwhile are answered with unavailable "closing". Called on the loop's
// thread, not from `done`. Accepts NULL; returns NULL.
ow_db *ow_db_close(ow_db *db);

// Queues a job. It belongs to the database until `done` ran, which always happens, also when the
// queue is full or the database is closing (then with unavailable). Jobs queued during one turn of
// the loop reach their threads together. Writes run in the order of queueing. Loop thread only.
void ow_db_write(ow_db *db, ow_db_job *job);
void ow_db_read(ow_db *db, ow_db_job *job);

typedef struct ow_db_stats {
    uint64_t write_jobs, write_batches, read_jobs, failed_jobs, checkpoints;
    int64_t waiting_writes, waiting_reads; // queued and not answered yet
    int64_t wal_bytes, file_bytes;         // as of the last batch
} ow_db_stats;

// A snapshot for metrics. Loop thread.
void ow_db_stats_get(const ow_db *db, ow_db_stats *ret_stats);

// ---- Inside a job ----
//
// `types` names the C types of the arguments, one letter a parameter: 't' const char * (NULL is
// SQL NULL), 'i' int64_t, 'd' double, 'b' const void * and size_t (two arguments; NULL is SQL
// NULL), 'n' SQL NULL (no argument). Texts and blobs are read before the call returns. Integer
// arguments must really be int64_t: cast constants.

// Runs a statement that yields no rows. `ret_changes` (may be NULL): rows inserted, updated or
// deleted. Codes: already_exists "constraint" (unique or primary key), failed_precondition
// "constraint" (any other constraint), deadline_exceeded "query_too_slow", resource_exhausted
// "out_of_memory", unavailable "disk_full" or "store_busy" (somebody else holds the store), internal
// "sql" (a mistake in the statement or its arguments) or "store_io", data_loss "store_corrupt".
ow_code ow_db_exec(ow_db_conn *conn, int64_t *ret_changes, ow_err *err, const char *sql,
                   const char *types, ...);

// Starts a query (a SELECT, or a statement with RETURNING, which is then carried out whole); rows
// are read with ow_rows_next. At most OW_DB_ROWS_MAX at a time in a job; those left open are closed
// when the job ends. The statement is prepared once for each connection (cached by the text's
// address and content: pass string literals). Codes as ow_db_exec.
ow_code ow_db_query(ow_db_conn *conn, ow_rows **ret_rows, ow_err *err, const char *sql,
                    const char *types, ...);

// Steps to the next row: OW_OK with *ret_row true, or false at the end (the rows are closed then).
ow_code ow_rows_next(ow_rows *rows, bool *ret_row, ow_err *err);

// Ends a query early. Accepts NULL; returns NULL.
ow_rows *ow_rows_close(ow_rows *rows);

// In a read job: copies the whole database, as this job sees it, to a new file (0600, none of that name
// yet), and checks that it is sound; not stopped, however long it takes. The snapshot is given up before the
// check: no query of the job is open, and what it reads afterwards is a newer one. Codes: unavailable "disk_full",
// unimplemented "no_copy" (the database has tools of its own), internal, data_loss "store_corrupt" (what is
// wrong stands in the message). No file stays after a failure.
ow_code ow_db_copy(ow_db_conn *conn, const char *path, ow_err *err);

// Column values of the current row, columns from 0. Text and blobs are borrowed until the next
// ow_rows_next or close; SQL NULL reads as 0, NULL, or NULL with size 0.
int64_t ow_rows_int(ow_rows *rows, int column);
double ow_rows_double(ow_rows *rows, int column);
const char *ow_rows_text(ow_rows *rows, int column);
const void *ow_rows_blob(ow_rows *rows, int column, size_t *ret_size);
bool ow_rows_is_null(ow_rows *rows, int column);

// ---- The word index ----
//
// At most one a store, made by OW_WORD_INDEX in a migration: which texts, by number, have which
// words. It keeps no text. A word is a run of ASCII letters (in small ones), digits, '_' and bytes
// from 0x80 on; words stand in one text, a blank between each two.

// Adds a text that is not there, or takes out one with the words that were put. Codes as ow_db_exec.
ow_code ow_db_words_put(ow_db_conn *conn, int64_t number, const char *words, ow_err *err);
ow_code ow_db_words_remove(ow_db_conn *conn, int64_t number, const char *words, ow_err *err);

// The numbers from `first` to `last`, ascending, of texts that have all of these words; one with a
// '*' behind it stands for all that begin so. Codes as ow_db_exec, and invalid_argument "bad_words"
// (none, or something that is no word).
ow_code ow_db_words_find(ow_db_conn *conn, const char *words, int64_t first, int64_t last,
                         ow_rows **ret_rows, ow_err *err);
