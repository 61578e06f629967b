#include "tests/conformance/db/cases.h"
#include "tests/conformance/db/harness.h"

#include <stdio.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif

static ow_code put(ow_db_conn *conn, void *self, ow_err *err) {
    return ow_db_exec(conn, NULL, err, "INSERT INTO counter (k, n) VALUES ($1, 1)", "t",
                      (const char *)self);
}

// Writes for much longer than a job may.
static ow_code write_slowly(ow_db_conn *conn, void *self, ow_err *err) {
    ow_code code = put(conn, self, err);
    if (code != OW_OK) {
        return code;
    }
    return ow_db_exec(conn, NULL, err,
                      "INSERT INTO item (k, n) "
                      "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c "
                      "                        WHERE x < 1000000000) "
                      "SELECT 'i' || x, x FROM c",
                      "");
}

void case_a_slow_write_is_stopped_alone(void **state) {
    store s;
    store_start(&s, *state, NULL);
    char keys[7][8];
    job jobs[7];
    for (int i = 0; i < 7; i++) {
        snprintf(keys[i], sizeof keys[i], "k%d", i);
        job_init(&jobs[i], i == 2 || i == 4 ? write_slowly : put, keys[i]);
    }
    for (int i = 0; i < 7; i++) {
        job_write(&s, &jobs[i]);
    }
    jobs_wait(&s, jobs, 7);
    for (int i = 0; i < 7; i++) {
        bool slow = i == 2 || i == 4;
        assert_int_equal(jobs[i].code, slow ? OW_DEADLINE_EXCEEDED : OW_OK);
        assert_string_equal(jobs[i].err.reason, slow ? "query_too_slow" : "");
    }
    assert_int_equal(read_int(&s, "SELECT count(*) FROM counter"), 5);
    assert_int_equal(read_int(&s, "SELECT count(*) FROM item"), 0);
    store_stop(&s);
}

static ow_code write_without_end(ow_db_conn *conn, void *self, ow_err *err) {
    (void)self;
    ow_code code = OW_OK;
    for (int64_t i = 0; i < 100000000 && code == OW_OK; i++) {
        code = ow_db_exec(conn, NULL, err,
                          "INSERT INTO counter (k, n) VALUES ('same', $1) "
                          "ON CONFLICT (k) DO UPDATE SET n = excluded.n",
                          "i", i);
    }
    return code;
}

void case_a_write_of_many_statements_is_stopped(void **state) {
    store s;
    store_start(&s, *state, NULL);
    ow_err err = {0};
    assert_int_equal(write_now(&s, write_without_end, NULL, &err), OW_DEADLINE_EXCEEDED);
    assert_string_equal(err.reason, "query_too_slow");
    assert_int_equal(read_int(&s, "SELECT count(*) FROM counter"), 0);
    assert_int_equal(write_now(&s, put, (char[]){"after"}, NULL), OW_OK);
    store_stop(&s);
}

#ifndef UNDER_SANITIZER
static ow_code read_slowly(ow_db_conn *conn, void *self, ow_err *err) {
    (void)self;
    ow_rows *rows = NULL;
    return ow_db_query(conn, &rows, err,
                       "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c "
                       "                        WHERE x < 100000000000) "
                       "SELECT count(*) FROM c",
                       "");
}
#endif

void case_a_slow_read_is_stopped(void **state) {
#ifdef UNDER_SANITIZER
    (void)state;
    skip(); // it would burn twenty seconds
#else
    store s;
    store_start(&s, *state, NULL);
    ow_err err = {0};
    assert_int_equal(read_now(&s, read_slowly, NULL, &err), OW_DEADLINE_EXCEEDED);
    assert_string_equal(err.reason, "query_too_slow");
    assert_int_equal(read_int(&s, "SELECT count(*) FROM counter"), 0);
    store_stop(&s);
#endif
}

void case_a_full_queue_refuses(void **state) {
    enum { JOBS = 20, MOST = 8 };
    store s;
    store_start(&s, *state, NULL);
    store_close(&s);
    s.options.max_waiting_writes = MOST;
    assert_int_equal(store_open(&s, NULL, NULL), OW_OK);
    char keys[JOBS][8];
    job jobs[JOBS];
    for (int i = 0; i < JOBS; i++) {
        snprintf(keys[i], sizeof keys[i], "k%d", i);
        job_init(&jobs[i], put, keys[i]);
        job_write(&s, &jobs[i]);
        assert_int_equal(jobs[i].done, 0);
    }
    jobs_wait(&s, jobs, JOBS);
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(jobs[i].code, i < MOST ? OW_OK : OW_UNAVAILABLE);
        assert_string_equal(jobs[i].err.reason, i < MOST ? "" : "overloaded");
    }
    assert_int_equal(write_now(&s, put, (char[]){"later"}, NULL), OW_OK);
    store_stop(&s);
}

void case_closing_answers_everything(void **state) {
    enum { JOBS = 1200 };
    store s;
    store_start(&s, *state, NULL);
    static char keys[JOBS][8];
    static job jobs[JOBS];
    for (int i = 0; i < JOBS; i++) {
        snprintf(keys[i], sizeof keys[i], "k%d", i);
        job_init(&jobs[i], put, keys[i]);
        job_write(&s, &jobs[i]);
    }
    store_close(&s);
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(jobs[i].done, 1);
        assert_int_equal(jobs[i].code, OW_OK);
    }
    assert_int_equal(store_open(&s, NULL, NULL), OW_OK);
    assert_int_equal(read_int(&s, "SELECT count(*) FROM counter"), JOBS);
    store_stop(&s);
}

typedef struct chain {
    ow_db_job job;
    store *s;
    int left;
    ow_code last;
} chain;

static ow_code chain_run(ow_db_conn *conn, void *self, ow_err *err) {
    chain *c = self;
    return ow_db_exec(conn, NULL, err,
                      "INSERT INTO counter (k, n) VALUES ('chain', 1) "
                      "ON CONFLICT (k) DO UPDATE SET n = counter.n + $1",
                      "i", (int64_t)(c->left >= 0));
}

static void chain_done(void *self, ow_code code, const ow_err *err) {
    (void)err;
    chain *c = self;
    c->last = code;
    if (--c->left > 0) {
        ow_db_write(c->s->db, &c->job);
    }
}

void case_a_job_may_be_queued_from_done(void **state) {
    store s;
    store_start(&s, *state, NULL);
    chain c = {.s = &s, .left = 50};
    c.job = (ow_db_job){.run = chain_run, .done = chain_done, .self = &c};
    ow_db_write(s.db, &c.job);
    for (int i = 0; i < 100000 && c.left > 0; i++) {
        assert_int_equal(ow_loop_turn(s.loop, 100000, NULL), OW_OK);
    }
    assert_int_equal(c.left, 0);
    assert_int_equal(c.last, OW_OK);
    assert_int_equal(read_int(&s, "SELECT n FROM counter WHERE k = 'chain'"), 50);
    // Queued from a done that runs inside the closing: refused, and answered too.
    c.left = 2;
    ow_db_write(s.db, &c.job);
    store_close(&s);
    assert_int_equal(c.left, 0);
    assert_int_equal(c.last, OW_UNAVAILABLE);
    store_stop(&s);
}
