// The first answer comes again, to whom it was given, for as long as a day.

#include "core/request_key/request_key.h"

#include "core/testing/ow_test.h"
#include "core/testing/store.h"
#include "google/protobuf/timestamp.pb-c.h"

#include <stdlib.h>
#include <string.h>

#define DAY_US (INT64_C(24) * 3600 * 1000000)

static const ow_db_migration migrations[] = {{.number = 1, .sql = OW_REQUEST_KEY_TABLES},
                                             {.number = 0, .sql = NULL}};

typedef struct fixture {
    test_store store;
    ow_request_key key;
    int64_t asked, made; // seconds of the request, of the answer when it is the first
    int64_t answered;
    bool found;
} fixture;

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    test_store_open(&f->store, migrations);
    f->key = (ow_request_key){
        .title = "ttl_1", .principal = "opr_1", .method = "Make", .now_us = 5 * DAY_US};
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    test_store_close(&f->store);
    free(f);
    return 0;
}

static ow_code step(ow_db_conn *db, void *self, ow_err *err) {
    fixture *f = self;
    Google__Protobuf__Timestamp request = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    Google__Protobuf__Timestamp reply = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    request.seconds = f->asked;
    f->key.request = &request.base;
    ow_code code = ow_request_key_find(db, &f->key, &reply.base, &f->found, err);
    if (code == OW_OK && !f->found) {
        reply.seconds = f->made;
        code = ow_request_key_keep(db, &f->key, &reply.base, err);
    }
    f->answered = reply.seconds;
    return code;
}

static int64_t ask(fixture *f, const char *key, int64_t asked, int64_t made) {
    f->key.key = key;
    f->asked = asked;
    f->made = made;
    f->key.arena = ow_arena_new(1 << 16);
    ow_code code = test_store_write(&f->store, step, f);
    ow_arena_free(f->key.arena);
    return code == OW_OK ? f->answered : -1;
}

static void gives_the_first_answer(void **state) {
    fixture *f = *state;
    assert_int_equal(ask(f, "k", 1, 10), 10);
    assert_int_equal(ask(f, "k", 1, 11), 10);
    assert_int_equal(ask(f, "", 1, 12), 12);
    assert_int_equal(ask(f, "", 1, 13), 13);
    assert_int_equal(ask(f, "k", 2, 14), -1);
    assert_string_equal(f->store.err.reason, "request_key_reused");
    // Another's, elsewhere, of another method.
    f->key.principal = "opr_2";
    assert_int_equal(ask(f, "k", 2, 15), 15);
    f->key.title = "ttl_2";
    assert_int_equal(ask(f, "k", 2, 16), 16);
    f->key.method = "MakeMore";
    assert_int_equal(ask(f, "k", 2, 17), 17);
}

static void forgets_after_a_day(void **state) {
    fixture *f = *state;
    assert_int_equal(ask(f, "k", 1, 10), 10);
    f->key.now_us += DAY_US - 1;
    assert_int_equal(ask(f, "k", 1, 11), 10);
    f->key.now_us += 1;
    assert_int_equal(ask(f, "k", 2, 12), 12);
    assert_int_equal(ask(f, "k", 2, 13), 12);
}

static void a_key_is_one_short_line(void **state) {
    (void)state;
    ow_err err;
    char text[82];
    memset(text, 'x', sizeof text);
    text[80] = '\0';
    assert_int_equal(ow_request_key_check("", &err), OW_OK);
    assert_int_equal(ow_request_key_check(text, &err), OW_OK);
    text[80] = 'x';
    text[81] = '\0';
    assert_int_equal(ow_request_key_check(text, &err), OW_INVALID_ARGUMENT);
    assert_int_equal(ow_request_key_check("two\nlines", &err), OW_INVALID_ARGUMENT);
    assert_int_equal(ow_request_key_check("\x7f", &err), OW_INVALID_ARGUMENT);
    assert_int_equal(ow_request_key_check("\xff", &err), OW_INVALID_ARGUMENT);
    assert_string_equal(err.reason, "bad_request_key");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(gives_the_first_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(forgets_after_a_day, set_up, tear_down),
        cmocka_unit_test(a_key_is_one_short_line),
    };
    return cmocka_run_group_tests_name("request_key", tests, NULL, NULL);
}
