#include "services/gateway/test_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

// ---- Connect ----

static void serves_connect_json(void **state) {
    platform *p = *state;
    response r;
    char text[80];
    client_ask(p, p->public_port, LOGIN, JSON "Connect-Protocol-Version: 1\r\n",
               "{\"deviceId\":\"device-0001\"}", &r);
    assert_int_equal(r.status, 200);
    // From outside, for the only title.
    assert_string_equal(r.body, "{\"playerId\":\"device-0001\",\"isNewPlayer\":true,"
                                "\"sessionId\":\"ttl_a\"}");
    assert_true(response_header(&r, "Content-Type", text, sizeof text));
    assert_string_equal(text, "application/json");
    response_deinit(&r);
    client_ask(p, p->public_port, "POST " WHO, WITH(PLAYER(p), JSON), "{}", &r);
    assert_string_equal(r.body, "{\"kind\":\"player\",\"id\":\"plr_1\",\"title\":\"ttl_a\"}");
    response_deinit(&r);
    client_ask(p, p->console_port, "POST " WHO,
               WITH(platform_operator_token, JSON "Overworld-Title: Asteroids\r\n"), "{}", &r);
    assert_string_equal(r.body, "{\"kind\":\"operator\",\"id\":\"opr_1\",\"title\":\"ttl_a\"}");
    response_deinit(&r);
}

static void serves_connect_binary(void **state) {
    platform *p = *state;
    response r;
    client_ask(p, p->public_port, LOGIN, "Content-Type: application/proto\r\n",
               "\x0a\x03"
               "abc",
               &r);
    assert_int_equal(r.status, 200);
    Overworld__Identity__V1__LoginResponse *reply =
        overworld__identity__v1__login_response__unpack(NULL, r.body_size, (uint8_t *)r.body);
    assert_non_null(reply);
    assert_string_equal(reply->player_id, "abc");
    overworld__identity__v1__login_response__free_unpacked(reply, NULL);
    response_deinit(&r);
    EXPECT(p, p->public_port, LOGIN, "Content-Type: application/proto\r\n",
           "\x0a\x7f"
           "abc",
           400, "invalid_argument");
}

static void serves_connect_get(void **state) {
    platform *p = *state;
    response r;
    static const char *const queries[] = {
        "GET " WHO "?connect=v1&encoding=json&message=%7B%7D",
        "GET " WHO "?connect=v1&encoding=json&base64=1&message=e30",
        "GET " WHO "?connect=v1&encoding=json&base64=1&message=e30%3D",
    };
    for (int i = 0; i < 3; i++) {
        client_ask(p, p->public_port, queries[i], BEARER(PLAYER(p)), "", &r);
        assert_int_equal(r.status, 200);
        assert_non_null(strstr(r.body, "plr_1"));
        response_deinit(&r);
    }
    EXPECT(p, p->public_port, "GET " WHO "?encoding=json", BEARER(PLAYER(p)), "", 400,
           "invalid_argument");
    EXPECT(p, p->public_port, "GET " WHO "?encoding=xml&message=", BEARER(PLAYER(p)), "", 415,
           "unimplemented");
    EXPECT(p, p->public_port, "GET /overworld.identity.v1.Identity/DeviceLogin", "", "", 405,
           "unimplemented");
}

static void shows_connect_errors(void **state) {
    platform *p = *state;
    response r;
    int port = p->public_port;
    client_ask(p, port, LOGIN, JSON, "{\"deviceId\":\"blocked-device\"}", &r);
    assert_int_equal(r.status, 400);
    assert_non_null(strstr(r.body, "\"code\":\"failed_precondition\""));
    assert_non_null(strstr(r.body, "\"type\":\"google.rpc.ErrorInfo\",\"value\":\""));
    assert_non_null(strstr(r.body, "\"debug\":{\"reason\":\"device_blocked\",\"domain\":"
                                   "\"overworld\",\"metadata\":{\"request_id\":\"req_"));
    response_deinit(&r);
    client_ask(p, port, LOGIN, JSON, "{\"deviceId\":\"d\",\"nope\":1}", &r);
    assert_int_equal(r.status, 400);
    assert_non_null(strstr(r.body, "nope: there is no such field"));
    response_deinit(&r);
    EXPECT(p, port, LOGIN, JSON, "", 400, "invalid_argument");
    EXPECT(p, port, LOGIN, "Content-Type: text/xml\r\n", "{}", 415, "unimplemented");
    EXPECT(p, port, LOGIN, "Content-Type: application/grpc\r\n", "{}", 415, "unimplemented");
    EXPECT(p, port, LOGIN, JSON "Connect-Protocol-Version: 2\r\n", "{}", 400, "invalid_argument");
    EXPECT(p, port, LOGIN, JSON "Content-Encoding: gzip\r\n", "{}", 501, "unimplemented");
    EXPECT(p, port, LOGIN, JSON "Connect-Timeout-Ms: 12345678901\r\n", "{}", 400,
           "invalid_argument");
    EXPECT(p, port, "POST " WHO, JSON, "{}", 401, "unauthenticated");
    EXPECT(p, port, LOGIN, JSON "Overworld-Title: nothing\r\n", "{}", 404, "not_found");
    EXPECT(p, port, "POST /overworld.identity.v1.Identity/Nope", JSON, "{}", 404, "unimplemented");
    EXPECT(p, port, "POST /a.B/C", JSON, "{}", 404, "unimplemented");
}

static void keeps_methods_on_their_listener(void **state) {
    platform *p = *state;
    const char *operator= WITH(platform_operator_token, JSON);
    static const char list[] = "POST /overworld.registry.v1.Registry/ListTitles";
    EXPECT(p, p->public_port, list, operator, "{}", 404, "unimplemented");
    EXPECT(p, p->console_port, list, WITH(platform_operator_token, JSON), "{}", 200, NULL);
    EXPECT(p, p->console_port, list, WITH(PLAYER(p), JSON), "{}", 403, "permission_denied");
    // Methods among services are nowhere.
    static const char *const inner[] = {"POST /overworld.runner.v1.Runner/Invoke",
                                        "POST /overworld.identity.v1.Identity/WatchVerification",
                                        "POST /overworld.telemetry.v1.Telemetry/Append"};
    for (int i = 0; i < 3; i++) {
        EXPECT(p, p->console_port, inner[i], WITH(platform_operator_token, JSON), "{}", 404,
               "unimplemented");
    }
}

static void says_how_it_is(void **state) {
    platform *p = *state;
    response r;
    client_ask(p, p->console_port, "POST /overworld.gateway.v1.Gateway/GetStatus",
               WITH(platform_viewer_token, JSON), "{}", &r);
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.body, "\"sandboxLevel\":\"full\""));
    assert_non_null(strstr(r.body, "\"plainHttp\":\"loopback\""));
    assert_null(strstr(r.body, "Stale"));
    response_deinit(&r);
}

// ---- bundles and pages ----

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static int begin_upload(platform *p, const char *token, size_t size) {
    char head[1024];
    int fd = client_dial(p, p->console_port);
    int length = snprintf(head, sizeof head,
                          "PUT /v1/bundles/" HASH " HTTP/1.1\r\nHost: t\r\n%s"
                          "Content-Length: %zu\r\n\r\n",
                          BEARER(token), size);
    client_send(fd, head, (size_t)length);
    return fd;
}

// Pushes up to `size` bytes; ends early when the server takes no more for a while.
static size_t push(platform *p, int fd, size_t size) {
    char *bytes = calloc(1, size);
    size_t sent = 0;
    int idle = 0;
    while (sent < size && idle < 200) {
        ssize_t n = write(fd, bytes + sent, size - sent);
        sent += n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle + 1;
        platform_turn(p);
    }
    free(bytes);
    return sent;
}

static void uploads_bundles_in_chunks(void **state) {
    platform *p = *state;
    response r;
    size_t size = (5 << 20) / 2;
    int fd = begin_upload(p, platform_operator_token, size);
    assert_int_equal(push(p, fd, size), size);
    assert_true(client_receive(p, fd, &r));
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.body, "\"complete\":true"));
    assert_int_equal(p->uploaded, size);
    assert_int_equal(p->chunks, 3);
    response_deinit(&r);
    close(fd);
}

static void holds_uploads_back(void **state) {
    platform *p = *state;
    response r;
    size_t size = 40 << 20;
    p->hold_chunks = true;
    int fd = begin_upload(p, platform_operator_token, size);
    size_t sent = push(p, fd, size);
    assert_true(sent < size);
    assert_int_equal(p->chunks, 1);
    p->hold_chunks = false;
    ow_run_resume(p->held_chunk, OW_OK);
    sent += push(p, fd, size - sent);
    assert_int_equal(sent, size);
    assert_true(client_receive(p, fd, &r));
    assert_int_equal(r.status, 200);
    assert_int_equal(p->uploaded, size);
    response_deinit(&r);
    close(fd);
}

static void ends_uploads_of_clients_that_go(void **state) {
    platform *p = *state;
    int fd = begin_upload(p, platform_operator_token, 3 << 20);
    push(p, fd, 1500000);
    close(fd);
    WAIT_FOR(p, p->record_count == 1);
    assert_int_equal(p->records[0].status, 499);
    // The registry knew this one already: the rest is not passed on.
    response r;
    p->known_bundle = true;
    p->uploaded = 0;
    p->chunks = 0;
    fd = begin_upload(p, platform_operator_token, 3 << 20);
    assert_int_equal(push(p, fd, 3 << 20), 3 << 20);
    assert_true(client_receive(p, fd, &r));
    assert_int_equal(r.status, 200);
    assert_int_equal(p->chunks, 1);
    response_deinit(&r);
    close(fd);
}

static void refuses_uploads(void **state) {
    platform *p = *state;
    int port = p->console_port;
    EXPECT(p, p->public_port, "PUT /v1/bundles/" HASH, BEARER(platform_operator_token), "x", 404,
           "not_found");
    EXPECT(p, port, "PUT /v1/bundles/" HASH, "", "x", 401, "no_token");
    EXPECT(p, port, "PUT /v1/bundles/" HASH, BEARER(platform_viewer_token), "x", 403,
           "not_allowed");
    EXPECT(p, port, "PUT /v1/bundles/" HASH, BEARER(PLAYER(p)), "x", 403, "not_allowed");
    EXPECT(p, port, "PUT /v1/bundles/abc", BEARER(platform_operator_token), "x", 404, "not_found");
    EXPECT(p, port, "GET /v1/bundles/" HASH, BEARER(platform_operator_token), "", 405,
           "method_not_allowed");
    EXPECT(p, port, "PUT /v1/bundles/" HASH, BEARER(platform_operator_token), "", 411, "invalid");
    response r;
    int fd = begin_upload(p, platform_operator_token, (50 << 20) + 1);
    assert_true(client_receive(p, fd, &r));
    assert_int_equal(r.status, 413);
    response_deinit(&r);
    close(fd);
    assert_int_equal(p->chunks, 0);
}

static void expect_header_value(const response *r, const char *name, const char *wanted) {
    char value[300] = "";
    response_header(r, name, value, sizeof value);
    assert_string_equal(value, wanted);
}

#define ORIGIN "WebHook-Request-Origin: shop.example\r\n"

// What CloudEvents' webhooks ask before they deliver.
static void says_whether_events_may_be_delivered(void **state) {
    platform *p = *state;
    static const char asking[] = "OPTIONS /v1/events";
    response r;
    client_ask(p, p->public_port, asking, WITH(SERVER_KEY(p), ORIGIN), "", &r);
    assert_int_equal(r.status, 200);
    expect_header_value(&r, "WebHook-Allowed-Origin", "shop.example");
    expect_header_value(&r, "WebHook-Allowed-Rate", "15000"); // 2,500 in 10 s
    response_deinit(&r);
    client_ask(p, p->console_port, asking, WITH(platform_operator_token, ORIGIN), "", &r);
    expect_header_value(&r, "WebHook-Allowed-Rate", "*");
    response_deinit(&r);
    EXPECT(p, p->public_port, asking, ORIGIN, "", 401, "no_token");
    EXPECT(p, p->public_port, asking, "WebHook-Request-Origin: a b\r\n", "", 400, "invalid");
    EXPECT(p, p->public_port, asking, BEARER(SERVER_KEY(p)), "", 405, "method_not_allowed");
    EXPECT(p, p->public_port, "OPTIONS /v1/events/x", ORIGIN, "", 404, "not_found");
    // Of nobody not even the head of an event is read.
    EXPECT(p, p->public_port, "POST /v1/events", "", "{", 401, "no_token");
    EXPECT(p, p->console_port, "GET /v1/events", "", "", 401, "no_token");
}

static void serves_pages(void **state) {
    platform *p = *state;
    response r;
    client_ask(p, p->public_port, "GET /healthz", "", "", &r);
    assert_string_equal(r.body, "ok\n");
    response_deinit(&r);
    client_ask(p, p->public_port, "GET /readyz", "", "", &r);
    assert_int_equal(r.status, 200);
    response_deinit(&r);
    EXPECT(p, p->public_port, "GET /metrics", "", "", 404, "not_found");
    client_ask(p, p->console_port, "GET /metrics", "", "", &r);
    assert_int_equal(r.status, 200);
    assert_non_null(
        strstr(r.body, "overworld_gateway_requests_total{door=\"plain\",status=\"2xx\"}"));
    response_deinit(&r);
    EXPECT(p, p->public_port, "DELETE /healthz", "", "", 405, "method_not_allowed");
}

#define CASE(name)                                                                                 \
    {#name " (local)", name, setup, teardown, (void *)(uintptr_t)&local}, {                        \
#name " (packed)", name, setup, teardown, (void *)(uintptr_t)&packed                       \
    }

// doors_test [PATTERN]: only the cases that match, such as "drains*".
int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        CASE(serves_connect_json),
        CASE(serves_connect_binary),
        CASE(serves_connect_get),
        CASE(shows_connect_errors),
        CASE(keeps_methods_on_their_listener),
        CASE(says_how_it_is),
        CASE(uploads_bundles_in_chunks),
        CASE(holds_uploads_back),
        CASE(ends_uploads_of_clients_that_go),
        CASE(refuses_uploads),
        CASE(says_whether_events_may_be_delivered),
        CASE(serves_pages),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
