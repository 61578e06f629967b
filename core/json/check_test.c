#include "core/json/check.h"

#include "core/testing/ow_test.h"

#include <stdlib.h>
#include <string.h>

typedef struct sample {
    const char *text;
    size_t size;
} sample;

#define S(literal)                                                                                 \
    { literal, sizeof(literal) - 1 }

// Each breaks one rule.
static const sample invalid[] = {
    // Nothing, or not only a value
    S(""),
    S(" "),
    S("\n\t "),
    S("1 2"),
    S("1,"),
    S("{}{}"),
    S("[]x"),
    S("null null"),
    S("true,"),
    S("\"a\" b"),
    S("// c\n1"),
    S("/* c */ 1"),
    S("1 // c"),
    S("# c\n1"),
    S("\xef\xbb\xbf{}"),
    S("\v1"),
    S("\f1"),
    S("\xc2\xa0"
      "1"),
    S("1\0"),
    S("\0"),
    S("[1\0]"),
    // Words
    S("nul"),
    S("nulll"),
    S("True"),
    S("TRUE"),
    S("fals"),
    S("falsy"),
    S("None"),
    S("undefined"),
    S("NaN"),
    S("Infinity"),
    S("-Infinity"),
    S("n"),
    S("t"),
    S("f"),
    S("abc"),
    S("'a'"),
    S("`a`"),
    // Numbers
    S("01"),
    S("-01"),
    S("00"),
    S("-"),
    S("+1"),
    S("1."),
    S(".5"),
    S("-.5"),
    S("1.e1"),
    S("1e"),
    S("1E"),
    S("1e+"),
    S("1e-"),
    S("1e1.5"),
    S("0x10"),
    S("0b1"),
    S("1_000"),
    S("1,000"),
    S("--1"),
    S("-+1"),
    S("1.2.3"),
    S("1e2e3"),
    S("1a"),
    S("0e"),
    S("-a"),
    S("\xef\xbc\x91"),
    S("1 000"),
    S("2.e3"),
    S("[-]"),
    S("[1.]"),
    S("[0123]"),
    S("0."),
    S("-0."),
    // Strings
    S("\""),
    S("\"a"),
    S("\"\\\""),
    S("\"\\"),
    S("\"\\x41\""),
    S("\"\\a\""),
    S("\"\\0\""),
    S("\"\\'\""),
    S("\"\\u\""),
    S("\"\\u1\""),
    S("\"\\u12\""),
    S("\"\\u123\""),
    S("\"\\u123g\""),
    S("\"\\U0041\""),
    S("\"\\u 041\""),
    S("\"\\u0000\""),
    S("\"a\\u0000b\""),
    S("\"\\ud800\""),
    S("\"\\ud800x\""),
    S("\"\\ud800\\n\""),
    S("\"\\ud800\\ud800\""),
    S("\"\\udc00\""),
    S("\"\\ud834\\u0041\""),
    S("\"\\ud834\\"),
    S("\"\\ud834\\udd1\""),
    S("\"a\nb\""),
    S("\"a\tb\""),
    S("\"a\rb\""),
    S("\"\x01\""),
    S("\"\x1f\""),
    S("\"a\0b\""),
    S("\"\\u-123\""),
    // UTF-8
    S("\"\x80\""),
    S("\"\xbf\""),
    S("\"\xc0\x80\""),
    S("\"\xc1\xbf\""),
    S("\"\xc2\""),
    S("\"\xc2\x20\""),
    S("\"\xe0\x80\x80\""),
    S("\"\xe0\x9f\xbf\""),
    S("\"\xe2\x82\""),
    S("\"\xed\xa0\x80\""),
    S("\"\xed\xbf\xbf\""),
    S("\"\xf0\x80\x80\x80\""),
    S("\"\xf0\x8f\xbf\xbf\""),
    S("\"\xf0\x9f\x98\""),
    S("\"\xf4\x90\x80\x80\""),
    S("\"\xf5\x80\x80\x80\""),
    S("\"\xfe\""),
    S("\"\xff\""),
    S("\"\xc3\xc3\""),
    S("{\"\xff\":1}"),
    // Arrays
    S("["),
    S("]"),
    S("[1"),
    S("[1,"),
    S("[,"),
    S("[,]"),
    S("[1,]"),
    S("[,1]"),
    S("[1,,2]"),
    S("[1 2]"),
    S("[1:2]"),
    S("[1}"),
    S("[1;2]"),
    S("[[]"),
    S("[]]"),
    S("[\"a\""),
    S("[a]"),
    S("[1,\n]"),
    S("[...]"),
    S("[{]}"),
    // Objects
    S("{"),
    S("}"),
    S("{\"a\""),
    S("{\"a\":"),
    S("{\"a\":1"),
    S("{\"a\":1,"),
    S("{\"a\":1,}"),
    S("{,}"),
    S("{,\"a\":1}"),
    S("{\"a\":1,,\"b\":2}"),
    S("{\"a\" 1}"),
    S("{\"a\"::1}"),
    S("{\"a\":}"),
    S("{\"a\",\"b\"}"),
    S("{a:1}"),
    S("{'a':1}"),
    S("{1:1}"),
    S("{null:1}"),
    S("{\"a\":1]"),
    S("{\"a\":1 \"b\":2}"),
    S("{\"a\"=1}"),
    S("{[1]:1}"),
    S("{\"a\":1;\"b\":2}"),
    S("{\"a\":1}}"),
    S("{:1}"),
    S("{\"a\":1:2}"),
    S("{\"a\":/**/1}"),
};

static const sample valid[] = {
    S("0"),
    S("-0"),
    S("1"),
    S("-1"),
    S("10"),
    S("0.0"),
    S("-0.5e+10"),
    S("1E9"),
    S("1e-9"),
    S("1e999"),
    S("123456789012345678901234567890"),
    S(" \t\r\n1 \t\r\n"),
    S("true"),
    S("false"),
    S("null"),
    S("\"\""),
    S("\"a\""),
    S("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
    S("\"\\u0041\\uFFFF\""),
    S("\"\\ud834\\udd1e\""),
    S("\"\\uDBFF\\uDFFF\""),
    S("\"\x7f\""),
    S("\"\xc2\x80\""),
    S("\"\xdf\xbf\""),
    S("\"\xe0\xa0\x80\""),
    S("\"\xed\x9f\xbf\""),
    S("\"\xee\x80\x80\""),
    S("\"\xef\xbf\xbf\""),
    S("\"\xf0\x90\x80\x80\""),
    S("\"\xf4\x8f\xbf\xbf\""),
    S("[]"),
    S("{}"),
    S("[ ]"),
    S("{ }"),
    S("[1]"),
    S("[1,2,[3,[]]]"),
    S("{\"a\":1}"),
    S("{\"\":{}}"),
    S("{\"a\":[{\"b\":null}],\"c\":\"d\"}"),
    S("{\"a\":1,\"a\":2}"),
    S("[{},[],\"\",0,true]"),
    S(" [ 1 , 2 ] "),
    S(" { \"a\" : 1 , \"b\" : [ ] } "),
};

static void refuses_every_invalid_form(void **state) {
    (void)state;
    assert_true(sizeof invalid / sizeof invalid[0] >= 100);
    for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++) {
        ow_err err;
        if (ow_json_check(invalid[i].text, invalid[i].size, 64, &err) != OW_INVALID_ARGUMENT) {
            fail_msg("accepted: %s (entry %zu)", invalid[i].text, i);
        }
        assert_string_equal(err.reason, "invalid_json");
    }
}

static void accepts_valid_forms(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof valid / sizeof valid[0]; i++) {
        ow_err err;
        if (ow_json_check(valid[i].text, valid[i].size, 64, &err) != OW_OK) {
            fail_msg("refused: %s: %s", valid[i].text, err.message);
        }
    }
}

// Cutting a document anywhere leaves no document; needs ASan to show reads behind the end.
static void refuses_every_prefix(void **state) {
    (void)state;
    static const char text[] =
        "{\"a\":[1.5e3,{\"\\ud834\\udd1e\":null},true,\"\xf0\x9f\x98\x80\"]}";
    for (size_t size = 0; size < sizeof text - 1; size++) {
        char *copy = malloc(size + 1);
        memcpy(copy, text, size);
        assert_int_equal(ow_json_check(copy, size, 64, NULL), OW_INVALID_ARGUMENT);
        free(copy);
    }
    assert_int_equal(ow_json_check(text, sizeof text - 1, 64, NULL), OW_OK);
}

static void bounds_the_depth(void **state) {
    (void)state;
    char text[400];
    for (int depth = 1; depth <= 70; depth++) {
        size_t size = 0;
        for (int i = 0; i < depth; i++) {
            text[size++] = '[';
        }
        for (int i = 0; i < depth; i++) {
            text[size++] = ']';
        }
        assert_int_equal(ow_json_check(text, size, 64, NULL) == OW_OK, depth <= 64);
        assert_int_equal(ow_json_check(text, size, 3, NULL) == OW_OK, depth <= 3);
    }
    static const char objects[] = "{\"a\":{\"b\":{\"c\":[]}}}";
    assert_int_equal(ow_json_check(objects, sizeof objects - 1, 4, NULL), OW_OK);
    assert_int_equal(ow_json_check(objects, sizeof objects - 1, 3, NULL), OW_INVALID_ARGUMENT);
}

static void names_the_byte(void **state) {
    (void)state;
    ow_err err;
    ow_json_check("{\"a\": tru}", 10, 64, &err);
    assert_non_null(strstr(err.message, "byte 6"));
    ow_json_check("[1,2", 4, 64, &err);
    assert_non_null(strstr(err.message, "byte 4"));
}

static void checks_utf8(void **state) {
    (void)state;
    assert_true(ow_utf8_check("", 0));
    assert_true(ow_utf8_check("gr\xc3\xbc\xc3\x9f dich", 11));
    assert_false(ow_utf8_check("a\0b", 3));
    assert_false(ow_utf8_check("\xed\xa0\x80", 3));
    assert_false(ow_utf8_check("\xc3", 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_every_invalid_form),
        cmocka_unit_test(accepts_valid_forms),
        cmocka_unit_test(refuses_every_prefix),
        cmocka_unit_test(bounds_the_depth),
        cmocka_unit_test(names_the_byte),
        cmocka_unit_test(checks_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
