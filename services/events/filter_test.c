#include "services/events/filter.h"

#include "core/testing/ow_test.h"

#include <string.h>

static void knows_names_of_types(void **state) {
    (void)state;
    char longest[EVENT_TYPE_MAX + 2];
    memset(longest, 'a', sizeof longest);
    longest[EVENT_TYPE_MAX] = '\0';
    assert_true(event_type_is_name(longest));
    longest[EVENT_TYPE_MAX] = 'a';
    longest[EVENT_TYPE_MAX + 1] = '\0';
    assert_false(event_type_is_name(longest));
    assert_true(event_type_is_name("player.level-up_2"));
    assert_false(event_type_is_name(""));
    assert_false(event_type_is_name("a b"));
    assert_false(event_type_is_name("player.*"));
    assert_true(event_type_is_pattern("*.a*b.*"));
    assert_false(event_type_is_pattern("*****"));
    assert_false(event_type_is_pattern(""));
}

static void matches_patterns(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *type;
        bool matches;
    } cases[] = {
        {"player.login", "player.login", true},
        {"player.login", "player.logins", false},
        {"player.*", "player.login", true},
        {"player.*", "player.", true},
        {"player.*", "players.login", false},
        {"*", "anything.at.all", true},
        {"*.failed", "function.failed", true},
        {"*.failed", "function.failed.x", false},
        {"a*b*c", "abc", true},
        {"a*b*c", "a-b-b-c", true},
        {"a*b*c", "a-c-b", false},
        {"*a", "aaaa", true},
        {"**", "x", true},
        {"a", "b", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (event_type_matches(cases[i].pattern, cases[i].type) != cases[i].matches) {
            fail_msg("%s on %s", cases[i].pattern, cases[i].type);
        }
    }
}

static const char data_text[] =
    "{\"level\":12,\"name\":\"Ada\",\"id\":\"9007199254740993\",\"gold\":\"250\",\"nothing\":null,"
    "\"tags\":[\"new\",\"eu\"],\"pos\":{\"x\":1.5},\"ok\":true,\"most\":\"9223372036854775807\",\"more\":\"9223372036854775808\"}";

typedef struct sample {
    const char *pointer, *operator, * value;
    bool holds;
} sample;

static const sample samples[] = {
    {"/level", "eq", "12", true},
    {"/level", "eq", "12.0", true},
    {"/level", "eq", "\"12\"", false},
    {"/level", "ne", "13", true},
    {"/level", "ne", "12", false},
    {"/name", "eq", "\"Ada\"", true},
    {"/name", "ne", "\"Ada\"", false},
    {"/nothing", "eq", "null", true},
    {"/tags", "eq", "[\"new\",\"eu\"]", true},
    {"/tags/1", "eq", "\"eu\"", true},
    {"/pos", "eq", "{\"x\":1.5}", true},
    {"/level", "gt", "11", true},
    {"/level", "gt", "12", false},
    {"/level", "ge", "12", true},
    {"/level", "lt", "12", false},
    {"/level", "le", "12", true},
    {"/level", "lt", "\"z\"", false},
    {"/name", "lt", "\"B\"", true},
    {"/name", "gt", "1", false},
    {"/gold", "ge", "250", true},
    {"/gold", "gt", "1000", false},
    {"/gold", "eq", "250", true},
    {"/gold", "lt", "\"3\"", true}, // texts are compared as texts
    {"/id", "eq", "\"9007199254740993\"", true},
    {"/most", "gt", "1", true},
    {"/more", "gt", "1", false}, // no number of 64 bits
    {"/name", "in", "[\"Bob\",\"Ada\"]", true},
    {"/name", "in", "[\"Bob\"]", false},
    {"/level", "in", "[11,12]", true},
    {"/name", "prefix", "\"A\"", true},
    {"/name", "prefix", "\"a\"", false},
    {"/name", "suffix", "\"da\"", true},
    {"/name", "suffix", "\"xxAda\"", false},
    {"/level", "prefix", "\"1\"", false},
    {"/nothing", "exists", "true", true},
    {"/nothing", "exists", "", true},
    {"/absent", "exists", "", false},
    {"/absent", "exists", "false", true},
    {"/name", "exists", "false", false},
    {"/absent", "ne", "1", false},
    {"/absent", "eq", "null", false},
    {"", "exists", "", true},
};

static ow_json *data_of(const char *text) {
    ow_json *json = NULL;
    assert_int_equal(ow_json_parse(text, strlen(text), 64, &json, NULL), OW_OK);
    return json;
}

static void asks_one_condition(void **state) {
    (void)state;
    ow_json *data = data_of(data_text);
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        const sample *s = &samples[i];
        filter *f = filter_new();
        ow_err err;
        assert_ow_ok(filter_add(f, 0, s->pointer, s->operator, s->value, &err), &err);
        if (filter_matches(f, data) != s->holds) {
            fail_msg("%s %s %s", s->pointer, s->operator, s->value);
        }
        filter_free(f);
    }
    ow_json_free(data);
}

static void asks_one_group_of_several(void **state) {
    (void)state;
    char why[200];
    ow_json *data = data_of(data_text);
    filter *f = filter_new();
    assert_true(filter_matches(f, NULL));
    assert_int_equal(filter_add(f, 0, "/level", "ge", "10", NULL), OW_OK);
    assert_int_equal(filter_add(f, 0, "/name", "eq", "\"Bob\"", NULL), OW_OK);
    assert_false(filter_matches(f, data));
    filter_explain(f, data, why, sizeof why);
    assert_string_equal(why, "not \"/name\" eq");
    assert_int_equal(filter_add(f, 1, "/ok", "eq", "false", NULL), OW_OK);
    filter_explain(f, data, why, sizeof why);
    assert_string_equal(why, "not \"/name\" eq, and not \"/ok\" eq");
    filter_explain(f, data, why, 10);
    assert_string_equal(why, "not \"/nam");
    assert_int_equal(filter_add(f, 2, "/tags/0", "eq", "\"new\"", NULL), OW_OK);
    assert_true(filter_matches(f, data));
    filter_explain(f, data, why, sizeof why);
    assert_string_equal(why, "");
    assert_false(filter_matches(f, NULL)); // the data are no JSON
    filter_free(f);
    ow_json_free(data);
}

static void refuses_bad_conditions(void **state) {
    (void)state;
    static const struct {
        const char *pointer, *operator, * value, *reason;
    } bad[] = {
        {"/a", "like", "1", "bad_condition"},   {"a", "eq", "1", "bad_pointer"},
        {"/a", "eq", "", "invalid_json"},       {"/a", "eq", "{", "invalid_json"},
        {"/a", "lt", "true", "bad_condition"},  {"/a", "in", "1", "bad_condition"},
        {"/a", "in", "[]", "bad_condition"},    {"/a", "prefix", "1", "bad_condition"},
        {"/a", "exists", "1", "bad_condition"},
    };
    filter *f = filter_new();
    ow_err err;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_ow_code(filter_add(f, 0, bad[i].pointer, bad[i].operator, bad[i].value, &err),
                       OW_INVALID_ARGUMENT, &err);
        assert_string_equal(err.reason, bad[i].reason);
    }
    assert_int_equal(filter_add(f, FILTER_GROUPS_MAX, "/a", "eq", "1", NULL), OW_INVALID_ARGUMENT);
    for (int i = 0; i < FILTER_CONDITIONS_MAX; i++) {
        assert_int_equal(filter_add(f, 0, "/a", "eq", "1", NULL), OW_OK);
    }
    assert_int_equal(filter_add(f, 0, "/a", "eq", "1", NULL), OW_INVALID_ARGUMENT);
    filter_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(knows_names_of_types),   OW_TEST(matches_patterns),
        OW_TEST(asks_one_condition),     OW_TEST(asks_one_group_of_several),
        OW_TEST(refuses_bad_conditions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
