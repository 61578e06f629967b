// The exporter against an OTLP receiver of the test's own, which holds what comes against the shape of
// opentelemetry-proto's JSON: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding

#include "services/telemetry/blocks_for_test.h"
#include "services/telemetry/exporter.h"

#include "core/http/server.h"
#include "core/json/tree.h"
#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BODY_ROOM = 1 << 20, SECOND = 1000000, PATIENCE_S = 20, MANY = 1000 };

typedef struct fixture {
    ow_loop *loop;
    ow_metrics *metrics;
    ow_http_client *client;
    exporter *exporter;
    ow_arena *arena;
    test_block block;
    // The receiver: answers `status`, keeps what it got last.
    ow_http_server *server;
    ow_http_budget budget;
    int status, requests;
    char body[BODY_ROOM];
    char type[100], authorization[100], path[100];
    ow_err err;
} fixture;

static const uint8_t trace_id[16] = {0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd,
                                     0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c};

static void on_head(void *self, ow_http_request *request) {
    (void)self;
    ow_http_set_body_limit(request, BODY_ROOM - 1);
}

static const char *or_none(const char *text) {
    return text != NULL ? text : "";
}

static void on_body(void *self, ow_http_request *request) {
    fixture *f = self;
    size_t size;
    const char *body = ow_http_body(request, &size);
    f->requests++;
    snprintf(f->body, sizeof f->body, "%.*s", (int)size, body);
    snprintf(f->path, sizeof f->path, "%s", ow_http_path(request));
    snprintf(f->type, sizeof f->type, "%s", or_none(ow_http_header(request, "Content-Type")));
    snprintf(f->authorization, sizeof f->authorization, "%s",
             or_none(ow_http_header(request, "Authorization")));
    ow_http_reply(request, &(ow_http_answer){.status = f->status, .body = "{}", .size = 2});
}

static void on_reject(void *self, ow_http_request *request, const ow_http_rejection *why) {
    (void)self;
    ow_http_reply(request, &(ow_http_answer){.status = why->status});
}

static void on_gone(void *self, ow_http_request *request) {
    (void)self;
    ow_http_reply(request, &(ow_http_answer){.status = 499});
}

static void open_server(fixture *f) {
    f->budget.max = 16 << 20;
    f->status = 200;
    ow_http_options options = {
        .loop = f->loop,
        .address = "127.0.0.1:0",
        .handler = {on_head, on_body, on_reject, on_gone, f},
        .budget = &f->budget,
        .max_connections = 16,
        .body_limit = 1000,
        .idle_timeout_us = (int64_t)60 * SECOND,
        .header_timeout_us = SECOND,
    };
    assert_ow_ok(ow_http_server_open(&options, &f->server, &f->err), &f->err);
}

static void open_client(fixture *f) {
    ow_http_client_options options = {
        .loop = f->loop,
        .egress = {.networks = "127.0.0.1", .plain = true},
        .max_fetches = 4,
        .max_connections = 4,
        .max_per_host = 4,
    };
    assert_ow_ok(ow_http_client_open(&options, &f->client, &f->err), &f->err);
}

static void open_exporter(fixture *f, int64_t max_bytes) {
    char endpoint[100];
    snprintf(endpoint, sizeof endpoint, "http://%s", ow_http_server_address(f->server));
    exporter_options options = {
        .loop = f->loop,
        .client = f->client,
        .metrics = f->metrics,
        .endpoint = endpoint,
        .header = "Authorization: Bearer secret",
        .max_bytes = max_bytes,
    };
    f->exporter = exporter_free(f->exporter);
    assert_ow_ok(exporter_new(&options, &f->exporter, &f->err), &f->err);
}

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    *state = f;
    assert_ow_ok(ow_loop_new(&f->loop, &f->err), &f->err);
    f->metrics = ow_metrics_new();
    f->arena = ow_arena_new((size_t)64 << 20);
    assert_true(f->metrics != NULL && f->arena != NULL);
    open_server(f);
    open_client(f);
    open_exporter(f, 1 << 20);
    return 0;
}

static void turn(fixture *f) {
    assert_ow_ok(ow_loop_turn(f->loop, 1000, &f->err), &f->err);
}

static int tear_down(void **state) {
    fixture *f = *state;
    f->exporter = exporter_free(f->exporter);
    f->client = ow_http_client_close(f->client);
    f->server = ow_http_server_close(f->server);
    for (int i = 0; i < 10; i++) {
        turn(f);
    }
    ow_arena_free(f->arena);
    ow_metrics_free(f->metrics);
    ow_loop_free(f->loop);
    test_block_free(&f->block);
    free(f);
    return 0;
}

static uint64_t counted(fixture *f, const char *name) {
    return ow_counter_value(ow_metrics_counter(f->metrics, name, "", NULL));
}

static uint64_t sent(fixture *f) {
    return counted(f, "overworld_telemetry_exported_spans_total");
}

static uint64_t dropped(fixture *f) {
    return counted(f, "overworld_telemetry_export_dropped_spans_total");
}

static void until(fixture *f, uint64_t (*count)(fixture *f), uint64_t wanted) {
    time_t end = time(NULL) + PATIENCE_S;
    while (count(f) < wanted) {
        turn(f);
        assert_true(time(NULL) < end);
    }
}

static void add_request(fixture *f, int64_t time_us, bool unsampled) {
    test_run run = {
        .title = "ttl_1",
        .request_id = "req_1",
        .invocation_id = "inv_1",
        .server = "chat",
        .function = "greet",
        .version = 3,
        .duration_us = 8000,
        .queued_us = 500,
        .trace_id = trace_id,
        .span_id = 2,
        .parent_span_id = 1,
        .reason = "crashed",
        .calls = "chat/rank",
        .call_span_id = 3,
        .unsampled = unsampled,
    };
    test_block_invocation(&f->block, time_us, &run);
    run.span_id = 1;
    run.parent_span_id = 0x3133b80d2e1ab7b7;
    run.duration_us = 10000;
    test_block_request(&f->block, time_us + 1000, &run, 502);
}

static void take(fixture *f) {
    otlp_text text;
    slice records = {(const char *)f->block.bytes, f->block.size};
    otlp_source source = {"runner-1", "1.0"};
    assert_ow_ok(otlp_of_block(records, &source, f->arena, &text, &f->err), &f->err);
    exporter_take(f->exporter, &text);
    test_block_free(&f->block);
}

// ---- The shape ----

static const char *text_of(const ow_json *object, const char *name) {
    const char *text = ow_json_string(ow_json_get(object, name));
    return text != NULL ? text : "";
}

static bool is_hex(const char *text, size_t length) {
    return strlen(text) == length && strspn(text, "0123456789abcdef") == length;
}

static void check_attributes(const ow_json *list) {
    assert_int_equal(ow_json_kind_of(list), OW_JSON_ARRAY);
    for (const ow_json *a = ow_json_first(list); a != NULL; a = ow_json_next(a)) {
        const ow_json *value = ow_json_get(a, "value");
        assert_true(text_of(a, "key")[0] != 0);
        assert_int_equal(ow_json_count(value), 1);
        // AnyValue: 64-bit numbers are strings in JSON.
        assert_true(text_of(value, "stringValue")[0] != 0 || text_of(value, "intValue")[0] != 0);
    }
}

static const char *attribute(const ow_json *list, const char *key) {
    for (const ow_json *a = ow_json_first(list); a != NULL; a = ow_json_next(a)) {
        if (strcmp(text_of(a, "key"), key) == 0) {
            return text_of(ow_json_get(a, "value"), "stringValue");
        }
    }
    return "";
}

static void check_span(const ow_json *span) {
    int64_t kind = 0;
    assert_true(is_hex(text_of(span, "traceId"), 32));
    assert_true(is_hex(text_of(span, "spanId"), 16));
    assert_true(ow_json_get(span, "parentSpanId") == NULL ||
                is_hex(text_of(span, "parentSpanId"), 16));
    assert_true(text_of(span, "name")[0] != 0);
    assert_true(ow_json_as_int(ow_json_get(span, "kind"), &kind) && kind >= 1 && kind <= 5);
    long long start = strtoll(text_of(span, "startTimeUnixNano"), NULL, 10);
    assert_true(start > 0 && strtoll(text_of(span, "endTimeUnixNano"), NULL, 10) >= start);
    assert_int_equal(ow_json_kind_of(ow_json_get(span, "status")), OW_JSON_OBJECT);
    check_attributes(ow_json_get(span, "attributes"));
}

static const ow_json *only(const ow_json *object, const char *name) {
    const ow_json *list = ow_json_get(object, name);
    assert_int_equal(ow_json_kind_of(list), OW_JSON_ARRAY);
    assert_true(ow_json_count(list) >= 1);
    return ow_json_first(list);
}

// The spans of the last request that came, after their shape was checked.
static const ow_json *spans_of(fixture *f, ow_json **ret_body) {
    assert_ow_ok(ow_json_parse(f->body, strlen(f->body), 32, ret_body, &f->err), &f->err);
    const ow_json *resource = only(*ret_body, "resourceSpans");
    const ow_json *list = ow_json_get(ow_json_get(resource, "resource"), "attributes");
    check_attributes(list);
    assert_string_equal(attribute(list, "service.name"), "overworld");
    assert_string_equal(attribute(list, "service.instance.id"), "runner-1");
    const ow_json *scope = only(resource, "scopeSpans");
    assert_string_equal(text_of(ow_json_get(scope, "scope"), "name"), "overworld");
    const ow_json *spans = ow_json_get(scope, "spans");
    for (const ow_json *s = ow_json_first(spans); s != NULL; s = ow_json_next(s)) {
        check_span(s);
    }
    return spans;
}

static const ow_json *span_named(const ow_json *spans, const char *name) {
    for (const ow_json *s = ow_json_first(spans); s != NULL; s = ow_json_next(s)) {
        if (strcmp(text_of(s, "name"), name) == 0) {
            return s;
        }
    }
    fail_msg("no span %s", name);
    return NULL;
}

// ---- Cases ----

static void sends_spans_in_the_shape_of_otlp(void **state) {
    fixture *f = *state;
    add_request(f, 1700000000000000, false);
    take(f);
    until(f, sent, 4);
    assert_string_equal(f->path, "/v1/traces");
    assert_string_equal(f->type, "application/json");
    assert_string_equal(f->authorization, "Bearer secret");
    ow_json *body;
    const ow_json *spans = spans_of(f, &body);
    assert_int_equal(ow_json_count(spans), 4);
    const ow_json *request = span_named(spans, "POST /v1/call chat/greet");
    const ow_json *run = span_named(spans, "chat/greet");
    const ow_json *wait = span_named(spans, "queue");
    const ow_json *call = span_named(spans, "call chat/rank");
    assert_string_equal(text_of(request, "traceId"), "0af7651916cd43dd8448eb211c80319c");
    assert_string_equal(text_of(request, "parentSpanId"), "b7b71a2e0db83331");
    assert_string_equal(text_of(run, "parentSpanId"), text_of(request, "spanId"));
    assert_string_equal(text_of(wait, "parentSpanId"), text_of(request, "spanId"));
    assert_string_equal(text_of(call, "parentSpanId"), text_of(run, "spanId"));
    assert_string_not_equal(text_of(wait, "spanId"), text_of(run, "spanId"));
    assert_string_equal(text_of(run, "startTimeUnixNano"), "1699999999992000000");
    assert_string_equal(text_of(wait, "endTimeUnixNano"), text_of(run, "startTimeUnixNano"));
    int64_t code = 0;
    assert_true(ow_json_as_int(ow_json_get(ow_json_get(run, "status"), "code"), &code));
    assert_int_equal(code, 2);
    assert_string_equal(text_of(ow_json_get(run, "status"), "message"), "crashed");
    ow_json_free(body);
}

static void leaves_out_what_is_not_sampled(void **state) {
    fixture *f = *state;
    add_request(f, 1700000000000000, true);
    take(f);
    add_request(f, 1700000000000000, false);
    take(f);
    until(f, sent, 4);
    assert_int_equal(sent(f), 4);
    assert_int_equal(f->requests, 1);
}

static void gathers_blocks_into_one_request(void **state) {
    fixture *f = *state;
    for (int i = 0; i < 5; i++) {
        add_request(f, 1700000000000000, false);
        take(f);
    }
    until(f, sent, 20);
    assert_int_equal(f->requests, 1);
    ow_json *body;
    (void)spans_of(f, &body);
    assert_int_equal(ow_json_count(ow_json_get(body, "resourceSpans")), 5);
    ow_json_free(body);
}

static uint64_t failures(fixture *f) {
    return counted(f, "overworld_telemetry_export_failures_total");
}

static void tries_again_and_loses_nothing(void **state) {
    fixture *f = *state;
    f->status = 503;
    add_request(f, 1700000000000000, false);
    take(f);
    until(f, failures, 1);
    f->status = 200;
    until(f, sent, 4);
    assert_int_equal(dropped(f), 0);
    assert_int_equal(f->requests, 2);
}

static void drops_what_is_refused_for_good(void **state) {
    fixture *f = *state;
    f->status = 400;
    add_request(f, 1700000000000000, false);
    take(f);
    until(f, dropped, 4);
    f->status = 200;
    add_request(f, 1700000000000000, false);
    take(f);
    until(f, sent, 4);
    assert_int_equal(f->requests, 2);
}

// Nothing grows while the receiver is away.
static void bounds_what_waits(void **state) {
    fixture *f = *state;
    open_exporter(f, 64 * 1024);
    f->status = 503;
    for (int i = 0; i < MANY; i++) {
        add_request(f, 1700000000000000, false);
        take(f);
    }
    uint64_t lost = dropped(f);
    assert_true(lost > 0 && lost < 4 * MANY);
    until(f, failures, 1);
    f->status = 200;
    until(f, sent, 4 * MANY - lost);
    assert_int_equal(sent(f) + dropped(f), 4 * MANY);
}

int main(void) {
#define CASE(name) OW_TEST_WITH(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(sends_spans_in_the_shape_of_otlp), CASE(leaves_out_what_is_not_sampled),
        CASE(gathers_blocks_into_one_request),  CASE(tries_again_and_loses_nothing),
        CASE(drops_what_is_refused_for_good),   CASE(bounds_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
