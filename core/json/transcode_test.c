#include "core/json/transcode.h"

#include "core/json/transcode_test.pb-c.h"
#include "core/testing/ow_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TYPE (&overworld__json__test__everything__descriptor)
typedef Overworld__Json__Test__Everything everything;

static int setup(void **state) {
    *state = ow_arena_new(1 << 20);
    return *state == NULL;
}

static int teardown(void **state) {
    ow_arena_free(*state);
    return 0;
}

static everything *read_ok(ow_arena *arena, const char *text) {
    ow_err err;
    ProtobufCMessage *message;
    ow_json_input input = {.text = text, .size = strlen(text)};
    if (ow_json_to_message(&input, TYPE, arena, &message, &err) != OW_OK) {
        fail_msg("%s: %s", text, err.message);
    }
    return (everything *)message;
}

static const char *print_ok(ow_arena *arena, const everything *message) {
    const char *text;
    size_t size;
    ow_err err;
    assert_int_equal(ow_json_from_message(&message->base, arena, 1 << 16, &text, &size, &err),
                     OW_OK);
    assert_int_equal(strlen(text), size);
    return text;
}

static void keeps_everything_both_ways(void **state) {
    static const char text[] =
        "{\"anInt32\":-2147483648,\"aSint32\":2147483647,\"aSfixed32\":-1,"
        "\"anInt64\":\"-9223372036854775808\",\"aSint64\":\"9223372036854775807\","
        "\"aSfixed64\":\"9007199254740993\",\"aUint32\":4294967295,\"aFixed32\":1,"
        "\"aUint64\":\"18446744073709551615\",\"aFixed64\":\"1\",\"aFloat\":0.1,"
        "\"aDouble\":1e+300,\"aBool\":true,\"color\":\"DARK_BLUE\","
        "\"aString\":\"\\\"\xc3\xbc\\n\",\"someBytes\":\"AP8=\","
        "\"inner\":{\"name\":\"n\",\"prices\":[\"1\",\"-2\"]},"
        "\"atTime\":\"2024-02-29T12:00:00.123Z\",\"howLong\":\"-1.500s\",\"byNumber\":\"0\","
        "\"numbers\":[1,0,-1],\"words\":[\"\",\"a\"],\"inners\":[{},{\"name\":\"b\"}],"
        "\"colors\":[\"COLOR_NONE\",\"RED\",77],\"blobs\":[\"\",\"Zg==\"],"
        "\"flags\":[true,false],\"doubles\":[\"NaN\",\"Infinity\",\"-Infinity\",-0.5],"
        "\"times\":[\"1970-01-01T00:00:00Z\"]}";
    everything *message = read_ok(*state, text);
    assert_string_equal(print_ok(*state, message), text);
    // The message is one that protobuf-c can pack and unpack.
    size_t size = protobuf_c_message_get_packed_size(&message->base);
    uint8_t *packed = ow_arena_alloc(*state, size);
    protobuf_c_message_pack(&message->base, packed);
    ProtobufCMessage *again = protobuf_c_message_unpack(TYPE, NULL, size, packed);
    assert_non_null(again);
    assert_string_equal(print_ok(*state, (everything *)again), text);
    protobuf_c_message_free_unpacked(again, NULL);
}

// As text and back, a million of all magnitudes.
static void keeps_random_integers_exact(void **state) {
    enum { ROUNDS = 1000, NUMBERS = 1000 };
    static int64_t prices[NUMBERS];
    uint64_t seed = 7;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < NUMBERS; i++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            prices[i] = (int64_t)(seed ^ (seed >> 29)) >> (seed >> 58);
        }
        Overworld__Json__Test__Inner inner = OVERWORLD__JSON__TEST__INNER__INIT;
        inner.n_prices = NUMBERS;
        inner.prices = prices;
        ow_json_input input = {0};
        ProtobufCMessage *again;
        assert_int_equal(
            ow_json_from_message(&inner.base, *state, 1 << 16, &input.text, &input.size, NULL),
            OW_OK);
        assert_int_equal(ow_json_to_message(&input, inner.base.descriptor, *state, &again, NULL),
                         OW_OK);
        const Overworld__Json__Test__Inner *read = (const Overworld__Json__Test__Inner *)again;
        assert_int_equal(read->n_prices, NUMBERS);
        assert_memory_equal(read->prices, prices, sizeof prices);
        ow_arena_reset(*state);
    }
}

static void accepts_the_other_forms(void **state) {
    everything *m = read_ok(*state, "{ \"an_int32\" : \"12\" , \"anInt64\":1.2e1,\"a_uint64\":5,"
                                    "\"aFloat\":\"1.5\",\"aDouble\":\"Infinity\",\"color\":1,"
                                    "\"someBytes\":\"-_-_\",\"aBool\":null,\"words\":null,"
                                    "\"\\u0061String\":\"\\ud83d\\ude00\",\"byName\":null,"
                                    "\"byNumber\":7,\"at_time\":\"2024-01-01T00:00:00+01:00\"}");
    assert_int_equal(m->an_int32, 12);
    assert_int_equal(m->an_int64, 12);
    assert_int_equal(m->a_uint64, 5);
    assert_true(m->a_float == 1.5F && isinf(m->a_double));
    assert_int_equal(m->color, OVERWORLD__JSON__TEST__COLOR__RED);
    assert_int_equal(m->some_bytes.len, 3);
    assert_string_equal(m->a_string, "\xf0\x9f\x98\x80");
    assert_int_equal(m->choice_case, OVERWORLD__JSON__TEST__EVERYTHING__CHOICE_BY_NUMBER);
    assert_int_equal(m->at_time->seconds, 1704063600);
    assert_int_equal(m->n_words, 0);
}

static void leaves_defaults_out(void **state) {
    assert_string_equal(print_ok(*state, read_ok(*state, "{}")), "{}");
    assert_string_equal(print_ok(*state, read_ok(*state, "{\"anInt32\":0,\"aString\":\"\","
                                                         "\"aDouble\":0.0,\"color\":0,"
                                                         "\"numbers\":[],\"inner\":{}}")),
                        "{\"inner\":{}}");
    assert_string_equal(print_ok(*state, read_ok(*state, "{\"byName\":\"\"}")),
                        "{\"byName\":\"\"}");
}

// What is refused, and where it says the fault lies.
static const struct {
    const char *text;
    const char *where;
} refused[] = {
    {"[]", "the message: an object"},
    {"null", "the message: an object"},
    {"1", "the message: an object"},
    {"{\"nope\":1}", "nope: there is no such field"},
    {"{\"inner\":{\"x\":1}}", "inner.x: "},
    {"{\"inners\":[{},{\"prices\":[1,\"x\"]}]}", "inners[1].prices[1]: a 64-bit integer"},
    {"{\"anInt32\":2147483648}", "an_int32: a 32-bit integer"},
    {"{\"anInt32\":1.5}", "an_int32: "},
    {"{\"anInt32\":\" 1\"}", "an_int32: "},
    {"{\"anInt32\":\"\"}", "an_int32: "},
    {"{\"anInt32\":\"0x1\"}", "an_int32: "},
    {"{\"anInt32\":true}", "an_int32: "},
    {"{\"anInt32\":[1]}", "an_int32: "},
    {"{\"anInt32\":{}}", "an_int32: "},
    {"{\"aUint32\":-1}", "a_uint32: an unsigned 32-bit"},
    {"{\"aUint64\":\"18446744073709551616\"}", "a_uint64: an unsigned 64-bit"},
    {"{\"anInt64\":9223372036854775808}", "an_int64: "},
    {"{\"aFloat\":1e39}", "a_float: a number within range"},
    {"{\"aDouble\":1e999}", "a_double: "},
    {"{\"aDouble\":\"nan\"}", "a_double: "},
    {"{\"aDouble\":[]}", "a_double: "},
    {"{\"aBool\":\"true\"}", "a_bool: "},
    {"{\"aBool\":1}", "a_bool: "},
    {"{\"color\":\"PINK\"}", "color: no value"},
    {"{\"color\":\"red\"}", "color: no value"},
    {"{\"color\":1.5}", "color: "},
    {"{\"aString\":1}", "a_string: a string"},
    {"{\"aString\":[\"a\"]}", "a_string: a string"},
    {"{\"someBytes\":\"*\"}", "some_bytes: not base64"},
    {"{\"someBytes\":1}", "some_bytes: "},
    {"{\"inner\":[]}", "inner: an object"},
    {"{\"inner\":\"x\"}", "inner: an object"},
    {"{\"atTime\":\"yesterday\"}", "at_time: not a time"},
    {"{\"atTime\":{\"seconds\":1}}", "at_time: a time"},
    {"{\"howLong\":\"1m\"}", "how_long: not a duration"},
    {"{\"howLong\":1}", "how_long: a duration"},
    {"{\"numbers\":1}", "numbers: an array"},
    {"{\"numbers\":{}}", "numbers: an array"},
    {"{\"numbers\":[1,null]}", "numbers[1]: null"},
    {"{\"times\":[\"x\"]}", "times[0]: not a time"},
    {"{\"byName\":\"a\",\"byNumber\":1}", "by_number: another field"},
    {"{\"anInt32\":1,\"an_int32\":1}", "an_int32: given twice"},
    {"{\"ANINT32\":1}", "ANINT32: "},
    {"{\"\":1}", ": there is no such field"},
};

static void refuses_and_names_the_field(void **state) {
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        ow_err err;
        ProtobufCMessage *message = NULL;
        ow_json_input input = {.text = refused[i].text, .size = strlen(refused[i].text)};
        ow_code code = ow_json_to_message(&input, TYPE, *state, &message, &err);
        if (code != OW_INVALID_ARGUMENT || strcmp(err.reason, "invalid_field") != 0 ||
            strncmp(err.message, refused[i].where, strlen(refused[i].where)) != 0) {
            fail_msg("%s: %d %s", refused[i].text, code, code != OW_OK ? err.message : "");
        }
        assert_null(message);
    }
}

static void skips_unknown_fields_when_told(void **state) {
    static const char text[] = "{\"x\":{\"y\":[1,{\"z\":\"]}\"}]},\"anInt32\":3,\"q\":null}";
    ProtobufCMessage *message;
    ow_json_input input = {text, sizeof text - 1, true};
    assert_int_equal(ow_json_to_message(&input, TYPE, *state, &message, NULL), OW_OK);
    assert_int_equal(((everything *)message)->an_int32, 3);
}

static void stays_within_the_arena(void **state) {
    (void)state;
    ow_arena *small = ow_arena_new(64 * 1024);
    size_t size = 60000;
    char *text = malloc(size);
    size_t used = (size_t)snprintf(text, size, "{\"inners\":[{}");
    while (used + 10 < size) {
        memcpy(text + used, ",{}", 3);
        used += 3;
    }
    memcpy(text + used, "]}", 2);
    ProtobufCMessage *message;
    ow_err err;
    ow_json_input input = {text, used + 2, false};
    assert_int_equal(ow_json_to_message(&input, TYPE, small, &message, &err),
                     OW_RESOURCE_EXHAUSTED);
    assert_string_equal(err.reason, "too_large");
    free(text);
    ow_arena_free(small);
}

static void says_what_cannot_be_printed(void **state) {
    everything *m = read_ok(*state, "{\"atTime\":\"2024-01-01T00:00:00Z\"}");
    const char *text;
    size_t size;
    ow_err err;
    assert_int_equal(ow_json_from_message(&m->base, *state, 10, &text, &size, &err),
                     OW_RESOURCE_EXHAUSTED);
    m->at_time->nanos = -1;
    assert_int_equal(ow_json_from_message(&m->base, *state, 1000, &text, &size, &err),
                     OW_INVALID_ARGUMENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keeps_everything_both_ways, setup, teardown),
        cmocka_unit_test_setup_teardown(keeps_random_integers_exact, setup, teardown),
        cmocka_unit_test_setup_teardown(accepts_the_other_forms, setup, teardown),
        cmocka_unit_test_setup_teardown(leaves_defaults_out, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_and_names_the_field, setup, teardown),
        cmocka_unit_test_setup_teardown(skips_unknown_fields_when_told, setup, teardown),
        cmocka_unit_test_setup_teardown(stays_within_the_arena, setup, teardown),
        cmocka_unit_test_setup_teardown(says_what_cannot_be_printed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
