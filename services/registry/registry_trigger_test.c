// Triggers of the manifest: which are in force, and that the services that keep copies are told, by number,
// until they know. A service of the test's own stands for timers.

#include "services/registry/registry_rig.h"
#include "services/registry/triggers.h"

#include "overworld/data/v1/data.pb-c.h"
#include "overworld/events/v1/events.pb-c.h"
#include "overworld/timers/v1/timers.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOLD_MAX = 64 };

typedef struct told {
    char server[64], timers[200]; // "name cron,name cron"
    int64_t number;
    bool removed;
} told;

typedef struct keeper {
    ProtobufCService *service, *taker, *data;
    int slices; // that data has left to delete
    bool data_away;
    bool away;
    int asked;
    told told[TOLD_MAX];
    int count;
    int wanted;
} keeper;

static keeper kept;
static ow_channel_kind channel;

static ow_code apply(ow_run *run) {
    keeper *k = run->self;
    const apply_triggers_request *request = run->request;
    apply_triggers_response *reply = run->reply;
    k->asked++;
    if (k->away) {
        return ow_fail(run->err, OW_UNAVAILABLE, "away", "not now");
    }
    assert_true(k->count < TOLD_MAX);
    told *t = &k->told[k->count++];
    *t = (told){.number = request->deployment, .removed = request->removed};
    snprintf(t->server, sizeof t->server, "%s", request->virtual_server);
    for (size_t i = 0; request->triggers != NULL && i < request->triggers->n_timers; i++) {
        size_t used = strlen(t->timers);
        snprintf(t->timers + used, sizeof t->timers - used, "%s%s %s", used > 0 ? "," : "",
                 request->triggers->timers[i]->name, request->triggers->timers[i]->cron);
    }
    reply->deployment = request->deployment;
    return OW_OK;
}

// Who keeps subscriptions takes whatever comes.
static ow_code take(ow_run *run) {
    const apply_triggers_request *request = run->request;
    ((apply_triggers_response *)run->reply)->deployment = request->deployment;
    return OW_OK;
}

static const ow_method taking[] = {
    {"ApplyTriggers", 0, {{OW_LOOP, take}}},
    {0},
};

// What it keeps it deletes slice by slice.
static ow_code erase(ow_run *run) {
    keeper *k = run->self;
    const apply_triggers_request *request = run->request;
    if (k->data_away) {
        return ow_fail(run->err, OW_UNAVAILABLE, "away", "not now");
    }
    k->slices -= request->removed;
    ((apply_triggers_response *)run->reply)->more = request->removed && k->slices > 0;
    return take(run);
}

static const ow_method erasing[] = {
    {"ApplyTriggers", 0, {{OW_LOOP, erase}}},
    {0},
};

static const ow_method methods[] = {
    {"ApplyTriggers", 0, {{OW_LOOP, apply}}},
    {0},
};

static ProtobufCService *offer(fixture *f, const ProtobufCServiceDescriptor *descriptor,
                               const ow_method *of) {
    ProtobufCService *service = NULL;
    ow_service_options options = {
        .descriptor = descriptor,
        .methods = of,
        .api = f->stage.api,
        .self = &kept,
        .loop = f->stage.loop,
        .is_stand_in = true,
    };
    assert_int_equal(ow_service_new(&options, &service, NULL), OW_OK);
    assert_int_equal(ow_directory_offer(f->stage.directory, service, NULL), OW_OK);
    return service;
}

static int set_up(void **state) {
    int failed = rig_set_up(state, channel);
    fixture *f = *state;
    kept = (keeper){0};
    kept.service = offer(f, &overworld__timers__v1__timers__descriptor, methods);
    kept.taker = offer(f, &overworld__events__v1__events__descriptor, taking);
    kept.data = offer(f, &overworld__data__v1__data__descriptor, erasing);
    return failed;
}

static int tear_down(void **state) {
    fixture *f = *state;
    ow_directory_withdraw(f->stage.directory, kept.service);
    ow_directory_withdraw(f->stage.directory, kept.taker);
    ow_directory_withdraw(f->stage.directory, kept.data);
    kept.data = ow_service_free(kept.data);
    kept.service = ow_service_free(kept.service);
    kept.taker = ow_service_free(kept.taker);
    return rig_tear_down(state);
}

static void upload_with(fixture *f, const char *timers, const char *source) {
    char manifest[2000];
    snprintf(manifest, sizeof manifest,
             "{\"name\":\"chat\",\"runtime\":\"c\",\"functions\":{\"moderate\":{}},"
             "\"files\":[\"words.txt\"]%s%s}",
             timers[0] != 0 ? ",\"timers\":" : "", timers);
    upload(f, manifest, source, "damn");
}

#define TIMER(name, cron) "{\"name\":\"" name "\",\"function\":\"moderate\",\"cron\":\"" cron "\"}"
#define TIMER_FOR(name, cron, alias)                                                               \
    "{\"name\":\"" name "\",\"function\":\"moderate\",\"cron\":\"" cron "\",\"alias\":\"" alias    \
    "\"}"

static const char *in_force(void) {
    assert_true(kept.count > 0);
    return kept.told[kept.count - 1].timers;
}

static void move(fixture *f, const char *alias, const char *first, const char *second,
                 int32_t weight, bool keep) {
    update_alias_request request = OVERWORLD__REGISTRY__V1__UPDATE_ALIAS_REQUEST__INIT;
    alias_target_msg targets[2] = {OVERWORLD__REGISTRY__V1__ALIAS_TARGET__INIT,
                                   OVERWORLD__REGISTRY__V1__ALIAS_TARGET__INIT};
    alias_target_msg *list[] = {&targets[0], &targets[1]};
    request.virtual_server = TEXT("chat");
    request.name = TEXT(alias);
    request.targets = list;
    request.n_targets = second != NULL ? 2 : 1;
    request.keep_triggers = keep;
    targets[0].version = TEXT(first);
    targets[0].weight = second != NULL ? 10000 - weight : 0;
    targets[1].version = TEXT(second != NULL ? second : "");
    targets[1].weight = weight;
    must_call(f, "UpdateAlias", &request);
}

static void they_go_where_aliases_lead(void **state) {
    fixture *f = *state;
    upload_with(f, "[" TIMER("a", "0 1 * * *") "]", "one");
    deploy_response *reply = deploy(f, true);
    assert_int_equal(reply->n_pending, 0);
    assert_int_equal(reply->revision->triggers->n_timers, 1);
    assert_string_equal(in_force(), "a 0 1 * * *");
    upload_with(f, "[" TIMER("a", "0 2 * * *") "," TIMER_FOR("b", "0 3 * * *", "live") "]", "one");
    reply = deploy(f, false);
    assert_false(reply->unchanged); // the same code, but other triggers
    // $DEFAULT leads to version 1 still, and there is no alias "live".
    assert_string_equal(in_force(), "a 0 1 * * *");
    publish_request publish = OVERWORLD__REGISTRY__V1__PUBLISH_REQUEST__INIT;
    publish.virtual_server = TEXT("chat");
    must_call(f, "Publish", &publish);
    create_alias_request live = OVERWORLD__REGISTRY__V1__CREATE_ALIAS_REQUEST__INIT;
    alias_target_msg target = OVERWORLD__REGISTRY__V1__ALIAS_TARGET__INIT;
    alias_target_msg *targets[] = {&target};
    target.version = TEXT("2");
    live.virtual_server = TEXT("chat");
    live.name = TEXT("live");
    live.targets = targets;
    live.n_targets = 1;
    must_call(f, "CreateAlias", &live);
    assert_string_equal(in_force(), "a 0 1 * * *,b 0 3 * * *");
    // The heavier version counts, on a tie the older one.
    move(f, "$DEFAULT", "1", "2", 4000, false);
    assert_string_equal(in_force(), "a 0 1 * * *,b 0 3 * * *");
    move(f, "$DEFAULT", "1", "2", 5000, false);
    assert_string_equal(in_force(), "a 0 1 * * *,b 0 3 * * *");
    move(f, "$DEFAULT", "1", "2", 6000, false);
    assert_string_equal(in_force(), "a 0 2 * * *,b 0 3 * * *");
    move(f, "$DEFAULT", "2", NULL, 0, false);
    // Back, with its triggers or with those in force.
    rollback_alias_request back = OVERWORLD__REGISTRY__V1__ROLLBACK_ALIAS_REQUEST__INIT;
    back.virtual_server = TEXT("chat");
    back.name = TEXT("$DEFAULT");
    must_call(f, "RollbackAlias", &back);
    assert_string_equal(in_force(), "a 0 1 * * *,b 0 3 * * *");
    move(f, "$DEFAULT", "2", NULL, 0, false);
    back.keep_triggers = true;
    must_call(f, "RollbackAlias", &back);
    assert_string_equal(in_force(), "a 0 2 * * *,b 0 3 * * *");
    move(f, "$DEFAULT", "1", NULL, 0, false);
    assert_string_equal(in_force(), "a 0 1 * * *,b 0 3 * * *");
    for (int i = 1; i < kept.count; i++) {
        assert_true(kept.told[i].number > kept.told[i - 1].number);
    }
}

static bool is_told(void *self) {
    const keeper *k = self;
    return k->count >= k->wanted;
}

static void whoever_was_away_is_told_later(void **state) {
    fixture *f = *state;
    kept.away = true;
    upload_with(f, "[" TIMER("a", "0 1 * * *") "]", "one");
    deploy_response *reply = deploy(f, true);
    assert_int_equal(reply->n_pending, 1);
    assert_string_equal(reply->pending[0], "timers");
    kept.away = false;
    kept.wanted = 1;
    stage_until(&f->stage, is_told, &kept);
    assert_string_equal(in_force(), "a 0 1 * * *");
    // The next process knows, or tells it again; that it is gone is told in any case.
    stage_restart(&f->stage);
    delete_server_request gone = OVERWORLD__REGISTRY__V1__DELETE_VIRTUAL_SERVER_REQUEST__INIT;
    gone.name = TEXT("chat");
    must_call(f, "DeleteVirtualServer", &gone);
    assert_true(kept.count >= 2);
    assert_true(kept.told[kept.count - 1].removed);
    assert_true(kept.told[kept.count - 1].number > kept.told[0].number);
}

// A pass tells 16 at a time: one behind them is not told either.
static void of_many_each_is_told_what_is_pending(void **state) {
    fixture *f = *state;
    char name[20];
    kept.away = true;
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "other%d", i);
        assert_non_null(create_server(f, name));
    }
    upload_with(f, "[" TIMER("a", "0 1 * * *") "]", "one");
    deploy_response *reply = deploy(f, true);
    assert_true(reply->n_pending > 0);
    assert_string_equal(reply->pending[0], "timers");
    kept.away = false;
    kept.wanted = 21;
    stage_until(&f->stage, is_told, &kept);
}

static bool is_erased(void *self) {
    const keeper *k = self;
    return k->slices <= 0;
}

// Once it is noted that data has ended.
static bool is_made(void *self) {
    fixture *f = self;
    if (create_server(f, "chat") != NULL) {
        return true;
    }
    assert_string_equal(f->stage.err.reason, "being_removed");
    return false;
}

// A new one of the same name shall not find what the earlier one kept.
static void what_a_deleted_one_kept_goes_before_the_next_comes(void **state) {
    fixture *f = *state;
    upload_with(f, "[" TIMER("a", "0 1 * * *") "]", "one");
    deploy(f, true);
    kept.data_away = true;
    kept.slices = 4;
    delete_server_request gone = OVERWORLD__REGISTRY__V1__DELETE_VIRTUAL_SERVER_REQUEST__INIT;
    gone.name = TEXT("chat");
    must_call(f, "DeleteVirtualServer", &gone);
    assert_null(create_server(f, "chat"));
    assert_string_equal(f->stage.err.reason, "being_removed");
    stage_restart(&f->stage);
    assert_null(create_server(f, "chat"));
    kept.data_away = false;
    stage_until(&f->stage, is_erased, &kept);
    stage_until(&f->stage, is_made, f);
    assert_int_equal(kept.slices, 0);
    assert_int_equal(deploy(f, true)->n_pending, 0);
    assert_int_equal(kept.slices, 0); // and it is not told again that the earlier one is gone
}

// Slice after slice, but not with one who is down asked each time.
static void slices_do_not_override_the_back_off(void **state) {
    fixture *f = *state;
    upload_with(f, "[" TIMER("a", "0 1 * * *") "]", "one");
    deploy(f, true);
    kept.away = true;
    kept.slices = 1000;
    kept.asked = 0;
    delete_server_request gone = OVERWORLD__REGISTRY__V1__DELETE_VIRTUAL_SERVER_REQUEST__INIT;
    list_servers_request list = OVERWORLD__REGISTRY__V1__LIST_VIRTUAL_SERVERS_REQUEST__INIT;
    gone.name = TEXT("chat");
    must_call(f, "DeleteVirtualServer", &gone);
    for (int i = 0; i < 50; i++) { // well within the back-off
        must_call(f, "ListVirtualServers", &list);
    }
    assert_in_range(kept.asked, 1, 5);
    kept.away = false;
    kept.slices = 10;
    stage_until(&f->stage, is_erased, &kept);
}

static void mistakes_are_named(void **state) {
    fixture *f = *state;
    static const struct {
        const char *timers, *part;
    } samples[] = {
        {"{}", "\"timers\" must be a list"},
        {"[{\"name\":\"a\",\"function\":\"nothing\",\"cron\":\"@daily\"}]",
         "timers.a: \"function\""},
        {"[" TIMER("a", "61 * * * *") "]", "timers.a: minute"},
        {"[" TIMER("a", "") "]", "one of cron, every and at"},
        {"[" TIMER("a", "@daily") "," TIMER("a", "@daily") "]", "there twice"},
        {"[" TIMER("1a", "@daily") "]", "\"name\" is"},
        {"[{\"name\":\"a\",\"funktion\":\"moderate\"}]", "funktion"},
        {"[{\"name\":\"a\",\"function\":\"moderate\",\"every\":\"often\"}]", "every"},
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        upload_with(f, samples[i].timers, "one");
        deploy_request request = deploy_of(f);
        expect_failure(f, "Deploy", &request, OW_INVALID_ARGUMENT, "bad_manifest");
        if (strstr(f->stage.err.message, samples[i].part) == NULL) {
            fail_msg("%s: %s", samples[i].timers, f->stage.err.message);
        }
    }
}

// ---- Routes that are switched by hand ----

static list_routes_response *routes_of(fixture *f, int32_t page_size, const char *token) {
    list_routes_request request = OVERWORLD__REGISTRY__V1__LIST_ROUTES_REQUEST__INIT;
    request.virtual_server = TEXT("chat");
    request.page_size = page_size;
    request.page_token = TEXT(token);
    return must_call(f, "ListRoutes", &request);
}

static route_state_msg *switch_route(fixture *f, const char *name, bool disabled) {
    set_route_disabled_request request = OVERWORLD__REGISTRY__V1__SET_ROUTE_DISABLED_REQUEST__INIT;
    request.virtual_server = TEXT("chat");
    request.name = TEXT(name);
    request.disabled = disabled;
    return must_call(f, "SetRouteDisabled", &request);
}

#define ROUTE(name, more)                                                                          \
    "{\"name\":\"" name "\",\"method\":\"GET\",\"path\":\"/" name                                  \
    "\",\"function\":\"moderate\",\"access\":\"public\"" more "}"

static void a_route_is_switched_without_a_deployment(void **state) {
    fixture *f = *state;
    upload_with(f, "[],\"routes\":[" ROUTE("b", "") "," ROUTE("a", ",\"disabled\":true") "]",
                "one");
    deploy(f, true);
    list_routes_response *page = routes_of(f, 1, "");
    assert_int_equal(page->n_routes, 1);
    assert_string_equal(page->routes[0]->declared->name, "a");
    assert_true(page->routes[0]->disabled);
    page = routes_of(f, 1, page->next_page_token);
    assert_int_equal(page->n_routes, 1);
    assert_string_equal(page->routes[0]->declared->name, "b");
    assert_false(page->routes[0]->disabled);
    assert_null(page->routes[0]->switched);
    assert_string_equal(page->next_page_token, "");
    route_state_msg *now = switch_route(f, "b", true);
    assert_true(now->disabled);
    assert_non_null(now->switched);
    assert_false(switch_route(f, "a", false)->disabled);
    // A deployment leaves it so.
    upload_with(f, "[],\"routes\":[" ROUTE("b", "") "," ROUTE("c", "") "]", "two");
    deploy(f, true);
    page = routes_of(f, 0, "");
    assert_int_equal(page->n_routes, 3);
    assert_true(page->routes[1]->disabled);
    assert_false(page->routes[1]->undeclared);
    assert_false(page->routes[2]->disabled);
    // A switch whose route is gone is seen, and forgotten when it is switched on.
    assert_true(page->routes[0]->undeclared);
    assert_string_equal(page->routes[0]->declared->name, "a");
    assert_string_equal(routes_of(f, 1, "")->routes[0]->declared->name, "a");
    assert_true(switch_route(f, "a", false)->undeclared);
    assert_int_equal(routes_of(f, 0, "")->n_routes, 2);
    // As it is declared is nobody's switch.
    now = switch_route(f, "b", false);
    assert_false(now->disabled);
    assert_null(now->switched);
    set_route_disabled_request request = OVERWORLD__REGISTRY__V1__SET_ROUTE_DISABLED_REQUEST__INIT;
    request.virtual_server = TEXT("chat");
    request.name = TEXT("a"); // is not declared any more
    expect_failure(f, "SetRouteDisabled", &request, OW_NOT_FOUND, "no_route");
    request.name = TEXT("b");
    request.alias = TEXT("live");
    expect_failure(f, "SetRouteDisabled", &request, OW_NOT_FOUND, "no_route");
    list_routes_request bad = OVERWORLD__REGISTRY__V1__LIST_ROUTES_REQUEST__INIT;
    bad.virtual_server = TEXT("chat");
    bad.page_token = TEXT("nonsense");
    expect_failure(f, "ListRoutes", &bad, OW_INVALID_ARGUMENT, "bad_page_token");
}

static void a_switch_has_an_etag(void **state) {
    fixture *f = *state;
    upload_with(f, "[],\"routes\":[" ROUTE("b", "") "]", "one");
    deploy(f, true);
    set_route_disabled_request request = OVERWORLD__REGISTRY__V1__SET_ROUTE_DISABLED_REQUEST__INIT;
    request.virtual_server = TEXT("chat");
    request.name = TEXT("b");
    request.disabled = true;
    char before[64], after[64];
    snprintf(before, sizeof before, "%s", routes_of(f, 0, "")->routes[0]->etag);
    request.etag = before;
    const route_state_msg *now = must_call(f, "SetRouteDisabled", &request);
    snprintf(after, sizeof after, "%s", now->etag);
    assert_string_equal(routes_of(f, 0, "")->routes[0]->etag, after);
    request.disabled = false;
    expect_failure(f, "SetRouteDisabled", &request, OW_ABORTED, "stale_etag");
    assert_true(routes_of(f, 0, "")->routes[0]->disabled);
    request.etag = after;
    must_call(f, "SetRouteDisabled", &request);
    assert_false(routes_of(f, 0, "")->routes[0]->disabled);
}

static void an_alias_takes_its_switches_along(void **state) {
    fixture *f = *state;
    upload_with(f, "[],\"routes\":[" ROUTE("b", "") "," ROUTE("b", ",\"alias\":\"live\"") "]",
                "one");
    deploy(f, true);
    create_alias_request live = OVERWORLD__REGISTRY__V1__CREATE_ALIAS_REQUEST__INIT;
    alias_target_msg target = OVERWORLD__REGISTRY__V1__ALIAS_TARGET__INIT;
    alias_target_msg *targets[] = {&target};
    target.version = TEXT("1");
    live.virtual_server = TEXT("chat");
    live.name = TEXT("live");
    live.n_targets = 1;
    live.targets = targets;
    must_call(f, "CreateAlias", &live);
    switch_route(f, "b", true);
    set_route_disabled_request request = OVERWORLD__REGISTRY__V1__SET_ROUTE_DISABLED_REQUEST__INIT;
    request.virtual_server = TEXT("chat");
    request.name = TEXT("b");
    request.alias = TEXT("live");
    request.disabled = true;
    must_call(f, "SetRouteDisabled", &request);
    delete_alias_request gone = OVERWORLD__REGISTRY__V1__DELETE_ALIAS_REQUEST__INIT;
    gone.virtual_server = TEXT("chat");
    gone.name = TEXT("live");
    must_call(f, "DeleteAlias", &gone);
    assert_int_equal(routes_of(f, 0, "")->n_routes, 1);
    must_call(f, "CreateAlias", &live);
    list_routes_response *page = routes_of(f, 0, "");
    assert_int_equal(page->n_routes, 2);
    assert_true(page->routes[0]->disabled); // of $DEFAULT
    assert_false(page->routes[1]->disabled);
}

int main(int argc, char **argv) {
    channel = argc > 1 && strcmp(argv[1], "packed") == 0 ? OW_CHANNEL_PACKED : OW_CHANNEL_LOCAL;
    const struct CMUnitTest tests[] = {
        OW_TEST_WITH(they_go_where_aliases_lead, set_up, tear_down),
        OW_TEST_WITH(whoever_was_away_is_told_later, set_up, tear_down),
        OW_TEST_WITH(of_many_each_is_told_what_is_pending, set_up, tear_down),
        OW_TEST_WITH(what_a_deleted_one_kept_goes_before_the_next_comes, set_up, tear_down),
        OW_TEST_WITH(slices_do_not_override_the_back_off, set_up, tear_down),
        OW_TEST_WITH(mistakes_are_named, set_up, tear_down),
        OW_TEST_WITH(a_route_is_switched_without_a_deployment, set_up, tear_down),
        OW_TEST_WITH(a_switch_has_an_etag, set_up, tear_down),
        OW_TEST_WITH(an_alias_takes_its_switches_along, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
