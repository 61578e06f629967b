#include "services/gateway/test_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000000
#define ECHO "POST /v1/call/lab/echo"

static const ow_channel_kind local = OW_CHANNEL_LOCAL;

// The defaults of the players, less for the others.
static const char *const flags[] = {"--gateway.server_key_calls=30",
                                    "--gateway.address_requests=20", NULL};

static int setup(void **state) {
    *state = platform_start(local, flags);
    return 0;
}

static int teardown(void **state) {
    platform_stop(*state);
    return 0;
}

static void repeat(platform *p, int times, const char *what, const char *headers, int status) {
    for (int i = 0; i < times; i++) {
        EXPECT(p, p->public_port, what, headers, "1", status,
               status == 429   ? "throttled"
               : status == 401 ? "no_token"
                               : NULL);
    }
}

// Seconds that the refusal names.
static long refused_for(platform *p, const char *what, const char *headers) {
    response r;
    char text[24] = "";
    client_ask(p, p->public_port, what, headers, "1", &r);
    assert_int_equal(r.status, 429);
    assert_true(response_header(&r, "Retry-After", text, sizeof text));
    response_deinit(&r);
    return strtol(text, NULL, 10);
}

static void the_51st_call_of_a_function_within_5_s_waits(void **state) {
    platform *p = *state;
    const char *player = BEARER(PLAYER(p));
    repeat(p, 50, ECHO, player, 200);
    repeat(p, 3, ECHO, player, 429);
    assert_int_equal(p->invocations, 50);
    // Another function, another player: not theirs.
    EXPECT(p, p->public_port, "POST /v1/call/lab/refuse", player, "1", 422, "refused");
    EXPECT(p, p->public_port, ECHO,
           BEARER(token_in((char[OW_TOKEN_SIZE]){0}, p, OW_TOKEN_PLAYER, "plr_2")), "1", 200, NULL);
    long seconds = refused_for(p, ECHO, player);
    assert_in_range(seconds, 1, 6);
    ow_clock_advance(p->clock, seconds * SECOND);
    EXPECT(p, p->public_port, ECHO, player, "1", 200, NULL);
}

static void the_101st_request_of_a_player_within_5_s_waits(void **state) {
    platform *p = *state;
    const char *player = BEARER(PLAYER(p));
    repeat(p, 50, ECHO, player, 200);
    // Refused calls of the function take nothing from the rest.
    repeat(p, 60, ECHO, player, 429);
    for (int i = 0; i < 25; i++) {
        EXPECT(p, p->public_port, "POST /v1/call/lab/refuse", player, "1", 422, "refused");
        EXPECT(p, p->public_port, "POST " WHO, WITH(PLAYER(p), JSON), "{}", 200, NULL);
    }
    EXPECT(p, p->public_port, "POST /v1/call/lab/refuse", player, "1", 429, "throttled");
    EXPECT(p, p->public_port, "POST " WHO, WITH(PLAYER(p), JSON), "{}", 429, "resource_exhausted");
    ow_clock_advance(p->clock, 6 * SECOND);
    EXPECT(p, p->public_port, "POST " WHO, WITH(PLAYER(p), JSON), "{}", 200, NULL);
}

static void server_keys_have_a_limit_of_their_own(void **state) {
    platform *p = *state;
    const char *server = BEARER(SERVER_KEY(p));
    repeat(p, 30, ECHO, server, 200);
    long seconds = refused_for(p, ECHO, server);
    assert_in_range(seconds, 1, 11);
    EXPECT(p, p->public_port, ECHO, BEARER(PLAYER(p)), "1", 200, NULL);
    // Operators have none.
    repeat(p, 120, ECHO, BEARER(platform_operator_token), 200);
}

static void one_server_key_may_ask_more_often(void **state) {
    platform *p = *state;
    const char *server = BEARER(SERVER_KEY(p));
    const char *other = BEARER(token_in((char[OW_TOKEN_SIZE]){0}, p, OW_TOKEN_SERVER, "key_2"));
    repeat(p, 30, ECHO, server, 200);
    EXPECT(p, p->public_port, ECHO, server, "1", 429, "throttled");
    p->server_key_limit = 40;
    platform_send_verification(p);
    platform_turn(p);
    repeat(p, 10, ECHO, server, 200);
    EXPECT(p, p->public_port, ECHO, server, "1", 429, "throttled");
    repeat(p, 30, ECHO, other, 200);
    EXPECT(p, p->public_port, ECHO, other, "1", 429, "throttled");
    p->server_key_limit = 0;
    ow_clock_advance(p->clock, 20 * SECOND);
    platform_send_verification(p);
    platform_turn(p);
    repeat(p, 30, ECHO, server, 200);
    EXPECT(p, p->public_port, ECHO, server, "1", 429, "throttled");
}

static void an_address_answers_for_those_without_a_token(void **state) {
    platform *p = *state;
    response r;
    repeat(p, 19, ECHO, "", 401);
    EXPECT(p, p->public_port, ECHO, BEARER("x.y.z"), "1", 401, "bad_token");
    EXPECT(p, p->public_port, ECHO, BEARER("x.y.z"), "1", 429, "throttled");
    EXPECT(p, p->public_port, ECHO, "", "1", 429, "throttled");
    EXPECT(p, p->public_port, LOGIN, JSON, "{}", 429, "resource_exhausted");
    // Who has a token, and probes, pass.
    EXPECT(p, p->public_port, ECHO, BEARER(PLAYER(p)), "1", 200, NULL);
    for (int i = 0; i < 40; i++) {
        EXPECT(p, p->public_port, "GET /healthz", "", "", 200, NULL);
    }
    client_ask(p, p->console_port, "GET /metrics", "", "", &r);
    assert_non_null(strstr(r.body, "overworld_gateway_throttled_total{limit=\"address\"} 3\n"));
    assert_non_null(strstr(r.body, "overworld_gateway_throttled_total{limit=\"player\"} 0\n"));
    response_deinit(&r);
    ow_clock_advance(p->clock, 11 * SECOND);
    EXPECT(p, p->public_port, ECHO, "", "1", 401, "no_token");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(the_51st_call_of_a_function_within_5_s_waits),
        CASE(the_101st_request_of_a_player_within_5_s_waits),
        CASE(server_keys_have_a_limit_of_their_own),
        CASE(one_server_key_may_ask_more_often),
        CASE(an_address_answers_for_those_without_a_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
