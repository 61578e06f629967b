#include "core/cloudevents/cloudevents.h"

#include "core/testing/ow_test.h"

#include <string.h>

#define ARENA_MAX (1 << 20)

static int set_up(void **state) {
    *state = ow_arena_new(ARENA_MAX);
    return *state == NULL;
}

static int tear_down(void **state) {
    ow_arena_free(*state);
    return 0;
}

static ow_code parse(ow_arena *arena, const char *json, ow_cloudevent *event, ow_err *err) {
    return ow_cloudevent_from_json(json, strlen(json), arena, event, err);
}

static void tells_the_modes_apart(void **state) {
    (void)state;
    static const struct {
        const char *type;
        ow_cloudevent_mode mode;
    } cases[] = {
        {NULL, OW_CLOUDEVENT_BINARY},
        {"application/json", OW_CLOUDEVENT_BINARY},
        {"application/cloudevents+json", OW_CLOUDEVENT_STRUCTURED},
        {"Application/CloudEvents+JSON; charset=utf-8", OW_CLOUDEVENT_STRUCTURED},
        {"application/cloudevents", OW_CLOUDEVENT_STRUCTURED},
        {"application/cloudevents-batch+json", OW_CLOUDEVENT_BATCH},
        {"application/cloudevents-batch", OW_CLOUDEVENT_BATCH},
        {"application/cloudevents+avro", OW_CLOUDEVENT_UNKNOWN},
        {"application/cloudevents-batch+protobuf", OW_CLOUDEVENT_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(ow_cloudevent_mode_of(cases[i].type), cases[i].mode);
    }
    assert_true(ow_cloudevent_is_json_type("application/json; charset=utf-8"));
    assert_true(ow_cloudevent_is_json_type("application/x+JSON"));
    assert_false(ow_cloudevent_is_json_type("text/plain"));
    assert_false(ow_cloudevent_is_json_type(""));
}

// The example of the JSON event format.
static void reads_structured(void **state) {
    ow_cloudevent e;
    ow_err err;
    assert_ow_ok(parse(*state,
                       "{\"specversion\":\"1.0\",\"type\":\"com.example.someevent\",\"source\":"
                       "\"/mycontext\",\"subject\":null,\"id\":\"C234-1234-1234\",\"time\":"
                       "\"2018-04-05T17:31:00Z\",\"comexampleextension1\":\"value\","
                       "\"comexampleothervalue\":5,\"flag\":true,\"data\":{\"appinfoA\":"
                       "9007199254740993, \"b\":[1]}}",
                       &e, &err),
                 &err);
    assert_string_equal(e.id, "C234-1234-1234");
    assert_string_equal(e.type, "com.example.someevent");
    assert_string_equal(e.source, "/mycontext");
    assert_string_equal(e.subject, "");
    assert_string_equal(e.time, "2018-04-05T17:31:00Z");
    assert_string_equal(e.datacontenttype, "application/json");
    assert_string_equal(ow_cloudevent_extension(&e, "comexampleothervalue"), "5");
    assert_string_equal(ow_cloudevent_extension(&e, "flag"), "true");
    assert_null(ow_cloudevent_extension(&e, "none"));
    static const char data[] = "{\"appinfoA\":9007199254740993, \"b\":[1]}";
    assert_int_equal(e.size, sizeof data - 1);
    assert_memory_equal(e.data, data, e.size);
}

#define HEAD "\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\""

static void reads_data_of_other_types(void **state) {
    ow_cloudevent e;
    assert_int_equal(parse(*state, "{" HEAD "}", &e, NULL), OW_OK);
    assert_false(e.has_data);
    assert_int_equal(
        parse(*state, "{" HEAD ",\"datacontenttype\":\"text/xml\",\"data\":\"<much/>\"}", &e, NULL),
        OW_OK);
    assert_int_equal(e.size, 7);
    assert_memory_equal(e.data, "<much/>", 7);
    assert_int_equal(parse(*state, "{" HEAD ",\"data\":\"a\"}", &e, NULL), OW_OK);
    assert_memory_equal(e.data, "\"a\"", 3);
    assert_int_equal(parse(*state,
                           "{" HEAD ",\"datacontenttype\":\"image/png\",\"data_base64\":\"AAH/\"}",
                           &e, NULL),
                     OW_OK);
    assert_int_equal(e.size, 3);
    assert_memory_equal(e.data, "\x00\x01\xff", 3);
}

static void refuses_what_is_no_event(void **state) {
    static const char *const bad[] = {
        "[]",
        "{}",
        "{\"specversion\":\"0.3\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\"}",
        "{\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\"}",
        "{\"specversion\":\"1.0\",\"source\":\"/s\",\"type\":\"t\"}",
        "{\"specversion\":\"1.0\",\"id\":\"\",\"source\":\"/s\",\"type\":\"t\"}",
        "{\"specversion\":\"1.0\",\"id\":\"1\",\"type\":\"t\"}",
        "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\"}",
        "{" HEAD ",\"time\":\"yesterday\"}",
        "{" HEAD ",\"Upper\":\"x\"}",
        "{" HEAD ",\"a_b\":\"x\"}",
        "{" HEAD ",\"x\":{}}",
        "{" HEAD ",\"source\":\"/other\"}",
        "{" HEAD ",\"x\":\"1\",\"x\":\"2\"}",
        "{" HEAD ",\"x\":\"a\\nb\"}",
        "{" HEAD ",\"data\":1,\"data_base64\":\"AA==\"}",
        "{" HEAD ",\"data_base64\":\"A\"}",
        "{" HEAD ",\"data_base64\":1}",
        "{" HEAD ",\"datacontenttype\":\"application/json\",\"data_base64\":\"AA==\"}",
        "{" HEAD "",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ow_cloudevent e;
        if (parse(*state, bad[i], &e, NULL) != OW_INVALID_ARGUMENT) {
            fail_msg("taken: %s", bad[i]);
        }
    }
}

static void reads_batches(void **state) {
    ow_cloudevent *events;
    size_t count;
    ow_err err;
    static const char two[] = "[{" HEAD "},{" HEAD ",\"data\":2}]";
    assert_ow_ok(ow_cloudevents_from_json(two, sizeof two - 1, 2, *state, &events, &count, &err),
                 &err);
    assert_int_equal(count, 2);
    assert_true(events[1].has_data);
    assert_int_equal(ow_cloudevents_from_json("[]", 2, 2, *state, &events, &count, &err), OW_OK);
    assert_int_equal(count, 0);
    assert_int_equal(
        ow_cloudevents_from_json(two, sizeof two - 1, 1, *state, &events, &count, &err),
        OW_INVALID_ARGUMENT);
    assert_string_equal(err.reason, "too_many_events");
    static const char half[] = "[{" HEAD "},{\"id\":\"1\"}]";
    assert_int_equal(
        ow_cloudevents_from_json(half, sizeof half - 1, 9, *state, &events, &count, &err),
        OW_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "event 1"));
}

static void an_extension_is_no_attribute(void **state) {
    static const char *const bad[] = {"id",   "source",          "type",        "subject", "time",
                                      "data", "datacontenttype", "specversion", "Upper",   "",
                                      "a_b",  "dataschema"};
    (void)state;
    assert_true(ow_cloudevent_is_extension_name("roomname"));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(ow_cloudevent_is_extension_name(bad[i]));
    }
}

// Values of the HTTP binding's chapter 3.1.3.2.
static void reads_headers(void **state) {
    static const ow_cloudevent_pair headers[] = {
        {"CE-SpecVersion", "1.0"},
        {"ce-id", "\"a \\\"b\\\"\""},
        {"ce-source", "/s"},
        {"ce-type", "t"},
        {"Ce-Subject", "Euro%20%E2%82%ac%20%F0%9F%98%80"},
        {"content-type", "application/json; charset=utf-8"},
        {"Host", "example.org"},
        {"ce-roomname", "red"},
    };
    ow_cloudevent e;
    ow_err err;
    assert_ow_ok(ow_cloudevent_from_headers(headers, 8, "{\"a\":1}", 7, *state, &e, &err), &err);
    assert_string_equal(e.id, "a \"b\"");
    assert_string_equal(e.subject, "Euro \xe2\x82\xac \xf0\x9f\x98\x80");
    assert_string_equal(ow_cloudevent_extension(&e, "roomname"), "red");
    assert_string_equal(e.datacontenttype, "application/json; charset=utf-8");
    assert_int_equal(e.size, 7);
    assert_int_equal(ow_cloudevent_from_headers(headers, 8, "{", 1, *state, &e, &err),
                     OW_INVALID_ARGUMENT);
    static const ow_cloudevent_pair twice[] = {{"ce-specversion", "1.0"},
                                               {"ce-id", "1"},
                                               {"ce-source", "/s"},
                                               {"ce-type", "t"},
                                               {"CE-Source", "/other"}};
    assert_int_equal(ow_cloudevent_from_headers(twice, 4, "", 0, *state, &e, NULL), OW_OK);
    assert_int_equal(ow_cloudevent_from_headers(twice, 5, "", 0, *state, &e, NULL),
                     OW_INVALID_ARGUMENT);
    static const char *const bad[] = {"%C0%A0", "%4", "%zz", "%00", "\"a\\\"", "a%0Ab"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ow_cloudevent_pair wrong[] = {
            {"ce-specversion", "1.0"}, {"ce-id", bad[i]}, {"ce-source", "/s"}, {"ce-type", "t"}};
        if (ow_cloudevent_from_headers(wrong, 4, "", 0, *state, &e, NULL) != OW_INVALID_ARGUMENT) {
            fail_msg("taken: %s", bad[i]);
        }
    }
}

static void writes_what_it_reads(void **state) {
    static const char *const texts[] = {
        "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\",\"subject\":\"\xe2"
        "\x82\xac \\\"%\",\"time\":\"2018-04-05T17:31:00Z\",\"datacontenttype\":\"application/"
        "json\",\"ext\":\"5\",\"data\":{\"n\":9007199254740993}}",
        "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\",\"datacontenttype\""
        ":\"text/plain\",\"data\":\"hello\"}",
        "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\",\"datacontenttype\""
        ":\"image/png\",\"data_base64\":\"AAH/\"}",
        "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\"}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ow_cloudevent_pair headers[OW_CLOUDEVENT_HEADERS_MAX];
        ow_cloudevent e, again;
        size_t count, size;
        ow_err err;
        assert_ow_ok(parse(*state, texts[i], &e, &err), &err);
        assert_ow_ok(ow_cloudevent_headers_in(*state, &e, headers, &count, &err), &err);
        assert_ow_ok(
            ow_cloudevent_from_headers(headers, count, e.data, e.size, *state, &again, &err), &err);
        const char *json = ow_cloudevent_json_in(*state, &again, 4096, &size);
        assert_string_equal(json, texts[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(tells_the_modes_apart),
        OW_TEST_WITH(reads_structured, set_up, tear_down),
        OW_TEST_WITH(reads_data_of_other_types, set_up, tear_down),
        OW_TEST_WITH(refuses_what_is_no_event, set_up, tear_down),
        OW_TEST_WITH(reads_batches, set_up, tear_down),
        OW_TEST(an_extension_is_no_attribute),
        OW_TEST_WITH(reads_headers, set_up, tear_down),
        OW_TEST_WITH(writes_what_it_reads, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
