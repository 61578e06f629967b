// Alarms: the rules by themselves, and the service with a target of the test's own.

#include "services/telemetry/alarm_logic.h"
#include "services/telemetry/blocks_for_test.h"
#include "services/telemetry/telemetry.h"
#include "tests/stage/stage.h"

#include "core/http/client.h"
#include "core/http/server.h"
#include "core/loop/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SERVICE (&overworld__telemetry__v1__telemetry__descriptor)
#define TEXT(literal) ((char *)(uintptr_t)(literal))
#define SECOND_US ((int64_t)1000000)

enum { GOT_MAX = 64, BODY_ROOM = 2000 };

typedef struct got {
    char body[BODY_ROOM];
    char id[64], timestamp[32], signature[100];
} got;

typedef struct fixture {
    stage stage;
    test_block block;
    ow_http_client *client;
    ow_http_server *server;
    ow_http_budget budget;
    int status, attempts;
    got got[GOT_MAX]; // what was taken
    int count;
    int wanted;
    char url[100];
    char secret[ALARM_SECRET_MAX];
    char alarm_id[OW_ID_MAX];
} fixture;

static const stage_caller platform = {.kind = OW_PLATFORM};
static const stage_caller developer = {
    .kind = OW_OPERATOR, .role = OW_ROLE_DEVELOPER, .id = "opr_1", .title = "ttl_1"};
static const test_run chat = {.title = "ttl_1",
                              .request_id = "req_1",
                              .invocation_id = "inv_1",
                              .server = "chat",
                              .function = "greet",
                              .version = 3,
                              .duration_us = 1000};

// ---- The target ----

static void nothing(void *self, ow_http_request *request) {
    (void)self;
    (void)request;
}

static void copy_header(ow_http_request *request, const char *name, char *to, size_t room) {
    const char *value = ow_http_header(request, name);
    snprintf(to, room, "%s", value != NULL ? value : "");
}

static void on_body(void *self, ow_http_request *request) {
    fixture *f = self;
    size_t size;
    const char *body = ow_http_body(request, &size);
    f->attempts++;
    if (f->status < 300 && f->count < GOT_MAX) {
        got *g = &f->got[f->count++];
        snprintf(g->body, sizeof g->body, "%.*s", (int)size, body);
        copy_header(request, "webhook-id", g->id, sizeof g->id);
        copy_header(request, "webhook-timestamp", g->timestamp, sizeof g->timestamp);
        copy_header(request, "webhook-signature", g->signature, sizeof g->signature);
    }
    ow_http_reply(request, &(ow_http_answer){.status = f->status});
}

static void on_reject(void *self, ow_http_request *request, const ow_http_rejection *why) {
    (void)self;
    ow_http_reply(request, &(ow_http_answer){.status = why->status});
}

static void on_gone(void *self, ow_http_request *request) {
    (void)self;
    ow_http_reply(request, &(ow_http_answer){.status = 499});
}

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    ow_err err;
    assert_non_null(f);
    *state = f;
    stage_open(&f->stage, &ow_telemetry_module, OW_CHANNEL_LOCAL, NULL);
    f->budget.max = 1 << 20;
    f->status = 204;
    ow_http_options server = {
        .loop = f->stage.loop,
        .address = "127.0.0.1:0",
        .handler = {nothing, on_body, on_reject, on_gone, f},
        .budget = &f->budget,
        .max_connections = 16,
        .body_limit = 10000,
        .idle_timeout_us = 60 * SECOND_US,
        .header_timeout_us = SECOND_US,
    };
    assert_ow_ok(ow_http_server_open(&server, &f->server, &err), &err);
    ow_http_client_options client = {
        .loop = f->stage.loop,
        .egress = {.networks = "127.0.0.1", .plain = true},
        .max_fetches = 4,
        .max_connections = 4,
        .max_per_host = 4,
    };
    assert_ow_ok(ow_http_client_open(&client, &f->client, &err), &err);
    f->stage.env.outgoing = f->client;
    snprintf(f->url, sizeof f->url, "http://%s/hook", ow_http_server_address(f->server));
    stage_start(&f->stage);
    const int64_t step_us = 10 * SECOND_US; // steps begin with it
    ow_clock_advance(f->stage.clock, step_us - ow_clock_wall_us(f->stage.clock) % step_us);
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    ow_http_server_close(f->server);
    for (int i = 0; i < 10; i++) {
        ow_loop_turn(f->stage.loop, 0, NULL);
    }
    // The module's fetches end before their client.
    f->stage.env.outgoing = NULL;
    stage_restart(&f->stage);
    ow_http_client_close(f->client);
    stage_close(&f->stage);
    test_block_free(&f->block);
    free(f);
    return 0;
}

// ---- Steps ----

static alarm_rule rule_of(const fixture *f, const char *measure, double threshold) {
    alarm_rule rule = OVERWORLD__TELEMETRY__V1__ALARM_RULE__INIT;
    rule.name = TEXT("too-many");
    rule.measure = TEXT(measure);
    rule.threshold = threshold;
    rule.window_s = 60;
    rule.silence_s = 600;
    rule.webhook_url = TEXT(f->url);
    return rule;
}

static void create(fixture *f, alarm_rule *rule) {
    create_alarm_request request = OVERWORLD__TELEMETRY__V1__CREATE_ALARM_REQUEST__INIT;
    request.rule = rule;
    const create_alarm_response *reply =
        stage_call(&f->stage, SERVICE, "CreateAlarm", &request, &developer);
    if (reply == NULL) {
        fail_msg("%s: %s", f->stage.err.reason, f->stage.err.message);
    }
    snprintf(f->secret, sizeof f->secret, "%s", reply->webhook_secret);
    snprintf(f->alarm_id, sizeof f->alarm_id, "%s", reply->alarm_id);
}

static void append(fixture *f) {
    append_request request = OVERWORLD__TELEMETRY__V1__APPEND_REQUEST__INIT;
    request.process = TEXT("runner-1");
    request.records = (ProtobufCBinaryData){f->block.size, f->block.bytes};
    request.count = f->block.count;
    request.first_us = f->block.first_us;
    request.last_us = f->block.last_us;
    assert_non_null(stage_call(&f->stage, SERVICE, "Append", &request, &platform));
    test_block_free(&f->block);
}

static void run(fixture *f, int calls, const char *reason) {
    test_run r = chat;
    r.reason = reason;
    for (int i = 0; i < calls; i++) {
        test_block_invocation(&f->block, ow_clock_wall_us(f->stage.clock), &r);
    }
    append(f);
}

static const list_alarms_response *list(fixture *f) {
    Overworld__Telemetry__V1__ListAlarmsRequest request =
        OVERWORLD__TELEMETRY__V1__LIST_ALARMS_REQUEST__INIT;
    const list_alarms_response *reply =
        stage_call(&f->stage, SERVICE, "ListAlarms", &request, &developer);
    assert_non_null(reply);
    return reply;
}

// Lets the evaluator look so often, and what it has to say arrive.
static void look(fixture *f, int times) {
    for (int i = 0; i < times; i++) {
        ow_clock_advance(f->stage.clock, 10 * SECOND_US);
        // A look and a telling are a read, a write, a request, a write.
        for (int turn = 0; turn < 60; turn++) {
            ow_loop_turn(f->stage.loop, 2000, NULL);
        }
    }
}

static bool has_come(void *self) {
    const fixture *f = self;
    return f->count >= f->wanted;
}

static void until_got(fixture *f, int count) {
    f->wanted = count;
    stage_until(&f->stage, has_come, f);
}

static bool is_of(const got *g, const char *type) {
    return strstr(g->body, type) != NULL;
}

// ---- Rules by themselves ----

typedef struct moment {
    int at_s;
    bool breaks;
    alarm_event wanted;
} moment;

// Silence: 100 s.
static const moment moments[] = {
    {0, false, ALARM_NOTHING},      {10, true, ALARM_FIRING},      {20, true, ALARM_NOTHING},
    {900, true, ALARM_NOTHING},     {910, false, ALARM_RECOVERED}, {920, false, ALARM_NOTHING},
    {930, true, ALARM_NOTHING},  // within the silence of the recovery
    {940, false, ALARM_NOTHING}, // nobody was told that it fires
    {950, true, ALARM_NOTHING},     {1000, true, ALARM_NOTHING},   {1010, true, ALARM_FIRING},
    {1020, false, ALARM_RECOVERED},
};

static void tells_once_and_once_that_it_is_over(void **state) {
    (void)state;
    alarm_state s = {.firing = false};
    for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) {
        const moment *m = &moments[i];
        alarm_event event = alarm_look(&s, m->breaks, 100 * SECOND_US, (m->at_s + 1) * SECOND_US);
        if (event != m->wanted) {
            fail_msg("at %d s: %d, wanted %d", m->at_s, event, m->wanted);
        }
        assert_int_equal(s.firing, m->breaks);
    }
}

// The example of the specification's reference libraries.
static void signs_as_standard_webhooks(void **state) {
    (void)state;
    char signature[ALARM_SIGNATURE_MAX];
    webhook w = {
        .id = "msg_p5jXN8AQM9LWM0D4loKWxJek",
        .secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        .body = "{\"test\": 2432232314}",
        .timestamp_s = 1614265330,
    };
    assert_true(webhook_sign(&w, signature));
    assert_string_equal(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    w.secret = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    assert_false(webhook_sign(&w, signature));
    w.secret = "whsec_*";
    assert_false(webhook_sign(&w, signature));
    char secret[ALARM_SECRET_MAX];
    char other[ALARM_SECRET_MAX];
    webhook_make_secret(secret);
    webhook_make_secret(other);
    assert_string_not_equal(secret, other);
    w.secret = secret;
    assert_true(webhook_sign(&w, signature));
}

static void measures_what_the_rule_names(void **state) {
    (void)state;
    static const struct {
        const char *measure;
        double wanted;
    } cases[] = {{"calls", 60},        {"rate", 1},      {"errors", 15},
                 {"error_rate", 0.25}, {"throttled", 7}, {"cold_starts", 3},
                 {"p50_ms", 0.1},      {"p95_ms", 3.2},  {"p99_ms", 3.2}};
    point p = {.calls = 60, .errors = 15, .throttled = 7, .cold_starts = 3};
    p.durations[0] = 54;
    p.durations[5] = 6;
    alarm_rule rule = OVERWORLD__TELEMETRY__V1__ALARM_RULE__INIT;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rule.measure = TEXT(cases[i].measure);
        double value = alarm_value(&rule, &p);
        assert_true(value > cases[i].wanted - 1e-9 && value < cases[i].wanted + 1e-9);
    }
    point none = {.calls = 0};
    rule.measure = TEXT("error_rate");
    assert_true(alarm_value(&rule, &none) == 0);
    assert_int_equal(notice_delay_us(1), 5 * SECOND_US);
    assert_int_equal(notice_delay_us(2), 10 * SECOND_US);
    assert_int_equal(notice_delay_us(60), 7200 * SECOND_US);
}

// ---- The service ----

static void tells_its_target_when_a_function_fails(void **state) {
    fixture *f = *state;
    alarm_rule rule = rule_of(f, "error_rate", 0.5);
    rule.virtual_server = TEXT("chat");
    create(f, &rule);
    run(f, 10, NULL);
    look(f, 2);
    assert_int_equal(f->count, 0);
    run(f, 40, "crashed");
    look(f, 1);
    until_got(f, 1);
    assert_true(is_of(&f->got[0], "\"type\":\"alarm.firing\""));
    assert_true(is_of(&f->got[0], "\"value\":0.8"));
    assert_true(list(f)->alarms[0]->firing);
    char signature[ALARM_SIGNATURE_MAX];
    webhook w = {f->got[0].id, f->secret, f->got[0].body, strtoll(f->got[0].timestamp, NULL, 10)};
    assert_true(webhook_sign(&w, signature));
    assert_string_equal(f->got[0].signature, signature);
    look(f, 3); // it still fires
    assert_int_equal(f->count, 1);
    look(f, 6); // the window has passed
    until_got(f, 2);
    assert_true(is_of(&f->got[1], "\"type\":\"alarm.recovered\""));
    assert_string_not_equal(f->got[0].id, f->got[1].id);
    run(f, 40, "crashed"); // within the silence
    look(f, 3);
    assert_int_equal(f->count, 2);
}

static void counts_lines_of_the_log(void **state) {
    fixture *f = *state;
    alarm_rule rule = rule_of(f, "log", 3);
    rule.text = TEXT("disk full*");
    create(f, &rule);
    for (int i = 0; i < 3; i++) {
        test_block_line(&f->block, ow_clock_wall_us(f->stage.clock), &chat, "error",
                        i < 2 ? "The disk is FULL" : "all is well");
    }
    append(f);
    look(f, 1);
    assert_int_equal(f->count, 0);
    test_block_line(&f->block, ow_clock_wall_us(f->stage.clock), &chat, "info", "disk fuller");
    append(f);
    look(f, 1);
    until_got(f, 1);
    assert_true(is_of(&f->got[0], "\"value\":3"));
}

static void keeps_notices_until_they_are_taken(void **state) {
    fixture *f = *state;
    alarm_rule rule = rule_of(f, "errors", 1);
    create(f, &rule);
    f->status = 500;
    run(f, 1, "crashed");
    look(f, 2);
    assert_true(f->attempts >= 1);
    assert_int_equal(f->count, 0);
    const alarm_msg *alarm = list(f)->alarms[0];
    assert_int_equal(alarm->waiting_notices, 1);
    assert_string_equal(alarm->last_error, "status 500");
    stage_restart(&f->stage);
    f->status = 200;
    look(f, 6);
    until_got(f, 1);
    look(f, 1);
    alarm = list(f)->alarms[0];
    assert_int_equal(alarm->waiting_notices, 0);
    assert_string_equal(alarm->last_error, "");
}

static void sends_a_test_and_goes(void **state) {
    fixture *f = *state;
    alarm_rule rule = rule_of(f, "calls", 1000);
    create(f, &rule);
    test_alarm_request test = OVERWORLD__TELEMETRY__V1__TEST_ALARM_REQUEST__INIT;
    test.alarm_id = f->alarm_id;
    const test_alarm_response *reply =
        stage_call(&f->stage, SERVICE, "TestAlarm", &test, &developer);
    assert_non_null(reply);
    until_got(f, 1);
    assert_true(is_of(&f->got[0], "\"type\":\"alarm.test\""));
    assert_string_equal(f->got[0].id, reply->notice_id);
    stage_caller elsewhere = developer;
    elsewhere.title = "ttl_2";
    assert_null(stage_call(&f->stage, SERVICE, "TestAlarm", &test, &elsewhere));
    assert_string_equal(f->stage.err.reason, "no_alarm");
    delete_alarm_request delete_it = OVERWORLD__TELEMETRY__V1__DELETE_ALARM_REQUEST__INIT;
    delete_it.alarm_id = f->alarm_id;
    assert_null(stage_call(&f->stage, SERVICE, "DeleteAlarm", &delete_it, &elsewhere));
    assert_non_null(stage_call(&f->stage, SERVICE, "DeleteAlarm", &delete_it, &developer));
    assert_int_equal(list(f)->n_alarms, 0);
    assert_null(stage_call(&f->stage, SERVICE, "DeleteAlarm", &delete_it, &developer));
    assert_string_equal(f->stage.err.reason, "no_alarm");
}

static void refuses_bad_rules(void **state) {
    fixture *f = *state;
    const alarm_rule sound = rule_of(f, "errors", 1);
    alarm_rule bad[9];
    for (size_t i = 0; i < 9; i++) {
        bad[i] = sound;
    }
    bad[0].name = TEXT("");
    bad[1].measure = TEXT("what");
    bad[2].window_s = 9;
    bad[3].window_s = 3601;
    bad[4].silence_s = -1;
    bad[5].webhook_url = TEXT("file:///etc/passwd");
    bad[6].text = TEXT("...");
    bad[7].min_level = TEXT("loud");
    bad[8].threshold = 1.0 / 0.0;
    create_alarm_request request = OVERWORLD__TELEMETRY__V1__CREATE_ALARM_REQUEST__INIT;
    for (size_t i = 0; i < 9; i++) {
        request.rule = &bad[i];
        assert_null(stage_call(&f->stage, SERVICE, "CreateAlarm", &request, &developer));
        assert_string_equal(f->stage.err.reason, "bad_rule");
    }
    request.rule = NULL;
    assert_null(stage_call(&f->stage, SERVICE, "CreateAlarm", &request, &developer));
    assert_string_equal(f->stage.err.reason, "bad_rule");
    alarm_rule rule = sound;
    create(f, &rule);
    request.rule = &rule;
    assert_null(stage_call(&f->stage, SERVICE, "CreateAlarm", &request, &developer));
    assert_string_equal(f->stage.err.reason, "alarm_exists");
    char name[20];
    rule.name = name;
    for (int i = 1; i < 100; i++) {
        snprintf(name, sizeof name, "rule-%d", i);
        create(f, &rule);
    }
    snprintf(name, sizeof name, "one-too-many");
    assert_null(stage_call(&f->stage, SERVICE, "CreateAlarm", &request, &developer));
    assert_string_equal(f->stage.err.reason, "too_many_alarms");
    assert_int_equal(list(f)->n_alarms, 100);
}

static void a_repeated_request_makes_no_second_alarm(void **state) {
    fixture *f = *state;
    char first_id[OW_ID_MAX];
    char first_secret[ALARM_SECRET_MAX];
    alarm_rule rule = rule_of(f, "calls", 5);
    create_alarm_request request = OVERWORLD__TELEMETRY__V1__CREATE_ALARM_REQUEST__INIT;
    request.rule = &rule;
    request.request_key = TEXT("try-1");
    const create_alarm_response *reply =
        stage_call(&f->stage, SERVICE, "CreateAlarm", &request, &developer);
    assert_non_null(reply);
    snprintf(first_id, sizeof first_id, "%s", reply->alarm_id);
    snprintf(first_secret, sizeof first_secret, "%s", reply->webhook_secret);
    reply = stage_call(&f->stage, SERVICE, "CreateAlarm", &request, &developer);
    assert_non_null(reply);
    assert_string_equal(reply->alarm_id, first_id);
    assert_string_equal(reply->webhook_secret, first_secret);
    assert_int_equal(list(f)->n_alarms, 1);
    rule.threshold = 6;
    assert_null(stage_call(&f->stage, SERVICE, "CreateAlarm", &request, &developer));
    assert_string_equal(f->stage.err.reason, "request_key_reused");
}

int main(void) {
#define CASE(name) OW_TEST_WITH(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        OW_TEST(tells_once_and_once_that_it_is_over),
        OW_TEST(signs_as_standard_webhooks),
        OW_TEST(measures_what_the_rule_names),
        CASE(tells_its_target_when_a_function_fails),
        CASE(counts_lines_of_the_log),
        CASE(keeps_notices_until_they_are_taken),
        CASE(sends_a_test_and_goes),
        CASE(refuses_bad_rules),
        CASE(a_repeated_request_makes_no_second_alarm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
