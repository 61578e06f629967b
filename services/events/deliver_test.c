// Webhooks that go out: a target of the test's own takes, fails, or is gone; what it gets is verified.

#include "services/events/event_messages.h"
#include "services/events/events.h"
#include "services/events/messages.h"
#include "tests/stage/stage.h"

#include "core/cloudevents/cloudevents.h"
#include "core/crypto/webhook.h"
#include "core/http/client.h"
#include "core/http/server.h"
#include "core/loop/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS (&overworld__events__v1__events__descriptor)
#define QUEUE (&overworld__events__v1__queue__descriptor)
#define TEXT(literal) ((char *)(uintptr_t)(literal))
#define SECOND ((int64_t)1000000)

enum { GOT_MAX = 16 };

typedef struct got {
    char body[1000], id[64], timestamp[32], signature[100], type[100], ce_type[64];
} got;

typedef struct fixture {
    stage stage;
    ow_http_client *client;
    ow_http_server *server;
    ow_http_budget budget;
    int status;
    got got[GOT_MAX];
    int count, wanted;
    char url[100], secret[OW_WEBHOOK_SECRET_MAX], id[OW_ID_MAX];
} fixture;

static const stage_caller developer = {
    .kind = OW_OPERATOR, .role = OW_ROLE_DEVELOPER, .id = "opr_1", .title = "ttl_1"};

// ---- The target ----

static void nothing(void *self, ow_http_request *request) {
    (void)self;
    (void)request;
}

static void copy_header(ow_http_request *request, const char *name, char *to, size_t room) {
    const char *value = ow_http_header(request, name);
    snprintf(to, room, "%s", value != NULL ? value : "");
}

static void on_body(void *self, ow_http_request *request) {
    fixture *f = self;
    size_t size;
    const char *body = ow_http_body(request, &size);
    assert_true(f->count < GOT_MAX);
    got *g = &f->got[f->count++];
    snprintf(g->body, sizeof g->body, "%.*s", (int)size, body);
    copy_header(request, "webhook-id", g->id, sizeof g->id);
    copy_header(request, "webhook-timestamp", g->timestamp, sizeof g->timestamp);
    copy_header(request, "webhook-signature", g->signature, sizeof g->signature);
    copy_header(request, "Content-Type", g->type, sizeof g->type);
    copy_header(request, "ce-type", g->ce_type, sizeof g->ce_type);
    ow_http_reply(request, &(ow_http_answer){.status = f->status});
}

static void on_reject(void *self, ow_http_request *request, const ow_http_rejection *why) {
    (void)self;
    ow_http_reply(request, &(ow_http_answer){.status = why->status});
}

static void on_gone(void *self, ow_http_request *request) {
    (void)self;
    ow_http_reply(request, &(ow_http_answer){.status = 499});
}

static void open_client(fixture *f, const char *networks) {
    ow_err err;
    ow_http_client_options client = {
        .loop = f->stage.loop,
        .egress = {.networks = networks, .plain = true},
        .max_fetches = 4,
        .max_connections = 4,
        .max_per_host = 4,
    };
    assert_ow_ok(ow_http_client_open(&client, &f->client, &err), &err);
    f->stage.env.outgoing = f->client;
}

static int set_up_within(void **state, const char *networks) {
    fixture *f = calloc(1, sizeof *f);
    ow_err err;
    *state = f;
    stage_open(&f->stage, &ow_events_module, OW_CHANNEL_LOCAL, NULL);
    f->budget.max = 1 << 20;
    f->status = 204;
    ow_http_options server = {
        .loop = f->stage.loop,
        .address = "127.0.0.1:0",
        .handler = {nothing, on_body, on_reject, on_gone, f},
        .budget = &f->budget,
        .max_connections = 16,
        .body_limit = 100000,
        .idle_timeout_us = 60 * SECOND,
        .header_timeout_us = SECOND,
    };
    assert_ow_ok(ow_http_server_open(&server, &f->server, &err), &err);
    open_client(f, networks);
    snprintf(f->url, sizeof f->url, "http://%s/hook", ow_http_server_address(f->server));
    stage_start(&f->stage);
    return 0;
}

static int set_up(void **state) {
    return set_up_within(state, "127.0.0.1");
}

static int set_up_closed(void **state) {
    return set_up_within(state, "");
}

static int tear_down(void **state) {
    fixture *f = *state;
    ow_http_server_close(f->server);
    for (int i = 0; i < 10; i++) {
        ow_loop_turn(f->stage.loop, 0, NULL);
    }
    // The module's fetches end before their client.
    f->stage.env.outgoing = NULL;
    stage_restart(&f->stage);
    ow_http_client_close(f->client);
    stage_close(&f->stage);
    free(f);
    return 0;
}

// ---- Steps ----

static void *must(fixture *f, void *reply) {
    if (reply == NULL) {
        fail_msg("%s: %s", f->stage.err.reason, f->stage.err.message);
    }
    return reply;
}

static void subscribe(fixture *f, const char *format, int batch) {
    create_subscription_request request = OVERWORLD__EVENTS__V1__CREATE_SUBSCRIPTION_REQUEST__INIT;
    declare_event_type_request type = OVERWORLD__EVENTS__V1__DECLARE_EVENT_TYPE_REQUEST__INIT;
    subscription_msg wish = OVERWORLD__API__SUBSCRIPTION__INIT;
    wish.name = TEXT("out");
    wish.event_type = TEXT("shop.*");
    wish.url = f->url;
    wish.format = TEXT(format);
    wish.batch_size = batch;
    request.subscription = &wish;
    type.name = TEXT("shop.paid");
    must(f, stage_call(&f->stage, EVENTS, "DeclareEventType", &type, &developer));
    subscription_state_msg *made =
        must(f, stage_call(&f->stage, EVENTS, "CreateSubscription", &request, &developer));
    snprintf(f->secret, sizeof f->secret, "%s", made->url_secret);
    snprintf(f->id, sizeof f->id, "%s", made->subscription_id);
    assert_true(ow_webhook_is_secret(f->secret));
}

static void publish(fixture *f, const char *data) {
    new_event_msg event = OVERWORLD__EVENTS__V1__NEW_EVENT__INIT;
    new_event_msg *events[] = {&event};
    publish_request request = OVERWORLD__EVENTS__V1__PUBLISH_REQUEST__INIT;
    event.type = TEXT("shop.paid");
    event.source = TEXT("/shop");
    event.data = (ProtobufCBinaryData){strlen(data), (uint8_t *)TEXT(data)};
    request.events = events;
    request.n_events = 1;
    publish_response *reply =
        must(f, stage_call(&f->stage, EVENTS, "Publish", &request, &developer));
    assert_int_equal(reply->events[0]->matched, 1);
}

static bool has_come(void *self) {
    const fixture *f = self;
    return f->count >= f->wanted;
}

static const got *wait_for(fixture *f, int count) {
    f->wanted = count;
    stage_until(&f->stage, has_come, f);
    const got *g = &f->got[count - 1];
    ow_webhook_headers headers = {g->id, g->timestamp, g->signature};
    ow_err err;
    assert_ow_ok(ow_webhook_verify(f->secret, &headers, g->body, strlen(g->body),
                                   strtoll(g->timestamp, NULL, 10), &err),
                 &err);
    return g;
}

static subscription_state_msg *see(fixture *f) {
    get_subscription_request request = OVERWORLD__EVENTS__V1__GET_SUBSCRIPTION_REQUEST__INIT;
    request.subscription_id = f->id;
    return must(f, stage_call(&f->stage, EVENTS, "GetSubscription", &request, &developer));
}

// ---- Cases ----

static void a_subscription_s_url_gets_a_signed_envelope(void **state) {
    fixture *f = *state;
    subscribe(f, "", 0);
    publish(f, "{\"sum\":5}");
    const got *g = wait_for(f, 1);
    assert_string_equal(g->type, "application/json");
    assert_non_null(strstr(g->body, "\"event_data\":{\"sum\":5}"));
    assert_non_null(strstr(g->body, g->id)); // the execution's id
}

// The failure is written some time, and then due. In steps so small that it is not too old before that.
static bool is_asked_again(void *self) {
    fixture *f = self;
    ow_clock_advance(f->stage.clock, SECOND);
    return f->count >= 2;
}

static void a_failure_is_tried_again_with_the_same_id(void **state) {
    fixture *f = *state;
    char first[64];
    f->status = 500;
    subscribe(f, "", 0);
    publish(f, "1");
    snprintf(first, sizeof first, "%s", wait_for(f, 1)->id);
    f->status = 204;
    stage_until(&f->stage, is_asked_again, f);
    assert_string_equal(wait_for(f, 2)->id, first);
}

static void a_url_that_is_gone_is_not_asked_again(void **state) {
    fixture *f = *state;
    f->status = 410;
    subscribe(f, "", 0);
    publish(f, "1");
    wait_for(f, 1);
    subscription_state_msg *now = see(f);
    for (int i = 0; i < 100000 && !now->disabled; i++) { // until that is written
        now = see(f);
    }
    assert_true(now->disabled);
    assert_string_equal(now->disabled_reason, "the URL is gone (410)");
    assert_int_equal(f->count, 1);
}

static void cloud_events_go_out_in_each_mode(void **state) {
    fixture *f = *state;
    static const struct {
        const char *format, *type;
        int batch;
    } modes[] = {{"cloudevents", OW_CLOUDEVENT_JSON, 0},
                 {"cloudevents", OW_CLOUDEVENTS_JSON, 2},
                 {"cloudevents-binary", "application/json", 0}};
    for (int i = 0; i < 3; i++) {
        delete_subscription_request gone = OVERWORLD__EVENTS__V1__DELETE_SUBSCRIPTION_REQUEST__INIT;
        subscribe(f, modes[i].format, modes[i].batch);
        publish(f, "{\"n\":9007199254740993}");
        if (modes[i].batch > 1) {
            publish(f, "2");
        }
        const got *g = wait_for(f, i + 1);
        assert_string_equal(g->type, modes[i].type);
        assert_non_null(strstr(g->body, "{\"n\":9007199254740993}"));
        assert_string_equal(g->ce_type, i == 2 ? "shop.paid" : "");
        assert_true((g->body[0] == '[') == (modes[i].batch > 1));
        gone.subscription_id = f->id;
        must(f, stage_call(&f->stage, EVENTS, "DeleteSubscription", &gone, &developer));
    }
}

// Without a rule that allows it no webhook reaches an address of the inside.
static void a_private_address_gets_nothing(void **state) {
    fixture *f = *state;
    subscribe(f, "", 0);
    publish(f, "1");
    for (int i = 0; i < 200; i++) {
        see(f);
    }
    assert_int_equal(f->count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST_WITH(a_subscription_s_url_gets_a_signed_envelope, set_up, tear_down),
        OW_TEST_WITH(a_failure_is_tried_again_with_the_same_id, set_up, tear_down),
        OW_TEST_WITH(a_url_that_is_gone_is_not_asked_again, set_up, tear_down),
        OW_TEST_WITH(cloud_events_go_out_in_each_mode, set_up, tear_down),
        OW_TEST_WITH(a_private_address_gets_nothing, set_up_closed, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
