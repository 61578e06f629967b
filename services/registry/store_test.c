// The registry's store by itself: what the API does not show.

#include "services/registry/migrations/migrations.h"
#include "services/registry/registry_store.h"

#include "core/audit/audit.h"
#include "core/testing/ow_test.h"
#include "core/testing/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { A_JOB = 128, SERVERS_OF_TITLE = 4096 };

typedef struct fixture {
    test_store store;
    ow_arena *arena;
    // Inputs and results of the jobs.
    const char *name;
    bool fails, by_function;
    int from; // the number of the first
    int64_t rows;
    char last[200];
} fixture;

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    test_store_open(&f->store, registry_migrations);
    f->arena = ow_arena_new(1 << 20);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    test_store_close(&f->store);
    ow_arena_free(f->arena);
    free(f);
    return 0;
}

static ow_code write_job(fixture *f, test_store_job run) {
    return test_store_write(&f->store, run, f);
}

static tx tx_in(fixture *f, ow_db_conn *conn, ow_err *err) {
    return (tx){.db = conn,
                .arena = f->arena,
                .err = err,
                .now_us = 1000,
                .title = "",
                .principal = "opr_1",
                .request_id = "req_1",
                .address = "203.0.113.7",
                .fresh_id = f->name};
}

static ow_code create_title(ow_db_conn *conn, void *self, ow_err *err) {
    fixture *f = self;
    tx t = tx_in(f, conn, err);
    title_msg title = OVERWORLD__REGISTRY__V1__TITLE__INIT;
    ow_code code = store_title_create(&t, f->name, &title);
    return code == OW_OK && f->fails ? ow_fail(err, OW_ABORTED, "test", "on purpose") : code;
}

static ow_code take_audit(void *self, const ow_audit_entry *e, ow_err *err) {
    fixture *f = self;
    (void)err;
    f->rows++;
    snprintf(f->last, sizeof f->last, "%s %s %s > %s %s %s %s %d", e->action, e->object, e->before,
             e->after, e->principal, e->address, e->request_id, strcmp(e->object, e->title) == 0);
    return OW_OK;
}

static ow_code read_audit(ow_db_conn *conn, void *self, ow_err *err) {
    fixture *f = self;
    f->rows = 0;
    ow_audit_filter all = {.title = "",
                           .every_title = true,
                           .principal = "",
                           .action = "",
                           .object = "",
                           .request_id = "",
                           .until_us = INT64_MAX,
                           .below = INT64_MAX,
                           .limit = 100};
    return ow_audit_list(conn, &all, take_audit, f, err);
}

static void audits_in_the_transaction_of_the_change(void **state) {
    fixture *f = *state;
    f->name = "A";
    assert_int_equal(write_job(f, create_title), OW_OK);
    assert_int_equal(write_job(f, read_audit), OW_OK);
    assert_int_equal(f->rows, 1);
    assert_string_equal(f->last,
                        "title.create ttl_A  > {\"name\":\"A\"} opr_1 203.0.113.7 req_1 1");
    f->name = "B";
    f->fails = true;
    assert_int_equal(write_job(f, create_title), OW_ABORTED);
    assert_int_equal(write_job(f, read_audit), OW_OK);
    assert_int_equal(f->rows, 1);
}

static ow_code many_changes(ow_db_conn *conn, void *self, ow_err *err) {
    fixture *f = self;
    ow_code code = OW_OK;
    for (int i = 0; code == OW_OK && i < 200; i++) {
        char name[20];
        snprintf(name, sizeof name, "vs%d", i);
        tx t = tx_in(f, conn, err);
        t.title = "ttl_A";
        t.fresh_id = name;
        server_row row;
        code = store_server_create(&t, name, "c", "", &row);
    }
    return code;
}

static ow_code read_changes(ow_db_conn *conn, void *self, ow_err *err) {
    fixture *f = self;
    tx t = tx_in(f, conn, err);
    int64_t after = 0;
    stored_changes changes = {.more = true};
    f->rows = 0;
    while (changes.more) {
        ow_code code = store_changes_since(&t, after, &changes);
        if (code != OW_OK) {
            return code;
        }
        for (size_t i = 0; i < changes.count; i++) {
            assert_true(changes.changes[i].sequence > after);
            after = changes.changes[i].sequence;
            f->rows++;
        }
        assert_true(changes.count > 0 || !changes.more);
        after = changes.last;
    }
    return OW_OK;
}

static void reads_many_changes_in_pieces_in_order(void **state) {
    fixture *f = *state;
    f->name = "A";
    write_job(f, create_title);
    assert_int_equal(write_job(f, many_changes), OW_OK);
    f->name = "B";
    write_job(f, create_title);
    assert_int_equal(write_job(f, read_changes), OW_OK);
    assert_int_equal(f->rows, 202);
}

// Arena and time of a job have a bound: some at once.
static ow_code create_some(ow_db_conn *conn, void *self, ow_err *err) {
    fixture *f = self;
    ow_code code = OW_OK;
    for (int i = 0; code == OW_OK && i < A_JOB; i++) {
        char name[20];
        snprintf(name, sizeof name, "server_%05d", f->from + i);
        tx t = tx_in(f, conn, err);
        t.title = "ttl_A";
        t.fresh_id = name;
        server_row row;
        code = store_server_create(&t, name, "c", "", &row);
        snprintf(f->last, sizeof f->last, "%s", code == OW_OK ? "" : err->reason);
    }
    return code;
}

static ow_code find_by_part(ow_db_conn *conn, void *self, ow_err *err) {
    fixture *f = self;
    tx t = tx_in(f, conn, err);
    t.title = "ttl_A";
    list_servers_request request = OVERWORLD__REGISTRY__V1__LIST_VIRTUAL_SERVERS_REQUEST__INIT;
    list_servers_response page = OVERWORLD__REGISTRY__V1__LIST_VIRTUAL_SERVERS_RESPONSE__INIT;
    *(f->by_function ? &request.function_contains : &request.name_contains) =
        (char *)(uintptr_t)f->name;
    ow_code code = store_servers_list(&t, &request, 100, &page);
    f->rows = code == OW_OK ? (int64_t)page.n_virtual_servers : -1;
    snprintf(f->last, sizeof f->last, "%s", f->rows > 0 ? page.virtual_servers[0]->name : "");
    return code;
}

static void a_title_has_room_for_thousands(void **state) {
    fixture *f = *state;
    f->name = "A";
    write_job(f, create_title);
    for (f->from = 0; f->from < SERVERS_OF_TITLE; f->from += A_JOB) {
        assert_int_equal(write_job(f, create_some), OW_OK);
        f->arena = (ow_arena_free(f->arena), ow_arena_new(1 << 20));
    }
    assert_int_equal(write_job(f, create_some), OW_RESOURCE_EXHAUSTED);
    assert_string_equal(f->last, "too_many_virtual_servers");
    f->name = "_04095";
    assert_int_equal(write_job(f, find_by_part), OW_OK);
    assert_int_equal(f->rows, 1);
    assert_string_equal(f->last, "server_04095");
    f->arena = (ow_arena_free(f->arena), ow_arena_new(8 << 20));
    assert_int_equal(write_job(f, read_changes), OW_OK);
    assert_int_equal(f->rows, SERVERS_OF_TITLE + 1);
}

// "new" knows the names beside its revision, which is not there: nothing else is read. "old" was deployed before.
static ow_code make_old_and_new(ow_db_conn *conn, void *self, ow_err *err) {
    fixture *f = self;
    tx t = tx_in(f, conn, err);
    Overworld__Registry__V1__FunctionInfo greet = OVERWORLD__REGISTRY__V1__FUNCTION_INFO__INIT;
    Overworld__Registry__V1__FunctionInfo *functions[] = {&greet};
    route_revision_msg old = OVERWORLD__REGISTRY__V1__ROUTE_REVISION__INIT;
    uint8_t body[64];
    greet.name = (char *)(uintptr_t) "greet_all";
    old.functions = functions;
    old.n_functions = 1;
    assert_true(overworld__registry__v1__route_revision__get_packed_size(&old) < sizeof body);
    size_t size = overworld__registry__v1__route_revision__pack(&old, body);
    t.title = "ttl_A";
    server_row row;
    ow_code code = store_server_create(&t, "new", "c", "", &row);
    code = code == OW_OK ? store_server_create(&t, "old", "c", "", &row) : code;
    code = code == OW_OK ? ow_db_exec(conn, NULL, err,
                                      "UPDATE virtual_servers SET functions = $1 WHERE name = $2",
                                      "tt", "greet\nleave\n", "new")
                         : code;
    code = code == OW_OK ? ow_db_exec(conn, NULL, err,
                                      "UPDATE virtual_servers SET latest_revision = $1"
                                      " WHERE name = $2",
                                      "tt", "r1", "old")
                         : code;
    return code == OW_OK
               ? ow_db_exec(conn, NULL, err,
                            "INSERT INTO revisions (title_id, virtual_server, revision_id, version,"
                            " created_us, created_by, description, bundle_sha256, body)"
                            " VALUES ('ttl_A', 'old', 'r1', 0, 1, '', '', '', $1)",
                            "b", body, size)
               : code;
}

static void expect_with_function(fixture *f, const char *part, int64_t count, const char *first) {
    f->name = part;
    assert_int_equal(test_store_read(&f->store, find_by_part, f), OW_OK);
    assert_int_equal(f->rows, count);
    assert_string_equal(f->last, first);
}

static void functions_are_found_without_their_revisions(void **state) {
    fixture *f = *state;
    f->name = "A";
    write_job(f, create_title);
    assert_int_equal(write_job(f, make_old_and_new), OW_OK);
    f->by_function = true;
    expect_with_function(f, "leav", 1, "new");
    expect_with_function(f, "_all", 1, "old");
    expect_with_function(f, "GREET", 2, "new");
    expect_with_function(f, "nothing", 0, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(audits_in_the_transaction_of_the_change, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reads_many_changes_in_pieces_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_title_has_room_for_thousands, set_up, tear_down),
        cmocka_unit_test_setup_teardown(functions_are_found_without_their_revisions, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
