#include "services/gateway/routes.h"

#include "core/split/split.h"
#include "core/testing/ow_test.h"
#include "services/gateway/titles.h"

#include <stdio.h>
#include <string.h>

// Adds a virtual server with one client function and one revision, named by $DEFAULT.
static void put(routes *all, const char *title, const char *name, const char *revision_id,
                bool reset) {
    Overworld__Registry__V1__FunctionInfo function = OVERWORLD__REGISTRY__V1__FUNCTION_INFO__INIT;
    Overworld__Registry__V1__FunctionInfo *functions[] = {&function};
    Overworld__Registry__V1__RouteRevision revision = OVERWORLD__REGISTRY__V1__ROUTE_REVISION__INIT;
    Overworld__Registry__V1__RouteRevision *revisions[] = {&revision};
    Overworld__Registry__V1__RouteAlias alias = OVERWORLD__REGISTRY__V1__ROUTE_ALIAS__INIT;
    Overworld__Registry__V1__RouteAlias *aliases[] = {&alias};
    virtual_server_routes server = OVERWORLD__REGISTRY__V1__VIRTUAL_SERVER_ROUTES__INIT;
    route_change change = OVERWORLD__REGISTRY__V1__ROUTE_CHANGE__INIT;
    function.name = (char *)"f";
    function.exposure = (char *)"client";
    revision.revision_id = (char *)(uintptr_t)revision_id;
    revision.functions = functions;
    revision.n_functions = 1;
    alias.name = (char *)"$DEFAULT";
    alias.revision_id = (char *)(uintptr_t)revision_id;
    alias.is_public = true;
    server.title_id = (char *)(uintptr_t)title;
    server.name = (char *)(uintptr_t)name;
    server.aliases = aliases;
    server.n_aliases = 1;
    server.revisions = revisions;
    server.n_revisions = 1;
    change.reset = reset;
    change.upsert = &server;
    assert_int_equal(gateway_routes_apply(all, &change, NULL), OW_OK);
}

static void complete(routes *all) {
    route_change change = OVERWORLD__REGISTRY__V1__ROUTE_CHANGE__INIT;
    change.complete = true;
    assert_int_equal(gateway_routes_apply(all, &change, NULL), OW_OK);
}

static const char *find(const routes *all, const char *title, const char *name) {
    ow_principal player = {.kind = OW_PLAYER};
    snprintf(player.title, sizeof player.title, "%s", title);
    route_query query = {&player, name, "f", "$DEFAULT", "", "req_1"};
    const route_revision *revision = NULL;
    const route_function *function = NULL;
    ow_err err;
    ow_code code = gateway_routes_find(all, &query, &revision, &function, &err);
    assert_true(code == OW_OK || strcmp(err.reason, "function_not_found") == 0);
    return code == OW_OK ? revision->revision_id : "";
}

static void keeps_titles_apart(void **state) {
    (void)state;
    routes *all = gateway_routes_new();
    put(all, "ttl_a", "lab", "rev_a", true);
    put(all, "ttl_b", "lab", "rev_b", false);
    complete(all);
    assert_string_equal(find(all, "ttl_a", "lab"), "rev_a");
    assert_string_equal(find(all, "ttl_b", "lab"), "rev_b");
    assert_string_equal(find(all, "ttl_c", "lab"), "");
    assert_string_equal(find(all, "", "lab"), "");
    gateway_routes_free(all);
}

static void serves_the_old_table_until_the_new_one_is_complete(void **state) {
    (void)state;
    routes *all = gateway_routes_new();
    put(all, "ttl_a", "one", "rev_1", true);
    put(all, "ttl_a", "two", "rev_1", false);
    assert_false(gateway_routes_are_complete(all));
    complete(all);
    assert_true(gateway_routes_are_complete(all));
    put(all, "ttl_a", "one", "rev_2", true);
    assert_string_equal(find(all, "ttl_a", "one"), "rev_2");
    assert_string_equal(find(all, "ttl_a", "two"), "rev_1");
    complete(all);
    assert_string_equal(find(all, "ttl_a", "two"), "");
    assert_int_equal(gateway_routes_count(all), 1);
    gateway_routes_free(all);
}

static void removes_and_grows(void **state) {
    (void)state;
    routes *all = gateway_routes_new();
    char name[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "server%d", i);
        put(all, "ttl_a", name, name, i == 0);
    }
    complete(all);
    for (int i = 0; i < 1000; i += 2) {
        route_change change = OVERWORLD__REGISTRY__V1__ROUTE_CHANGE__INIT;
        snprintf(name, sizeof name, "server%d", i);
        change.removed_title_id = (char *)"ttl_a";
        change.removed_name = name;
        assert_int_equal(gateway_routes_apply(all, &change, NULL), OW_OK);
    }
    assert_int_equal(gateway_routes_count(all), 500);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "server%d", i);
        assert_string_equal(find(all, "ttl_a", name), i % 2 == 0 ? "" : name);
    }
    gateway_routes_free(all);
}

// ---- splits ----

// $DEFAULT of "lab" leads to rev_1 and, for `weight` of 10,000, to rev_2.
static void put_split(routes *all, unsigned weight, bool random) {
    Overworld__Registry__V1__FunctionInfo function = OVERWORLD__REGISTRY__V1__FUNCTION_INFO__INIT;
    Overworld__Registry__V1__FunctionInfo *functions[] = {&function};
    Overworld__Registry__V1__RouteRevision each[2];
    Overworld__Registry__V1__RouteRevision *revisions[] = {&each[0], &each[1]};
    Overworld__Registry__V1__RouteAlias alias = OVERWORLD__REGISTRY__V1__ROUTE_ALIAS__INIT;
    Overworld__Registry__V1__RouteAlias *aliases[] = {&alias};
    virtual_server_routes server = OVERWORLD__REGISTRY__V1__VIRTUAL_SERVER_ROUTES__INIT;
    route_change change = OVERWORLD__REGISTRY__V1__ROUTE_CHANGE__INIT;
    function.name = (char *)"f";
    function.exposure = (char *)"client";
    for (int i = 0; i < 2; i++) {
        overworld__registry__v1__route_revision__init(&each[i]);
        each[i].revision_id = (char *)(uintptr_t)(i == 0 ? "rev_1" : "rev_2");
        each[i].functions = functions;
        each[i].n_functions = 1;
    }
    alias.name = (char *)"$DEFAULT";
    alias.revision_id = (char *)"rev_1";
    alias.newer_revision_id = (char *)"rev_2";
    alias.newer_weight = (int32_t)weight;
    alias.random = random;
    alias.is_public = true;
    server.title_id = (char *)"ttl_a";
    server.name = (char *)"lab";
    server.aliases = aliases;
    server.n_aliases = 1;
    server.revisions = revisions;
    server.n_revisions = 2;
    change.upsert = &server;
    assert_int_equal(gateway_routes_apply(all, &change, NULL), OW_OK);
}

typedef struct split_caller {
    ow_principal_kind kind;
    const char *id, *key;
    int request;
} split_caller;

static bool gets_newer(const routes *all, const split_caller *who) {
    ow_principal principal = {.kind = who->kind, .title = "ttl_a"};
    char request_id[32];
    snprintf(principal.id, sizeof principal.id, "%s", who->id);
    snprintf(request_id, sizeof request_id, "req_%d", who->request);
    route_query query = {&principal, "lab", "f", "$DEFAULT", who->key, request_id};
    const route_revision *revision = NULL;
    const route_function *function = NULL;
    assert_int_equal(gateway_routes_find(all, &query, &revision, &function, NULL), OW_OK);
    return strcmp(revision->revision_id, "rev_2") == 0;
}

static void a_player_stays_on_its_side_as_the_weight_grows(void **state) {
    (void)state;
    static const unsigned weights[] = {0, 1000, 5000, OW_SPLIT_WHOLE};
    static const int least[] = {0, 138, 891, 2000}, most[] = {0, 269, 1109, 2000};
    routes *all = gateway_routes_new();
    bool had[2000] = {0};
    for (int w = 0; w < 4; w++) {
        int newer = 0;
        put_split(all, weights[w], false);
        for (int i = 0; i < 2000; i++) {
            char id[32];
            snprintf(id, sizeof id, "plr_%d", i);
            split_caller first = {OW_PLAYER, id, "", 1}, second = {OW_PLAYER, id, "", 2};
            bool gets = gets_newer(all, &first);
            assert_int_equal(gets, gets_newer(all, &second));
            assert_true(gets || !had[i]);
            had[i] = gets;
            newer += gets;
        }
        assert_in_range(newer, least[w], most[w]);
    }
    gateway_routes_free(all);
}

static void a_routing_key_decides_for_whoever_sends_it(void **state) {
    (void)state;
    routes *all = gateway_routes_new();
    put_split(all, 5000, false);
    for (int i = 0; i < 100; i++) {
        char id[32];
        snprintf(id, sizeof id, "id_%d", i);
        split_caller player = {OW_PLAYER, id, "room-7", i}, server = {OW_SERVER, id, "room-7", i};
        assert_int_equal(gets_newer(all, &player), gets_newer(all, &server));
        split_caller other = {OW_PLAYER, "plr_other", "room-7", 0};
        assert_int_equal(gets_newer(all, &player), gets_newer(all, &other));
    }
    gateway_routes_free(all);
}

static void chance_decides_without_a_key(void **state) {
    (void)state;
    routes *all = gateway_routes_new();
    int of_server = 0, of_player = 0;
    put_split(all, 1000, false);
    for (int i = 0; i < 2000; i++) {
        of_server += gets_newer(all, &(split_caller){OW_SERVER, "key_1", "", i});
    }
    put_split(all, 1000, true);
    for (int i = 0; i < 2000; i++) {
        of_player += gets_newer(all, &(split_caller){OW_PLAYER, "plr_1", "room-7", i});
    }
    assert_in_range(of_server, 138, 269);
    assert_in_range(of_player, 138, 269);
    gateway_routes_free(all);
}

static void finds_titles_by_id_and_name(void **state) {
    (void)state;
    titles *all = titles_new();
    const char *id = NULL;
    ow_err err;
    assert_int_equal(titles_resolve(all, NULL, &id, &err), OW_NOT_FOUND);
    titles_put(all, "ttl_a", "Asteroids");
    assert_int_equal(titles_resolve(all, NULL, &id, &err), OW_OK);
    assert_string_equal(id, "ttl_a");
    titles_put(all, "ttl_b", "Breakout");
    assert_int_equal(titles_resolve(all, NULL, &id, &err), OW_INVALID_ARGUMENT);
    assert_string_equal(err.reason, "which_title");
    assert_int_equal(titles_resolve(all, "Breakout", &id, &err), OW_OK);
    assert_string_equal(id, "ttl_b");
    titles_put(all, "ttl_b", "Pong");
    assert_int_equal(titles_count(all), 2);
    assert_int_equal(titles_resolve(all, "Breakout", &id, &err), OW_NOT_FOUND);
    assert_int_equal(titles_resolve(all, "ttl_b", &id, &err), OW_OK);
    titles_free(all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_titles_apart),
        cmocka_unit_test(serves_the_old_table_until_the_new_one_is_complete),
        cmocka_unit_test(removes_and_grows),
        cmocka_unit_test(a_player_stays_on_its_side_as_the_weight_grows),
        cmocka_unit_test(a_routing_key_decides_for_whoever_sends_it),
        cmocka_unit_test(chance_decides_without_a_key),
        cmocka_unit_test(finds_titles_by_id_and_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
