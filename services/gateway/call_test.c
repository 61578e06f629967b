#include "services/gateway/test_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const ow_channel_kind local = OW_CHANNEL_LOCAL;
static const ow_channel_kind packed = OW_CHANNEL_PACKED;

static int setup(void **state) {
    *state = platform_start(*(const ow_channel_kind *)*state, NULL);
    return 0;
}

static int teardown(void **state) {
    platform_stop(*state);
    return 0;
}

// ---- /v1/call ----

static void calls_a_function(void **state) {
    platform *p = *state;
    response r;
    char text[80];
    client_ask(p, p->public_port, "POST /v1/call/lab/echo",
               WITH(PLAYER(p), JSON "traceparent: "
                                    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"),
               "{\"a\":1}", &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, "{\"a\":1}");
    assert_true(response_header(&r, "Content-Type", text, sizeof text));
    assert_string_equal(text, "application/json");
    assert_true(response_header(&r, "Overworld-Request-Id", text, sizeof text));
    assert_string_equal(text, p->request_id);
    assert_int_equal(strncmp(text, "req_", 4), 0);
    assert_true(response_header(&r, "traceparent", text, sizeof text));
    assert_non_null(strstr(text, "0af7651916cd43dd8448eb211c80319c"));
    assert_null(strstr(text, "b7ad6b7169203331"));
    assert_true(response_header(&r, "Overworld-Version", text, sizeof text));
    assert_string_equal(text, "1");
    response_deinit(&r);
    assert_string_equal(p->qualifier, "$DEFAULT");
    assert_string_equal(p->revision, "rev_one");
    assert_string_equal(p->source, "client");
    assert_string_equal(p->principal_id, "plr_1");
    assert_string_equal(p->title, "ttl_a");
    assert_false(p->had_from_outside);
    // Timeout of the function and the time for its start.
    assert_true(p->left_us > 10000000 && p->left_us <= 13000000);
}

// More milliseconds than fit into microseconds: 2^64 / 1000, rounded up.
static void a_huge_timeout_is_no_short_one(void **state) {
    platform *p = *state;
    response r;
    client_ask(p, p->public_port, "POST /v1/call/lab/echo",
               WITH(PLAYER(p), "Connect-Timeout-Ms: 18446744073709552\r\n"), "1", &r);
    assert_int_equal(r.status, 200);
    response_deinit(&r);
    assert_true(p->left_us > 10000000 && p->left_us <= 13000000);
}

static void keeps_exposure_and_names(void **state) {
    platform *p = *state;
    const struct {
        const char *token, *function, *qualifier;
        int status;
    } rules[] = {
        {"player", "echo", "$DEFAULT", 200},    {"player", "stats", "$DEFAULT", 403},
        {"player", "inner", "$DEFAULT", 403},   {"player", "echo", "beta", 403},
        {"player", "echo", "1", 403},           {"player", "echo", "$LATEST", 403},
        {"player", "nothing", "$DEFAULT", 404}, {"server", "echo", "beta", 200},
        {"server", "stats", "$DEFAULT", 200},   {"server", "inner", "$DEFAULT", 403},
        {"server", "echo", "1", 403},           {"operator", "inner", "$DEFAULT", 200},
        {"operator", "echo", "1", 200},         {"operator", "echo", "$LATEST", 200},
        {"operator", "echo", "2", 404},         {"operator", "echo", "gamma", 404},
        {"viewer", "echo", "$DEFAULT", 403},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        char what[128];
        char headers[OW_TOKEN_SIZE + 200];
        const char *token = rules[i].token[0] == 'p'   ? PLAYER(p)
                            : rules[i].token[0] == 's' ? SERVER_KEY(p)
                            : rules[i].token[0] == 'o' ? platform_operator_token
                                                       : platform_viewer_token;
        snprintf(what, sizeof what, "POST /v1/call/lab/%s", rules[i].function);
        snprintf(headers, sizeof headers, "%sOverworld-Qualifier: %s\r\n", BEARER(token),
                 rules[i].qualifier);
        EXPECT(p, p->public_port, what, headers, "1", rules[i].status,
               rules[i].status == 403   ? "not_exposed"
               : rules[i].status == 404 ? "function_not_found"
                                        : NULL);
    }
    // By query, percent-encoded.
    EXPECT(p, p->public_port, "POST /v1/call/lab/echo?qualifier=%24LATEST",
           BEARER(platform_operator_token), "1", 200, NULL);
    assert_string_equal(p->revision, "rev_latest");
    assert_string_equal(p->source, "manual");
}

static void puts_calls_into_the_queue(void **state) {
    platform *p = *state;
    response r;
    char keyed[OW_TOKEN_SIZE + 200];
    const char *what = "POST /v1/call/lab/echo?mode=async";
    client_ask(p, p->public_port, what, WITH(PLAYER(p), JSON), "{\"a\":1}", &r);
    assert_int_equal(r.status, 202);
    assert_string_equal(r.body, "{\"executionId\":\"exe_1\",\"duplicate\":false}");
    response_deinit(&r);
    assert_string_equal(p->queued_function, "echo");
    assert_string_equal(p->queued_payload, "{\"a\":1}");
    assert_string_equal(p->queued_key, "");
    assert_string_equal(p->source, "client");
    assert_string_equal(p->principal_id, "plr_1");
    assert_false(p->had_from_outside);
    assert_int_equal(p->invocations, 0);
    snprintf(keyed, sizeof keyed, "%sOverworld-Deduplication-Key: once\r\n", BEARER(PLAYER(p)));
    EXPECT(p, p->public_port, what, keyed, "1", 202, NULL);
    assert_string_equal(p->queued_key, "call:plr_1:once");
    // A key is of no use to a call that is answered with its result.
    EXPECT(p, p->public_port, "POST /v1/call/lab/echo", keyed, "1", 400, "invalid");
    EXPECT(p, p->public_port, "POST /v1/call/lab/echo?mode=later", BEARER(PLAYER(p)), "1", 400,
           "invalid");
    EXPECT(p, p->public_port, "POST /v1/call/lab/inner?mode=async", BEARER(PLAYER(p)), "1", 403,
           "not_exposed");
    EXPECT(p, p->public_port, "POST /v1/call/lab/echo?mode=sync", BEARER(PLAYER(p)), "1", 200,
           NULL);
    p->queue_is_full = true;
    EXPECT(p, p->public_port, what, BEARER(PLAYER(p)), "1", 503, "disk_full");
    assert_int_equal(p->queued, 2);
    size_t size = ((size_t)256 << 10) + 1;
    char *large = calloc(1, size + 1);
    memset(large, '1', size);
    EXPECT(p, p->public_port, what, BEARER(PLAYER(p)), large, 413, "payload_too_large");
    free(large);
}

static void refuses_calls_in_its_own_form(void **state) {
    platform *p = *state;
    char wrong[OW_TOKEN_SIZE];
    int port = p->public_port;
    snprintf(wrong, sizeof wrong, "%s", PLAYER(p));
    wrong[strlen(wrong) - 1] ^= 1;
    EXPECT(p, port, "POST /v1/call/lab/echo", "", "1", 401, "no_token");
    EXPECT(p, port, "POST /v1/call/lab/echo", BEARER(wrong), "1", 401, "bad_token");
    EXPECT(p, port, "POST /v1/call/lab/echo", BEARER("x.y.z"), "1", 401, "bad_token");
    EXPECT(p, port, "POST /v1/call/lab/echo", BEARER("no operator"), "1", 401, "bad_token");
    EXPECT(p, port, "POST /v1/call/lab/echo", "Authorization: Basic YTpi\r\n", "1", 401,
           "bad_token");
    EXPECT(p, port, "GET /v1/call/lab/echo", BEARER(PLAYER(p)), "", 405, "method_not_allowed");
    EXPECT(p, port, "POST /v1/call/lab", BEARER(PLAYER(p)), "1", 404, "function_not_found");
    EXPECT(p, port, "POST /v1/call/lab/echo/x", BEARER(PLAYER(p)), "1", 404, "function_not_found");
    EXPECT(p, port, "POST /v1/call/no/echo", BEARER(PLAYER(p)), "1", 404, "function_not_found");
    EXPECT(p, port, "POST /v1/call/lab/echo", WITH(PLAYER(p), JSON), "{\"a\":}", 400, "invalid");
    EXPECT(p, port, "POST /v1/call/lab/echo", WITH(PLAYER(p), "Connect-Timeout-Ms: x\r\n"), "1",
           400, "invalid");
    EXPECT(p, port, "POST /nothing", BEARER(PLAYER(p)), "1", 404, "not_found");
    assert_int_equal(p->invocations, 0);
    platform_token(p, OW_TOKEN_PLAYER, "plr_1", -1, wrong);
    EXPECT(p, port, "POST /v1/call/lab/echo", BEARER(wrong), "1", 401, "token_expired");
}

static void shows_what_functions_answer(void **state) {
    platform *p = *state;
    response r;
    char text[80];
    client_ask(p, p->public_port, "POST /v1/call/lab/refuse", BEARER(PLAYER(p)), "{}", &r);
    assert_int_equal(r.status, 422);
    assert_non_null(strstr(r.body, "\"code\":\"refused\""));
    assert_non_null(strstr(r.body, "\"details\":{\"code\":\"too_poor\",\"details\":{\"gold\":3}}"));
    assert_non_null(strstr(r.body, "\"request_id\":\"req_"));
    response_deinit(&r);
    client_ask(p, p->public_port, "POST /v1/call/lab/throttled", BEARER(PLAYER(p)), "{}", &r);
    assert_int_equal(r.status, 429);
    assert_true(response_header(&r, "Retry-After", text, sizeof text));
    assert_string_equal(text, "4");
    response_deinit(&r);
    // Where it crashed is for server keys and operators.
    client_ask(p, p->public_port, "POST /v1/call/lab/crash", BEARER(PLAYER(p)), "{}", &r);
    assert_int_equal(r.status, 502);
    assert_null(strstr(r.body, "lab.c"));
    response_deinit(&r);
    client_ask(p, p->public_port, "POST /v1/call/lab/crash", BEARER(SERVER_KEY(p)), "{}", &r);
    assert_int_equal(r.status, 502);
    assert_non_null(strstr(r.body, "lab.c:12"));
    response_deinit(&r);
}

static void passes_other_types_untouched(void **state) {
    platform *p = *state;
    response r;
    char text[80];
    client_ask(p, p->public_port, "POST /v1/call/lab/typed",
               WITH(PLAYER(p), "Content-Type: application/x-thing\r\n"), "{not json", &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, "{not json");
    assert_string_equal(p->content_type, "application/x-thing");
    assert_true(response_header(&r, "Content-Type", text, sizeof text));
    assert_string_equal(text, "text/csv");
    response_deinit(&r);
}

static void takes_large_payloads_up_to_the_limit(void **state) {
    platform *p = *state;
    char head[OW_TOKEN_SIZE + 200];
    size_t size = 1 << 20;
    char *body = malloc(size);
    memset(body, 'x', size);
    int fd = client_dial(p, p->public_port);
    int head_size = snprintf(head, sizeof head,
                             "POST /v1/call/lab/echo HTTP/1.1\r\nHost: t\r\n%s"
                             "Content-Length: %zu\r\n\r\n",
                             BEARER(PLAYER(p)), size);
    client_send(fd, head, (size_t)head_size);
    for (size_t sent = 0; sent < size;) {
        ssize_t n = write(fd, body + sent, size - sent);
        sent += n > 0 ? (size_t)n : 0;
        platform_turn(p);
    }
    response r;
    assert_true(client_receive(p, fd, &r));
    assert_int_equal(r.status, 200);
    assert_int_equal(r.body_size, size);
    assert_memory_equal(r.body, body, size);
    response_deinit(&r);
    head_size = snprintf(head, sizeof head,
                         "POST /v1/call/lab/echo HTTP/1.1\r\nHost: t\r\n%s"
                         "Content-Length: 6291457\r\n\r\n",
                         BEARER(PLAYER(p)));
    client_send(fd, head, (size_t)head_size);
    assert_true(client_receive(p, fd, &r));
    assert_int_equal(r.status, 413);
    assert_non_null(strstr(r.body, "payload_too_large"));
    response_deinit(&r);
    close(fd);
    free(body);
}

static void begin_later(platform *p, int fd, const char *more) {
    char head[OW_TOKEN_SIZE + 300];
    int held = p->held_count;
    int size = snprintf(head, sizeof head,
                        "POST /v1/call/lab/later HTTP/1.1\r\nHost: t\r\n%s%s"
                        "Content-Length: 1\r\n\r\n1",
                        BEARER(PLAYER(p)), more);
    client_send(fd, head, (size_t)size);
    WAIT_FOR(p, p->held_count == held + 1);
}

static void cancels_for_clients_that_go(void **state) {
    platform *p = *state;
    int fd = client_dial(p, p->public_port);
    begin_later(p, fd, "");
    close(fd);
    WAIT_FOR(p, p->cancelled == 1);
    WAIT_FOR(p, p->record_count == 1);
    assert_int_equal(p->records[0].status, 499);
}

static void ends_calls_at_their_deadline(void **state) {
    platform *p = *state;
    response r;
    int fd = client_dial(p, p->public_port);
    begin_later(p, fd, "Connect-Timeout-Ms: 30\r\n");
    assert_true(client_receive(p, fd, &r));
    assert_int_equal(r.status, 504);
    assert_non_null(strstr(r.body, "\"code\":\"timeout\""));
    assert_int_equal(p->cancelled, 1);
    response_deinit(&r);
    close(fd);
}

static void replies_when_the_function_does(void **state) {
    platform *p = *state;
    int fds[20];
    for (int i = 0; i < 20; i++) {
        fds[i] = client_dial(p, p->public_port);
        begin_later(p, fds[i], "");
    }
    for (int i = 0; i < 20; i++) {
        ow_run *run = p->held[i];
        p->held[i] = NULL;
        ow_run_resume(run, OW_OK);
    }
    for (int i = 0; i < 20; i++) {
        response r;
        assert_true(client_receive(p, fds[i], &r));
        assert_int_equal(r.status, 200);
        response_deinit(&r);
        close(fds[i]);
    }
}

// ---- records ----

static void records_each_request(void **state) {
    platform *p = *state;
    EXPECT(p, p->public_port, "POST /v1/call/lab/echo", BEARER(PLAYER(p)), "1", 200, NULL);
    EXPECT(p, p->public_port, "POST /v1/call/lab/typed", BEARER(PLAYER(p)), "123", 200, NULL);
    EXPECT(p, p->public_port, "POST /v1/call/lab/stats", BEARER(PLAYER(p)), "1", 403, NULL);
    EXPECT(p, p->public_port, LOGIN, JSON, "{}", 200, NULL);
    EXPECT(p, p->public_port, "GET /healthz", "", "", 200, NULL);
    EXPECT(p, p->public_port, "TRACE /healthz", "", "", 501, NULL);
    WAIT_FOR(p, p->record_count >= 5);
    assert_int_equal(p->record_count, 5);
    assert_string_equal(p->records[0].principal, "player:plr_1");
    assert_string_equal(p->records[0].method, "POST /v1/call");
    assert_string_equal(p->records[0].function, "echo");
    assert_string_equal(p->records[0].title, "ttl_a");
    assert_int_equal(p->records[0].status, 200);
    assert_int_equal(p->records[0].payload_size, 0);
    assert_int_equal(p->records[1].payload_size, 3);
    assert_int_equal(p->records[1].result_size, 3);
    assert_string_equal(p->records[2].reason, "not_exposed");
    assert_string_equal(p->records[3].method, "/overworld.identity.v1.Identity/DeviceLogin");
    assert_string_equal(p->records[3].principal, "");
    assert_int_equal(p->records[4].status, 501);
}

static int setup_without_records(void **state) {
    static const char *const flags[] = {"--gateway.records=false", NULL};
    *state = platform_start(*(const ow_channel_kind *)*state, flags);
    return 0;
}

// What an operator has changed is told to those who watch, whatever is recorded.
static void records_changes_of_operators_alone(void **state) {
    platform *p = *state;
#define IDENTITY "/overworld.identity.v1.Identity/"
#define OPERATOR WITH(platform_operator_token, JSON "Overworld-Title: Asteroids\r\n")
    EXPECT(p, p->public_port, "POST /v1/call/lab/echo", BEARER(PLAYER(p)), "1", 200, NULL);
    EXPECT(p, p->public_port, LOGIN, JSON, "{}", 200, NULL);
    EXPECT(p, p->console_port, "POST " IDENTITY "WhoAmI", OPERATOR, "{}", 200, NULL);
    EXPECT(p, p->console_port, "POST " IDENTITY "OperatorLogout", OPERATOR, "{", 400, NULL);
    EXPECT(p, p->console_port, "POST " IDENTITY "OperatorLogout", OPERATOR, "{}", 200, NULL);
    WAIT_FOR(p, p->record_count >= 1);
    assert_int_equal(p->record_count, 1);
    assert_string_equal(p->records[0].principal, "operator:opr_1");
    assert_string_equal(p->records[0].method, IDENTITY "OperatorLogout");
    assert_string_equal(p->records[0].title, "ttl_a");
}

// ---- when others are away ----

static void serves_from_its_copies(void **state) {
    platform *p = *state;
    response r;
    int starts = p->route_starts;
    p->silent = true;
    platform_break_stream(&p->routes);
    platform_break_stream(&p->verification);
    EXPECT(p, p->public_port, "POST /v1/call/lab/echo", BEARER(PLAYER(p)), "1", 200, NULL);
    client_ask(p, p->console_port, "POST /overworld.gateway.v1.Gateway/GetStatus",
               WITH(platform_viewer_token, JSON), "{}", &r);
    assert_non_null(strstr(r.body, "\"routesStale\":true"));
    assert_non_null(strstr(r.body, "\"keysStale\":true"));
    response_deinit(&r);
    // Found again by itself.
    WAIT_FOR(p, p->route_starts == starts + 1 && p->routes != NULL && p->verification != NULL);
    platform_send_routes(p);
    platform_send_verification(p);
    for (int i = 0; i < 10; i++) {
        platform_turn(p);
    }
    client_ask(p, p->console_port, "POST /overworld.gateway.v1.Gateway/GetStatus",
               WITH(platform_viewer_token, JSON), "{}", &r);
    assert_null(strstr(r.body, "Stale"));
    response_deinit(&r);
}

// All files of a store count, however many there are.
static void tells_how_much_its_stores_hold(void **state) {
    enum { FILES = 70 };
    platform *p = *state;
    response r;
    char folder[120], path[160];
    snprintf(folder, sizeof folder, "%s/data", p->folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "%s/%d", folder, i);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(fputs("0123456789", file) >= 0, true);
        assert_int_equal(fclose(file), 0);
    }
    client_ask(p, p->console_port, "POST /overworld.gateway.v1.Gateway/GetStatus",
               WITH(platform_viewer_token, JSON), "{}", &r);
    assert_non_null(strstr(r.body, "{\"name\":\"data\",\"bytes\":\"700\"}"));
    assert_non_null(strstr(r.body, "\"diskTotalBytes\":\""));
    response_deinit(&r);
    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "%s/%d", folder, i);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
}

static void obeys_revocations(void **state) {
    platform *p = *state;
    char token[OW_TOKEN_SIZE];
    snprintf(token, sizeof token, "%s", SERVER_KEY(p));
    EXPECT(p, p->public_port, "POST /v1/call/lab/echo", BEARER(token), "1", 200, NULL);
    p->revoke_server_key = true;
    platform_send_verification(p);
    for (int i = 0; i < 10; i++) {
        platform_turn(p);
    }
    EXPECT(p, p->public_port, "POST /v1/call/lab/echo", BEARER(token), "1", 401, "bad_token");
}

static void drains_and_stops(void **state) {
    platform *p = *state;
    response r;
    int fd = client_dial(p, p->public_port);
    begin_later(p, fd, "");
    assert_false(ow_modules_drain(p->modules));
    for (int i = 0; i < 5; i++) {
        platform_turn(p);
        ow_modules_drain(p->modules);
    }
    // Nobody new is let in.
    int refused = client_dial(p, p->public_port);
    if (refused >= 0) {
        close(refused);
    }
    assert_int_equal(refused, -1);
    // Who runs is waited for; what outlasts the drain is answered with 503.
    ow_modules_stop(p->modules);
    assert_true(client_receive(p, fd, &r));
    assert_int_equal(r.status, 503);
    response_deinit(&r);
    close(fd);
}

#define CASE(name)                                                                                 \
    {#name " (local)", name, setup, teardown, (void *)(uintptr_t)&local}, {                        \
#name " (packed)", name, setup, teardown, (void *)(uintptr_t)&packed                       \
    }

// call_test [PATTERN]: only the cases that match, such as "drains*".
int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        CASE(calls_a_function),
        CASE(a_huge_timeout_is_no_short_one),
        CASE(keeps_exposure_and_names),
        CASE(puts_calls_into_the_queue),
        CASE(refuses_calls_in_its_own_form),
        CASE(shows_what_functions_answer),
        CASE(passes_other_types_untouched),
        CASE(takes_large_payloads_up_to_the_limit),
        CASE(cancels_for_clients_that_go),
        CASE(ends_calls_at_their_deadline),
        CASE(replies_when_the_function_does),
        CASE(records_each_request),
        {"records_changes_of_operators_alone", records_changes_of_operators_alone,
         setup_without_records, teardown, (void *)(uintptr_t)&local},
        CASE(serves_from_its_copies),
        CASE(tells_how_much_its_stores_hold),
        CASE(obeys_revocations),
        CASE(drains_and_stops),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
