#include "core/testing/store.h"

#include "core/db_sqlite/db_sqlite.h"
#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct waited {
    test_store *store;
    test_store_job run;
    void *self;
    bool done;
    ow_code code;
} waited;

static void on_fatal(void *self, const ow_err *why) {
    (void)self;
    fail_msg("%s", why->message);
}

void test_store_open(test_store *store, const ow_db_migration *migrations) {
    char folder[300];
    const char *base = getenv("TEST_TMPDIR");
    *store = (test_store){0};
    snprintf(folder, sizeof folder, "%s/store_XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(folder));
    assert_ow_ok(ow_loop_new(&store->loop, &store->err), &store->err);
    ow_db_options options = {
        .name = "test",
        .folder = folder,
        .migrations = migrations,
        .loop = store->loop,
        .readers = 1,
        .rerun_writes = true,
        .on_fatal = on_fatal,
    };
    assert_ow_ok(ow_db_sqlite_open(&options, &store->db, &store->err), &store->err);
}

void test_store_close(test_store *store) {
    ow_db_close(store->db);
    ow_loop_free(store->loop);
}

static ow_code run(ow_db_conn *conn, void *self, ow_err *err) {
    const waited *w = self;
    return w->run(conn, w->self, err);
}

static void on_done(void *self, ow_code code, const ow_err *err) {
    waited *w = self;
    w->done = true;
    w->code = code;
    if (code != OW_OK) {
        w->store->err = *err;
    }
}

static ow_code wait_for(waited *w) {
    test_store *store = w->store;
    while (!w->done) {
        assert_ow_ok(ow_loop_turn(store->loop, 10000, &store->err), &store->err);
    }
    return w->code;
}

ow_code test_store_write(test_store *store, test_store_job job, void *self) {
    waited w = {.store = store, .run = job, .self = self};
    ow_db_job queued = {.run = run, .done = on_done, .self = &w};
    ow_db_write(store->db, &queued);
    return wait_for(&w);
}

ow_code test_store_read(test_store *store, test_store_job job, void *self) {
    waited w = {.store = store, .run = job, .self = self};
    ow_db_job queued = {.run = run, .done = on_done, .self = &w};
    ow_db_read(store->db, &queued);
    return wait_for(&w);
}
