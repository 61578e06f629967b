// Events as their callers see them: types, publishing, subscriptions, what functions get. A runner that
// notes what it is asked for. Run with "packed" the calls are encoded and deferred.

#include "services/events/event_messages.h"
#include "services/events/events.h"
#include "services/events/messages.h"
#include "services/events/spread.h"
#include "tests/stage/stage.h"

#include "core/crypto/webhook.h"
#include "core/json/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS (&overworld__events__v1__events__descriptor)
#define TEXT(literal) ((char *)(uintptr_t)(literal))
#define SECOND ((int64_t)1000000)

enum { SEEN_MAX = 2048, PAYLOAD_ROOM = 600 };

static ow_channel_kind channel;

static const stage_caller viewer = {.kind = OW_OPERATOR, .role = OW_ROLE_VIEWER, .title = "ttl_1"};
static const stage_caller developer = {
    .kind = OW_OPERATOR, .role = OW_ROLE_DEVELOPER, .id = "opr_1", .title = "ttl_1"};
static const stage_caller elsewhere = {
    .kind = OW_OPERATOR, .role = OW_ROLE_DEVELOPER, .id = "opr_2", .title = "ttl_2"};
static const stage_caller server = {.kind = OW_SERVER, .id = "key_1", .title = "ttl_1"};
static const stage_caller alice = {.kind = OW_PLAYER, .id = "plr_alice", .title = "ttl_1"};

typedef struct seen {
    char function[64], source[32], principal[64], payload[PAYLOAD_ROOM];
} seen;

typedef struct fixture {
    stage stage;
    ProtobufCService *runner;
    seen seen[SEEN_MAX];
    int count, wanted;
    const char *fails; // a function that refuses what it gets
} fixture;

// ---- The runner ----

static ow_code invoke(ow_run *run) {
    fixture *f = run->self;
    const invoke_request *request = run->request;
    assert_true(f->count < SEEN_MAX);
    seen *at = &f->seen[f->count++];
    snprintf(at->function, sizeof at->function, "%s/%s", request->virtual_server,
             request->function);
    snprintf(at->source, sizeof at->source, "%s", request->source);
    snprintf(at->principal, sizeof at->principal, "%s", run->call->principal->id);
    snprintf(at->payload, sizeof at->payload, "%.*s", (int)request->payload.len,
             (const char *)request->payload.data);
    if (f->fails != NULL && strcmp(request->function, f->fails) == 0) {
        ((invoke_response *)run->reply)->reason = TEXT("refused");
    }
    return OW_OK;
}

static const ow_method runner_methods[] = {
    {"Invoke", 0, {{OW_LOOP, invoke}}},
    {0},
};

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    stage_open(&f->stage, &ow_events_module, channel, NULL);
    f->runner =
        stage_offer(&f->stage, &overworld__runner__v1__runner__descriptor, runner_methods, f);
    stage_start(&f->stage);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    stage_close(&f->stage);
    ow_service_free(f->runner);
    free(f);
    return 0;
}

static bool has_run(void *self) {
    const fixture *f = self;
    return f->count >= f->wanted;
}

static void wait_for_runs(fixture *f, int count) {
    f->wanted = count;
    stage_until(&f->stage, has_run, f);
    assert_int_equal(f->count, count);
}

// ---- Asking ----

static void *must(fixture *f, void *reply) {
    if (reply == NULL) {
        fail_msg("%s: %s", f->stage.err.reason, f->stage.err.message);
    }
    return reply;
}

static void refused(fixture *f, const void *reply, ow_code code, const char *reason) {
    assert_null(reply);
    assert_string_equal(f->stage.err.reason, reason);
    assert_int_equal(f->stage.err.code, code);
}

typedef struct type_wish {
    const char *name, *schema, *etag;
    bool client;
} type_wish;

static event_type_msg *declare(fixture *f, type_wish wish) {
    declare_event_type_request request = OVERWORLD__EVENTS__V1__DECLARE_EVENT_TYPE_REQUEST__INIT;
    request.name = TEXT(wish.name);
    request.schema_json = TEXT(wish.schema != NULL ? wish.schema : "");
    request.etag = TEXT(wish.etag != NULL ? wish.etag : "");
    request.client = wish.client;
    return stage_call(&f->stage, EVENTS, "DeclareEventType", &request, &developer);
}

static new_event_msg event_of(const char *type, const char *data) {
    new_event_msg made = OVERWORLD__EVENTS__V1__NEW_EVENT__INIT;
    made.type = TEXT(type);
    made.data = (ProtobufCBinaryData){strlen(data), (uint8_t *)TEXT(data)};
    return made;
}

static publish_response *publish_list(fixture *f, new_event_msg **events, size_t count,
                                      const stage_caller *who) {
    publish_request request = OVERWORLD__EVENTS__V1__PUBLISH_REQUEST__INIT;
    request.events = events;
    request.n_events = count;
    return stage_call(&f->stage, EVENTS, "Publish", &request, who);
}

static publish_response *publish_as(fixture *f, const char *type, const char *data,
                                    const stage_caller *who) {
    new_event_msg event = event_of(type, data);
    new_event_msg *events[] = {&event};
    return publish_list(f, events, 1, who);
}

static published_msg *publish(fixture *f, const char *type, const char *data) {
    publish_response *reply = must(f, publish_as(f, type, data, &developer));
    assert_int_equal(reply->n_events, 1);
    return reply->events[0];
}

static subscription_msg wish_of(const char *name, const char *type) {
    subscription_msg made = OVERWORLD__API__SUBSCRIPTION__INIT;
    made.name = TEXT(name);
    made.event_type = TEXT(type);
    made.function = TEXT("react");
    return made;
}

static subscription_state_msg *subscribe(fixture *f, const subscription_msg *wish) {
    create_subscription_request request = OVERWORLD__EVENTS__V1__CREATE_SUBSCRIPTION_REQUEST__INIT;
    request.virtual_server = TEXT("arena");
    request.subscription = (subscription_msg *)(uintptr_t)wish;
    return stage_call(&f->stage, EVENTS, "CreateSubscription", &request, &developer);
}

static ow_json *payload_of(const seen *at) {
    ow_json *json = NULL;
    assert_int_equal(ow_json_parse(at->payload, strlen(at->payload), 64, &json, NULL), OW_OK);
    return json;
}

// ---- Types ----

static void a_title_declares_types(void **state) {
    fixture *f = *state;
    event_type_msg *made = must(f, declare(f, (type_wish){.name = "match.ended"}));
    assert_string_equal(made->etag, "1");
    made = must(f, declare(f, (type_wish){.name = "match.ended", .client = true, .etag = "1"}));
    assert_string_equal(made->etag, "2");
    assert_true(made->client);
    refused(f, declare(f, (type_wish){.name = "match.ended", .etag = "1"}), OW_ABORTED,
            "stale_etag");
    refused(f, declare(f, (type_wish){.name = "a b"}), OW_INVALID_ARGUMENT, "bad_event_type");
    refused(f, declare(f, (type_wish){.name = "player.login"}), OW_PERMISSION_DENIED,
            "platform_event");
    refused(f, declare(f, (type_wish){.name = "x", .schema = "{\"pattern\":\"a\"}"}),
            OW_INVALID_ARGUMENT, "bad_schema");
    refused(f, declare(f, (type_wish){.name = "x", .schema = "{"}), OW_INVALID_ARGUMENT,
            "invalid_json");
    delete_event_type_request gone = OVERWORLD__EVENTS__V1__DELETE_EVENT_TYPE_REQUEST__INIT;
    gone.name = TEXT("match.ended");
    must(f, stage_call(&f->stage, EVENTS, "DeleteEventType", &gone, &developer));
    refused(f, stage_call(&f->stage, EVENTS, "DeleteEventType", &gone, &developer), OW_NOT_FOUND,
            "no_event_type");
}

static void types_are_listed_with_the_platforms_own(void **state) {
    fixture *f = *state;
    must(f, declare(f, (type_wish){.name = "match.ended"}));
    must(f, declare(f, (type_wish){.name = "a"}));
    list_event_types_request request = OVERWORLD__EVENTS__V1__LIST_EVENT_TYPES_REQUEST__INIT;
    request.page_size = 3;
    char last[200] = "";
    int count = 0, own = 0;
    do {
        list_event_types_response *page =
            must(f, stage_call(&f->stage, EVENTS, "ListEventTypes", &request, &viewer));
        assert_true(page->n_types <= 3);
        for (size_t i = 0; i < page->n_types; i++) {
            assert_true(strcmp(last, page->types[i]->name) < 0);
            snprintf(last, sizeof last, "%s", page->types[i]->name);
            own += page->types[i]->platform;
            count++;
        }
        request.page_token = page->next_page_token;
    } while (request.page_token[0] != 0);
    assert_int_equal(count, 10);
    assert_int_equal(own, 8);
}

// ---- Publishing ----

static void only_declared_types_are_published(void **state) {
    fixture *f = *state;
    refused(f, publish_as(f, "match.ended", "{}", &developer), OW_NOT_FOUND, "no_event_type");
    must(f, declare(f, (type_wish){.name = "match.ended",
                                   .schema = "{\"type\":\"object\",\"required\":[\"id\"]}"}));
    refused(f, publish_as(f, "match.ended", "{}", &developer), OW_INVALID_ARGUMENT,
            "schema_violation");
    refused(f, publish_as(f, "match.ended", "{", &developer), OW_INVALID_ARGUMENT, "invalid_json");
    refused(f, publish_as(f, "player.login", "{}", &developer), OW_PERMISSION_DENIED,
            "platform_event");
    refused(f, publish_as(f, "match.ended", "{\"id\":1}", &alice), OW_PERMISSION_DENIED,
            "not_for_clients");
    refused(f, publish_as(f, "match.ended", "{\"id\":1}", &elsewhere), OW_NOT_FOUND,
            "no_event_type");
    must(f, publish_as(f, "match.ended", "{\"id\":1}", &server));
    // A change of the rules holds at once.
    must(f, declare(f, (type_wish){.name = "match.ended", .client = true}));
    must(f, publish_as(f, "match.ended", "{}", &alice));
}

static void all_events_of_a_request_or_none(void **state) {
    fixture *f = *state;
    must(f, declare(f, (type_wish){.name = "a"}));
    new_event_msg good = event_of("a", "1");
    new_event_msg bad = event_of("b", "1");
    new_event_msg *events[] = {&good, &bad};
    refused(f, publish_list(f, events, 2, &developer), OW_NOT_FOUND, "no_event_type");
    assert_non_null(strstr(f->stage.err.message, "event 1"));
    refused(f, publish_list(f, events, 0, &developer), OW_INVALID_ARGUMENT, "too_many_events");
    list_occurrences_request list = OVERWORLD__EVENTS__V1__LIST_OCCURRENCES_REQUEST__INIT;
    list_occurrences_response *none =
        must(f, stage_call(&f->stage, EVENTS, "ListOccurrences", &list, &viewer));
    assert_int_equal(none->n_occurrences, 0);
}

// What is written as a CloudEvent has one source, and it is the player.
static void an_extension_does_not_pass_for_an_attribute(void **state) {
    static const char *const names[] = {"source", "id", "specversion", "Upper", "twice"};
    fixture *f = *state;
    must(f, declare(f, (type_wish){.name = "a", .client = true}));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        extension_msg x = OVERWORLD__EVENTS__V1__EXTENSION__INIT;
        extension_msg *extensions[] = {&x, &x};
        new_event_msg event = event_of("a", "1");
        new_event_msg *events[] = {&event};
        x.name = TEXT(names[i]);
        x.value = TEXT("server/key_1");
        event.extensions = extensions;
        event.n_extensions = strcmp(names[i], "twice") == 0 ? 2 : 1;
        refused(f, publish_list(f, events, 1, &alice), OW_INVALID_ARGUMENT, "bad_event");
        x.name = TEXT("roomname");
        event.n_extensions = 1;
        must(f, publish_list(f, events, 1, &alice));
    }
}

static void the_same_event_happens_once(void **state) {
    fixture *f = *state;
    must(f, declare(f, (type_wish){.name = "a", .client = true}));
    subscription_msg wish = wish_of("all", "a");
    must(f, subscribe(f, &wish));
    new_event_msg event = event_of("a", "1");
    event.id = TEXT("17");
    event.source = TEXT("/shop");
    new_event_msg *events[] = {&event, &event};
    publish_response *reply = must(f, publish_list(f, events, 2, &server));
    assert_false(reply->events[0]->duplicate);
    assert_int_equal(reply->events[0]->matched, 1);
    assert_true(reply->events[1]->duplicate);
    assert_string_equal(reply->events[0]->trigger_id, reply->events[1]->trigger_id);
    wait_for_runs(f, 1);
    // A player speaks for itself alone: that is another event.
    reply = must(f, publish_list(f, events, 1, &alice));
    assert_false(reply->events[0]->duplicate);
    wait_for_runs(f, 2);
    assert_string_equal(f->seen[1].principal, "plr_alice");
    get_occurrence_request get = OVERWORLD__EVENTS__V1__GET_OCCURRENCE_REQUEST__INIT;
    get.trigger_id = reply->events[0]->trigger_id;
    occurrence_msg *kept = must(f, stage_call(&f->stage, EVENTS, "GetOccurrence", &get, &viewer));
    assert_string_equal(kept->source, "player/plr_alice");
    assert_string_equal(kept->principal, "player:plr_alice");
    assert_int_equal(kept->data.len, 1);
}

// ---- What functions get ----

static void each_subscription_gets_the_envelope(void **state) {
    fixture *f = *state;
    must(f, declare(f, (type_wish){.name = "match.ended"}));
    subscription_msg one = wish_of("one", "match.*");
    one.args = TEXT("{\"k\":9007199254740993}");
    subscription_msg two = wish_of("two", "match.ended");
    two.function = TEXT("other");
    subscription_msg not_this = wish_of("three", "match.begun");
    must(f, subscribe(f, &one));
    must(f, subscribe(f, &two));
    must(f, subscribe(f, &not_this));
    published_msg *told = publish(f, "match.ended", "{\"score\":[3,2],\"big\":9007199254740993}");
    assert_int_equal(told->matched, 2);
    wait_for_runs(f, 2);
    bool first_is_one = strcmp(f->seen[0].function, "arena/react") == 0;
    const seen *at = &f->seen[first_is_one ? 0 : 1];
    assert_string_equal(at->source, "event");
    assert_string_equal(at->principal, "opr_1");
    assert_non_null(
        strstr(at->payload, "\"event_data\":{\"score\":[3,2],\"big\":9007199254740993}"));
    assert_non_null(strstr(at->payload, "\"args\":{\"k\":9007199254740993}"));
    ow_json *a = payload_of(&f->seen[0]);
    ow_json *b = payload_of(&f->seen[1]);
    int64_t time_ms;
    assert_int_equal(ow_json_count(a), 6);
    assert_string_equal(ow_json_string(ow_json_get(a, "event_name")), "match.ended");
    assert_string_equal(ow_json_string(ow_json_get(a, "trigger_id")), told->trigger_id);
    assert_string_equal(ow_json_string(ow_json_get(b, "trigger_id")), told->trigger_id);
    assert_string_not_equal(ow_json_string(ow_json_get(a, "execution_id")),
                            ow_json_string(ow_json_get(b, "execution_id")));
    assert_true(ow_json_as_int(ow_json_get(a, "event_time"), &time_ms));
    int64_t now_ms = ow_clock_wall_us(f->stage.clock) / 1000;
    assert_true(time_ms <= now_ms && time_ms > now_ms - 60000);
    ow_json_free(a);
    ow_json_free(b);
}

static void conditions_choose(void **state) {
    fixture *f = *state;
    must(f, declare(f, (type_wish){.name = "level"}));
    condition_msg high = OVERWORLD__API__CONDITION__INIT;
    high.pointer = TEXT("/level");
    high.operator_ = TEXT("ge");
    high.value = TEXT("10");
    condition_msg *conditions[] = {&high};
    condition_group_msg group = OVERWORLD__API__CONDITION_GROUP__INIT;
    group.all = conditions;
    group.n_all = 1;
    condition_group_msg *groups[] = {&group};
    subscription_msg wish = wish_of("high", "level");
    wish.any = groups;
    wish.n_any = 1;
    must(f, subscribe(f, &wish));
    assert_int_equal(publish(f, "level", "{\"level\":9}")->matched, 0);
    assert_int_equal(publish(f, "level", "{\"level\":10}")->matched, 1);
    assert_int_equal(publish(f, "level", "{}")->matched, 0);
    wait_for_runs(f, 1);
    high.operator_ = TEXT("like");
    wish.name = TEXT("bad");
    refused(f, subscribe(f, &wish), OW_INVALID_ARGUMENT, "bad_condition");
}

static void events_of_a_key_keep_their_order(void **state) {
    fixture *f = *state;
    must(f, declare(f, (type_wish){.name = "move"}));
    subscription_msg wish = wish_of("moves", "move");
    wish.ordering_key = TEXT("/room");
    must(f, subscribe(f, &wish));
    new_event_msg events[20];
    new_event_msg *list[20];
    char data[20][40];
    for (int i = 0; i < 20; i++) {
        snprintf(data[i], sizeof data[i], "{\"room\":\"r\",\"n\":%d}", i);
        events[i] = event_of("move", data[i]);
        list[i] = &events[i];
    }
    must(f, publish_list(f, list, 20, &server));
    wait_for_runs(f, 20);
    for (int i = 0; i < 20; i++) {
        assert_non_null(strstr(f->seen[i].payload, data[i]));
    }
}

static void several_at_a_time(void **state) {
    fixture *f = *state;
    Google__Protobuf__Duration wait = GOOGLE__PROTOBUF__DURATION__INIT;
    wait.seconds = 5;
    must(f, declare(f, (type_wish){.name = "tick"}));
    subscription_msg wish = wish_of("ticks", "tick");
    wish.batch_size = 3;
    wish.batch_wait = &wait;
    must(f, subscribe(f, &wish));
    for (int i = 0; i < 4; i++) {
        char data[8];
        snprintf(data, sizeof data, "%d", i);
        assert_int_equal(publish(f, "tick", data)->matched, 1);
    }
    wait_for_runs(f, 1); // three make a batch
    ow_json *batch = payload_of(&f->seen[0]);
    const ow_json *events = ow_json_get(batch, "events");
    assert_int_equal(ow_json_count(events), 3);
    int64_t n = -1;
    assert_true(ow_json_as_int(ow_json_get(ow_json_first(events), "event_data"), &n));
    assert_int_equal(n, 0);
    assert_non_null(ow_json_string(ow_json_get(batch, "execution_id")));
    ow_json_free(batch);
    stage_restart(&f->stage); // what waits is in the store
    ow_clock_advance(f->stage.clock, 6 * SECOND);
    wait_for_runs(f, 2);
    batch = payload_of(&f->seen[1]);
    assert_int_equal(ow_json_count(ow_json_get(batch, "events")), 1);
    ow_json_free(batch);
}

// More than one slice may make: the rest follows, nothing twice, also when the process ends meanwhile.
static void very_many_subscriptions_get_it_once_each(void **state) {
    fixture *f = *state;
    enum { MANY = 900 };
    must(f, declare(f, (type_wish){.name = "boom"}));
    for (int i = 0; i < MANY; i++) {
        char name[20], args[20];
        snprintf(name, sizeof name, "s%d", i);
        snprintf(args, sizeof args, "%d", i);
        subscription_msg wish = wish_of(name, "boom");
        wish.args = TEXT(args);
        must(f, subscribe(f, &wish));
    }
    published_msg *told = publish(f, "boom", "1");
    assert_true(told->matched > 0 && told->matched < MANY);
    stage_restart(&f->stage);
    wait_for_runs(f, MANY);
    static bool got[MANY];
    for (int i = 0; i < MANY; i++) {
        ow_json *json = payload_of(&f->seen[i]);
        int64_t n = -1;
        assert_true(ow_json_as_int(ow_json_get(json, "args"), &n) && n >= 0 && n < MANY);
        assert_false(got[n]);
        got[n] = true;
        ow_json_free(json);
    }
    get_occurrence_request get = OVERWORLD__EVENTS__V1__GET_OCCURRENCE_REQUEST__INIT;
    get.trigger_id = told->trigger_id;
    occurrence_msg *kept = must(f, stage_call(&f->stage, EVENTS, "GetOccurrence", &get, &viewer));
    assert_int_equal(kept->matched, MANY);
    assert_false(kept->spreading);
}

// ---- Webhooks that come in ----

static create_webhook_response *make_webhook(fixture *f, const char *name, const char *verification,
                                             const char *header, const char *secret) {
    create_webhook_request request = OVERWORLD__EVENTS__V1__CREATE_WEBHOOK_REQUEST__INIT;
    webhook_msg wish = OVERWORLD__API__WEBHOOK__INIT;
    wish.name = TEXT(name);
    wish.event_type = TEXT("shop.paid");
    wish.verification = TEXT(verification);
    wish.header = TEXT(header);
    request.webhook = &wish;
    request.secret = TEXT(secret);
    return stage_call(&f->stage, EVENTS, "CreateWebhook", &request, &developer);
}

typedef struct delivery {
    const char *name, *id, *timestamp, *signature_name, *signature, *body;
} delivery;

static receive_webhook_response *receive(fixture *f, const delivery *d) {
    static const stage_caller nobody = {.kind = OW_PLATFORM, .title = "ttl_1"};
    http_header_msg headers[4];
    http_header_msg *list[4];
    const char *texts[4][2] = {{"Webhook-Id", d->id},
                               {"webhook-timestamp", d->timestamp},
                               {d->signature_name, d->signature},
                               {"content-type", "application/json"}};
    receive_webhook_request request = OVERWORLD__EVENTS__V1__RECEIVE_WEBHOOK_REQUEST__INIT;
    request.headers = list;
    for (int i = 0; i < 4; i++) {
        overworld__events__v1__http_header__init(&headers[i]);
        headers[i].name = TEXT(texts[i][0]);
        headers[i].value = TEXT(texts[i][1]);
        if (texts[i][1] != NULL) {
            list[request.n_headers++] = &headers[i];
        }
    }
    request.name = TEXT(d->name);
    request.body = (ProtobufCBinaryData){strlen(d->body), (uint8_t *)TEXT(d->body)};
    return stage_call(&f->stage, EVENTS, "ReceiveWebhook", &request, &nobody);
}

static void a_webhook_becomes_an_event(void **state) {
    fixture *f = *state;
    char timestamp[24], signature[OW_WEBHOOK_SIGNATURE_MAX];
    subscription_msg wish = wish_of("paid", "shop.paid");
    must(f, subscribe(f, &wish));
    create_webhook_response *made = must(f, make_webhook(f, "shop", "standard", "", ""));
    assert_string_equal(made->webhook->path, "/hooks/ttl_1/shop");
    int64_t now_s = ow_clock_wall_us(f->stage.clock) / SECOND;
    snprintf(timestamp, sizeof timestamp, "%lld", (long long)now_s);
    ow_webhook_message message = {"msg_1", now_s, "{\"sum\":5}", 9};
    assert_true(ow_webhook_sign(made->secret, &message, signature));
    delivery d = {"shop", "msg_1", timestamp, "webhook-signature", signature, "{\"sum\":5}"};
    receive_webhook_response *taken = must(f, receive(f, &d));
    assert_false(taken->duplicate);
    wait_for_runs(f, 1);
    assert_string_equal(f->seen[0].source, "webhook");
    assert_non_null(strstr(f->seen[0].payload, "\"event_data\":{\"sum\":5}"));
    // The sender tries again because our answer was lost.
    receive_webhook_response *again = must(f, receive(f, &d));
    assert_true(again->duplicate);
    assert_string_equal(again->trigger_id, taken->trigger_id);
    d.body = "{\"sum\":6}";
    refused(f, receive(f, &d), OW_UNAUTHENTICATED, "bad_signature");
    d.name = "other";
    refused(f, receive(f, &d), OW_NOT_FOUND, "no_webhook");
    set_webhook_disabled_request off = OVERWORLD__EVENTS__V1__SET_WEBHOOK_DISABLED_REQUEST__INIT;
    off.name = TEXT("shop");
    off.disabled = true;
    must(f, stage_call(&f->stage, EVENTS, "SetWebhookDisabled", &off, &developer));
    d.name = "shop";
    refused(f, receive(f, &d), OW_NOT_FOUND, "no_webhook");
    assert_int_equal(f->count, 1);
}

static void a_webhook_is_verified_by_hmac(void **state) {
    fixture *f = *state;
    refused(f, make_webhook(f, "forge", "hmac-sha256", "X-Hub-Signature-256", "short"),
            OW_INVALID_ARGUMENT, "bad_secret");
    refused(f, make_webhook(f, "forge", "md5", "X", ""), OW_INVALID_ARGUMENT,
            "bad_webhook_declaration");
    must(f, make_webhook(f, "forge", "hmac-sha256", "X-Hub-Signature-256",
                         "It's a Secret to Everybody"));
    refused(f, make_webhook(f, "forge", "standard", "", ""), OW_ALREADY_EXISTS, "webhook_exists");
    delivery d = {"forge",
                  NULL,
                  NULL,
                  "x-hub-signature-256",
                  "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
                  "Hello, World!"};
    refused(f, receive(f, &d), OW_INVALID_ARGUMENT, "invalid_json"); // signed, but no JSON
    d.body = "Hello, World";
    refused(f, receive(f, &d), OW_UNAUTHENTICATED, "bad_signature");
    d.signature = NULL;
    refused(f, receive(f, &d), OW_UNAUTHENTICATED, "bad_signature");
    list_webhooks_request list = OVERWORLD__EVENTS__V1__LIST_WEBHOOKS_REQUEST__INIT;
    list_webhooks_response *all =
        must(f, stage_call(&f->stage, EVENTS, "ListWebhooks", &list, &viewer));
    assert_int_equal(all->n_webhooks, 1);
    delete_webhook_request gone = OVERWORLD__EVENTS__V1__DELETE_WEBHOOK_REQUEST__INIT;
    gone.name = TEXT("forge");
    must(f, stage_call(&f->stage, EVENTS, "DeleteWebhook", &gone, &developer));
    refused(f, stage_call(&f->stage, EVENTS, "DeleteWebhook", &gone, &developer), OW_NOT_FOUND,
            "no_webhook");
}

// ---- What a manifest declares ----

typedef struct wanted_triggers {
    int64_t deployment;
    subscription_msg *subscriptions[3];
    size_t subscription_count;
    webhook_msg *webhooks[2];
    size_t webhook_count;
    bool removed;
} wanted_triggers;

static apply_triggers_response *apply(fixture *f, wanted_triggers *wanted) {
    static const stage_caller platform = {.kind = OW_PLATFORM, .title = "ttl_1"};
    Overworld__Api__Triggers triggers = OVERWORLD__API__TRIGGERS__INIT;
    apply_triggers_request request = OVERWORLD__API__APPLY_TRIGGERS_REQUEST__INIT;
    request.virtual_server = TEXT("arena");
    request.deployment = wanted->deployment;
    request.removed = wanted->removed;
    request.triggers = &triggers;
    triggers.subscriptions = wanted->subscriptions;
    triggers.n_subscriptions = wanted->subscription_count;
    triggers.webhooks = wanted->webhooks;
    triggers.n_webhooks = wanted->webhook_count;
    return must(f, stage_call(&f->stage, EVENTS, "ApplyTriggers", &request, &platform));
}

static size_t count_subscriptions(fixture *f) {
    list_subscriptions_request list = OVERWORLD__EVENTS__V1__LIST_SUBSCRIPTIONS_REQUEST__INIT;
    list_subscriptions_response *all =
        must(f, stage_call(&f->stage, EVENTS, "ListSubscriptions", &list, &viewer));
    return all->n_subscriptions;
}

static subscription_state_msg *find_subscription(fixture *f, const char *name) {
    list_subscriptions_request list = OVERWORLD__EVENTS__V1__LIST_SUBSCRIPTIONS_REQUEST__INIT;
    list_subscriptions_response *all =
        must(f, stage_call(&f->stage, EVENTS, "ListSubscriptions", &list, &viewer));
    for (size_t i = 0; i < all->n_subscriptions; i++) {
        if (strcmp(all->subscriptions[i]->declared->name, name) == 0) {
            return all->subscriptions[i];
        }
    }
    fail_msg("no subscription %s", name);
    return NULL;
}

static void a_deployment_brings_its_subscriptions(void **state) {
    fixture *f = *state;
    must(f, declare(f, (type_wish){.name = "a"}));
    subscription_msg hand = wish_of("hand", "a");
    subscription_msg one = wish_of("one", "a");
    subscription_msg two = wish_of("two", "a");
    must(f, subscribe(f, &hand));
    wanted_triggers first = {
        .deployment = 5, .subscriptions = {&one, &two}, .subscription_count = 2};
    apply_triggers_response *reply = apply(f, &first);
    assert_int_equal(reply->deployment, 5);
    assert_int_equal(reply->n_problems, 0);
    assert_int_equal(count_subscriptions(f), 3);
    assert_int_equal(publish(f, "a", "1")->matched, 3);
    // An older one changes nothing.
    wanted_triggers older = {.deployment = 4};
    assert_int_equal(apply(f, &older)->deployment, 5);
    assert_int_equal(count_subscriptions(f), 3);
    // A switch stays thrown; what is not listed goes; a name that is taken is said.
    set_subscription_disabled_request off =
        OVERWORLD__EVENTS__V1__SET_SUBSCRIPTION_DISABLED_REQUEST__INIT;
    off.subscription_id = find_subscription(f, "one")->subscription_id;
    off.disabled = true;
    must(f, stage_call(&f->stage, EVENTS, "SetSubscriptionDisabled", &off, &developer));
    wanted_triggers next = {
        .deployment = 6, .subscriptions = {&one, &hand}, .subscription_count = 2};
    reply = apply(f, &next);
    assert_int_equal(reply->n_problems, 1);
    assert_string_equal(reply->problems[0]->reason, "name_taken");
    assert_int_equal(count_subscriptions(f), 2);
    assert_true(find_subscription(f, "one")->disabled);
    assert_true(find_subscription(f, "one")->from_manifest);
    assert_int_equal(publish(f, "a", "1")->matched, 1);
    delete_subscription_request gone = OVERWORLD__EVENTS__V1__DELETE_SUBSCRIPTION_REQUEST__INIT;
    gone.subscription_id = find_subscription(f, "one")->subscription_id;
    refused(f, stage_call(&f->stage, EVENTS, "DeleteSubscription", &gone, &developer),
            OW_FAILED_PRECONDITION, "from_manifest");
    wanted_triggers removed = {.deployment = 7, .removed = true};
    apply(f, &removed);
    assert_int_equal(count_subscriptions(f), 0);
}

static void a_deployment_brings_its_webhooks(void **state) {
    fixture *f = *state;
    webhook_msg shop = OVERWORLD__API__WEBHOOK__INIT;
    shop.name = TEXT("shop");
    shop.event_type = TEXT("shop.paid");
    shop.verification = TEXT("standard");
    webhook_msg forge = shop;
    forge.name = TEXT("forge");
    forge.secret = TEXT("forge_key");
    wanted_triggers wanted = {.deployment = 1, .webhooks = {&shop, &forge}, .webhook_count = 2};
    apply_triggers_response *reply = apply(f, &wanted);
    assert_int_equal(reply->n_problems, 1);
    assert_string_equal(reply->problems[0]->reason, "no_secret");
    list_webhooks_request list = OVERWORLD__EVENTS__V1__LIST_WEBHOOKS_REQUEST__INIT;
    list_webhooks_response *all =
        must(f, stage_call(&f->stage, EVENTS, "ListWebhooks", &list, &viewer));
    assert_int_equal(all->n_webhooks, 1);
    assert_string_equal(all->webhooks[0]->declared->secret, "forge_key");
    assert_true(all->webhooks[0]->from_manifest);
    wanted = (wanted_triggers){.deployment = 2};
    apply(f, &wanted);
    all = must(f, stage_call(&f->stage, EVENTS, "ListWebhooks", &list, &viewer));
    assert_int_equal(all->n_webhooks, 0);
}

// ---- The platform's own ----

static void the_platform_s_own_events_are_relayed_once(void **state) {
    fixture *f = *state;
    static const stage_caller platform = {.kind = OW_PLATFORM, .title = "ttl_1"};
    subscription_msg wish = wish_of("hello", "player.*");
    must(f, subscribe(f, &wish));
    bus_event_msg event = OVERWORLD__API__BUS_EVENT__INIT;
    event.event_id = TEXT("evt_1");
    event.type = TEXT("player.login");
    event.data_json = TEXT("{\"player_id\":\"plr_1\"}");
    bus_event_msg *events[] = {&event};
    relay_request request = OVERWORLD__API__RELAY_REQUEST__INIT;
    request.events = events;
    request.n_events = 1;
    must(f, stage_call(&f->stage, EVENTS, "Relay", &request, &platform));
    must(f, stage_call(&f->stage, EVENTS, "Relay", &request, &platform));
    wait_for_runs(f, 1);
    assert_non_null(strstr(f->seen[0].payload, "\"event_name\":\"player.login\""));
    refused(f, stage_call(&f->stage, EVENTS, "Relay", &request, &alice), OW_PERMISSION_DENIED,
            "not_allowed");
}

// One that reacts to failures and fails itself comes to an end.
static void what_is_given_up_is_an_event(void **state) {
    fixture *f = *state;
    must(f, declare(f, (type_wish){.name = "a"}));
    subscription_msg wish = wish_of("one", "a");
    subscription_msg watch = wish_of("watch", "function.failed");
    must(f, subscribe(f, &wish));
    watch.function = TEXT("watch");
    must(f, subscribe(f, &watch));
    f->fails = "react";
    publish(f, "a", "1");
    wait_for_runs(f, 2);
    assert_string_equal(f->seen[1].function, "arena/watch");
    ow_json *json = payload_of(&f->seen[1]);
    const ow_json *data = ow_json_get(json, "event_data");
    assert_string_equal(ow_json_string(ow_json_get(json, "event_name")), "function.failed");
    assert_string_equal(ow_json_string(ow_json_get(data, "function")), "react");
    assert_string_equal(ow_json_string(ow_json_get(data, "reason")), "refused");
    ow_json_free(json);
    f->fails = "watch";
    watch.name = TEXT("again");
    watch.event_type = TEXT("a");
    must(f, subscribe(f, &watch));
    publish(f, "a", "1");
    wait_for_runs(f, 2 + 2 + 8); // its own failure makes a chain, as deep as one may be
}

// What waited for a batch of a subscription that is gone goes with it, and is in nobody's way.
static void a_deleted_subscription_delivers_nothing(void **state) {
    fixture *f = *state;
    must(f, declare(f, (type_wish){.name = "a"}));
    subscription_msg wish = wish_of("one", "a");
    wish.batch_size = 50;
    subscription_state_msg *one = must(f, subscribe(f, &wish));
    for (int i = 0; i < 20; i++) {
        publish(f, "a", "1");
    }
    delete_subscription_request gone = OVERWORLD__EVENTS__V1__DELETE_SUBSCRIPTION_REQUEST__INIT;
    gone.subscription_id = one->subscription_id;
    gone.etag = one->etag;
    must(f, stage_call(&f->stage, EVENTS, "DeleteSubscription", &gone, &developer));
    wish.function = TEXT("other");
    must(f, subscribe(f, &wish));
    publish(f, "a", "2");
    ow_clock_advance(f->stage.clock, 2 * SECOND);
    wait_for_runs(f, 1);
    assert_string_equal(f->seen[0].function, "arena/other");
    ow_clock_advance(f->stage.clock, 10 * SECOND);
    publish(f, "a", "3");
    ow_clock_advance(f->stage.clock, 2 * SECOND);
    wait_for_runs(f, 2);
}

// Who is told of an end: subscribers to an event, or a function; and a chain of ends ends.
static void an_end_is_told_as_asked(void **state) {
    fixture *f = *state;
    must(f, declare(f, (type_wish){.name = "a"}));
    Overworld__Api__Destination event = OVERWORLD__API__DESTINATION__INIT;
    Overworld__Api__Destination function = OVERWORLD__API__DESTINATION__INIT;
    event.event_type = TEXT("reaction.over");
    function.function = TEXT("mourn");
    subscription_msg wish = wish_of("one", "a");
    wish.on_success = &event;
    wish.on_failure = &function;
    must(f, subscribe(f, &wish));
    subscription_msg watch = wish_of("watch", "reaction.*");
    watch.function = TEXT("watch");
    must(f, subscribe(f, &watch));
    publish(f, "a", "17");
    wait_for_runs(f, 2);
    assert_string_equal(f->seen[1].function, "arena/watch");
    assert_non_null(strstr(f->seen[1].payload, "\"event_name\":\"reaction.over\""));
    assert_non_null(strstr(f->seen[1].payload, "\"function\":\"react\""));
    assert_non_null(strstr(f->seen[1].payload, "\"state\":\"done\""));
    f->fails = "react";
    publish(f, "a", "18");
    wait_for_runs(f, 4);
    assert_string_equal(f->seen[3].function, "arena/mourn");
    assert_string_equal(f->seen[3].source, "destination");
    assert_non_null(strstr(f->seen[3].payload, "\"state\":\"dead\""));
    f->fails = NULL;
    subscription_msg loop = wish_of("loop", "reaction.over");
    loop.function = TEXT("again");
    loop.on_success = &event;
    must(f, subscribe(f, &loop));
    publish(f, "a", "19");
    wait_for_runs(f, 4 + 1 + 8 * 2);
    function.event_type = TEXT("b");
    loop.name = TEXT("bad");
    loop.on_failure = &function;
    refused(f, subscribe(f, &loop), OW_INVALID_ARGUMENT, "bad_subscription");
    event.event_type = TEXT("player.login");
    loop.on_failure = NULL;
    refused(f, subscribe(f, &loop), OW_INVALID_ARGUMENT, "bad_subscription");
}

// ---- Slices ----

// One that was more than a write may take is not tried again as it was.
static void slices_shrink_and_grow(void **state) {
    (void)state;
    int size = SPREAD_EXECUTIONS_MAX;
    assert_int_equal(spread_next_size(size, true), SPREAD_EXECUTIONS_MAX);
    for (int i = 0; i < 10; i++) {
        int next = spread_next_size(size, false);
        assert_true(next < size || size == SPREAD_EXECUTIONS_MIN);
        size = next;
    }
    assert_int_equal(size, SPREAD_EXECUTIONS_MIN);
    assert_int_equal(spread_next_size(size, true), 2 * SPREAD_EXECUTIONS_MIN);
}

// ---- Subscriptions ----

static void a_subscription_changes_by_its_etag(void **state) {
    fixture *f = *state;
    must(f, declare(f, (type_wish){.name = "a"}));
    subscription_msg wish = wish_of("one", "a");
    subscription_state_msg *made = must(f, subscribe(f, &wish));
    refused(f, subscribe(f, &wish), OW_ALREADY_EXISTS, "subscription_exists");
    update_subscription_request update = OVERWORLD__EVENTS__V1__UPDATE_SUBSCRIPTION_REQUEST__INIT;
    update.subscription_id = made->subscription_id;
    update.subscription = &wish;
    refused(f, stage_call(&f->stage, EVENTS, "UpdateSubscription", &update, &developer),
            OW_INVALID_ARGUMENT, "etag_needed");
    update.etag = made->etag;
    wish.function = TEXT("other");
    must(f, stage_call(&f->stage, EVENTS, "UpdateSubscription", &update, &developer));
    refused(f, stage_call(&f->stage, EVENTS, "UpdateSubscription", &update, &developer), OW_ABORTED,
            "stale_etag");
    publish(f, "a", "1");
    wait_for_runs(f, 1);
    assert_string_equal(f->seen[0].function, "arena/other");
    set_subscription_disabled_request off =
        OVERWORLD__EVENTS__V1__SET_SUBSCRIPTION_DISABLED_REQUEST__INIT;
    off.subscription_id = made->subscription_id;
    off.disabled = true;
    off.reason = TEXT("maintenance");
    subscription_state_msg *now =
        must(f, stage_call(&f->stage, EVENTS, "SetSubscriptionDisabled", &off, &developer));
    assert_true(now->disabled);
    assert_string_equal(now->disabled_reason, "maintenance");
    assert_int_equal(publish(f, "a", "1")->matched, 0);
    off.disabled = false;
    must(f, stage_call(&f->stage, EVENTS, "SetSubscriptionDisabled", &off, &developer));
    assert_int_equal(publish(f, "a", "1")->matched, 1);
    delete_subscription_request gone = OVERWORLD__EVENTS__V1__DELETE_SUBSCRIPTION_REQUEST__INIT;
    gone.subscription_id = made->subscription_id;
    refused(f, stage_call(&f->stage, EVENTS, "DeleteSubscription", &gone, &elsewhere), OW_NOT_FOUND,
            "no_subscription");
    must(f, stage_call(&f->stage, EVENTS, "DeleteSubscription", &gone, &developer));
    assert_int_equal(publish(f, "a", "1")->matched, 0);
}

static void asking_twice_makes_one(void **state) {
    fixture *f = *state;
    subscription_msg wish = wish_of("one", "a");
    create_subscription_request request = OVERWORLD__EVENTS__V1__CREATE_SUBSCRIPTION_REQUEST__INIT;
    request.virtual_server = TEXT("arena");
    request.subscription = &wish;
    request.request_key = TEXT("k1");
    subscription_state_msg *one =
        must(f, stage_call(&f->stage, EVENTS, "CreateSubscription", &request, &developer));
    subscription_state_msg *two =
        must(f, stage_call(&f->stage, EVENTS, "CreateSubscription", &request, &developer));
    assert_string_equal(one->subscription_id, two->subscription_id);
    list_subscriptions_request list = OVERWORLD__EVENTS__V1__LIST_SUBSCRIPTIONS_REQUEST__INIT;
    list_subscriptions_response *all =
        must(f, stage_call(&f->stage, EVENTS, "ListSubscriptions", &list, &viewer));
    assert_int_equal(all->n_subscriptions, 1);
    assert_string_equal(all->subscriptions[0]->declared->function, "react");
    list.virtual_server = TEXT("other");
    all = must(f, stage_call(&f->stage, EVENTS, "ListSubscriptions", &list, &viewer));
    assert_int_equal(all->n_subscriptions, 0);
}

static void bad_subscriptions_are_refused(void **state) {
    fixture *f = *state;
    subscription_msg bad[7];
    for (int i = 0; i < 7; i++) {
        bad[i] = wish_of("one", "a");
    }
    bad[0].name = TEXT("1st");
    bad[1].event_type = TEXT("a b");
    bad[2].function = TEXT("");
    bad[3].url = TEXT("https://example.org/");
    bad[4].args = TEXT("{");
    bad[5].batch_size = 101;
    bad[6].function = TEXT("a b");
    for (int i = 0; i < 7; i++) {
        refused(f, subscribe(f, &bad[i]), OW_INVALID_ARGUMENT, "bad_subscription");
    }
    bad[0] = wish_of("one", "a");
    bad[0].ordering_key = TEXT("room");
    refused(f, subscribe(f, &bad[0]), OW_INVALID_ARGUMENT, "bad_pointer");
}

static void a_subscription_is_tried_against_a_past_event(void **state) {
    fixture *f = *state;
    must(f, declare(f, (type_wish){.name = "a"}));
    published_msg *told = publish(f, "a", "{\"room\":\"red\"}");
    subscription_msg wish = wish_of("one", "a");
    wish.ordering_key = TEXT("/room");
    wish.args = TEXT("7");
    try_subscription_request request = OVERWORLD__EVENTS__V1__TRY_SUBSCRIPTION_REQUEST__INIT;
    request.subscription = &wish;
    request.trigger_id = told->trigger_id;
    try_subscription_response *reply =
        must(f, stage_call(&f->stage, EVENTS, "TrySubscription", &request, &viewer));
    assert_true(reply->matches);
    assert_string_equal(reply->why_not, "");
    assert_string_equal(reply->ordering_key, "red");
    assert_non_null(strstr(reply->envelope_json, "\"event_data\":{\"room\":\"red\"}"));
    assert_non_null(strstr(reply->envelope_json, "\"args\":7"));
    wish.event_type = TEXT("b");
    reply = must(f, stage_call(&f->stage, EVENTS, "TrySubscription", &request, &viewer));
    assert_false(reply->matches);
    assert_string_equal(reply->why_not, "not the type b");
    new_event_msg made_up = event_of("b", "{");
    request.event = &made_up;
    refused(f, stage_call(&f->stage, EVENTS, "TrySubscription", &request, &viewer),
            OW_INVALID_ARGUMENT, "invalid_json");
    made_up = event_of("b", "{}");
    reply = must(f, stage_call(&f->stage, EVENTS, "TrySubscription", &request, &viewer));
    assert_true(reply->matches);
    assert_int_equal(f->count, 0);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        OW_TEST_WITH(a_title_declares_types, set_up, tear_down),
        OW_TEST_WITH(types_are_listed_with_the_platforms_own, set_up, tear_down),
        OW_TEST_WITH(only_declared_types_are_published, set_up, tear_down),
        OW_TEST_WITH(all_events_of_a_request_or_none, set_up, tear_down),
        OW_TEST_WITH(an_extension_does_not_pass_for_an_attribute, set_up, tear_down),
        OW_TEST_WITH(the_same_event_happens_once, set_up, tear_down),
        OW_TEST_WITH(each_subscription_gets_the_envelope, set_up, tear_down),
        OW_TEST_WITH(conditions_choose, set_up, tear_down),
        OW_TEST_WITH(events_of_a_key_keep_their_order, set_up, tear_down),
        cmocka_unit_test(slices_shrink_and_grow),
        OW_TEST_WITH(several_at_a_time, set_up, tear_down),
        OW_TEST_WITH(very_many_subscriptions_get_it_once_each, set_up, tear_down),
        OW_TEST_WITH(a_webhook_becomes_an_event, set_up, tear_down),
        OW_TEST_WITH(a_webhook_is_verified_by_hmac, set_up, tear_down),
        OW_TEST_WITH(the_platform_s_own_events_are_relayed_once, set_up, tear_down),
        OW_TEST_WITH(what_is_given_up_is_an_event, set_up, tear_down),
        OW_TEST_WITH(a_deleted_subscription_delivers_nothing, set_up, tear_down),
        OW_TEST_WITH(an_end_is_told_as_asked, set_up, tear_down),
        OW_TEST_WITH(a_deployment_brings_its_subscriptions, set_up, tear_down),
        OW_TEST_WITH(a_deployment_brings_its_webhooks, set_up, tear_down),
        OW_TEST_WITH(a_subscription_changes_by_its_etag, set_up, tear_down),
        OW_TEST_WITH(asking_twice_makes_one, set_up, tear_down),
        OW_TEST_WITH(bad_subscriptions_are_refused, set_up, tear_down),
        OW_TEST_WITH(a_subscription_is_tried_against_a_past_event, set_up, tear_down),
    };
    channel = argc > 1 && strcmp(argv[1], "packed") == 0 ? OW_CHANNEL_PACKED : OW_CHANNEL_LOCAL;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
