// Payloads that are kept for runs by hand: one's own and the shared ones.

#include "services/events/events.h"
#include "services/events/hands_messages.h"
#include "tests/stage/stage.h"

#include "core/rpc/service.h"
#include "overworld/identity/v1/identity.pb-c.h"
#include "overworld/runner/v1/runner.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HANDS (&overworld__events__v1__hands__descriptor)
#define TEXT(literal) ((char *)(uintptr_t)(literal))
#define PLAYER "plr_01HXG3K5N8Q2Z4V6B8D0F2H4J6"

enum { LARGE = 256 << 10 };

static const stage_caller ann = {
    .kind = OW_OPERATOR, .role = OW_ROLE_DEVELOPER, .id = "opr_ann", .title = "ttl_a"};
static const stage_caller bob = {
    .kind = OW_OPERATOR, .role = OW_ROLE_DEVELOPER, .id = "opr_bob", .title = "ttl_a"};
static const stage_caller elsewhere = {
    .kind = OW_OPERATOR, .role = OW_ROLE_DEVELOPER, .id = "opr_ann", .title = "ttl_b"};

typedef struct fixture {
    stage stage;
    ProtobufCService *runner, *identity;
    char payload[100]; // of the last run
    char caller[64];   // ... and for whom it was
    int runs;
} fixture;

static ow_code invoke(ow_run *run) {
    fixture *f = run->self;
    const Overworld__Runner__V1__InvokeRequest *request = run->request;
    snprintf(f->payload, sizeof f->payload, "%.*s", (int)request->payload.len,
             (const char *)request->payload.data);
    snprintf(f->caller, sizeof f->caller, "%s", run->call->principal->id);
    f->runs++;
    return OW_OK;
}

// One player is there, in one title.
static ow_code find_player(ow_run *run) {
    const Overworld__Identity__V1__FindPlayerRequest *request = run->request;
    Overworld__Identity__V1__Player *reply = run->reply;
    if (strcmp(request->player_id, PLAYER) != 0 ||
        strcmp(run->call->principal->title, ann.title) != 0) {
        return ow_fail(run->err, OW_NOT_FOUND, "no_player", "there is none");
    }
    reply->player_id = request->player_id;
    return OW_OK;
}

static const ow_method runner_methods[] = {{"Invoke", 0, {{OW_LOOP, invoke}}}, {0}};
static const ow_method identity_methods[] = {{"FindPlayer", 0, {{OW_LOOP, find_player}}}, {0}};

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    stage_open(&f->stage, &ow_events_module, OW_CHANNEL_PACKED, NULL);
    f->runner =
        stage_offer(&f->stage, &overworld__runner__v1__runner__descriptor, runner_methods, f);
    f->identity =
        stage_offer(&f->stage, &overworld__identity__v1__identity__descriptor, identity_methods, f);
    stage_start(&f->stage);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    stage_close(&f->stage);
    ow_service_free(f->runner);
    ow_service_free(f->identity);
    free(f);
    return 0;
}

static bool save(fixture *f, const stage_caller *who, const char *name, bool shared,
                 ProtobufCBinaryData payload) {
    save_test_event_request request = OVERWORLD__EVENTS__V1__SAVE_TEST_EVENT_REQUEST__INIT;
    test_event_msg event = OVERWORLD__EVENTS__V1__TEST_EVENT__INIT;
    event.virtual_server = TEXT("chat");
    event.function = TEXT("say");
    event.name = TEXT(name);
    event.shared = shared;
    event.payload = payload;
    request.event = &event;
    return stage_call(&f->stage, HANDS, "SaveTestEvent", &request, who) != NULL;
}

static void keep(fixture *f, const stage_caller *who, const char *name, bool shared,
                 const char *text) {
    ProtobufCBinaryData payload = {strlen(text), (uint8_t *)TEXT(text)};
    if (!save(f, who, name, shared, payload)) {
        fail_msg("%s: %s", name, f->stage.err.message);
    }
}

// "name payload" of each, shared ones with a star; separated by commas. Valid until the next one.
static const char *list(fixture *f, const stage_caller *who) {
    static char text[500];
    list_test_events_request request = OVERWORLD__EVENTS__V1__LIST_TEST_EVENTS_REQUEST__INIT;
    request.virtual_server = TEXT("chat");
    request.function = TEXT("say");
    const Overworld__Events__V1__ListTestEventsResponse *reply =
        stage_call(&f->stage, HANDS, "ListTestEvents", &request, who);
    assert_non_null(reply);
    text[0] = '\0';
    for (size_t i = 0; i < reply->n_events; i++) {
        const test_event_msg *e = reply->events[i];
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%s%s %.*s", used > 0 ? "," : "", e->name,
                 e->shared ? "*" : "", (int)e->payload.len, (const char *)e->payload.data);
    }
    return text;
}

static bool forget(fixture *f, const stage_caller *who, const char *name, bool shared) {
    delete_test_event_request request = OVERWORLD__EVENTS__V1__DELETE_TEST_EVENT_REQUEST__INIT;
    request.virtual_server = TEXT("chat");
    request.function = TEXT("say");
    request.name = TEXT(name);
    request.shared = shared;
    return stage_call(&f->stage, HANDS, "DeleteTestEvent", &request, who) != NULL;
}

static const char *run_with(fixture *f, const stage_caller *who, const char *name) {
    by_hand_request request = OVERWORLD__EVENTS__V1__INVOKE_BY_HAND_REQUEST__INIT;
    request.virtual_server = TEXT("chat");
    request.function = TEXT("say");
    request.test_event = TEXT(name);
    return stage_call(&f->stage, HANDS, "InvokeByHand", &request, who) != NULL
               ? f->payload
               : f->stage.err.reason;
}

static void ones_own_and_the_shared_are_listed_by_name(void **state) {
    fixture *f = *state;
    keep(f, &ann, "rude", false, "1");
    keep(f, &bob, "polite", true, "2");
    keep(f, &bob, "rude", true, "3");
    keep(f, &bob, "secret", false, "4");
    assert_string_equal(list(f, &ann), "polite* 2,rude* 3,rude 1");
    assert_string_equal(list(f, &bob), "polite* 2,rude* 3,secret 4");
    assert_string_equal(list(f, &elsewhere), "");
    keep(f, &ann, "polite", true, "5"); // what is shared is everybody's to change
    assert_string_equal(list(f, &bob), "polite* 5,rude* 3,secret 4");
}

static void ones_own_comes_before_the_shared_one(void **state) {
    fixture *f = *state;
    keep(f, &ann, "rude", false, "1");
    keep(f, &bob, "rude", true, "3");
    keep(f, &bob, "secret", false, "4");
    assert_string_equal(run_with(f, &ann, "rude"), "1");
    assert_string_equal(run_with(f, &bob, "rude"), "3");
    assert_string_equal(run_with(f, &ann, "secret"), "no_test_event");
    assert_string_equal(run_with(f, &elsewhere, "rude"), "no_test_event");
}

static const char *run_as(fixture *f, const stage_caller *who, const char *player_id) {
    by_hand_request request = OVERWORLD__EVENTS__V1__INVOKE_BY_HAND_REQUEST__INIT;
    request.virtual_server = TEXT("chat");
    request.function = TEXT("say");
    request.as_player = TEXT(player_id);
    return stage_call(&f->stage, HANDS, "InvokeByHand", &request, who) != NULL
               ? f->caller
               : f->stage.err.reason;
}

// A function that runs for a player may keep keys of that player.
static void it_runs_for_players_who_are_there(void **state) {
    fixture *f = *state;
    assert_string_equal(run_as(f, &ann, ""), ann.id);
    assert_string_equal(run_as(f, &ann, PLAYER), PLAYER);
    assert_string_equal(run_as(f, &ann, "plr_01HXG3K5N8Q2Z4V6B8D0F2H4J7"), "no_player");
    assert_int_equal(f->stage.err.code, OW_NOT_FOUND);
    assert_string_equal(run_as(f, &elsewhere, PLAYER), "no_player"); // of another title
    assert_string_equal(run_as(f, &ann, "somebody"), "invalid");
    assert_int_equal(f->runs, 2);
}

static void each_is_forgotten_where_it_is(void **state) {
    fixture *f = *state;
    keep(f, &ann, "rude", false, "1");
    keep(f, &bob, "rude", true, "3");
    assert_false(forget(f, &bob, "rude", false));
    assert_string_equal(f->stage.err.reason, "no_test_event");
    assert_true(forget(f, &ann, "rude", true));
    assert_string_equal(list(f, &ann), "rude 1");
    assert_true(forget(f, &ann, "rude", false));
    assert_string_equal(list(f, &ann), "");
}

static void there_is_a_bound(void **state) {
    fixture *f = *state;
    static uint8_t bytes[LARGE + 1];
    char name[20];
    memset(bytes, '7', sizeof bytes);
    assert_false(save(f, &ann, "large", false, (ProtobufCBinaryData){LARGE + 1, bytes}));
    assert_string_equal(f->stage.err.reason, "payload_too_large");
    for (int i = 0; i < 12; i++) { // 3 MB
        snprintf(name, sizeof name, "large%d", i);
        assert_true(save(f, &ann, name, false, (ProtobufCBinaryData){LARGE, bytes}));
    }
    assert_false(save(f, &ann, "large", false, (ProtobufCBinaryData){LARGE, bytes}));
    assert_string_equal(f->stage.err.reason, "too_many");
    assert_true(
        save(f, &ann, "large3", false, (ProtobufCBinaryData){LARGE, bytes})); // in its place
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "small%d", i);
        keep(f, &bob, name, true, "1");
    }
    assert_false(save(f, &bob, "small", true, (ProtobufCBinaryData){1, bytes}));
    assert_string_equal(f->stage.err.reason, "too_many");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST_WITH(ones_own_and_the_shared_are_listed_by_name, set_up, tear_down),
        OW_TEST_WITH(ones_own_comes_before_the_shared_one, set_up, tear_down),
        OW_TEST_WITH(it_runs_for_players_who_are_there, set_up, tear_down),
        OW_TEST_WITH(each_is_forgotten_where_it_is, set_up, tear_down),
        OW_TEST_WITH(there_is_a_bound, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
