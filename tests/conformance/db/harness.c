#include "tests/conformance/db/harness.h"

#include <string.h>
#include <time.h>

enum { DEADLINE_S = 60 };

const ow_db_migration suite_migrations[] = {
    {1, "CREATE TABLE item ("
        " k TEXT NOT NULL PRIMARY KEY,"
        " n BIGINT CHECK (n > -1000000 OR n < -2000000),"
        " d DOUBLE PRECISION,"
        " t TEXT,"
        " b OW_BLOB);"
        "CREATE TABLE note ("
        " id BIGINT NOT NULL PRIMARY KEY,"
        " k TEXT NOT NULL REFERENCES item(k));"},
    {2, "CREATE TABLE counter (k TEXT NOT NULL PRIMARY KEY, n BIGINT NOT NULL)"},
    {0, NULL},
};

static void on_fatal(void *self, const ow_err *why) {
    store *s = self;
    s->fatal_err = *why;
    atomic_store(&s->fatal, true);
}

ow_code store_open(store *s, const ow_db_migration *migrations, ow_err *err) {
    s->options.loop = s->loop;
    s->options.migrations = migrations != NULL ? migrations : suite_migrations;
    s->options.readers = s->options.readers > 0 ? s->options.readers : 2;
    s->options.rerun_writes = s->factory->rerun_writes;
    s->options.on_fatal = on_fatal;
    s->options.on_fatal_self = s;
    return s->factory->open(s->factory->self, &s->options, &s->db, err);
}

void store_close(store *s) {
    s->db = ow_db_close(s->db);
}

void store_start(store *s, const db_factory *factory, const ow_db_migration *migrations) {
    memset(s, 0, sizeof *s);
    s->factory = factory;
    factory->wipe(factory->self);
    assert_int_equal(ow_loop_new(&s->loop, NULL), OW_OK);
    ow_err err = {0};
    if (store_open(s, migrations, &err) != OW_OK) {
        fail_msg("cannot open: %s: %s", err.reason, err.message);
    }
}

void store_stop(store *s) {
    store_close(s);
    ow_loop_turn(s->loop, 0, NULL); // for a message that was still under way
    s->loop = ow_loop_free(s->loop);
}

static ow_code run_job(ow_db_conn *conn, void *self, ow_err *err) {
    job *j = self;
    j->runs++;
    return j->run(conn, j->self, err);
}

static void job_done(void *self, ow_code code, const ow_err *err) {
    job *j = self;
    j->code = code;
    j->done++;
    if (err != NULL) {
        j->err = *err;
    }
    if (j->order != NULL) {
        j->place = (*j->order)++;
    }
}

void job_init(job *j, run_fn run, void *self) {
    *j = (job){.run = run, .self = self};
    j->job = (ow_db_job){.run = run_job, .done = job_done, .self = j};
}

void job_write(store *s, job *j) {
    ow_db_write(s->db, &j->job);
}

void job_read(store *s, job *j) {
    ow_db_read(s->db, &j->job);
}

static size_t count_done(const job *jobs, size_t count) {
    size_t done = 0;
    for (size_t i = 0; i < count; i++) {
        done += jobs[i].done > 0;
    }
    return done;
}

void jobs_wait(store *s, job *jobs, size_t count) {
    time_t until = time(NULL) + DEADLINE_S;
    while (count_done(jobs, count) < count) {
        assert_int_equal(ow_loop_turn(s->loop, 100000, NULL), OW_OK);
        assert_true(time(NULL) < until);
    }
}

void wait_flag(store *s, atomic_bool *flag) {
    time_t until = time(NULL) + DEADLINE_S;
    while (!atomic_load(flag)) {
        assert_int_equal(ow_loop_turn(s->loop, 1000, NULL), OW_OK);
        assert_true(time(NULL) < until);
    }
}

static ow_code outcome(const job *j, ow_err *ret_err) {
    assert_int_equal(j->done, 1);
    if (ret_err != NULL) {
        *ret_err = j->err;
    }
    return j->code;
}

ow_code write_now(store *s, run_fn run, void *self, ow_err *ret_err) {
    job j;
    job_init(&j, run, self);
    job_write(s, &j);
    jobs_wait(s, &j, 1);
    return outcome(&j, ret_err);
}

ow_code read_now(store *s, run_fn run, void *self, ow_err *ret_err) {
    job j;
    job_init(&j, run, self);
    job_read(s, &j);
    jobs_wait(s, &j, 1);
    return outcome(&j, ret_err);
}

static ow_code run_sql(ow_db_conn *conn, void *self, ow_err *err) {
    return ow_db_exec(conn, NULL, err, self, "");
}

ow_code write_sql(store *s, const char *sql, ow_err *ret_err) {
    return write_now(s, run_sql, (void *)sql, ret_err);
}

typedef struct int_query {
    const char *sql;
    int64_t value;
} int_query;

static ow_code run_int_query(ow_db_conn *conn, void *self, ow_err *err) {
    int_query *query = self;
    ow_rows *rows = NULL;
    bool row = false;
    ow_code code = ow_db_query(conn, &rows, err, query->sql, "");
    if (code == OW_OK) {
        code = ow_rows_next(rows, &row, err);
    }
    if (code == OW_OK && row) {
        query->value = ow_rows_int(rows, 0);
    }
    return code;
}

int64_t read_int(store *s, const char *sql) {
    int_query query = {.sql = sql, .value = -1};
    ow_err err = {0};
    if (read_now(s, run_int_query, &query, &err) != OW_OK) {
        fail_msg("%s: %s", sql, err.message);
    }
    return query.value;
}
