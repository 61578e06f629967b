#pragma once

// core/db in four files: db.c (opening, the loop's side of the queues), worker.c (the writer's and
// the readers' threads), conn.c (what a job sees), migrate.c.
//
// One lock, ow_db.lock, guards everything under "shared" below. It is never held while SQL runs, a
// callback runs or a message is posted.

#include "core/db/driver.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    STATEMENT_SLOTS = 256, // prepared statements a connection keeps
    STATEMENT_WINDOW = 16, // slots in which one text may stand; more than OW_DB_ROWS_MAX
    BATCH_JOBS_MAX = 512,
    BATCH_RUN_US_MAX = 10 * 1000, // then the rest of the batch waits for the next
    IDLE_AFTER_US = 200 * 1000,
    PARAMETERS_MAX = 32, // of which one less can be used
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZER_FACTOR 10
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define SANITIZER_FACTOR 10
#endif
#endif
#ifndef SANITIZER_FACTOR
#define SANITIZER_FACTOR 1
#endif

#define WRITE_CPU_US_MAX (50 * 1000 * SANITIZER_FACTOR)
#define READ_CPU_US_MAX (2000 * 1000 * SANITIZER_FACTOR)

typedef struct cached_statement {
    const char *address; // of the caller's text; NULL: free slot
    char *sql;           // own copy
    ow_db_statement *statement;
    int parameters;
    bool busy;
} cached_statement;

struct ow_rows {
    ow_db_conn *conn;
    cached_statement *cached; // NULL: not open
    bool first_row_waiting;   // stepped by ow_db_query already
    bool has_row;             // there is a current one
};

struct ow_db_conn {
    const ow_db_driver_ops *ops;
    ow_db_link *link;
    ow_db_budget budget;
    uint32_t steps; // in this job
    ow_code failed; // of the job's first failing statement
    ow_err failed_err;
    ow_rows rows[OW_DB_ROWS_MAX];
    cached_statement statements[STATEMENT_SLOTS];
};

ow_code conn_open(ow_db_driver *driver, ow_db_role role, ow_db_conn **ret_conn, ow_err *err);
ow_db_conn *conn_close(ow_db_conn *conn);
void conn_begin_job(ow_db_conn *conn);
// Closes rows left open; what the job really ends with.
ow_code conn_end_job(ow_db_conn *conn, ow_code code, ow_err *err);

ow_code migrate(ow_db_conn *conn, const ow_db_migration *migrations, ow_err *err);

typedef struct job_queue {
    ow_db_job *first, **end; // end: where the next one is linked
} job_queue;

// Where finished jobs reach the loop. On its own because a posted message belongs to the loop, and
// the database may be closed before the loop comes to it.
typedef struct mailbox {
    ow_message message;
    ow_db *db;   // NULL: closed; whoever comes last frees
    bool posted; // shared
} mailbox;

typedef struct reader {
    ow_db *db;
    ow_db_conn *conn;
    pthread_t thread;
    bool started;
} reader;

struct ow_db {
    ow_db_options options;
    ow_db_driver *driver;
    ow_db_conn *writer_conn;
    pthread_t writer;
    bool writer_started;
    reader readers[OW_DB_READERS_MAX];

    // The loop's own.
    ow_turn_hook hook;
    int64_t handed_over_us; // turn in which the hook has run already
    job_queue staged_writes, staged_reads;
    int waiting_writes, waiting_reads;
    bool closing;

    // Shared.
    pthread_mutex_t lock;
    pthread_cond_t writes_arrived, reads_arrived;
    job_queue writes, reads, finished;
    mailbox *mailbox;
    bool stopping;

    _Atomic uint64_t write_jobs, write_batches, read_jobs, failed_jobs, checkpoints;
    _Atomic int64_t wal_bytes, file_bytes;
};

void queue_init(job_queue *queue);
void queue_push(job_queue *queue, ow_db_job *job);
ow_db_job *queue_pop(job_queue *queue);
void queue_append(job_queue *queue, job_queue *others);  // behind; empties others
void queue_prepend(job_queue *queue, job_queue *others); // in front; empties others

// Sets the outcome of a job; the details are copied to the heap only for failures.
void job_settle(ow_db_job *job, ow_code code, const ow_err *err);

// Passes settled jobs on to the loop. Any thread.
void jobs_finish(ow_db *db, job_queue *settled);

void *writer_main(void *db);
void *reader_main(void *reader);
