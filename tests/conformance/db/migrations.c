#include "tests/conformance/db/cases.h"
#include "tests/conformance/db/harness.h"

#include <stdio.h>
#include <string.h>

enum { COUNT = 4 };

static const ow_db_migration all[COUNT + 1] = {
    {1, "CREATE TABLE thing (k TEXT NOT NULL PRIMARY KEY, b OW_BLOB)"},
    {2, "CREATE TABLE other (k TEXT NOT NULL PRIMARY KEY);"
        "INSERT INTO other (k) VALUES ('made by two');"},
    {3, "ALTER TABLE thing ADD COLUMN n BIGINT NOT NULL DEFAULT 3"},
    {4, "CREATE INDEX thing_n ON thing (n)"},
    {0, NULL},
};

static void up_to(int number, ow_db_migration *ret_some) {
    memcpy(ret_some, all, sizeof all);
    ret_some[number] = (ow_db_migration){0, NULL};
}

void case_every_earlier_number_is_migrated(void **state) {
    for (int number = 0; number < COUNT; number++) {
        ow_db_migration some[COUNT + 1];
        up_to(number, some);
        store s;
        store_start(&s, *state, some);
        if (number >= 1) {
            assert_int_equal(write_sql(&s, "INSERT INTO thing (k) VALUES ('kept')", NULL), OW_OK);
        }
        store_close(&s);
        assert_int_equal(store_open(&s, all, NULL), OW_OK);
        assert_int_equal(read_int(&s, "SELECT count(*) FROM other"), 1);
        assert_int_equal(read_int(&s, "SELECT count(*) FROM thing WHERE n = 3"), number >= 1);
        assert_int_equal(read_int(&s, "SELECT max(number) FROM ow_migration"), COUNT);
        store_close(&s);
        assert_int_equal(store_open(&s, all, NULL), OW_OK); // and nothing is done twice
        store_stop(&s);
    }
}

void case_a_newer_store_is_refused(void **state) {
    store s;
    store_start(&s, *state, all);
    store_close(&s);
    ow_db_migration some[COUNT + 1];
    up_to(2, some);
    ow_err err = {0};
    assert_int_equal(store_open(&s, some, &err), OW_FAILED_PRECONDITION);
    assert_string_equal(err.reason, "newer_store");
    assert_non_null(strstr(err.message, "migration 4"));
    assert_non_null(strstr(err.message, "knows 2"));
    assert_int_equal(store_open(&s, all, NULL), OW_OK);
    store_stop(&s);
}

void case_a_failing_migration_leaves_the_one_before(void **state) {
    static const ow_db_migration broken[] = {
        {1, "CREATE TABLE thing (k TEXT NOT NULL PRIMARY KEY)"},
        {2, "CREATE TABLE half (k TEXT); CREATE TABLE thing (k TEXT)"},
        {0, NULL},
    };
    static const ow_db_migration mended[] = {
        {1, "CREATE TABLE thing (k TEXT NOT NULL PRIMARY KEY)"},
        {2, "CREATE TABLE half (k TEXT)"},
        {0, NULL},
    };
    static const ow_db_migration none[] = {{0, NULL}};
    store s;
    store_start(&s, *state, none);
    store_close(&s);
    ow_err err = {0};
    assert_int_equal(store_open(&s, broken, &err), OW_INTERNAL);
    assert_non_null(strstr(err.message, "migration 2"));
    assert_int_equal(store_open(&s, mended, NULL), OW_OK);
    assert_int_equal(read_int(&s, "SELECT count(*) FROM half"), 0);
    store_stop(&s);
}

void case_a_gap_in_the_numbers_is_refused(void **state) {
    static const ow_db_migration gap[] = {
        {1, "CREATE TABLE a (k TEXT)"}, {3, "CREATE TABLE b (k TEXT)"}, {0, NULL}};
    static const ow_db_migration none[] = {{0, NULL}};
    store s;
    store_start(&s, *state, none);
    store_close(&s);
    ow_err err = {0};
    assert_int_equal(store_open(&s, gap, &err), OW_INTERNAL);
    assert_string_equal(err.reason, "migration");
    assert_int_equal(store_open(&s, none, NULL), OW_OK);
    store_stop(&s);
}
