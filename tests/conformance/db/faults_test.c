// What the batches do when the database below fails, at every point in turn.

#include "core/db/testing/fault_driver.h"
#include "core/testing/ow_test.h"
#include "tests/conformance/db/harness.h"
#include "tests/conformance/db/sqlite_factory.h"

#include <stdio.h>
#include <stdlib.h>

enum { JOBS = 6 };

typedef struct fixture {
    sqlite_place place;
    ow_db_fault_plan plan;
    db_factory factory;
    store s;
    job jobs[JOBS];
    int64_t numbers[JOBS];
} fixture;

static int setup(void **state) {
    fixture *f = calloc(1, sizeof *f);
    sqlite_place_init(&f->place, NULL);
    f->place.plan = &f->plan;
    f->factory = sqlite_factory(&f->place, "faults", false);
    store_start(&f->s, &f->factory, NULL);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    fixture *f = *state;
    store_stop(&f->s);
    sqlite_place_deinit(&f->place);
    free(f);
    return 0;
}

static ow_code put(ow_db_conn *conn, void *self, ow_err *err) {
    return ow_db_exec(conn, NULL, err, "INSERT INTO note_log (n) VALUES ($1)", "i",
                      *(int64_t *)self);
}

static void make_table(fixture *f) {
    assert_int_equal(
        write_sql(&f->s, "CREATE TABLE IF NOT EXISTS note_log (n BIGINT NOT NULL PRIMARY KEY)",
                  NULL),
        OW_OK);
}

static void plan(fixture *f, ow_db_fault_point point, ow_db_fault_kind kind, int skip) {
    atomic_store(&f->plan.point, point);
    atomic_store(&f->plan.kind, kind);
    atomic_store(&f->plan.skip, skip);
    atomic_store(&f->plan.count, 1);
}

// Queues all jobs so that they form one batch: the first hand-over is the turn's.
static void queue_batch(fixture *f, int64_t first_number) {
    ow_loop_wake(f->s.loop);
    for (int i = 0; i < JOBS; i++) {
        f->numbers[i] = first_number + i;
        job_init(&f->jobs[i], put, &f->numbers[i]);
    }
}

typedef struct starter {
    ow_message message;
    fixture *f;
} starter;

static void on_start(void *self) {
    fixture *f = ((starter *)self)->f;
    for (int i = 0; i < JOBS; i++) {
        job_write(&f->s, &f->jobs[i]);
    }
}

static void write_batch(fixture *f, int64_t first_number) {
    queue_batch(f, first_number);
    starter st = {.f = f};
    st.message = (ow_message){.on_message = on_start, .self = &st};
    ow_loop_post(f->s.loop, &st.message); // within a turn, so that they arrive together
    assert_int_equal(ow_loop_turn(f->s.loop, 0, NULL), OW_OK);
}

static int count_acknowledged(const fixture *f) {
    int count = 0;
    for (int i = 0; i < JOBS; i++) {
        count += f->jobs[i].done == 1 && f->jobs[i].code == OW_OK;
    }
    return count;
}

// On a busy machine the writer may have taken the jobs as two batches, of which one is refused.
static void expect_batch_full(fixture *f) {
    assert_true(count_acknowledged(f) < JOBS);
    for (int i = 0; i < JOBS; i++) {
        if (f->jobs[i].code != OW_OK) {
            assert_int_equal(f->jobs[i].code, OW_UNAVAILABLE);
            assert_string_equal(f->jobs[i].err.reason, "disk_full");
        }
    }
}

static void a_full_disk_is_answered_to_the_whole_batch(void **state) {
    fixture *f = *state;
    make_table(f);
    static const ow_db_fault_point points[] = {OW_DB_FAULT_BEGIN, OW_DB_FAULT_STEP,
                                               OW_DB_FAULT_COMMIT};
    for (size_t p = 0; p < sizeof points / sizeof points[0]; p++) {
        plan(f, points[p], OW_DB_FAULT_FULL, points[p] == OW_DB_FAULT_STEP ? 3 : 0);
        int64_t before = read_int(&f->s, "SELECT count(*) FROM note_log");
        write_batch(f, 100 * (int64_t)p);
        jobs_wait(&f->s, f->jobs, JOBS);
        expect_batch_full(f);
        assert_int_equal(read_int(&f->s, "SELECT count(*) FROM note_log"),
                         before + count_acknowledged(f));
    }
    write_batch(f, 1000); // space has returned
    jobs_wait(&f->s, f->jobs, JOBS);
    assert_int_equal(count_acknowledged(f), JOBS);
    assert_false(atomic_load(&f->s.fatal));
}

static void a_lost_transaction_costs_its_culprit_alone(void **state) {
    fixture *f = *state;
    make_table(f);
    for (int culprit = 0; culprit < JOBS; culprit++) {
        plan(f, OW_DB_FAULT_STEP, OW_DB_FAULT_LOST, culprit);
        write_batch(f, culprit * 100);
        jobs_wait(&f->s, f->jobs, JOBS);
        for (int i = 0; i < JOBS; i++) {
            assert_int_equal(f->jobs[i].code, i == culprit ? OW_DEADLINE_EXCEEDED : OW_OK);
        }
        assert_int_equal(read_int(&f->s, "SELECT count(*) FROM note_log"),
                         (culprit + 1) * (JOBS - 1));
    }
}

static void an_unknown_outcome_answers_nobody(void **state) {
    fixture *f = *state;
    make_table(f);
    static const ow_db_fault_kind kinds[] = {OW_DB_FAULT_IO, OW_DB_FAULT_IO_AFTER_COMMIT};
    for (size_t k = 0; k < 2; k++) {
        atomic_store(&f->s.fatal, false);
        plan(f, OW_DB_FAULT_COMMIT, kinds[k], 0);
        write_batch(f, 1000 * (int64_t)k);
        wait_flag(&f->s, &f->s.fatal);
        assert_string_equal(f->s.fatal_err.reason, "store_io");
        job late;
        int64_t number = 7;
        job_init(&late, put, &number);
        job_write(&f->s, &late);
        store_close(&f->s);
        for (int i = 0; i < JOBS; i++) {
            assert_int_equal(f->jobs[i].done, 0);
        }
        assert_int_equal(late.done, 0);
        assert_int_equal(store_open(&f->s, NULL, NULL), OW_OK);
    }
    // The one that was carried out although it failed is there; the other one is not.
    assert_true(read_int(&f->s, "SELECT count(*) FROM note_log") > 0);
    assert_int_equal(read_int(&f->s, "SELECT min(n) FROM note_log"), 1000);
}

static void wait_answered_or_fatal(fixture *f) {
    for (int i = 0; i < 10000; i++) {
        bool all = true;
        for (int j = 0; j < JOBS; j++) {
            all = all && f->jobs[j].done > 0;
        }
        if (all || atomic_load(&f->s.fatal)) {
            return;
        }
        ow_loop_turn(f->s.loop, 1000, NULL);
    }
    fail_msg("neither answered nor fatal");
}

// EIO at the k-th operation, for every k of some batches: nothing acknowledged is missing.
static void an_error_at_any_operation_loses_nothing(void **state) {
    fixture *f = *state;
    make_table(f);
    int fatal = 0;
    int64_t number = 0;
    for (int k = 0; k < 40; k++) {
        plan(f, OW_DB_FAULT_ANYWHERE, k % 2 == 0 ? OW_DB_FAULT_IO : OW_DB_FAULT_IO_AFTER_COMMIT, k);
        for (int batch = 0; batch < 6; batch++) {
            int64_t before = number;
            write_batch(f, before);
            number += JOBS;
            wait_answered_or_fatal(f);
            if (atomic_load(&f->s.fatal)) {
                store_close(&f->s);
                atomic_store(&f->plan.count, 0);
                atomic_store(&f->s.fatal, false);
                assert_int_equal(store_open(&f->s, NULL, NULL), OW_OK);
                fatal++;
            }
            char sql[96];
            snprintf(sql, sizeof sql, "SELECT count(*) FROM note_log WHERE n >= %lld",
                     (long long)before);
            int64_t stored = read_int(&f->s, sql);
            assert_in_range(stored, count_acknowledged(f), JOBS);
        }
    }
    assert_true(fatal >= 35);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_full_disk_is_answered_to_the_whole_batch, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_lost_transaction_costs_its_culprit_alone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_unknown_outcome_answers_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(an_error_at_any_operation_loses_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
