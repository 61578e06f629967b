// The whole path through the C SDK: login, calls, refusals, nested calls, deploys, logs, drain. Run
// against every shape of deployment.

#include "tests/scenario/own_bundle.h"

#include "core/json/tree.h"
#include "core/testing/ow_test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static deployment_shape shape;
static deployment *d;
static ow_client *player;

#define LAB "tests/scenario/bundle"

static int set_up(void **state) {
    (void)state;
    d = deployment_start(shape, NULL);
    deployment_deploy(d, LAB, true);
    player = deployment_player(d, "device-of-the-tests");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    ow_client_free(player);
    deployment_stop(d);
    return 0;
}

// ---- Login ----

static void a_device_is_the_same_player_again(void **state) {
    (void)state;
    ow_client_config config = {.url = deployment_public(d)};
    ow_client *client = ow_client_new(&config, NULL);
    ow_client_login first, second;
    assert_true(ow_client_login_device(client, "device-number-1", &first, NULL));
    assert_true(ow_client_login_device(client, "device-number-1", &second, NULL));
    assert_true(first.is_new_player);
    assert_false(second.is_new_player);
    assert_string_equal(first.player_id, second.player_id);
    assert_string_not_equal(first.session_id, second.session_id);
    ow_client_error error;
    assert_false(ow_client_login_device(client, "short", NULL, &error));
    assert_int_equal(error.status, 400);
    ow_client_free(client);
}

// A game that starts again goes on with its refresh token; a logout ends the session for every client of it.
static void a_session_is_resumed_and_ended(void **state) {
    (void)state;
    ow_client_config config = {.url = deployment_public(d)};
    ow_client *first = ow_client_new(&config, NULL);
    ow_client_login login, resumed;
    ow_client_error error;
    assert_true(ow_client_login_device(first, "device-that-resumes", &login, NULL));
    ow_client *second = ow_client_new(&config, NULL);
    assert_true(ow_client_resume(second, ow_client_refresh_token(first), &resumed, NULL));
    assert_string_equal(resumed.player_id, login.player_id);
    assert_string_equal(resumed.session_id, login.session_id);
    assert_string_not_equal(ow_client_refresh_token(second), ow_client_refresh_token(first));
    expect_reply(second, "lab/echo", "1", "1");
    char last[400];
    snprintf(last, sizeof last, "%s", ow_client_refresh_token(second));
    assert_true(ow_client_logout(second, &error));
    assert_false(ow_client_resume(second, last, NULL, &error));
    assert_int_equal(error.status, 401);
    ow_client_free(first);
    ow_client_free(second);
}

static void players_log_in_in_several_ways(void **state) {
    (void)state;
    ow_client_config config = {.url = deployment_public(d)};
    ow_client *client = ow_client_new(&config, NULL);
    ow_client_credentials email = {
        .email = "Ada@example.org", .password = "a long enough one", .create = true};
    ow_client_credentials custom = {.custom_id = "studio-account-1", .existing_only = true};
    ow_client_login first, again;
    ow_client_error error;
    assert_true(ow_client_login_with(client, &email, &first, NULL));
    email.create = false;
    email.email = "ada@example.org";
    assert_true(ow_client_login_with(client, &email, &again, NULL));
    assert_string_equal(again.player_id, first.player_id);
    email.password = "another one";
    assert_false(ow_client_login_with(client, &email, NULL, &error));
    assert_string_equal(error.reason, "bad_credentials");
    expect_reply(client, "lab/echo", "1", "1"); // who was logged in stays so
    assert_false(ow_client_login_with(client, &custom, NULL, &error));
    assert_int_equal(error.status, 404);
    custom.existing_only = false;
    assert_true(ow_client_login_with(client, &custom, &again, NULL));
    assert_true(again.is_new_player);
    assert_string_not_equal(again.player_id, first.player_id);
    ow_client_free(client);
}

static int logouts_heard;

static void on_event(void *user, ow_client_event event, const ow_client_error *error) {
    (void)user;
    logouts_heard += event == OW_CLIENT_LOGGED_OUT && error->status == 401;
}

static void a_client_hears_that_it_was_logged_out(void **state) {
    (void)state;
    ow_client_config config = {.url = deployment_public(d), .on_event = on_event};
    ow_client *client = ow_client_new(&config, NULL);
    ow_client_error error = {0};
    assert_true(ow_client_login_device(client, "device-logged-out-elsewhere", NULL, NULL));
    ow_client_request request = {
        .method = "POST",
        .path = "/overworld.identity.v1.Identity/LogoutEverywhere",
        .body = "{}",
        .size = 2,
    };
    logouts_heard = 0;
    assert_true(ow_client_send(client, &request, NULL, NULL));
    // Gateways hear of it at once, but not in the same instant.
    int64_t start = now_ms();
    while (ow_client_call_json(client, "lab/echo", "1", NULL, &error)) {
        assert_true(now_ms() - start < 10000);
    }
    assert_string_equal(error.reason, "logged_out");
    assert_int_equal(logouts_heard, 1);
    assert_string_equal(ow_client_access_token(client), "");
    ow_client_free(client);
}

static void a_wrong_token_is_refused(void **state) {
    (void)state;
    static const char *const tokens[] = {"nonsense", "a.b.c", "eyJhbGciOiJub25lIn0.e30."};
    for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++) {
        ow_client_config config = {.url = deployment_public(d), .access_token = tokens[i]};
        ow_client *client = ow_client_new(&config, NULL);
        ow_client_error error;
        assert_false(ow_client_call_json(client, "lab/echo", "{}", NULL, &error));
        assert_int_equal(error.status, 401);
        ow_client_free(client);
    }
}

static void a_server_key_opens_what_players_may_not(void **state) {
    (void)state;
    ow_client *server = deployment_server(d);
    expect_reply(server, "lab/for_servers", "{}", "\"server\"");
    expect_reply(server, "lab/echo", "{\"a\":1}", "{\"a\":1}");
    expect_error(server, "lab/inner", "{}", (refusal){403, "not_exposed"}, NULL);
    expect_error(player, "lab/for_servers", "{}", (refusal){403, "not_exposed"}, NULL);
    ow_client_free(server);
}

static void a_wrong_server_secret_is_refused(void **state) {
    (void)state;
    char out[256];
    assert_int_equal(OW(d, out, "key", "create", "other"), 0);
    out[strcspn(out, " ")] = '\0';
    ow_client_config config = {.url = deployment_public(d),
                               .server_key_id = out,
                               .server_key_secret = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    ow_client *client = ow_client_new(&config, NULL);
    ow_client_error error;
    assert_false(ow_client_login_server(client, NULL, &error));
    assert_int_equal(error.status, 401);
    ow_client_free(client);
}

// ---- Calls ----

static void payloads_pass_untouched(void **state) {
    (void)state;
    expect_reply(player, "lab/echo", "{\"n\":1}", "{\"n\":1}");
    expect_reply(player, "lab/echo", " [1, 2.50, \"\\u00e9\"] ", " [1, 2.50, \"\\u00e9\"] ");
    static char bytes[100000];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (char)(i * 7);
    }
    ow_client_function echo = {.name = "lab/echo",
                               .payload = bytes,
                               .size = sizeof bytes,
                               .content_type = "application/octet-stream"};
    ow_client_reply *reply = NULL;
    ow_client_error error;
    assert_true(ow_client_call(player, &echo, &reply, &error));
    assert_int_equal(reply->size, sizeof bytes);
    assert_memory_equal(reply->data, bytes, sizeof bytes);
    assert_string_equal(reply->content_type, "application/octet-stream");
    assert_int_equal(strncmp(reply->request_id, "req_", 4), 0);
    ow_client_reply_free(reply);
}

static void five_megabytes_go_both_ways(void **state) {
    (void)state;
    size_t size = 5u << 20;
    char *bytes = malloc(size);
    assert_non_null(bytes);
    memset(bytes, 'x', size);
    ow_client_function echo = {
        .name = "lab/echo", .payload = bytes, .size = size, .content_type = "text/plain"};
    ow_client_reply *reply = NULL;
    assert_true(ow_client_call(player, &echo, &reply, NULL));
    assert_int_equal(reply->size, size);
    assert_memory_equal(reply->data, bytes, size);
    ow_client_reply_free(reply);
    ow_client_error error;
    char *more = calloc(1, 7u << 20);
    assert_non_null(more);
    echo.payload = more;
    echo.size = 7u << 20;
    assert_false(ow_client_call(player, &echo, NULL, &error));
    assert_int_equal(error.status, 413);
    free(more);
    free(bytes);
}

static void json_is_checked_at_the_door(void **state) {
    (void)state;
    static const char *const bad[] = {"{", "{\"a\":1,}", "[01]", "\"\xff\"", "{} {}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ow_client_error error;
        assert_false(ow_client_call_json(player, "lab/echo", bad[i], NULL, &error));
        assert_int_equal(error.status, 400);
    }
    // No body at all is no JSON to check: the function gets an empty payload.
    expect_reply(player, "lab/echo", "", "");
}

static void a_function_knows_its_call(void **state) {
    (void)state;
    ow_client_reply *reply = NULL;
    assert_true(ow_client_call_json(player, "lab/whoami", "{}", &reply, NULL));
    ow_json *json = NULL;
    assert_int_equal(ow_json_parse(reply->data, reply->size, 8, &json, NULL), OW_OK);
    assert_int_equal(strncmp(ow_json_string(ow_json_get(json, "player")), "plr_", 4), 0);
    assert_string_equal(ow_json_string(ow_json_get(json, "source")), "client");
    assert_string_equal(ow_json_string(ow_json_get(json, "greeting")), "hello");
    assert_string_equal(ow_json_string(ow_json_get(json, "version")), "1");
    assert_string_equal(ow_json_string(ow_json_get(json, "request_id")), reply->request_id);
    ow_json_free(json);
    ow_client_reply_free(reply);
}

static void failures_have_their_status_and_reason(void **state) {
    (void)state;
    expect_error(player, "lab/fail", "{}", (refusal){500, "user_error"}, NULL);
    expect_error(player, "lab/inner", "{}", (refusal){403, "not_exposed"}, NULL);
    expect_error(player, "lab/no_such", "{}", (refusal){404, "function_not_found"}, NULL);
    expect_error(player, "no_such/echo", "{}", (refusal){404, "function_not_found"}, NULL);
    expect_error(player, "lab/hasty", "{}", (refusal){504, "timeout"}, NULL);
    expect_error(player, "lab/crash", "{}", (refusal){502, "crashed"}, NULL);
    expect_reply(player, "lab/echo", "1", "1");
}

static void a_refusal_is_shown_unchanged(void **state) {
    (void)state;
    ow_client_error error;
    assert_false(ow_client_call_json(player, "lab/refuse", "{}", NULL, &error));
    assert_int_equal(error.status, 422);
    assert_string_equal(error.reason, "refused");
    assert_non_null(error.details);
    assert_non_null(strstr(error.details, "too_poor"));
    assert_non_null(strstr(error.details, "\"gold\":3"));
}

static void players_name_public_aliases_only(void **state) {
    (void)state;
    static const char *const qualifiers[] = {"$LATEST", "1"};
    for (size_t i = 0; i < 2; i++) {
        ow_client_function echo = {
            .name = "lab/echo", .payload = "1", .size = 1, .qualifier = qualifiers[i]};
        ow_client_error error;
        assert_false(ow_client_call(player, &echo, NULL, &error));
        assert_int_equal(error.status, 403);
    }
    ow_client *operator= deployment_operator(d);
    for (size_t i = 0; i < 2; i++) {
        ow_client_function echo = {
            .name = "lab/echo", .payload = "1", .size = 1, .qualifier = qualifiers[i]};
        assert_true(ow_client_call(operator, & echo, NULL, NULL));
    }
    ow_client_free(operator);
}

static void nested_calls_carry_the_request(void **state) {
    (void)state;
    expect_reply(player, "lab/nested", "{}", "{\"outer\":{\"inner\":true}}");
    expect_reply(player, "lab/deep", "{}", "{\"stopped\":\"too_deep\"}");
}

typedef struct counted {
    int ok, failed;
} counted;

static void count_reply(void *user, ow_client_reply *reply, const ow_client_error *error) {
    counted *c = user;
    (void)error;
    if (reply != NULL) {
        c->ok++;
    } else {
        c->failed++;
    }
}

static void many_calls_go_on_at_once(void **state) {
    (void)state;
    counted c = {0};
    for (int i = 0; i < 40; i++) {
        assert_true(start_call(player, "lab/slow", "{\"ms\":50}", count_reply, &c));
    }
    int64_t start = now_ms();
    while (c.ok + c.failed < 40) {
        ow_client_poll(player, 100);
        assert_true(now_ms() - start < 60000);
    }
    assert_int_equal(c.failed, 0);
}

// ---- Deploys ----

static void make_bundle(char folder[64], const char *source) {
    own_bundle_make(folder,
                    "{\"name\":\"swap\",\"runtime\":\"c\",\"functions\":{\"answer\":{\"exposure\":"
                    "\"client\"}}}",
                    source);
}

static const char *answer_source(char source[160], int number) {
    snprintf(source, 160,
             "#include <overworld.h>\nint answer(ow_ctx *ctx) {\n    return ow_reply_text(ctx, "
             "\"%d\");\n}\n",
             number);
    return source;
}

static void bad_code_leaves_the_old_code_serving(void **state) {
    (void)state;
    char folder[64], source[160], out[4096];
    make_bundle(folder, answer_source(source, 1));
    deployment_deploy(d, folder, false);
    expect_reply(player, "swap/answer", "{}", "1");
    write_file(folder, "main.c",
               "#include <overworld.h>\nint answer(ow_ctx *ctx) {\n    return x;\n}\n");
    assert_int_equal(OW(d, out, "vs", "deploy", folder, "--json"), 1);
    assert_non_null(strstr(out, "\"file\":\"main.c\""));
    assert_non_null(strstr(out, "\"line\":3"));
    expect_reply(player, "swap/answer", "{}", "1");
    write_file(folder, "main.c", answer_source(source, 2));
    deployment_deploy(d, folder, false);
    own_bundle_remove(folder);
    expect_reply(player, "swap/answer", "{}", "2");
}

static void a_published_version_stays(void **state) {
    (void)state;
    char folder[64], source[160], out[4096];
    make_bundle(folder, answer_source(source, 10));
    deployment_deploy(d, folder, true);
    expect_reply(player, "swap/answer", "{}", "10");
    write_file(folder, "main.c", answer_source(source, 11));
    deployment_deploy(d, folder, false);
    own_bundle_remove(folder);
    expect_reply(player, "swap/answer", "{}", "10");
    assert_int_equal(
        OW(d, out, "fn", "invoke", "swap", "answer", "--qualifier", "$LATEST", "--quiet"), 0);
    assert_string_equal(out, "11");
    assert_int_equal(OW(d, out, "vs", "publish", "swap"), 0);
    expect_reply(player, "swap/answer", "{}", "11");
}

// ---- Logs ----

// Records of gateway and runner arrive one by one: asks until all of `wanted` (NULL-ended) are there.
static void logs_of(const char *request_id, const char *const *wanted, char *out, size_t size) {
    const char *args[] = {"logs", "--request", request_id, "--limit", "200", NULL};
    int64_t deadline = now_ms() + 15000;
    bool complete;
    do {
        assert_int_equal(deployment_ow(d, out, size, args), 0);
        complete = true;
        for (const char *const *part = wanted; *part != NULL; part++) {
            complete = complete && strstr(out, *part) != NULL;
        }
    } while (!complete && now_ms() < deadline);
}

#define LOGS_OF(id, out, ...)                                                                      \
    logs_of((id), (const char *const[]){__VA_ARGS__, NULL}, (out), sizeof(out))

static void expect_in_order(const char *text, const char *const *parts) {
    const char *at = text;
    for (; *parts != NULL; parts++) {
        const char *found = strstr(at, *parts);
        if (found == NULL) {
            fail_msg("\"%s\" is not there, or not in order, in:\n%s", *parts, text);
        }
        at = found + 1;
    }
}

static void one_id_finds_the_whole_tree(void **state) {
    (void)state;
    static char out[65536];
    ow_client_reply *reply = NULL;
    assert_true(ow_client_call_json(player, "lab/nested", "{}", &reply, NULL));
    LOGS_OF(reply->request_id, out, "REQUEST", "lab/nested@1 REPORT");
    expect_in_order(out, (const char *const[]){"lab/inner", "inner runs for function", NULL});
    expect_in_order(out, (const char *const[]){"lab/nested", "START", NULL});
    assert_non_null(strstr(out, "REQUEST"));
    ow_client_reply_free(reply);
}

static void a_failed_call_tells_its_story(void **state) {
    (void)state;
    static char out[65536];
    char request_id[48];
    expect_error(player, "lab/fail", "{}", (refusal){500, "user_error"}, request_id);
    LOGS_OF(request_id, out, "REQUEST", "REPORT");
    expect_in_order(out, (const char *const[]){"START", "about to fail", "failing on purpose",
                                               "the dice fell badly", "END", "REPORT", NULL});
}

static void a_crash_shows_its_stack(void **state) {
    (void)state;
    static char out[65536];
    char request_id[48];
    expect_error(player, "lab/crash", "{}", (refusal){502, "crashed"}, request_id);
    LOGS_OF(request_id, out, "REQUEST", "REPORT");
    assert_non_null(strstr(out, "this will hurt"));
    assert_non_null(strstr(out, "lab.c:"));
}

// ---- Metrics ----

// Debian's package prometheus has promtool; without it there is nobody to ask.
static void promtool_is_content(void **state) {
    (void)state;
    if (access("/usr/bin/promtool", X_OK) != 0) {
        skip();
    }
    ow_client_config config = {.url = deployment_console(d)};
    ow_client *client = ow_client_new(&config, NULL);
    ow_client_request request = {.method = "GET", .path = "/metrics", .without_token = true};
    ow_client_reply *reply = NULL;
    assert_true(ow_client_send(client, &request, &reply, NULL));
    assert_non_null(strstr(reply->data, "overworld_gateway_requests_total"));
    FILE *tool = popen("/usr/bin/promtool check metrics", "w");
    assert_non_null(tool);
    assert_int_equal(fwrite(reply->data, 1, reply->size, tool), reply->size);
    assert_int_equal(pclose(tool), 0);
    ow_client_reply_free(reply);
    ow_client_free(client);
}

// ---- Drain ----

static void running_calls_end_before_the_server_does(void **state) {
    (void)state;
    counted c = {0};
    assert_true(start_call(player, "lab/slow", "{\"ms\":1500}", count_reply, &c));
    int64_t start = now_ms();
    while (now_ms() - start < 500) {
        ow_client_poll(player, 20);
    }
    kill(deployment_pid(d, "gateway"), SIGTERM);
    while (c.ok + c.failed == 0 && now_ms() - start < 30000) {
        ow_client_poll(player, 100);
    }
    assert_int_equal(c.ok, 1);
    while (deployment_is_running(d, "gateway") && now_ms() - start < 30000) {
        ow_client_poll(player, 10);
    }
    assert_false(deployment_is_running(d, "gateway"));
}

int main(int argc, char **argv) {
    shape = deployment_shape_of(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_is_the_same_player_again),
        cmocka_unit_test(a_session_is_resumed_and_ended),
        cmocka_unit_test(players_log_in_in_several_ways),
        cmocka_unit_test(a_client_hears_that_it_was_logged_out),
        cmocka_unit_test(a_wrong_token_is_refused),
        cmocka_unit_test(a_server_key_opens_what_players_may_not),
        cmocka_unit_test(a_wrong_server_secret_is_refused),
        cmocka_unit_test(payloads_pass_untouched),
        cmocka_unit_test(five_megabytes_go_both_ways),
        cmocka_unit_test(json_is_checked_at_the_door),
        cmocka_unit_test(a_function_knows_its_call),
        cmocka_unit_test(failures_have_their_status_and_reason),
        cmocka_unit_test(a_refusal_is_shown_unchanged),
        cmocka_unit_test(players_name_public_aliases_only),
        cmocka_unit_test(nested_calls_carry_the_request),
        cmocka_unit_test(many_calls_go_on_at_once),
        cmocka_unit_test(bad_code_leaves_the_old_code_serving),
        cmocka_unit_test(a_published_version_stays),
        cmocka_unit_test(one_id_finds_the_whole_tree),
        cmocka_unit_test(a_failed_call_tells_its_story),
        cmocka_unit_test(a_crash_shows_its_stack),
        cmocka_unit_test(promtool_is_content),
        cmocka_unit_test(running_calls_end_before_the_server_does),
    };
    return cmocka_run_group_tests_name("path", tests, set_up, tear_down);
}
