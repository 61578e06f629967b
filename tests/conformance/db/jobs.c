#include "tests/conformance/db/cases.h"
#include "tests/conformance/db/harness.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

typedef struct expected {
    const char *sql;
    ow_code code;
    const char *reason;
} expected;

static void expect_all(store *s, const expected *all, size_t count) {
    for (size_t i = 0; i < count; i++) {
        ow_err err = {0};
        assert_int_equal(write_sql(s, all[i].sql, &err), all[i].code);
        assert_string_equal(err.reason, all[i].reason);
    }
}

void case_constraints_have_codes(void **state) {
    store s;
    store_start(&s, *state, NULL);
    static const expected all[] = {
        {"INSERT INTO item (k, n) VALUES ('a', 1)", OW_OK, ""},
        {"INSERT INTO item (k, n) VALUES ('a', 2)", OW_ALREADY_EXISTS, "constraint"},
        {"INSERT INTO item (k, n) VALUES (NULL, 2)", OW_FAILED_PRECONDITION, "constraint"},
        {"INSERT INTO item (k, n) VALUES ('b', -1500000)", OW_FAILED_PRECONDITION, "constraint"},
        {"INSERT INTO note (id, k) VALUES (1, 'nosuch')", OW_FAILED_PRECONDITION, "constraint"},
        {"INSERT INTO note (id, k) VALUES (1, 'a')", OW_OK, ""},
        {"INSERT INTO note (id, k) VALUES (1, 'a')", OW_ALREADY_EXISTS, "constraint"},
        {"DELETE FROM item WHERE k = 'a'", OW_FAILED_PRECONDITION, "constraint"},
    };
    expect_all(&s, all, sizeof all / sizeof all[0]);
    assert_int_equal(read_int(&s, "SELECT n FROM item WHERE k = 'a'"), 1);
    store_stop(&s);
}

static ow_code wrong_count(ow_db_conn *conn, void *self, ow_err *err) {
    (void)self;
    return ow_db_exec(conn, NULL, err, "DELETE FROM item WHERE k = $1 AND n = $2", "t", "a");
}

static ow_code wrong_letter(ow_db_conn *conn, void *self, ow_err *err) {
    (void)self;
    return ow_db_exec(conn, NULL, err, "DELETE FROM item WHERE k = $1", "x", "a");
}

static ow_code wrong_order(ow_db_conn *conn, void *self, ow_err *err) {
    (void)self;
    return ow_db_exec(conn, NULL, err, "DELETE FROM item WHERE n = $2 AND k = $1", "ti", "a",
                      (int64_t)1);
}

void case_mistakes_are_faults(void **state) {
    store s;
    store_start(&s, *state, NULL);
    static const expected all[] = {
        {"DELETE FROM nosuch", OW_INTERNAL, "sql"},
        {"DELETE FRM item", OW_INTERNAL, "sql"},
        {"DELETE FROM item WHERE k = \"a\"", OW_INTERNAL, "sql"},
        {"DELETE FROM item; DELETE FROM note", OW_INTERNAL, "sql"},
        {"", OW_INTERNAL, "sql"},
        {"SELECT 1", OW_INTERNAL, "sql"}, // rows, and nobody to read them
    };
    expect_all(&s, all, sizeof all / sizeof all[0]);
    static const run_fn wrong[] = {wrong_count, wrong_letter, wrong_order};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ow_err err = {0};
        assert_int_equal(write_now(&s, wrong[i], NULL, &err), OW_INTERNAL);
        assert_string_equal(err.reason, "sql");
    }
    assert_int_equal(write_sql(&s, "DELETE FROM item", NULL), OW_OK);
    store_stop(&s);
}

typedef struct step {
    int64_t number;
    bool refuse;
} step;

// Appends a row that says how many were there before.
static ow_code append(ow_db_conn *conn, void *self, ow_err *err) {
    const step *st = self;
    char key[16];
    snprintf(key, sizeof key, "k%04d", (int)st->number);
    ow_code code = ow_db_exec(
        conn, NULL, err, "INSERT INTO counter (k, n) SELECT $1, count(*) FROM counter", "t", key);
    if (code == OW_OK && st->refuse) {
        return ow_fail(err, OW_ABORTED, "refused", "number %d", (int)st->number);
    }
    return code;
}

void case_a_failing_job_disturbs_no_other(void **state) {
    store s;
    store_start(&s, *state, NULL);
    job jobs[9];
    step steps[9];
    for (int i = 0; i < 9; i++) {
        steps[i] = (step){.number = i, .refuse = i % 3 == 1};
        job_init(&jobs[i], append, &steps[i]);
        job_write(&s, &jobs[i]);
    }
    jobs_wait(&s, jobs, 9);
    for (int i = 0; i < 9; i++) {
        assert_int_equal(jobs[i].code, i % 3 == 1 ? OW_ABORTED : OW_OK);
        assert_string_equal(jobs[i].err.reason, i % 3 == 1 ? "refused" : "");
    }
    assert_int_equal(read_int(&s, "SELECT count(*) FROM counter"), 6);
    assert_int_equal(read_int(&s, "SELECT count(*) FROM counter WHERE k = 'k0001'"), 0);
    assert_int_equal(read_int(&s, "SELECT n FROM counter WHERE k = 'k0008'"), 5);
    store_stop(&s);
}

static ow_code ignore_failure(ow_db_conn *conn, void *self, ow_err *err) {
    (void)self;
    ow_code first = ow_db_exec(conn, NULL, NULL, "INSERT INTO counter (k, n) VALUES ('x', 1)", "");
    ow_code second = ow_db_exec(conn, NULL, NULL, "INSERT INTO counter (k, n) VALUES ('x', 1)", "");
    ow_code third = ow_db_exec(conn, NULL, err, "INSERT INTO counter (k, n) VALUES ('y', 1)", "");
    return first == OW_OK && second == OW_ALREADY_EXISTS && third == OW_ALREADY_EXISTS
               ? OW_OK
               : OW_DATA_LOSS;
}

static ow_code rename_failure(ow_db_conn *conn, void *self, ow_err *err) {
    (void)self;
    ow_code code = ow_db_exec(conn, NULL, err, "INSERT INTO note (id, k) VALUES (1, 'none')", "");
    return code == OW_OK ? OW_OK : ow_fail(err, OW_NOT_FOUND, "no_item", "no such item");
}

static ow_code fail_silently(ow_db_conn *conn, void *self, ow_err *err) {
    (void)conn;
    (void)self;
    (void)err;
    return OW_ABORTED;
}

void case_a_failed_statement_ends_its_job(void **state) {
    store s;
    store_start(&s, *state, NULL);
    ow_err err = {0};
    assert_int_equal(write_now(&s, ignore_failure, NULL, &err), OW_ALREADY_EXISTS);
    assert_string_equal(err.reason, "constraint");
    assert_int_equal(write_now(&s, rename_failure, NULL, &err), OW_NOT_FOUND);
    assert_string_equal(err.reason, "no_item");
    assert_int_equal(write_now(&s, fail_silently, NULL, &err), OW_ABORTED);
    assert_string_equal(err.reason, "unspecified");
    assert_int_equal(read_int(&s, "SELECT count(*) FROM counter"), 0);
    store_stop(&s);
}

void case_writes_run_in_order(void **state) {
    enum { JOBS = 1500 }; // more than a batch
    store s;
    store_start(&s, *state, NULL);
    static job jobs[JOBS];
    static step steps[JOBS];
    int order = 0;
    for (int i = 0; i < JOBS; i++) {
        steps[i] = (step){.number = i};
        job_init(&jobs[i], append, &steps[i]);
        jobs[i].order = &order;
        job_write(&s, &jobs[i]);
        if (i % 100 == 0) {
            assert_int_equal(ow_loop_turn(s.loop, 0, NULL), OW_OK);
        }
    }
    jobs_wait(&s, jobs, JOBS);
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(jobs[i].code, OW_OK);
        assert_int_equal(jobs[i].place, i);
    }
    assert_int_equal(read_int(&s, "SELECT count(*) FROM counter"), JOBS);
    assert_int_equal(
        read_int(&s, "SELECT count(*) FROM counter a JOIN counter b ON a.n < b.n AND a.k > b.k"),
        0);
    ow_db_stats stats;
    ow_db_stats_get(s.db, &stats);
    assert_int_equal(stats.write_jobs, JOBS);
    assert_int_equal(stats.waiting_writes, 0);
    assert_true(stats.write_batches < JOBS / 2);
    store_stop(&s);
}

void case_done_writes_can_be_read(void **state) {
    store s;
    store_start(&s, *state, NULL);
    for (int i = 0; i < 200; i++) {
        step st = {.number = i};
        assert_int_equal(write_now(&s, append, &st, NULL), OW_OK);
        assert_int_equal(read_int(&s, "SELECT count(*) FROM counter"), i + 1);
    }
    store_stop(&s);
}

void case_reads_cannot_write(void **state) {
    store s;
    store_start(&s, *state, NULL);
    step st = {.number = 1};
    ow_err err = {0};
    assert_int_equal(read_now(&s, append, &st, &err), OW_INTERNAL);
    assert_string_equal(err.reason, "sql");
    assert_int_equal(read_int(&s, "SELECT count(*) FROM counter"), 0);
    store_stop(&s);
}

typedef struct snapshot {
    atomic_bool first_read, written;
    int64_t counts[2];
} snapshot;

static ow_code count_rows(ow_db_conn *conn, int64_t *ret_count, ow_err *err) {
    ow_rows *rows = NULL;
    bool row = false;
    ow_code code = ow_db_query(conn, &rows, err, "SELECT count(*) FROM counter", "");
    if (code == OW_OK && (code = ow_rows_next(rows, &row, err)) == OW_OK) {
        *ret_count = ow_rows_int(rows, 0);
    }
    ow_rows_close(rows);
    return code;
}

static ow_code read_twice(ow_db_conn *conn, void *self, ow_err *err) {
    snapshot *sn = self;
    ow_code code = count_rows(conn, &sn->counts[0], err);
    atomic_store(&sn->first_read, true);
    struct timespec pause = {.tv_nsec = 1000000};
    for (int i = 0; i < 30000 && !atomic_load(&sn->written); i++) {
        nanosleep(&pause, NULL);
    }
    return code == OW_OK ? count_rows(conn, &sn->counts[1], err) : code;
}

void case_a_read_sees_one_snapshot(void **state) {
    store s;
    store_start(&s, *state, NULL);
    snapshot sn = {.counts = {-1, -1}};
    job reader;
    job_init(&reader, read_twice, &sn);
    job_read(&s, &reader);
    wait_flag(&s, &sn.first_read);
    step st = {.number = 1};
    assert_int_equal(write_now(&s, append, &st, NULL), OW_OK);
    atomic_store(&sn.written, true);
    jobs_wait(&s, &reader, 1);
    assert_int_equal(reader.code, OW_OK);
    assert_int_equal(sn.counts[0], 0);
    assert_int_equal(sn.counts[1], 0);
    assert_int_equal(read_int(&s, "SELECT count(*) FROM counter"), 1);
    store_stop(&s);
}

void case_writes_can_be_run_again(void **state) {
    store s;
    store_start(&s, *state, NULL);
    step st = {.number = 3};
    job j;
    job_init(&j, append, &st);
    job_write(&s, &j);
    jobs_wait(&s, &j, 1);
    assert_int_equal(j.code, OW_OK);
    assert_int_equal(j.runs, s.factory->rerun_writes ? 2 : 1);
    assert_int_equal(j.done, 1);
    assert_int_equal(read_int(&s, "SELECT count(*) FROM counter"), 1);
    store_stop(&s);
}
