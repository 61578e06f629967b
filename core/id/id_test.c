#include "core/id/id.h"

#include "core/testing/ow_test.h"

#include <stdlib.h>
#include <string.h>

static void ids_have_their_form(void **state) {
    (void)state;
    char id[OW_ID_MAX];
    ow_id_make(id, "plr_", INT64_C(1732233600123456));
    assert_int_equal(strlen(id), 4 + OW_ULID_LENGTH);
    assert_true(ow_id_is(id, "plr_"));
    assert_false(ow_id_is(id, "srv_"));
    assert_false(ow_id_is(id, ""));
    assert_int_equal(ow_id_time_ms(id), INT64_C(1732233600123));
    ow_id_make(id, "", 0);
    assert_true(ow_id_is(id, ""));
    assert_memory_equal(id, "0000000000", 10);
}

// The example of the specification.
static void the_time_is_where_ulid_puts_it(void **state) {
    (void)state;
    assert_int_equal(ow_id_time_ms("01ARZ3NDEKTSV4RRFFQ69G5FAV"), INT64_C(1469922850259));
    char id[OW_ID_MAX];
    ow_id_make(id, "x_", INT64_C(1469922850259) * 1000);
    assert_memory_equal(id, "x_01ARZ3NDEK", 12);
    ow_id_make(id, "", INT64_C(281474976710655) * 1000);
    assert_memory_equal(id, "7ZZZZZZZZZ", 10);
}

static void malformed_ids_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "plr_",
        "plr_01ARZ3NDEKTSV4RRFFQ69G5FA",
        "plr_01ARZ3NDEKTSV4RRFFQ69G5FAVX",
        "plr_81ARZ3NDEKTSV4RRFFQ69G5FAV",
        "plr_01arz3ndektsv4rrffq69g5fav",
        "plr_01ARZ3NDEKTSV4RRFFQ69G5FAU",
        "plr_01ARZ3NDEKTSV4RRFFQ69G5F\nV",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(ow_id_is(bad[i], "plr_"));
    }
    assert_false(ow_id_is(NULL, "plr_"));
    assert_int_equal(ow_id_time_ms("short"), -1);
    assert_int_equal(ow_id_time_ms(NULL), -1);
}

static int by_text(const void *a, const void *b) {
    return strcmp(a, b);
}

static void ids_differ_and_sort_by_time(void **state) {
    (void)state;
    enum { COUNT = 20000 };
    char(*ids)[OW_ID_MAX] = calloc(COUNT, OW_ID_MAX);
    for (int i = 0; i < COUNT; i++) {
        ow_id_make(ids[i], "a_", INT64_C(1732233600000000) + i / 10000 * 1000);
    }
    assert_true(strcmp(ids[0], ids[COUNT - 1]) < 0);
    qsort(ids, COUNT, OW_ID_MAX, by_text);
    for (int i = 1; i < COUNT; i++) {
        assert_string_not_equal(ids[i - 1], ids[i]);
    }
    free(ids);
}

static void random_bytes_are_filled(void **state) {
    (void)state;
    unsigned char bytes[4096] = {0};
    ow_random_bytes(bytes, sizeof bytes);
    int zeros = 0;
    for (size_t i = 0; i < sizeof bytes; i++) {
        zeros += bytes[i] == 0;
    }
    assert_in_range(zeros, 0, 60);
    ow_random_bytes(NULL, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_have_their_form),
        cmocka_unit_test(the_time_is_where_ulid_puts_it),
        cmocka_unit_test(malformed_ids_are_refused),
        cmocka_unit_test(ids_differ_and_sort_by_time),
        cmocka_unit_test(random_bytes_are_filled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
