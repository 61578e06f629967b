#include "core/json/schema.h"

#include "core/testing/ow_test.h"

#include <string.h>

static ow_json *parse(const char *text) {
    ow_json *json = NULL;
    ow_err err;
    assert_ow_ok(ow_json_parse(text, strlen(text), 64, &json, &err), &err);
    return json;
}

typedef struct sample {
    const char *schema, *value;
    bool good;
} sample;

// One that holds and one that does not for each keyword, and what each must leave alone.
static const sample samples[] = {
    {"true", "1", true},
    {"false", "1", false},
    {"{}", "null", true},
    {"{\"type\":\"integer\"}", "1.0", true},
    {"{\"type\":\"integer\"}", "1.5", false},
    {"{\"type\":\"number\"}", "1.5", true},
    {"{\"type\":\"number\"}", "\"1\"", false},
    {"{\"type\":[\"string\",\"null\"]}", "null", true},
    {"{\"type\":[\"string\",\"null\"]}", "true", false},
    {"{\"type\":\"boolean\"}", "false", true},
    {"{\"const\":{\"a\":1,\"b\":[2]}}", "{\"b\":[2.0],\"a\":1}", true},
    {"{\"const\":{\"a\":1}}", "{\"a\":1,\"b\":2}", false},
    {"{\"const\":[1,2]}", "[2,1]", false},
    {"{\"enum\":[\"a\",3]}", "3", true},
    {"{\"enum\":[\"a\",3]}", "\"b\"", false},
    {"{\"properties\":{\"a\":{\"type\":\"string\"}}}", "{\"a\":\"x\",\"b\":1}", true},
    {"{\"properties\":{\"a\":{\"type\":\"string\"}}}", "{\"a\":1}", false},
    {"{\"properties\":{\"a\":{\"type\":\"string\"}}}", "[]", true},
    {"{\"required\":[\"a\"]}", "{\"a\":null}", true},
    {"{\"required\":[\"a\"]}", "{\"b\":1}", false},
    {"{\"required\":[\"a\"]}", "\"a\"", true},
    {"{\"properties\":{\"a\":true},\"additionalProperties\":false}", "{\"a\":1}", true},
    {"{\"properties\":{\"a\":true},\"additionalProperties\":false}", "{\"b\":1}", false},
    {"{\"additionalProperties\":{\"type\":\"number\"}}", "{\"b\":1}", true},
    {"{\"additionalProperties\":{\"type\":\"number\"}}", "{\"b\":\"1\"}", false},
    {"{\"items\":{\"minimum\":2}}", "[2,3]", true},
    {"{\"items\":{\"minimum\":2}}", "[2,1]", false},
    {"{\"minItems\":1}", "[1]", true},
    {"{\"minItems\":1}", "[]", false},
    {"{\"maxItems\":1}", "[1,2]", false},
    {"{\"minProperties\":1}", "{}", false},
    {"{\"maxProperties\":1}", "{\"a\":1,\"b\":2}", false},
    {"{\"maxProperties\":1}", "{\"a\":1}", true},
    {"{\"minLength\":2}", "\"\xc3\xa9\xc3\xa9\"", true},
    {"{\"minLength\":3}", "\"\xc3\xa9\xc3\xa9\"", false},
    {"{\"maxLength\":1}", "\"\xf0\x9f\x8e\xae\"", true},
    {"{\"maxLength\":1}", "\"ab\"", false},
    {"{\"maximum\":5}", "5", true},
    {"{\"maximum\":5}", "5.1", false},
    {"{\"exclusiveMinimum\":5}", "5", false},
    {"{\"exclusiveMaximum\":5}", "4.9", true},
    {"{\"exclusiveMaximum\":5}", "5", false},
    {"{\"minimum\":5}", "\"1\"", true},
    {"{\"title\":\"t\",\"description\":1,\"default\":{},\"examples\":[],\"$schema\":\"x\"}", "1",
     true},
};

static void holds_values_against_schemas(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        ow_json *schema = parse(samples[i].schema);
        ow_json *value = parse(samples[i].value);
        ow_err err;
        assert_ow_ok(ow_json_schema_check(schema, &err), &err);
        ow_code code = ow_json_schema_validate(schema, value, &err);
        if ((code == OW_OK) != samples[i].good) {
            fail_msg("%s on %s: %d", samples[i].schema, samples[i].value, code);
        }
        if (code != OW_OK) {
            assert_string_equal(err.reason, "schema_violation");
        }
        ow_json_free(schema);
        ow_json_free(value);
    }
}

static void refuses_what_it_does_not_keep(void **state) {
    (void)state;
    static const char *const bad[] = {
        "1",
        "{\"pattern\":\"a\"}",
        "{\"$ref\":\"#\"}",
        "{\"allOf\":[]}",
        "{\"properties\":{\"a\":{\"format\":\"date\"}}}",
        "{\"items\":[]}",
        "{\"type\":\"float\"}",
        "{\"type\":[]}",
        "{\"type\":[1]}",
        "{\"enum\":[]}",
        "{\"enum\":1}",
        "{\"required\":[1]}",
        "{\"required\":\"a\"}",
        "{\"minLength\":-1}",
        "{\"maxItems\":1.5}",
        "{\"minimum\":\"1\"}",
        "{\"additionalProperties\":3}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ow_json *schema = parse(bad[i]);
        ow_err err;
        assert_ow_code(ow_json_schema_check(schema, &err), OW_INVALID_ARGUMENT, &err);
        assert_string_equal(err.reason, "bad_schema");
        ow_json_free(schema);
    }
}

static void names_the_place(void **state) {
    (void)state;
    ow_json *schema = parse("{\"properties\":{\"list\":{\"items\":{\"required\":[\"id\"]}}}}");
    ow_json *value = parse("{\"list\":[{\"id\":1},{}]}");
    ow_err err;
    assert_ow_code(ow_json_schema_validate(schema, value, &err), OW_INVALID_ARGUMENT, &err);
    assert_string_equal(err.message, "at \"/list/1/id\": not what \"required\" allows");
    ow_json_free(schema);
    schema = parse("{\"properties\":{\"a\":{\"oneOf\":[]}}}");
    assert_ow_code(ow_json_schema_check(schema, &err), OW_INVALID_ARGUMENT, &err);
    assert_string_equal(err.message, "at \"/properties/a/oneOf\": this keyword is not supported");
    ow_json_free(schema);
    ow_json_free(value);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(holds_values_against_schemas),
        OW_TEST(refuses_what_it_does_not_keep),
        OW_TEST(names_the_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
