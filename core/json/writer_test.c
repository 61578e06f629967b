#include "core/json/writer.h"

#include "core/json/check.h"
#include "core/testing/ow_test.h"

#include <math.h>
#include <string.h>

static int setup(void **state) {
    *state = ow_arena_new(1 << 20);
    return *state == NULL;
}

static int teardown(void **state) {
    ow_arena_free(*state);
    return 0;
}

static void sets_commas_and_escapes(void **state) {
    ow_json_writer w;
    ow_json_writer_init(&w, *state, 4096);
    ow_json_object_open(&w);
    ow_json_name(&w, "a\"b");
    ow_json_text(&w, "x\n\x01\\\x7f\xff\xc3\xbc");
    ow_json_name(&w, "list");
    ow_json_array_open(&w);
    ow_json_int(&w, -5);
    ow_json_bool(&w, true);
    ow_json_text(&w, NULL);
    ow_json_array_open(&w);
    ow_json_array_close(&w);
    ow_json_object_open(&w);
    ow_json_object_close(&w);
    ow_json_array_close(&w);
    ow_json_name(&w, "big");
    ow_json_int64_text(&w, INT64_MIN);
    ow_json_name(&w, "d");
    ow_json_double(&w, (double)INFINITY);
    ow_json_name(&w, "bytes");
    ow_json_bytes(&w, "\xff\x00", 2);
    ow_json_object_close(&w);
    size_t size;
    const char *text = ow_json_writer_end(&w, &size);
    assert_string_equal(text, "{\"a\\\"b\":\"x\\n\\u0001\\\\\x7f\xef\xbf\xbd\xc3\xbc\","
                              "\"list\":[-5,true,null,[],{}],\"big\":\"-9223372036854775808\","
                              "\"d\":\"Infinity\",\"bytes\":\"/wA=\"}");
    assert_int_equal(size, strlen(text));
    assert_int_equal(ow_json_check(text, size, 64, NULL), OW_OK);
}

static void keeps_its_maximum(void **state) {
    ow_json_writer w;
    ow_json_writer_init(&w, *state, 10);
    ow_json_text(&w, "12345678");
    assert_non_null(ow_json_writer_end(&w, NULL));
    ow_json_writer_init(&w, *state, 10);
    ow_json_text(&w, "123456789");
    assert_null(ow_json_writer_end(&w, NULL));
}

static void refuses_to_nest_too_deeply(void **state) {
    ow_json_writer w;
    ow_json_writer_init(&w, *state, 4096);
    for (int i = 0; i < 100; i++) {
        ow_json_array_open(&w);
    }
    for (int i = 0; i < 100; i++) {
        ow_json_array_close(&w);
    }
    assert_null(ow_json_writer_end(&w, NULL));
}

static void grows(void **state) {
    ow_json_writer w;
    ow_json_writer_init(&w, *state, 1 << 18);
    ow_json_array_open(&w);
    for (int i = 0; i < 10000; i++) {
        ow_json_int(&w, i);
    }
    ow_json_array_close(&w);
    size_t size;
    const char *text = ow_json_writer_end(&w, &size);
    assert_non_null(text);
    assert_int_equal(ow_json_check(text, size, 64, NULL), OW_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sets_commas_and_escapes, setup, teardown),
        cmocka_unit_test_setup_teardown(keeps_its_maximum, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_to_nest_too_deeply, setup, teardown),
        cmocka_unit_test_setup_teardown(grows, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
