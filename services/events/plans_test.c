// How SQLite goes about the numbers and the lists of the queue: none is found by walking over the whole table.

#include "services/events/executions_hands.h"
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
    bool of_list; // takes where it begins, too
    char plan[1000];
    int64_t count;
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
    ow_code code = f->of_list
                       ? ow_db_query(db, &rows, err, sql, "tti", "ttl_1", "exf_", (int64_t)10)
                       : ow_db_query(db, &rows, err, sql, "ti", "ttl_1", (int64_t)10);
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

static void run(fixture *f, ow_code (*what)(ow_db_conn *db, void *self, ow_err *err)) {
    ow_db_job job = {.run = what, .done = on_done, .self = f};
    f->done = false;
    ow_db_write(f->db, &job);
    while (!f->done) {
        ow_err err;
        assert_int_equal(ow_loop_turn(f->loop, 100000, &err), OW_OK);
    }
    assert_int_equal(f->code, OW_OK);
}

static const char *plan_of(fixture *f, const char *sql, bool of_list) {
    f->sql = sql;
    f->of_list = of_list;
    run(f, explain);
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
        const char *plan = plan_of(*state, sql, false);
        bool own = strstr(plan, "title_id=?") != NULL ||
                   strstr(plan, "subscription>? AND subscription<?") != NULL;
        bool in_order = strstr(plan, "SCAN executions USING INDEX executions_due") != NULL;
        if ((!own && !in_order) || strstr(plan, "TEMP B-TREE") != NULL) {
            fail_msg("%s\nis done as\n%s", sql, plan);
        }
    }
}

static void lists_walk_over_their_own(void **state) {
    static const char *const ways[] = {
        "(title_id=? AND moment<?)",
        "(subscription>? AND subscription<?)",
        "(title_id=? AND execution_id<?)",
        "(title_id=? AND moment>?)",
    };
    const char *sql;
    size_t count = 0;
    for (; (sql = executions_list_sql(count)) != NULL; count++) {
        const char *plan = plan_of(*state, sql, true);
        bool sorts_few = strstr(sql, "state = 4") != NULL; // as many as run at a time
        assert_true(count < sizeof ways / sizeof *ways);
        if (strstr(plan, ways[count]) == NULL ||
            (strstr(plan, "TEMP B-TREE") != NULL && !sorts_few)) {
            fail_msg("%s\nis done as\n%s", sql, plan);
        }
    }
    assert_int_equal(count, sizeof ways / sizeof *ways);
}

// ---- Moments ----

enum { STEP_US = 1000, OTHERS = 40 };

static new_execution new_one(const char *title_id, int64_t at_us) {
    new_execution new = {.title_id = title_id,
                         .item = {.due_us = at_us, .since_us = at_us},
                         .created_us = at_us,
                         .lane = "",
                         .subscription = "",
                         .deduplication_key = "",
                         .facts = {0, (uint8_t *)""}};
    ow_id_make(new.execution_id, "exe_", at_us);
    return new;
}

// One of a title, then many of another within a second, some by fives.
static ow_code insert_some(ow_db_conn *db, void *self, ow_err *err) {
    (void)self;
    int64_t at_us = 1800000000 * INT64_C(1000000);
    bool duplicate;
    char first[OW_ID_MAX];
    new_execution list[PLAIN_AT_ONCE];
    list[0] = new_one("ttl_1", at_us);
    ow_code code = execution_insert(db, &list[0], &duplicate, first, err);
    for (int i = 0; code == OW_OK && i < OTHERS; i++) {
        for (int k = 0; k < PLAIN_AT_ONCE; k++) {
            at_us += STEP_US;
            list[k] = new_one("ttl_2", at_us);
        }
        code = i % 2 == 0 ? executions_insert_plain(db, list, PLAIN_AT_ONCE, err)
                          : executions_insert_plain(db, list, 2, err);
    }
    return code == OW_OK ? ow_db_exec(db, NULL, err, "UPDATE executions SET delete_us = 1", "")
                         : code;
}

static ow_code count_moments(ow_db_conn *db, void *self, ow_err *err) {
    fixture *f = self;
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code = ow_db_query(db, &rows, err, f->sql, "");
    code = code == OW_OK ? ow_rows_next(rows, &found, err) : code;
    f->count = found ? ow_rows_int(rows, 0) : -1;
    ow_rows_close(rows);
    return code;
}

static int64_t counted(fixture *f, const char *sql) {
    f->sql = sql;
    run(f, count_moments);
    return f->count;
}

static ow_code delete_some(ow_db_conn *db, void *self, ow_err *err) {
    (void)self;
    int deleted;
    return executions_delete(db, 2, 0, 50, &deleted, err);
}

static void check_moments(fixture *f) {
    const char noted[] = "SELECT title_id, moment FROM execution_moments";
    const char real[] = "SELECT DISTINCT title_id, substr(execution_id, 1, 13) FROM executions";
    char sql[400];
    snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM (%s EXCEPT %s)", real, noted);
    assert_int_equal(counted(f, sql), 0);
    snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM (%s EXCEPT %s)", noted, real);
    assert_int_equal(counted(f, sql), 0);
}

static void moments_come_and_go_with_executions(void **state) {
    fixture *f = *state;
    run(f, insert_some);
    check_moments(f);
    assert_in_range(counted(f, "SELECT COUNT(*) FROM execution_moments"), 5, 20);
    while (counted(f, "SELECT COUNT(*) FROM executions") > 0) {
        run(f, delete_some);
        check_moments(f);
    }
    assert_int_equal(counted(f, "SELECT COUNT(*) FROM execution_moments"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lists_walk_over_their_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(moments_come_and_go_with_executions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_numbers_come_from_indexes, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("plans", tests, NULL, NULL);
}
