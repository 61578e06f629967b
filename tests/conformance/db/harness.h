#pragma once

// A loop, an open store and jobs that are waited for.

#include "core/testing/ow_test.h"
#include "tests/conformance/db/suite.h"

#include <stdatomic.h>

typedef ow_code (*run_fn)(ow_db_conn *conn, void *self, ow_err *err);

typedef struct store {
    const db_factory *factory;
    ow_loop *loop;
    ow_db *db;
    ow_db_options options;
    atomic_bool fatal; // on_fatal was called
    ow_err fatal_err;
} store;

typedef struct job {
    ow_db_job job;
    run_fn run;
    void *self;
    ow_code code;
    ow_err err;
    int runs; // how often `run` ran
    int done; // how often done ran
    int *order;
    int place; // of all that share `order`, as done ran
} job;

// A new loop and a wiped store, opened with these migrations (NULL: suite_migrations).
void store_start(store *s, const db_factory *factory, const ow_db_migration *migrations);
void store_stop(store *s);
// Opens (again) what is there; the outcome of the factory's open.
ow_code store_open(store *s, const ow_db_migration *migrations, ow_err *err);
void store_close(store *s);

// The tables of the suite: item(k, n, d, t, b), note(id, k → item) and counter(k, n).
extern const ow_db_migration suite_migrations[];

void job_init(job *j, run_fn run, void *self);
void job_write(store *s, job *j); // queues
void job_read(store *s, job *j);
void jobs_wait(store *s, job *jobs, size_t count); // until all are done; fails after 30 s

// Queues one, waits for it, and answers what it ended with.
ow_code write_now(store *s, run_fn run, void *self, ow_err *ret_err);
ow_code read_now(store *s, run_fn run, void *self, ow_err *ret_err);

// One statement without arguments.
ow_code write_sql(store *s, const char *sql, ow_err *ret_err);
// The first column of the first row.
int64_t read_int(store *s, const char *sql);

// Turns the loop until `*flag` or 30 s.
void wait_flag(store *s, atomic_bool *flag);
