#include "core/db/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

static int64_t mono_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

// ---- Writer ----

typedef struct batch {
    ow_db *db;
    const ow_db_driver_ops *ops;
    ow_db_link *link;
    job_queue jobs;    // taken, not settled for good
    job_queue settled; // to be answered after the commit
    ow_err err;
} batch;

typedef enum verdict {
    VERDICT_ALL_RUN, // the transaction may be committed
    VERDICT_AGAIN,   // it was lost: the jobs that are left must run again
    VERDICT_ENDED,   // every job is settled, nothing to commit
    VERDICT_FATAL,
} verdict;

static void settle_all(batch *b, ow_code code) {
    for (ow_db_job *job; (job = queue_pop(&b->jobs)) != NULL;) {
        job_settle(job, code, &b->err);
        queue_push(&b->settled, job);
    }
}

// Called with what an operation on the transaction as a whole, or a job that spoilt it, has answered.
static verdict verdict_of_failure(batch *b, ow_code code) {
    ow_db_trouble trouble = b->ops->trouble(b->link);
    if (trouble == OW_DB_BROKEN) {
        if (b->db->writer_conn->failed != OW_OK) {
            b->err = b->db->writer_conn->failed_err; // the job may have put its own words over it
        }
        return VERDICT_FATAL;
    }
    if (trouble == OW_DB_FULL) {
        code = ow_fail(&b->err, OW_UNAVAILABLE, "disk_full",
                       "no space is left for %s; nothing was stored", b->db->options.name);
    }
    b->ops->rollback(b->link);
    settle_all(b, code);
    return VERDICT_ENDED;
}

static ow_code run_once(batch *b, ow_db_job *job) {
    ow_db_conn *conn = b->db->writer_conn;
    conn_begin_job(conn);
    b->err.code = OW_OK;
    return conn_end_job(conn, job->run(conn, job->self, &b->err), &b->err);
}

// Runs one job in its savepoint. What it returns is only about the transaction; the job's own
// outcome is settled in it.
static ow_code run_job(batch *b, ow_db_job *job) {
    ow_code code = b->ops->savepoint(b->link, &b->err);
    if (code != OW_OK) {
        return code;
    }
    ow_code outcome = run_once(b, job);
    if (b->db->options.rerun_writes && b->ops->trouble(b->link) == OW_DB_FINE) {
        code = b->ops->rollback_to(b->link, &b->err);
        if (code != OW_OK) {
            return code;
        }
        outcome = run_once(b, job);
    }
    job_settle(job, outcome, &b->err);
    if (b->ops->trouble(b->link) != OW_DB_FINE) {
        return outcome;
    }
    if (outcome != OW_OK) {
        code = b->ops->rollback_to(b->link, &b->err);
    }
    return code == OW_OK ? b->ops->release(b->link, &b->err) : code;
}

// Gives back the jobs behind `last` for the next batch.
static void cut_behind(batch *b, ow_db_job *last) {
    job_queue rest = {.first = last->next, .end = b->jobs.end};
    if (rest.first == NULL) {
        return;
    }
    last->next = NULL;
    b->jobs.end = &last->next;
    pthread_mutex_lock(&b->db->lock);
    queue_prepend(&b->db->writes, &rest);
    pthread_mutex_unlock(&b->db->lock);
}

static void take_out(batch *b, ow_db_job *culprit) {
    job_queue others;
    queue_init(&others);
    for (ow_db_job *job; (job = queue_pop(&b->jobs)) != NULL;) {
        queue_push(job == culprit ? &b->settled : &others, job);
    }
    queue_append(&b->jobs, &others);
}

static verdict run_jobs(batch *b) {
    ow_code code = b->ops->begin(b->link, &b->err);
    if (code != OW_OK) {
        return verdict_of_failure(b, code);
    }
    int64_t start_us = mono_us();
    for (ow_db_job *job = b->jobs.first; job != NULL; job = job->next) {
        code = run_job(b, job);
        ow_db_trouble trouble = b->ops->trouble(b->link);
        if (trouble == OW_DB_LOST) {
            // A statement stopped in the middle takes the whole transaction with it. The others are
            // not to suffer: those before it run again, those behind it wait for the next batch, so
            // that a row of such jobs costs each batch only one of them.
            cut_behind(b, job);
            take_out(b, job);
            b->ops->rollback(b->link);
            return VERDICT_AGAIN;
        }
        if (trouble != OW_DB_FINE || code != OW_OK) {
            return verdict_of_failure(b, code != OW_OK ? code : job->code);
        }
        if (mono_us() - start_us > BATCH_RUN_US_MAX) {
            cut_behind(b, job);
        }
    }
    return VERDICT_ALL_RUN;
}

static verdict commit(batch *b) {
    ow_code code = b->ops->commit(b->link, &b->err);
    if (code == OW_OK) {
        queue_append(&b->settled, &b->jobs);
        return VERDICT_ENDED;
    }
    if (b->ops->trouble(b->link) != OW_DB_FULL) {
        ow_err_context(&b->err, "commit of %s", b->db->options.name);
        return VERDICT_FATAL;
    }
    return verdict_of_failure(b, code);
}

static verdict run_batch(batch *b) {
    verdict v = VERDICT_AGAIN;
    while (v == VERDICT_AGAIN && b->jobs.first != NULL) {
        v = run_jobs(b);
    }
    return v == VERDICT_ALL_RUN ? commit(b) : v;
}

static bool maintain(ow_db *db, ow_db_moment moment, ow_err *err) {
    ow_db_files files = {0};
    const ow_db_driver_ops *ops = db->writer_conn->ops;
    if (ops->maintain(db->writer_conn->link, moment, &files, err) != OW_OK) {
        return false;
    }
    atomic_store_explicit(&db->wal_bytes, files.wal_bytes, memory_order_relaxed);
    atomic_store_explicit(&db->file_bytes, files.file_bytes, memory_order_relaxed);
    atomic_store_explicit(&db->checkpoints, files.checkpoints, memory_order_relaxed);
    return true;
}

static void count_batch(ow_db *db, const batch *b) {
    uint64_t jobs = 0, failed = 0;
    for (const ow_db_job *job = b->settled.first; job != NULL; job = job->next) {
        jobs++;
        failed += job->code != OW_OK;
    }
    atomic_fetch_add_explicit(&db->write_jobs, jobs, memory_order_relaxed);
    atomic_fetch_add_explicit(&db->failed_jobs, failed, memory_order_relaxed);
    atomic_fetch_add_explicit(&db->write_batches, 1, memory_order_relaxed);
}

// Runs one batch and answers it. False: the outcome is unknown and nobody was answered.
static bool write_batch(ow_db *db, job_queue *jobs, ow_err *err) {
    batch b = {.db = db, .ops = db->writer_conn->ops, .link = db->writer_conn->link};
    queue_init(&b.jobs);
    queue_init(&b.settled);
    queue_append(&b.jobs, jobs);
    if (run_batch(&b) == VERDICT_FATAL) {
        *err = b.err;
        queue_append(&b.settled, &b.jobs);
        for (ow_db_job *job = b.settled.first; job != NULL; job = job->next) {
            job_settle(job, OW_OK, NULL); // never answered; frees what was noted
        }
        return false;
    }
    bool full = b.settled.first != NULL && b.ops->trouble(b.link) == OW_DB_FULL;
    count_batch(db, &b);
    jobs_finish(db, &b.settled);
    return maintain(db, full ? OW_DB_SPACE : OW_DB_AFTER_BATCH, err);
}

// Waits for jobs and takes at most a batch of them. False: stopping, and nothing is left. An empty
// `ret_jobs`: there was nothing for a while.
static bool take_writes(ow_db *db, bool tidy, job_queue *ret_jobs) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)IDLE_AFTER_US * 1000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;

    pthread_mutex_lock(&db->lock);
    int waited = 0;
    while (db->writes.first == NULL && !db->stopping && waited != ETIMEDOUT) {
        waited = tidy ? pthread_cond_wait(&db->writes_arrived, &db->lock)
                      : pthread_cond_timedwait(&db->writes_arrived, &db->lock, &until);
    }
    for (int i = 0; i < BATCH_JOBS_MAX && db->writes.first != NULL; i++) {
        queue_push(ret_jobs, queue_pop(&db->writes));
    }
    bool go_on = ret_jobs->first != NULL || !db->stopping;
    pthread_mutex_unlock(&db->lock);
    return go_on;
}

void *writer_main(void *self) {
    ow_db *db = self;
    job_queue jobs;
    queue_init(&jobs);
    ow_err err = {0};
    bool healthy = true;
    bool tidy = false; // housekeeping was done and nothing happened since
    while (healthy && take_writes(db, tidy, &jobs)) {
        tidy = jobs.first == NULL;
        healthy = tidy ? maintain(db, OW_DB_IDLE, &err) : write_batch(db, &jobs, &err);
    }
    if (!healthy) {
        db->options.on_fatal(db->options.on_fatal_self, &err);
    }
    return NULL;
}

// ---- Readers ----

static void read_one(ow_db *db, ow_db_conn *conn, ow_db_job *job) {
    ow_err err = {0};
    conn_begin_job(conn);
    ow_code code = conn->ops->begin(conn->link, &err);
    if (code == OW_OK) {
        code = conn_end_job(conn, job->run(conn, job->self, &err), &err);
        conn->ops->rollback(conn->link);
    }
    job_settle(job, code, &err);
    atomic_fetch_add_explicit(&db->read_jobs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&db->failed_jobs, code != OW_OK, memory_order_relaxed);
    job_queue settled;
    queue_init(&settled);
    queue_push(&settled, job);
    jobs_finish(db, &settled);
}

static ow_db_job *take_read(ow_db *db) {
    pthread_mutex_lock(&db->lock);
    while (db->reads.first == NULL && !db->stopping) {
        pthread_cond_wait(&db->reads_arrived, &db->lock);
    }
    ow_db_job *job = queue_pop(&db->reads);
    pthread_mutex_unlock(&db->lock);
    return job;
}

void *reader_main(void *self) {
    reader *r = self;
    for (ow_db_job *job; (job = take_read(r->db)) != NULL;) {
        read_one(r->db, r->conn, job);
    }
    return NULL;
}
