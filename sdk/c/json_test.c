#include "sdk/c/json.h"

#include "core/testing/ow_test.h"

#include <stdlib.h>
#include <string.h>

static sdk_json parse(const char *text) {
    return sdk_json_parse(text, strlen(text));
}

static void what_is_not_json_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        " ",
        "{",
        "}",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\n\"",
        "\"\\",
        "\"\\\"",
        "01",
        "-",
        "+1",
        "1.",
        ".1",
        "1e",
        "1e+",
        "--1",
        "tru",
        "nul",
        "True",
        "1 2",
        "{} {}",
        "[1}",
        "{\"a\":1]",
        "'a'",
        "// a\n1",
        "\xef\xbb\xbf{}",
        "NaN",
        "[\"a\" \"b\"]",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (parse(bad[i]).at != NULL) {
            fail_msg("taken: %s", bad[i]);
        }
    }
    assert_null(sdk_json_parse(NULL, 0).at);
    assert_null(sdk_json_parse("\"\0\"", 3).at);
    assert_null(sdk_json_parse("{\"a\":1}", 6).at);
}

static void what_is_json_is_taken(void **state) {
    (void)state;
    static const char *const good[] = {
        "{}",
        "[]",
        " [ ] ",
        "0",
        "-0",
        "-1.5e+10",
        "1E2",
        "true",
        "false",
        "null",
        "\"\"",
        "\"\\u00e9\\n\\\"\"",
        "{ \"a\" : [ 1 , {\"b\":null} ] , \"c\" : \"d\" }\r\n",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (parse(good[i]).at == NULL) {
            fail_msg("refused: %s", good[i]);
        }
    }
}

static void depth_is_bounded(void **state) {
    (void)state;
    enum { DEEP = 100000 };
    char *text = malloc(2 * DEEP);
    assert_non_null(text);
    memset(text, '[', DEEP);
    memset(text + DEEP, ']', DEEP);
    assert_null(sdk_json_parse(text, 2 * DEEP).at);
    assert_non_null(sdk_json_parse(text + DEEP - 64, 128).at);
    assert_null(sdk_json_parse(text + DEEP - 65, 130).at);
    free(text);
}

static void members_and_elements_are_found(void **state) {
    (void)state;
    sdk_json json =
        parse("{\"x\":{\"a\":\"no\"},\"\\u0061\":\"first\",\"a\":2, \"l\":[ 1 ,[],\"z\"]}");
    char text[16];
    assert_true(sdk_json_text(sdk_json_member(json, "a"), text, sizeof text));
    assert_string_equal(text, "first");
    assert_null(sdk_json_member(json, "b").at);
    assert_null(sdk_json_member(parse("[]"), "a").at);
    assert_null(sdk_json_member(parse("{}"), "a").at);
    sdk_json list = sdk_json_member(json, "l");
    sdk_json one = sdk_json_element(list, (sdk_json){NULL, 0});
    sdk_json two = sdk_json_element(list, one);
    sdk_json three = sdk_json_element(list, two);
    assert_memory_equal(one.at, "1", one.size);
    assert_memory_equal(two.at, "[]", two.size);
    assert_memory_equal(three.at, "\"z\"", three.size);
    assert_null(sdk_json_element(list, three).at);
    assert_null(sdk_json_element(parse("[]"), (sdk_json){NULL, 0}).at);
    assert_null(sdk_json_element(json, (sdk_json){NULL, 0}).at);
    assert_false(sdk_json_is_true(two));
    assert_true(sdk_json_is_true(sdk_json_member(parse("{\"t\":true}"), "t")));
}

static void text_is_decoded_and_cut_between_characters(void **state) {
    (void)state;
    static const struct {
        const char *json;
        size_t room;
        const char *wanted; /* NULL: refused */
    } cases[] = {
        {"\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\"", 32, "a\"\\/\b\f\n\r\t"},
        {"\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"", 32, "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"\"\\ud83d\"", 32, NULL},
        {"\"\\ud83d\\u0041\"", 32, NULL},
        {"\"\\ud83d\\n\"", 32, NULL},
        {"\"\\ude00\\ud83d\"", 32, NULL},
        {"\"\\u0000\"", 32, NULL},
        {"1", 32, NULL},
        {"\"abc\"", 3, "ab"},
        {"\"abc\"", 1, ""},
        {"\"a\xc3\xa9\"", 3, "a"},
        {"\"a\\u20ac\"", 4, "a"},
        {"\"a\xf0\x9f\x98\x80\"", 5, "a"},
        {"\"a\xf0\x9f\x98\x80\"", 6, "a\xf0\x9f\x98\x80"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[32];
        bool ok = sdk_json_text(parse(cases[i].json), text, cases[i].room);
        assert_int_equal(ok, cases[i].wanted != NULL);
        assert_string_equal(text, ok ? cases[i].wanted : "");
    }
}

static void what_is_written_can_be_read(void **state) {
    (void)state;
    const char *odd = "q\" b\\ n\n \x01 \xc3\xa9";
    const sdk_json_field fields[] = {
        {"none", NULL, false}, {"odd", odd, false}, {"b", "", false}, {"t", "true", true}};
    char *text = sdk_json_object(fields, 4);
    assert_non_null(text);
    sdk_json json = parse(text);
    char *read = sdk_json_text_dup(sdk_json_member(json, "odd"));
    assert_string_equal(read, odd);
    assert_null(sdk_json_member(json, "none").at);
    assert_non_null(sdk_json_member(json, "b").at);
    assert_true(sdk_json_is_true(sdk_json_member(json, "t")));
    free(read);
    free(text);
    text = sdk_json_object(NULL, 0);
    assert_string_equal(text, "{}");
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(what_is_not_json_is_refused),
        OW_TEST(what_is_json_is_taken),
        OW_TEST(depth_is_bounded),
        OW_TEST(members_and_elements_are_found),
        OW_TEST(text_is_decoded_and_cut_between_characters),
        OW_TEST(what_is_written_can_be_read),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
