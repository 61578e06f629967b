// How SQLite goes about the numbers of the queue: none is found by walking over the whole table.

#include "services/events/migrations/migrations.h"
#include "services/events/queue_stats_store.h"

#include "core/db_sqlite/db_sqlite.h"
#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct fixture {
    ow_loop *loop;
    ow_db *db;
    const char *sql;
    char plan[1000];
    bool done;
    ow_code code;
} fixture;

static ow_code explain(ow_db_conn *db, void *self, ow_err *err) {
    enum { DETAIL = 3 };
    fixture *f = self;
    char sql[1500];
    ow_rows *rows = NULL;
    bool more = true;
    size_t size = 0;
    f->plan[0] = '\0';
    snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN %s", f->sql);
    ow_code code = ow_db_query(db, &rows, err, sql, "ti", "ttl_1", (int64_t)10);
    while (code == OW_OK && (code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        int more_size =
            snprintf(f->plan + size, sizeof f->plan - size, "%s; ", ow_rows_text(rows, DETAIL));
        size += (size_t)more_size;
        assert_true(size < sizeof f->plan);
    }
    ow_rows_close(rows);
    return code;
}

static void on_done(void *self, ow_code code, const ow_err *err) {
    fixture *f = self;
    f->done = true;
    f->code = code;
    if (code != OW_OK) {
        print_message("%s: %s\n", err->reason, err->message);
    }
}

static const char *plan_of(fixture *f, const char *sql) {
    ow_db_job job = {.run = explain, .done = on_done, .self = f};
    f->sql = sql;
    f->done = false;
    ow_db_read(f->db, &job);
    while (!f->done) {
        ow_err err;
        assert_int_equal(ow_loop_turn(f->loop, 100000, &err), OW_OK);
    }
    assert_int_equal(f->code, OW_OK);
    return f->plan;
}

static int set_up(void **state) {
    static char folder[256];
    fixture *f = calloc(1, sizeof *f);
    ow_err err;
    const char *base = getenv("TEST_TMPDIR");
    snprintf(folder, sizeof folder, "%s/plans_XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(ow_loop_new(&f->loop, &err), OW_OK);
    ow_db_options options = {.name = "events",
                             .folder = folder,
                             .migrations = events_migrations,
                             .loop = f->loop,
                             .readers = 1};
    assert_int_equal(ow_db_sqlite_open(&options, &f->db, &err), OW_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    ow_db_close(f->db);
    ow_loop_free(f->loop);
    free(f);
    return 0;
}

// All walk in an index; those that are put aside, run or are dead are found from the title's own alone, so that a small
// title does not pay for a large one.
static void the_numbers_come_from_indexes(void **state) {
    const char *sql;
    for (size_t i = 0; (sql = queue_stats_sql(i)) != NULL; i++) {
        const char *plan = plan_of(*state, sql);
        bool own = strstr(plan, "title_id=?") != NULL ||
                   strstr(plan, "subscription>? AND subscription<?") != NULL;
        bool in_order = strstr(plan, "SCAN executions USING INDEX executions_due") != NULL;
        if ((!own && !in_order) || strstr(plan, "TEMP B-TREE") != NULL) {
            fail_msg("%s\nis done as\n%s", sql, plan);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_numbers_come_from_indexes, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("plans", tests, NULL, NULL);
}
