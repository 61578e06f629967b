#include "core/json/walk.h"

#include "core/testing/ow_test.h"

#include <string.h>

static void assert_slice(const ow_json_slice *slice, const char *wanted) {
    assert_int_equal(slice->size, strlen(wanted));
    assert_memory_equal(slice->text, wanted, slice->size);
}

static void walks_members_as_written(void **state) {
    (void)state;
    static const char text[] = " { \"a\" : 9007199254740993 , \"b\\n\":[1, {\"x\":\"]\"}],"
                               "\"c\":\"q\\\"}\" ,\"d\":null}";
    static const struct {
        const char *name, *value;
        ow_json_kind kind;
    } wanted[] = {{"\"a\"", "9007199254740993", OW_JSON_NUMBER},
                  {"\"b\\n\"", "[1, {\"x\":\"]\"}]", OW_JSON_ARRAY},
                  {"\"c\"", "\"q\\\"}\"", OW_JSON_STRING},
                  {"\"d\"", "null", OW_JSON_NULL}};
    ow_json_walk walk;
    ow_json_slice name, value;
    assert_true(ow_json_walk_begin(&walk, text, sizeof text - 1));
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        assert_true(ow_json_walk_next(&walk, &name, &value));
        assert_slice(&name, wanted[i].name);
        assert_slice(&value, wanted[i].value);
        assert_int_equal(ow_json_slice_kind(&value), wanted[i].kind);
    }
    assert_false(ow_json_walk_next(&walk, &name, &value));
}

static void walks_elements(void **state) {
    (void)state;
    ow_json_walk walk;
    ow_json_slice value;
    assert_true(ow_json_walk_begin(&walk, "[true, -1]", 10));
    assert_true(ow_json_walk_next(&walk, NULL, &value));
    assert_slice(&value, "true");
    assert_true(ow_json_walk_next(&walk, NULL, &value));
    assert_slice(&value, "-1");
    assert_false(ow_json_walk_next(&walk, NULL, &value));
    assert_true(ow_json_walk_begin(&walk, "{ }", 3));
    assert_false(ow_json_walk_next(&walk, NULL, &value));
    assert_false(ow_json_walk_begin(&walk, "\"[\"", 3));
    assert_false(ow_json_walk_begin(&walk, "", 0));
}

static void decodes_strings(void **state) {
    (void)state;
    ow_arena *arena = ow_arena_new(4096);
    ow_json_slice text = {"\"a\\u00e9\\n\"", 11};
    ow_json_slice number = {"1", 1};
    size_t size;
    assert_string_equal(ow_json_slice_string_in(arena, &text, &size), "a\xc3\xa9\n");
    assert_int_equal(size, 4);
    assert_null(ow_json_slice_string_in(arena, &number, NULL));
    ow_arena_free(arena);
}

static void decodes_base64(void **state) {
    (void)state;
    ow_arena *arena = ow_arena_new(4096);
    ow_json_slice good = {"\"AAEC/w==\"", 10};
    ow_json_slice bad = {"\"A\"", 3};
    uint8_t *bytes;
    size_t size;
    assert_true(ow_json_slice_base64_in(arena, &good, &bytes, &size));
    assert_int_equal(size, 4);
    assert_memory_equal(bytes, "\x00\x01\x02\xff", 4);
    assert_false(ow_json_slice_base64_in(arena, &bad, &bytes, &size));
    ow_arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(walks_members_as_written),
        OW_TEST(walks_elements),
        OW_TEST(decodes_strings),
        OW_TEST(decodes_base64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
