#include "services/runner/routes.h"

#include <stdio.h>
#include <string.h>

#include "core/split/split.h"
#include "core/testing/ow_test.h"

static char *mutable(const char *text) {
    return (char *)(uintptr_t)text;
}

static const struct route_caller nobody = {"", "", "req_1"};

// A virtual server with one function `echo`, at the revisions given: number i+1 each, the last one is
// $LATEST and $DEFAULT.
static void upsert(struct routes *routes, const char *name, const char *const *revisions,
                   size_t count, int64_t now_us) {
    function_info function = OVERWORLD__REGISTRY__V1__FUNCTION_INFO__INIT;
    function_info *functions[] = {&function};
    route_revision items[4];
    route_revision *list[4];
    function.name = mutable("echo");
    for (size_t i = 0; i < count; i++) {
        overworld__registry__v1__route_revision__init(&items[i]);
        items[i].revision_id = mutable(revisions[i]);
        items[i].version = (int64_t)i + 1;
        items[i].functions = functions;
        items[i].n_functions = 1;
        list[i] = &items[i];
    }
    route_alias alias = OVERWORLD__REGISTRY__V1__ROUTE_ALIAS__INIT;
    route_alias *aliases[] = {&alias};
    alias.name = mutable("$DEFAULT");
    alias.revision_id = mutable(revisions[count - 1]);
    server_routes server = OVERWORLD__REGISTRY__V1__VIRTUAL_SERVER_ROUTES__INIT;
    server.title_id = mutable("ttl_1");
    server.name = mutable(name);
    server.latest_revision_id = mutable(revisions[count - 1]);
    server.aliases = aliases;
    server.n_aliases = 1;
    server.revisions = list;
    server.n_revisions = count;
    route_change change = OVERWORLD__REGISTRY__V1__ROUTE_CHANGE__INIT;
    change.upsert = &server;
    assert_true(routes_apply(routes, &change, now_us));
}

static void mark(struct routes *routes, bool reset, bool complete, int64_t now_us) {
    route_change change = OVERWORLD__REGISTRY__V1__ROUTE_CHANGE__INIT;
    change.reset = reset;
    change.complete = complete;
    assert_true(routes_apply(routes, &change, now_us));
}

static bool reaches(const struct routes *routes, const char *revision, int64_t now_us,
                    bool *ret_current) {
    struct route route;
    struct route_key key = {"ttl_1", "main", "echo", revision};
    bool found = routes_find(routes, &key, now_us, &route);
    if (found && ret_current != NULL) {
        *ret_current = route.current;
    }
    return found;
}

static void names_lead_to_revisions(void **state) {
    (void)state;
    struct routes routes;
    assert_true(routes_init(&routes));
    const char *const two[] = {"r1", "r2"};
    upsert(&routes, "main", two, 2, 1);
    const server_routes *server = routes_server(&routes, "ttl_1", "main");
    assert_non_null(server);
    assert_string_equal(routes_resolve(server, "", &nobody), "r2");
    assert_string_equal(routes_resolve(server, "$LATEST", &nobody), "r2");
    assert_string_equal(routes_resolve(server, "1", &nobody), "r1");
    assert_null(routes_resolve(server, "3", &nobody));
    assert_null(routes_resolve(server, "1x", &nobody));
    assert_null(routes_resolve(server, "other", &nobody));
    assert_true(routes_may_name(server, "$DEFAULT", OW_SERVER));
    assert_false(routes_may_name(server, "$DEFAULT", OW_PLAYER)); // it is not marked public here
    assert_false(routes_may_name(server, "$LATEST", OW_SERVER));
    assert_false(routes_may_name(server, "1", OW_PLAYER));
    assert_true(routes_may_name(server, "1", OW_OPERATOR));
    assert_true(routes_may_name(server, "$LATEST", OW_PLATFORM));
    assert_true(routes_is_named(server, "r2"));
    assert_false(routes_is_named(server, "r1"));
    assert_null(routes_server(&routes, "ttl_2", "main"));
    routes_deinit(&routes);
}

static void what_was_replaced_stays_for_a_while(void **state) {
    (void)state;
    struct routes routes;
    assert_true(routes_init(&routes));
    const char *const revisions[] = {"r1", "r2", "r3", "r4", "r5"};
    bool current = false;
    upsert(&routes, "main", &revisions[0], 1, 0);
    upsert(&routes, "main", &revisions[1], 1, 1000);
    assert_true(reaches(&routes, "r2", 1000, &current) && current);
    assert_true(reaches(&routes, "r1", 1000, &current) && !current);
    assert_false(reaches(&routes, "r1", 1000 + ROUTES_KEEP_US, NULL));
    for (int i = 2; i < 5; i++) {
        upsert(&routes, "main", &revisions[i], 1, 2000);
    }
    assert_false(reaches(&routes, "r1", 2000, NULL)); // no more than ROUTES_KEEP_MAX states
    assert_true(reaches(&routes, "r2", 2000, NULL));
    routes_deinit(&routes);
}

static void a_new_table_drops_what_it_lacks(void **state) {
    (void)state;
    struct routes routes;
    assert_true(routes_init(&routes));
    const char *const one[] = {"r1"};
    mark(&routes, true, false, 0);
    upsert(&routes, "main", one, 1, 0);
    upsert(&routes, "side", one, 1, 0);
    assert_false(routes.complete);
    mark(&routes, false, true, 0);
    assert_true(routes.complete);

    mark(&routes, true, false, 10);
    assert_non_null(routes_server(&routes, "ttl_1", "side")); // serves on meanwhile
    upsert(&routes, "main", one, 1, 10);
    mark(&routes, false, true, 10);
    assert_non_null(routes_server(&routes, "ttl_1", "main"));
    assert_null(routes_server(&routes, "ttl_1", "side"));
    routes_sweep(&routes, 10 + 2 * ROUTES_KEEP_US);
    assert_null(routes_server(&routes, "ttl_1", "side"));
    routes_deinit(&routes);
}

static void removed_and_made_again(void **state) {
    (void)state;
    struct routes routes;
    assert_true(routes_init(&routes));
    const char *const one[] = {"r1"};
    const char *const other[] = {"r2"};
    upsert(&routes, "main", one, 1, 0);
    route_change change = OVERWORLD__REGISTRY__V1__ROUTE_CHANGE__INIT;
    change.removed_title_id = mutable("ttl_1");
    change.removed_name = mutable("main");
    assert_true(routes_apply(&routes, &change, 5));
    assert_null(routes_server(&routes, "ttl_1", "main"));
    assert_true(reaches(&routes, "r1", 6, NULL));
    upsert(&routes, "main", other, 1, 10);
    assert_true(reaches(&routes, "r2", 10, NULL));
    assert_true(reaches(&routes, "r1", 10, NULL));
    assert_false(reaches(&routes, "r1", 5 + ROUTES_KEEP_US, NULL));
    routes_deinit(&routes);
}

static void a_split_is_decided_as_the_gateway_does(void **state) {
    (void)state;
    route_alias alias = OVERWORLD__REGISTRY__V1__ROUTE_ALIAS__INIT;
    route_alias *aliases[] = {&alias};
    server_routes server = OVERWORLD__REGISTRY__V1__VIRTUAL_SERVER_ROUTES__INIT;
    alias.name = mutable("$DEFAULT");
    alias.revision_id = mutable("r1");
    alias.newer_revision_id = mutable("r2");
    server.aliases = aliases;
    server.n_aliases = 1;
    assert_true(routes_is_named(&server, "r1"));
    assert_true(routes_is_named(&server, "r2"));
    for (int i = 0; i < 200; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        const struct route_caller callers[] = {
            {key, "plr_1", "req_1"}, {"", key, "req_1"}, {"", "", key}};
        for (int k = 0; k < 3; k++) {
            unsigned point = ow_split_point("r2", key);
            alias.newer_weight = (int32_t)point;
            assert_string_equal(routes_resolve(&server, "", &callers[k]), "r1");
            alias.newer_weight = (int32_t)point + 1;
            assert_string_equal(routes_resolve(&server, "", &callers[k]), "r2");
        }
    }
    alias.random = true;
    alias.newer_weight = (int32_t)ow_split_point("r2", "req_1") + 1;
    assert_string_equal(routes_resolve(&server, "", &(struct route_caller){"k", "plr_1", "req_1"}),
                        "r2");
    alias.newer_weight--;
    assert_string_equal(routes_resolve(&server, "", &(struct route_caller){"k", "plr_1", "req_1"}),
                        "r1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_split_is_decided_as_the_gateway_does),
        OW_TEST(names_lead_to_revisions),
        OW_TEST(what_was_replaced_stays_for_a_while),
        OW_TEST(a_new_table_drops_what_it_lacks),
        OW_TEST(removed_and_made_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
