#include "core/db/db.h"

#include "core/db/internal.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DEFAULT_WAITING_MAX = 4096 };

// ---- From the loop to the threads ----

static void wake_for_reads(ow_db *db, int count) {
    if (count > 1) {
        pthread_cond_broadcast(&db->reads_arrived);
    } else {
        pthread_cond_signal(&db->reads_arrived);
    }
}

static void hand_over(ow_db *db) {
    bool writes = db->staged_writes.first != NULL;
    int reads = 0;
    for (ow_db_job *job = db->staged_reads.first; job != NULL && reads < 2; job = job->next) {
        reads++;
    }
    if (!writes && reads == 0) {
        return;
    }
    pthread_mutex_lock(&db->lock);
    queue_append(&db->writes, &db->staged_writes);
    queue_append(&db->reads, &db->staged_reads);
    pthread_mutex_unlock(&db->lock);
    if (writes) {
        pthread_cond_signal(&db->writes_arrived);
    }
    if (reads > 0) {
        wake_for_reads(db, reads);
    }
}

static int64_t on_turn(void *self) {
    ow_db *db = self;
    hand_over(db);
    db->handed_over_us = ow_loop_now_us(db->options.loop);
    return -1;
}

static void refuse(ow_db *db, ow_db_job *job, const char *reason) {
    ow_err err;
    ow_fail(&err, OW_UNAVAILABLE, reason, "%s: the store takes no more work now", db->options.name);
    job_settle(job, OW_UNAVAILABLE, &err);
    job_queue settled;
    queue_init(&settled);
    queue_push(&settled, job);
    jobs_finish(db, &settled);
}

static void submit(ow_db *db, job_queue *staged, int *waiting, ow_db_job *job) {
    job->err = NULL;
    (*waiting)++;
    if (db->closing) {
        refuse(db, job, "closing");
        return;
    }
    if (*waiting > db->options.max_waiting_writes) {
        refuse(db, job, "overloaded");
        return;
    }
    queue_push(staged, job);
    // Behind this turn's hook, or outside any turn, nobody would come for it soon.
    if (ow_loop_now_us(db->options.loop) == db->handed_over_us) {
        hand_over(db);
    }
}

void ow_db_write(ow_db *db, ow_db_job *job) {
    job->is_write = true;
    submit(db, &db->staged_writes, &db->waiting_writes, job);
}

void ow_db_read(ow_db *db, ow_db_job *job) {
    job->is_write = false;
    submit(db, &db->staged_reads, &db->waiting_reads, job);
}

// ---- From the threads to the loop ----

void jobs_finish(ow_db *db, job_queue *settled) {
    if (settled->first == NULL) {
        return;
    }
    pthread_mutex_lock(&db->lock);
    queue_append(&db->finished, settled);
    bool post = !db->mailbox->posted;
    db->mailbox->posted = true;
    pthread_mutex_unlock(&db->lock);
    if (post) {
        ow_loop_post(db->options.loop, &db->mailbox->message);
    }
}

static void answer_finished(ow_db *db) {
    job_queue finished;
    queue_init(&finished);
    pthread_mutex_lock(&db->lock);
    queue_append(&finished, &db->finished);
    pthread_mutex_unlock(&db->lock);

    static const ow_err no_details = {.code = OW_RESOURCE_EXHAUSTED,
                                      .file = "",
                                      .reason = "out_of_memory",
                                      .message = "no memory for the details of a failure"};
    for (ow_db_job *job; (job = queue_pop(&finished)) != NULL;) {
        ow_code code = job->code;
        ow_err *err = job->err; // the job is its owner's again, who may free or reuse it
        job->err = NULL;
        if (job->is_write) {
            db->waiting_writes--;
        } else {
            db->waiting_reads--;
        }
        const ow_err *details = err != NULL ? err : &no_details;
        job->done(job->self, code, code == OW_OK ? NULL : details);
        free(err);
    }
}

static void on_mail(void *self) {
    mailbox *box = self;
    ow_db *db = box->db;
    if (db == NULL) {
        free(box);
        return;
    }
    pthread_mutex_lock(&db->lock);
    box->posted = false;
    pthread_mutex_unlock(&db->lock);
    answer_finished(db);
}

// ---- Opening and closing ----

static ow_code init_locks(ow_db *db, ow_err *err) {
    pthread_condattr_t monotonic;
    int failed = pthread_condattr_init(&monotonic);
    if (failed == 0) {
        pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        failed = pthread_cond_init(&db->writes_arrived, &monotonic);
        pthread_condattr_destroy(&monotonic);
    }
    failed = failed != 0 ? failed : pthread_cond_init(&db->reads_arrived, NULL);
    failed = failed != 0 ? failed : pthread_mutex_init(&db->lock, NULL);
    return failed != 0 ? ow_fail_errno(err, failed, "locks of a database") : OW_OK;
}

static ow_db *db_new(const ow_db_options *options, ow_db_driver *driver) {
    ow_db *db = calloc(1, sizeof *db);
    mailbox *box = calloc(1, sizeof *box);
    if (db == NULL || box == NULL) {
        free(db);
        free(box);
        return NULL;
    }
    db->options = *options;
    db->driver = driver;
    db->mailbox = box;
    *box = (mailbox){.message = {.on_message = on_mail, .self = box}, .db = db};
    queue_init(&db->staged_writes);
    queue_init(&db->staged_reads);
    queue_init(&db->writes);
    queue_init(&db->reads);
    queue_init(&db->finished);
    if (db->options.max_waiting_writes <= 0) {
        db->options.max_waiting_writes = DEFAULT_WAITING_MAX;
    }
    if (db->options.readers < 1) {
        db->options.readers = 1;
    } else if (db->options.readers > OW_DB_READERS_MAX) {
        db->options.readers = OW_DB_READERS_MAX;
    }
    db->handed_over_us = ow_loop_now_us(options->loop);
    db->hook = (ow_turn_hook){.on_turn = on_turn, .self = db};
    ow_loop_hook_add(options->loop, OW_TURN_DISPATCH, &db->hook);
    return db;
}

static ow_code open_connections(ow_db *db, ow_err *err) {
    ow_code code = conn_open(db->driver, OW_DB_WRITER, &db->writer_conn, err);
    if (code == OW_OK) {
        code = migrate(db->writer_conn, db->options.migrations, err);
    }
    for (int i = 0; i < db->options.readers && code == OW_OK; i++) {
        db->readers[i].db = db;
        code = conn_open(db->driver, OW_DB_READER, &db->readers[i].conn, err);
        if (code == OW_OK) {
            db->readers[i].conn->budget.limit_us = READ_CPU_US_MAX;
        }
    }
    if (code == OW_OK) {
        db->writer_conn->budget.limit_us = WRITE_CPU_US_MAX; // not for migrations
    }
    return code;
}

static ow_code start_threads(ow_db *db, ow_err *err) {
    // Signals are the main thread's.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&db->writer, NULL, writer_main, db);
    db->writer_started = failed == 0;
    for (int i = 0; i < db->options.readers && failed == 0; i++) {
        reader *r = &db->readers[i];
        failed = pthread_create(&r->thread, NULL, reader_main, r);
        r->started = failed == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed != 0 ? ow_fail_errno(err, failed, "threads of a database") : OW_OK;
}

ow_code ow_db_open_driver(const ow_db_options *options, ow_db_driver *driver, ow_db **ret_db,
                          ow_err *err) {
    ow_err why = {0};
    ow_db *db = db_new(options, driver);
    if (db == NULL) {
        driver->ops->close(driver);
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for a database");
    }
    ow_code code = init_locks(db, &why);
    if (code == OW_OK) {
        code = open_connections(db, &why);
    }
    if (code == OW_OK) {
        code = start_threads(db, &why);
    }
    if (code != OW_OK) {
        ow_db_close(db);
        if (err != NULL) {
            *err = why;
            ow_err_context(err, "store %s", options->name);
        }
        return code;
    }
    *ret_db = db;
    return OW_OK;
}

static void stop_threads(ow_db *db) {
    pthread_mutex_lock(&db->lock);
    db->stopping = true;
    pthread_mutex_unlock(&db->lock);
    pthread_cond_broadcast(&db->writes_arrived);
    pthread_cond_broadcast(&db->reads_arrived);
    if (db->writer_started) {
        pthread_join(db->writer, NULL);
    }
    for (int i = 0; i < OW_DB_READERS_MAX; i++) {
        if (db->readers[i].started) {
            pthread_join(db->readers[i].thread, NULL);
        }
    }
}

ow_db *ow_db_close(ow_db *db) {
    if (db == NULL) {
        return NULL;
    }
    db->closing = true;
    hand_over(db);
    // From here on this call answers; no thread is to post any more.
    pthread_mutex_lock(&db->lock);
    bool with_the_loop = db->mailbox->posted;
    db->mailbox->posted = true;
    pthread_mutex_unlock(&db->lock);
    ow_loop_hook_remove(db->options.loop, OW_TURN_DISPATCH, &db->hook);
    stop_threads(db);
    while (db->finished.first != NULL) {
        answer_finished(db);
    }
    for (int i = 0; i < OW_DB_READERS_MAX; i++) {
        conn_close(db->readers[i].conn);
    }
    conn_close(db->writer_conn);
    db->driver->ops->close(db->driver);
    if (with_the_loop) {
        db->mailbox->db = NULL;
    } else {
        free(db->mailbox);
    }
    pthread_mutex_destroy(&db->lock);
    pthread_cond_destroy(&db->writes_arrived);
    pthread_cond_destroy(&db->reads_arrived);
    free(db);
    return NULL;
}

void ow_db_stats_get(const ow_db *db, ow_db_stats *ret_stats) {
    *ret_stats = (ow_db_stats){
        .write_jobs = atomic_load_explicit(&db->write_jobs, memory_order_relaxed),
        .write_batches = atomic_load_explicit(&db->write_batches, memory_order_relaxed),
        .read_jobs = atomic_load_explicit(&db->read_jobs, memory_order_relaxed),
        .failed_jobs = atomic_load_explicit(&db->failed_jobs, memory_order_relaxed),
        .checkpoints = atomic_load_explicit(&db->checkpoints, memory_order_relaxed),
        .waiting_writes = db->waiting_writes,
        .waiting_reads = db->waiting_reads,
        .wal_bytes = atomic_load_explicit(&db->wal_bytes, memory_order_relaxed),
        .file_bytes = atomic_load_explicit(&db->file_bytes, memory_order_relaxed),
    };
}
