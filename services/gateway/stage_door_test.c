// Calls through stages, by path and by host. The client's Host is "test".

#include "services/gateway/test_client.h"

#include <string.h>

static int setup(void **state) {
    static const char *const flags[] = {"--gateway.stages=/prehub=beta,test=$DEFAULT", NULL};
    *state = platform_start(OW_CHANNEL_LOCAL, flags);
    return 0;
}

static int teardown(void **state) {
    platform_stop(*state);
    return 0;
}

static void a_stage_stands_for_its_alias(void **state) {
    platform *p = *state;
    EXPECT(p, p->public_port, "POST /prehub/v1/call/lab/echo", BEARER(SERVER_KEY(p)), "1", 200,
           NULL);
    assert_string_equal(p->qualifier, "beta");
    assert_string_equal(p->function, "echo");
    EXPECT(p, p->public_port, "POST /v1/call/lab/echo", BEARER(PLAYER(p)), "1", 200, NULL);
    assert_string_equal(p->qualifier, "$DEFAULT");
}

static void a_stage_opens_nothing_that_is_closed(void **state) {
    platform *p = *state;
    int port = p->public_port;
    // "beta" is not public.
    EXPECT(p, port, "POST /prehub/v1/call/lab/echo", BEARER(PLAYER(p)), "1", 403, "not_exposed");
    EXPECT(p, port, "POST /prehub/v1/call/lab/echo", "", "1", 401, "no_token");
    EXPECT(p, port, "POST /prehub/v1/call/lab/nothing", BEARER(SERVER_KEY(p)), "1", 404,
           "function_not_found");
    EXPECT(p, port, "POST /prehub/prehub/v1/call/lab/echo", BEARER(SERVER_KEY(p)), "1", 404,
           "not_found");
    EXPECT(p, port, "POST /other/v1/call/lab/echo", BEARER(SERVER_KEY(p)), "1", 404, "not_found");
    EXPECT(p, port, "GET /prehub/v1/call/lab/echo", BEARER(SERVER_KEY(p)), "", 405,
           "method_not_allowed");
}

static void a_stage_answers_for_no_other_name(void **state) {
    platform *p = *state;
    int port = p->public_port;
    EXPECT(p, port, "POST /prehub/v1/call/lab/echo",
           WITH(SERVER_KEY(p), "Overworld-Qualifier: beta\r\n"), "1", 200, NULL);
    EXPECT(p, port, "POST /prehub/v1/call/lab/echo",
           WITH(SERVER_KEY(p), "Overworld-Qualifier: $DEFAULT\r\n"), "1", 404,
           "function_not_found");
    EXPECT(p, port, "POST /v1/call/lab/echo?qualifier=beta", BEARER(SERVER_KEY(p)), "1", 404,
           "function_not_found");
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_stage_stands_for_its_alias),
        CASE(a_stage_opens_nothing_that_is_closed),
        CASE(a_stage_answers_for_no_other_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
