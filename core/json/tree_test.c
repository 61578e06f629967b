#include "core/json/tree.h"

#include "core/testing/ow_test.h"

#include <string.h>

static const char text[] = "{\"Name\":\"a\",\"n\":12,\"big\":9007199254740993,\"f\":1.5,\"b\":true,"
                           "\"list\":[1,\"x\",null]}";

static void reads_members_by_exact_name(void **state) {
    (void)state;
    ow_json *json = NULL;
    ow_err err;
    assert_int_equal(ow_json_parse(text, sizeof text - 1, 64, &json, &err), OW_OK);
    assert_string_equal(ow_json_string(ow_json_get(json, "Name")), "a");
    assert_null(ow_json_get(json, "name"));
    int64_t n;
    assert_true(ow_json_as_int(ow_json_get(json, "n"), &n));
    assert_int_equal(n, 12);
    assert_false(ow_json_as_int(ow_json_get(json, "f"), &n));
    assert_false(ow_json_as_int(ow_json_get(json, "Name"), &n));
    bool b;
    assert_true(ow_json_as_bool(ow_json_get(json, "b"), &b) && b);
    assert_false(ow_json_as_bool(ow_json_get(json, "absent"), &b));
    ow_json_free(json);
}

static void walks_in_order(void **state) {
    (void)state;
    ow_json *json = NULL;
    assert_int_equal(ow_json_parse(text, sizeof text - 1, 64, &json, NULL), OW_OK);
    assert_int_equal(ow_json_count(json), 6);
    assert_string_equal(ow_json_name_of(ow_json_first(json)), "Name");
    const ow_json *item = ow_json_first(ow_json_get(json, "list"));
    assert_int_equal(ow_json_kind_of(item), OW_JSON_NUMBER);
    item = ow_json_next(item);
    assert_int_equal(ow_json_kind_of(item), OW_JSON_STRING);
    item = ow_json_next(item);
    assert_int_equal(ow_json_kind_of(item), OW_JSON_NULL);
    assert_null(ow_json_next(item));
    ow_json_free(json);
}

static void refuses_what_the_check_refuses(void **state) {
    (void)state;
    ow_json *json = NULL;
    assert_int_equal(ow_json_parse("[1,]", 4, 64, &json, NULL), OW_INVALID_ARGUMENT);
    assert_int_equal(ow_json_parse("[[1]]", 5, 1, &json, NULL), OW_INVALID_ARGUMENT);
    assert_null(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_members_by_exact_name),
        cmocka_unit_test(walks_in_order),
        cmocka_unit_test(refuses_what_the_check_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
