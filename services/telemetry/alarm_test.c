// Alarms as the service has them, with targets of the test's own.

#include "services/telemetry/alarm_logic.h"
#include "services/telemetry/blocks_for_test.h"
#include "services/telemetry/telemetry.h"
#include "tests/stage/stage.h"

#include "core/crypto/secret.h"
#include "core/crypto/webhook.h"
#include "core/http/client.h"
#include "core/http/server.h"
#include "core/http_curl/smtp_for_test.h"
#include "core/loop/loop.h"

#include "overworld/runner/v1/runner.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SERVICE (&overworld__telemetry__v1__telemetry__descriptor)
#define TEXT(literal) ((char *)(uintptr_t)(literal))
#define SECOND_US ((int64_t)1000000)
#define PASSWORD_FLAG "--telemetry.smtp_password_file="

enum { GOT_MAX = 64, BODY_ROOM = 2000 };

typedef struct got {
    char body[BODY_ROOM];
    char id[64], timestamp[32], signature[100];
} got;

// A runner of the test's own: the function that is called.
typedef struct fake_runner {
    ProtobufCService *service;
    int calls, failures; // the first so many fail
    char payload[BODY_ROOM], title[OW_ID_MAX], name[100], source[20];
    ow_principal_kind kind;
} fake_runner;

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
    fake_runner runner;
    smtp_server smtp;
    char line[4000]; // the last mail
    char url[100];
    char secret[OW_WEBHOOK_SECRET_MAX];
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

static ow_code invoke(ow_run *run) {
    fake_runner *r = run->self;
    const Overworld__Runner__V1__InvokeRequest *request = run->request;
    Overworld__Runner__V1__InvokeResponse *reply = run->reply;
    r->kind = run->call->principal->kind;
    snprintf(r->title, sizeof r->title, "%s", run->call->principal->title);
    snprintf(r->source, sizeof r->source, "%s", request->source);
    snprintf(r->name, sizeof r->name, "%s/%s@%s", request->virtual_server, request->function,
             request->qualifier);
    snprintf(r->payload, sizeof r->payload, "%.*s", (int)request->payload.len,
             (const char *)request->payload.data);
    if (r->calls++ < r->failures) {
        reply->reason = TEXT("user_error");
        reply->message = TEXT("not today");
    }
    return OW_OK;
}

static const ow_method runner_methods[] = {{"Invoke", 0, {{OW_LOOP, invoke}}}, {0}};

static void offer_runner(fixture *f) {
    ow_err err;
    ow_service_options options = {
        .descriptor = &overworld__runner__v1__runner__descriptor,
        .methods = runner_methods,
        .api = f->stage.api,
        .self = &f->runner,
        .loop = f->stage.loop,
        .is_stand_in = true,
    };
    ow_directory_expect_here(f->stage.directory, options.descriptor);
    assert_ow_ok(ow_service_new(&options, &f->runner.service, &err), &err);
    assert_ow_ok(ow_directory_offer(f->stage.directory, f->runner.service, &err), &err);
}

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    ow_err err;
    char smtp[100];
    char password[STAGE_PATH_MAX + 100];
    ow_secret secret = {TEXT("open sesame"), strlen("open sesame")};
    assert_non_null(f);
    *state = f;
    smtp_open(&f->smtp, "plain");
    const char *folder = getenv("TEST_TMPDIR");
    snprintf(password, sizeof password, PASSWORD_FLAG "%s/password",
             folder != NULL ? folder : "/tmp");
    unlink(password + strlen(PASSWORD_FLAG));
    assert_ow_ok(ow_secret_store(password + strlen(PASSWORD_FLAG), &secret, &err), &err);
    snprintf(smtp, sizeof smtp, "--telemetry.smtp_server=smtp://127.0.0.1:%d", f->smtp.port);
    const char *flags[] = {smtp, password, "--telemetry.smtp_user=alice",
                           "--telemetry.smtp_from=overworld@example.com", NULL};
    stage_open(&f->stage, &ow_telemetry_module, OW_CHANNEL_LOCAL, flags);
    offer_runner(f);
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
    ow_directory_withdraw(f->stage.directory, f->runner.service);
    ow_service_free(f->runner.service);
    stage_close(&f->stage);
    smtp_close(&f->smtp);
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
    ow_webhook_headers headers = {f->got[0].id, f->got[0].timestamp, f->got[0].signature};
    assert_int_equal(ow_webhook_verify(f->secret, &headers, f->got[0].body, strlen(f->got[0].body),
                                       strtoll(f->got[0].timestamp, NULL, 10), NULL),
                     OW_OK);
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

static void adds_up_instances_of_versions(void **state) {
    fixture *f = *state;
    alarm_rule rule = rule_of(f, "instances", 8);
    test_run other = chat;
    other.version = 4;
    create(f, &rule);
    for (int i = 0; i < 3; i++) { // 7 at each time
        test_block_levels(&f->block, ow_clock_wall_us(f->stage.clock), &chat, 1, 4, 0);
        test_block_levels(&f->block, ow_clock_wall_us(f->stage.clock), &other, 1, 3, 0);
        append(f);
        look(f, 1);
    }
    assert_int_equal(f->count, 0);
    assert_true(list(f)->alarms[0]->value == 7);
    test_block_levels(&f->block, ow_clock_wall_us(f->stage.clock), &chat, 1, 5, 0);
    test_block_levels(&f->block, ow_clock_wall_us(f->stage.clock), &other, 1, 3, 0);
    append(f);
    look(f, 1);
    until_got(f, 1);
    assert_true(is_of(&f->got[0], "\"value\":8"));
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

static bool has_mail(void *self) {
    fixture *f = self;
    return smtp_next(&f->smtp, f->line, sizeof f->line);
}

static void must_have(const fixture *f, const char *text) {
    if (strstr(f->line, text) == NULL) {
        fail_msg("%s: not in %s", text, f->line);
    }
}

static void until_error(fixture *f, const char *text) {
    for (int i = 0; i < 5000 && strstr(list(f)->alarms[0]->last_error, text) == NULL; i++) {
        ow_loop_turn(f->stage.loop, 2000, NULL);
    }
    assert_non_null(strstr(list(f)->alarms[0]->last_error, text));
}

static void mails_one_alarm_and_one_recovery(void **state) {
    fixture *f = *state;
    char *to[] = {TEXT("ops@example.com"), TEXT("late@busy.test")};
    alarm_rule rule = rule_of(f, "errors", 3);
    rule.webhook_url = TEXT("");
    rule.emails = to;
    rule.n_emails = 2;
    create(f, &rule);
    assert_string_equal(f->secret, "");
    run(f, 4, "crashed");
    look(f, 1); // the server is busy at first
    until_error(f, "mail_refused: ");
    look(f, 1);
    stage_until(&f->stage, has_mail, f);
    must_have(f, "\"from\": \"FROM:<overworld@example.com>");
    must_have(f, "\"to\": [\"TO:<ops@example.com>\", \"TO:<late@busy.test>\"]");
    must_have(f, "\"login\": true");
    must_have(f, "\\r\\nTo: ops@example.com,\\r\\n late@busy.test\\r\\n");
    must_have(f, "\\r\\nSubject: [overworld] too-many fires\\r\\n");
    must_have(f, "The alarm too-many fires: errors of all is 4, and from 3 is told.");
    must_have(f, "alarm.firing");
    look(f, 2); // it still fires
    assert_false(has_mail(f));
    look(f, 6);
    stage_until(&f->stage, has_mail, f);
    must_have(f, "Subject: [overworld] too-many is over\\r\\n");
    look(f, 3);
    assert_false(has_mail(f));
    assert_int_equal(list(f)->alarms[0]->waiting_notices, 0);
}

static void calls_a_function(void **state) {
    fixture *f = *state;
    alarm_function call = OVERWORLD__TELEMETRY__V1__ALARM_FUNCTION__INIT;
    alarm_rule rule = rule_of(f, "errors", 1);
    rule.webhook_url = TEXT("");
    rule.call = &call;
    call.virtual_server = TEXT("ops");
    call.function = TEXT("on_alarm");
    create(f, &rule);
    f->runner.failures = 1;
    run(f, 1, "crashed");
    look(f, 1);
    assert_int_equal(f->runner.calls, 1);
    assert_string_equal(list(f)->alarms[0]->last_error, "user_error: not today");
    stage_restart(&f->stage); // what waits survives
    look(f, 1);
    assert_int_equal(f->runner.calls, 2);
    assert_string_equal(f->runner.name, "ops/on_alarm@$DEFAULT");
    assert_string_equal(f->runner.source, "event");
    assert_string_equal(f->runner.title, "ttl_1");
    assert_int_equal(f->runner.kind, OW_PLATFORM);
    assert_non_null(strstr(f->runner.payload, "\"type\":\"alarm.firing\",\"notice_id\":\"ntc_"));
    look(f, 8);
    assert_int_equal(f->runner.calls, 3);
    assert_non_null(strstr(f->runner.payload, "\"type\":\"alarm.recovered\""));
    assert_string_equal(list(f)->alarms[0]->last_error, "");
}

static void refuses_bad_targets(void **state) {
    fixture *f = *state;
    char *injected[] = {TEXT("a@b.test>\r\nDATA")};
    char *many[11];
    alarm_function call = OVERWORLD__TELEMETRY__V1__ALARM_FUNCTION__INIT;
    const alarm_rule sound = rule_of(f, "errors", 1);
    alarm_rule bad[5];
    for (size_t i = 0; i < 11; i++) {
        many[i] = TEXT("a@b.test");
        bad[i % 5] = sound;
    }
    bad[0].webhook_url = TEXT("");
    bad[1].emails = many; // two targets
    bad[1].n_emails = 1;
    bad[2].webhook_url = bad[3].webhook_url = bad[4].webhook_url = TEXT("");
    bad[2].emails = many;
    bad[2].n_emails = 11;
    bad[3].emails = injected;
    bad[3].n_emails = 1;
    call.virtual_server = TEXT("ops");
    bad[4].call = &call; // no function
    create_alarm_request request = OVERWORLD__TELEMETRY__V1__CREATE_ALARM_REQUEST__INIT;
    for (size_t i = 0; i < 5; i++) {
        request.rule = &bad[i];
        assert_null(stage_call(&f->stage, SERVICE, "CreateAlarm", &request, &developer));
        assert_string_equal(f->stage.err.reason, "bad_rule");
    }
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
    char first_secret[OW_WEBHOOK_SECRET_MAX];
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
        CASE(tells_its_target_when_a_function_fails),
        CASE(adds_up_instances_of_versions),
        CASE(counts_lines_of_the_log),
        CASE(keeps_notices_until_they_are_taken),
        CASE(mails_one_alarm_and_one_recovery),
        CASE(calls_a_function),
        CASE(sends_a_test_and_goes),
        CASE(refuses_bad_targets),
        CASE(refuses_bad_rules),
        CASE(a_repeated_request_makes_no_second_alarm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
