#include "core/json/check.h"

#include "core/json/refused_samples.h"
#include "core/testing/ow_test.h"

#include <stdlib.h>
#include <string.h>

#define S(literal)                                                                                 \
    { literal, sizeof(literal) - 1 }

static const ow_json_sample valid[] = {
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
    assert_true(ow_json_refused_count >= 200);
    for (size_t i = 0; i < ow_json_refused_count; i++) {
        const ow_json_sample *sample = &ow_json_refused[i];
        ow_err err;
        if (ow_json_check(sample->text, sample->size, 64, &err) != OW_INVALID_ARGUMENT) {
            fail_msg("accepted: %s (entry %zu)", sample->text, i);
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
