#include "core/json/pointer.h"

#include "core/testing/ow_test.h"

#include <string.h>

// The document of RFC 6901 chapter 5, and what its pointers evaluate to.
static const char document[] =
    "{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,\"g|h\":4,\"i\\\\j\":5,"
    "\"k\\\"l\":6,\" \":7,\"m~n\":8}";

static void evaluates_the_rfc_s_examples(void **state) {
    (void)state;
    static const struct {
        const char *pointer;
        int64_t wanted;
    } numbers[] = {{"/", 0},     {"/a~1b", 1}, {"/c%d", 2}, {"/e^f", 3}, {"/g|h", 4},
                   {"/i\\j", 5}, {"/k\"l", 6}, {"/ ", 7},   {"/m~0n", 8}};
    ow_json *json = NULL;
    assert_int_equal(ow_json_parse(document, sizeof document - 1, 8, &json, NULL), OW_OK);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int64_t value;
        assert_int_equal(ow_json_pointer_check(numbers[i].pointer, NULL), OW_OK);
        assert_true(ow_json_as_int(ow_json_pointer_get(json, numbers[i].pointer), &value));
        assert_int_equal(value, numbers[i].wanted);
    }
    assert_ptr_equal(ow_json_pointer_get(json, ""), json);
    assert_int_equal(ow_json_count(ow_json_pointer_get(json, "/foo")), 2);
    assert_string_equal(ow_json_string(ow_json_pointer_get(json, "/foo/0")), "bar");
    ow_json_free(json);
}

static void finds_nothing_where_nothing_is(void **state) {
    (void)state;
    static const char *const none[] = {"/bar",   "/foo/2",   "/foo/-", "/foo/01",
                                       "/foo/x", "/foo/0/0", "/foo/",  "/foo/99999999999999999999",
                                       "/foo/-1"};
    ow_json *json = NULL;
    assert_int_equal(ow_json_parse(document, sizeof document - 1, 8, &json, NULL), OW_OK);
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_null(ow_json_pointer_get(json, none[i]));
    }
    assert_null(ow_json_pointer_get(NULL, "/a"));
    ow_json_free(json);
}

static void refuses_malformed_ones(void **state) {
    (void)state;
    static const char *const bad[] = {"a", "/a~", "/a~2", "/\xff", "#/a"};
    char longer[OW_JSON_POINTER_MAX + 2];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ow_json_pointer_check(bad[i], NULL), OW_INVALID_ARGUMENT);
    }
    memset(longer, '/', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(ow_json_pointer_check(longer, NULL), OW_INVALID_ARGUMENT);
    longer[OW_JSON_POINTER_MAX] = '\0';
    assert_int_equal(ow_json_pointer_check(longer, NULL), OW_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(evaluates_the_rfc_s_examples),
        OW_TEST(finds_nothing_where_nothing_is),
        OW_TEST(refuses_malformed_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
