#pragma once

// A store of a test's own: SQLite in a new folder, on a loop that turns while the test waits. Each write is
// rolled back once and run again.

#include "core/db/db.h"
#include "core/loop/loop.h"

typedef struct test_store {
    ow_loop *loop;
    ow_db *db;
    ow_err err; // of the last job that failed
} test_store;

// Fail the test when anything does. `migrations` ends with number 0 and outlives the store.
void test_store_open(test_store *store, const ow_db_migration *migrations);
void test_store_close(test_store *store);

// Runs a job and waits for its end.
typedef ow_code (*test_store_job)(ow_db_conn *conn, void *self, ow_err *err);
ow_code test_store_write(test_store *store, test_store_job run, void *self);
ow_code test_store_read(test_store *store, test_store_job run, void *self);
