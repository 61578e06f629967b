// By which names functions may set others going.

#include <stdlib.h>
#include <string.h>

#include "core/testing/ow_test.h"
#include "overworld/events/v1/queue.pb-c.h"
#include "services/runner/host_api.h"
#include "services/runner/internal.h"

typedef Overworld__Events__V1__EnqueueRequest enqueue_request;
typedef Overworld__Events__V1__NewExecution new_execution;
typedef Overworld__Events__V1__Destination destination;

static char *text_of(const char *text) {
    return (char *)(uintptr_t)text;
}

// A virtual server "main" with a public and a private alias.
static void fill_routes(struct routes *routes) {
    route_alias aliases[2];
    route_alias *list[2] = {&aliases[0], &aliases[1]};
    for (int i = 0; i < 2; i++) {
        overworld__registry__v1__route_alias__init(&aliases[i]);
        aliases[i].name = text_of(i == 0 ? "$DEFAULT" : "hidden");
        aliases[i].revision_id = text_of("r1");
        aliases[i].is_public = i == 0;
    }
    server_routes server = OVERWORLD__REGISTRY__V1__VIRTUAL_SERVER_ROUTES__INIT;
    server.title_id = text_of("ttl_1");
    server.name = text_of("main");
    server.aliases = list;
    server.n_aliases = 2;
    route_change change = OVERWORLD__REGISTRY__V1__ROUTE_CHANGE__INIT;
    change.upsert = &server;
    assert_true(routes_init(routes));
    assert_true(routes_apply(routes, &change, 1));
}

typedef struct rule {
    const char *virtual_server, *qualifier;
    ow_principal_kind kind;
    bool may;
} rule;

static const rule rules[] = {
    {"main", "", OW_PLAYER, true},
    {"main", "$DEFAULT", OW_PLAYER, true},
    {"main", "hidden", OW_PLAYER, false},
    {"main", "hidden", OW_SERVER, true},
    {"main", "$LATEST", OW_SERVER, false},
    {"main", "$LATEST", OW_OPERATOR, true},
    // Not in the copy of the routes.
    {"away", "", OW_PLAYER, true},
    {"away", "$DEFAULT", OW_PLAYER, true},
    {"away", "hidden", OW_PLAYER, false},
    {"away", "hidden", OW_SERVER, false},
    {"away", "7", OW_OPERATOR, true},
    {"away", "$LATEST", OW_PLATFORM, true},
};

enum place { IN_EXECUTION, IN_SUCCESS, IN_FAILURE, PLACES };

static void check(struct invocation *invocation, const rule *r, enum place place) {
    ow_arena *arena = ow_arena_new(1 << 16);
    ow_principal principal = {.kind = r->kind, .title = "ttl_1"};
    struct host_api_caller caller = {.title_id = "ttl_1",
                                     .virtual_server = "main",
                                     .function = "echo",
                                     .principal = &principal,
                                     .arena = arena,
                                     .run = invocation};
    enqueue_request request = OVERWORLD__EVENTS__V1__ENQUEUE_REQUEST__INIT;
    new_execution wanted = OVERWORLD__EVENTS__V1__NEW_EXECUTION__INIT;
    new_execution *list[] = {&wanted};
    destination told = OVERWORLD__EVENTS__V1__DESTINATION__INIT;
    ow_err err = {0};
    request.executions = list;
    request.n_executions = 1;
    if (place == IN_EXECUTION) {
        wanted.virtual_server = text_of(r->virtual_server);
        wanted.qualifier = text_of(r->qualifier);
    } else {
        told.virtual_server = text_of(r->virtual_server);
        told.qualifier = text_of(r->qualifier);
        *(place == IN_SUCCESS ? &wanted.on_success : &wanted.on_failure) = &told;
    }
    assert_int_equal(host_api_spawn(&caller, &request.base, &err),
                     r->may ? OW_OK : OW_PERMISSION_DENIED);
    assert_string_equal(err.reason, r->may ? "" : "not_exposed");
    ow_arena_free(arena);
}

static void nobody_is_set_going_by_a_name_that_the_caller_may_not_use(void **state) {
    (void)state;
    struct runner *runner = calloc(1, sizeof *runner);
    assert_non_null(runner);
    fill_routes(&runner->routes);
    invoke_request cause = OVERWORLD__RUNNER__V1__INVOKE_REQUEST__INIT;
    ow_run run = {.request = &cause};
    struct invocation invocation = {.runner = runner, .run = &run};
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        for (enum place place = IN_EXECUTION; place < PLACES; place++) {
            check(&invocation, &rules[i], place);
        }
    }
    routes_deinit(&runner->routes);
    free(runner);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(nobody_is_set_going_by_a_name_that_the_caller_may_not_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
