// What is pushed to players, from those who push to the sockets and polls of those who play, against
// every shape of deployment.

#include "tests/scenario/deployment.h"
#include "tests/scenario/json_call.h"
#include "tests/scenario/ws_client.h"

#include "core/json/tree.h"
#include "core/testing/ow_test.h"
#include "sdk/c/overworld_push.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PUSH "/overworld.push.v1.Push/"

enum { TEXT_MAX = 4096, PATIENCE_MS = 10000, SHORT_MS = 300 };

static deployment_shape shape;
static deployment *d;
static ow_client *operator;

typedef struct player {
    ow_client *client;
    char id[48];
    char cursor[64]; // of what came last
} player;

static int set_up(void **state) {
    (void)state;
    static const char *const flags[] = {"--push.keep=2s", "--gateway.push_ping=1s",
                                        "--push.max_waiting=1000", NULL};
    d = deployment_start(shape, flags);
    operator= deployment_operator(d);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    ow_client_free(operator);
    deployment_stop(d);
    return 0;
}

static int64_t number(const ow_json *tree, const char *name) {
    int64_t value = 0;
    ow_json_as_int(ow_json_get(tree, name), &value);
    return value;
}

// Pushes to one player; the id into `ret_id` when that is not NULL.
static void push_to(ow_client *client, const char *player_id, const char *payload, char *ret_id) {
    char body[TEXT_MAX];
    snprintf(body, sizeof body,
             "{\"playerIds\":[\"%s\"],\"topic\":\"test\",\"payloadJson\":\"%s\"}", player_id,
             payload);
    ow_json *reply = json_must_call(client, PUSH "Send", body);
    if (ret_id != NULL) {
        snprintf(ret_id, 48, "%s", ow_json_string(ow_json_get(reply, "messageId")));
    }
    ow_json_free(reply);
}

// Waits until a message's report has `count` under `name`.
static void wait_for_report(const char *id, const char *name, int64_t count) {
    char body[128];
    int64_t until = now_ms() + PATIENCE_MS;
    snprintf(body, sizeof body, "{\"messageId\":\"%s\"}", id);
    for (;;) {
        ow_json *report = json_must_call(operator, PUSH "GetMessage", body);
        int64_t found = number(report, name);
        ow_json_free(report);
        if (found == count) {
            return;
        }
        if (now_ms() > until) {
            fail_msg("%s stays %d instead of %d", name, (int)found, (int)count);
        }
    }
}

static void log_in(player *p, const char *device) {
    memset(p, 0, sizeof *p);
    p->client = deployment_player(d, device);
    ow_json *me = json_must_call(p->client, "/overworld.identity.v1.Identity/WhoAmI", "{}");
    snprintf(p->id, sizeof p->id, "%s", ow_json_string(ow_json_get(me, "id")));
    ow_json_free(me);
}

// The next message of that type and its payload's text (NULL: any); remembers the cursor.
static void hear(ws_client *ws, player *p, const char *type, const char *payload) {
    int code;
    const char *text = ws_hear(ws, PATIENCE_MS, &code);
    ow_json *said = NULL;
    if (text == NULL) {
        fail_msg("nothing instead of %s %s, closed with %d", type, payload, code);
    }
    assert_int_equal(ow_json_parse(text, strlen(text), 64, &said, NULL), OW_OK);
    if (strcmp(ow_json_string(ow_json_get(said, "type")), type) != 0) {
        fail_msg("%s instead of %s", text, type);
    }
    const char *got = ow_json_string(ow_json_get(said, "payload"));
    if (payload != NULL && (got == NULL || strcmp(got, payload) != 0)) {
        fail_msg("%s instead of payload %s", text, payload);
    }
    snprintf(p->cursor, sizeof p->cursor, "%s", ow_json_string(ow_json_get(said, "cursor")));
    ow_json_free(said);
}

static ws_client *greet(player *p, const char *cursor) {
    char text[TEXT_MAX];
    ws_client *ws = ws_connect(deployment_public(d), "/v1/push", NULL);
    assert_non_null(ws);
    snprintf(text, sizeof text, "{\"ticket\":\"%s\",\"cursor\":\"%s\"}",
             ow_client_access_token(p->client), cursor);
    ws_say(ws, text);
    return ws;
}

static ws_client *open_push(player *p) {
    ws_client *ws = greet(p, "");
    hear(ws, p, "ready", NULL);
    return ws;
}

static void confirm(ws_client *ws, const player *p) {
    char text[128];
    snprintf(text, sizeof text, "{\"ack\":\"%s\"}", p->cursor);
    ws_say(ws, text);
}

static void expect_close(ws_client *ws, int wanted) {
    int code;
    const char *text = ws_hear(ws, PATIENCE_MS, &code);
    if (text != NULL || code != wanted) {
        fail_msg("%s, closed with %d instead of %d", text != NULL ? text : "", code, wanted);
    }
    ws_close(ws);
}

// ---- the cases ----

static void a_push_reaches_its_player_and_is_confirmed(void **state) {
    player ann, bob;
    char id[48];
    (void)state;
    log_in(&ann, "push-ann-device");
    log_in(&bob, "push-bob-device");
    ws_client *of_ann = open_push(&ann);
    ws_client *of_bob = open_push(&bob);
    push_to(operator, ann.id, "\\\"hello\\\"", id);
    hear(of_ann, &ann, "message", "hello");
    wait_for_report(id, "sent", 1);
    confirm(of_ann, &ann);
    wait_for_report(id, "delivered", 1);
    assert_null(ws_hear(of_bob, SHORT_MS, NULL));
    ow_client *server = deployment_server(d);
    push_to(server, bob.id, "\\\"from a server\\\"", NULL);
    hear(of_bob, &bob, "message", "from a server");
    ow_client_free(server);
    ws_close(of_ann);
    ws_close(of_bob);
    ow_client_free(ann.client);
    ow_client_free(bob.client);
}

static void who_comes_back_in_time_misses_nothing(void **state) {
    player p;
    (void)state;
    log_in(&p, "push-resume-device");
    ws_client *ws = open_push(&p);
    push_to(operator, p.id, "\\\"one\\\"", NULL);
    push_to(operator, p.id, "\\\"two\\\"", NULL);
    hear(ws, &p, "message", "one");
    char one[64];
    memcpy(one, p.cursor, sizeof one);
    hear(ws, &p, "message", "two");
    ws_close(ws);
    push_to(operator, p.id, "\\\"three\\\"", NULL);
    ws = greet(&p, one);
    hear(ws, &p, "ready", NULL);
    hear(ws, &p, "message", "two");
    hear(ws, &p, "message", "three");
    ws_close(ws);
    ow_client_free(p.client);
}

static void without_a_holder_it_is_reported_undelivered(void **state) {
    player p;
    char id[48];
    (void)state;
    log_in(&p, "push-nobody-device");
    push_to(operator, p.id, "{}", id);
    wait_for_report(id, "waiting", 1);
    wait_for_report(id, "undelivered", 1);
    ow_client_free(p.client);
}

static void the_later_connection_replaces_the_earlier(void **state) {
    player p;
    (void)state;
    log_in(&p, "push-twice-device");
    ws_client *first = open_push(&p);
    ws_client *second = open_push(&p);
    expect_close(first, 4009);
    push_to(operator, p.id, "\\\"hi\\\"", NULL);
    hear(second, &p, "message", "hi");
    ws_close(second);
    ow_client_free(p.client);
}

static void wrong_tickets_and_words_are_refused(void **state) {
    static const struct {
        const char *text;
        int code;
    } cases[] = {
        {"hello", 4000},
        {"[]", 4000},
        {"{}", 4000},
        {"{\"ticket\":7}", 4000},
        {"{\"ticket\":\"x\"}", 4001},
        {"{\"ticket\":\"a.b.c\"}", 4001},
    };
    char text[TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ws_client *ws = ws_connect(deployment_public(d), "/v1/push", NULL);
        ws_say(ws, cases[i].text);
        expect_close(ws, cases[i].code);
    }
    ow_client *server = deployment_server(d);
    ow_client_login_server(server, NULL, NULL);
    ws_client *ws = ws_connect(deployment_public(d), "/v1/push", NULL);
    snprintf(text, sizeof text, "{\"ticket\":\"%s\"}", ow_client_access_token(server));
    ws_say(ws, text);
    expect_close(ws, 4003);
    ow_client_free(server);
    // Who says nothing is not borne for ever.
    expect_close(ws_connect(deployment_public(d), "/v1/push", NULL), 4001);
    player p;
    log_in(&p, "push-cursor-device");
    ws = greet(&p, "not a cursor");
    expect_close(ws, 4000);
    ow_client_free(p.client);
}

static void an_ended_session_is_closed(void **state) {
    player p;
    (void)state;
    log_in(&p, "push-logout-device");
    ws_client *ws = open_push(&p);
    assert_true(ow_client_logout(p.client, NULL));
    expect_close(ws, 4001);
    ow_client_free(p.client);
}

static void a_slow_reader_is_bounded_and_told(void **state) {
    static char payload[15000];
    char body[16000];
    player p;
    int code = 0;
    int heard = 0;
    (void)state;
    log_in(&p, "push-slow-device");
    ws_client *ws = open_push(&p);
    memset(payload, '7', sizeof payload - 1);
    snprintf(body, sizeof body, "{\"playerIds\":[\"%s\"],\"topic\":\"t\",\"payloadJson\":\"%s\"}",
             p.id, payload);
    // More than the kernels on both sides and the queue hold.
    for (int i = 0; i < 700; i++) {
        ow_json_free(json_must_call(operator, PUSH "Send", body));
    }
    while (ws_hear(ws, PATIENCE_MS, &code) != NULL) {
        heard++;
    }
    assert_int_equal(code, 4008);
    assert_true(heard > 0 && heard < 700);
    ws_close(ws);
    ow_client_free(p.client);
}

static void polling_gives_the_same(void **state) {
    player p;
    char body[256];
    (void)state;
    log_in(&p, "push-poll-device");
    ow_json *nothing = json_must_call(p.client, PUSH "Poll", "{}");
    assert_int_equal(ow_json_count(ow_json_get(nothing, "messages")), 0);
    snprintf(p.cursor, sizeof p.cursor, "%s", ow_json_string(ow_json_get(nothing, "cursor")));
    ow_json_free(nothing);
    char id[48];
    push_to(operator, p.id, "\\\"one\\\"", id);
    snprintf(body, sizeof body, "{\"cursor\":\"%s\",\"waitMs\":5000}", p.cursor);
    ow_json *some = json_must_call(p.client, PUSH "Poll", body);
    const ow_json *first = ow_json_first(ow_json_get(some, "messages"));
    assert_string_equal(ow_json_string(ow_json_get(first, "payloadJson")), "\"one\"");
    snprintf(body, sizeof body, "{\"cursor\":\"%s\"}", ow_json_string(ow_json_get(some, "cursor")));
    ow_json_free(some);
    ow_json_free(json_must_call(p.client, PUSH "Poll", body));
    wait_for_report(id, "delivered", 1);
    ow_client_error error;
    assert_null(json_call(p.client, PUSH "Poll", "{\"cursor\":\"x\"}", &error));
    assert_string_equal(error.reason, "bad_cursor");
    ow_client_free(p.client);
}

typedef struct waiting_poll {
    char payload[64];
    bool done;
} waiting_poll;

static void on_poll(void *user, ow_client_reply *reply, const ow_client_error *error) {
    waiting_poll *w = user;
    (void)error;
    w->done = true;
    if (reply != NULL && strstr(reply->data, "late") != NULL) {
        snprintf(w->payload, sizeof w->payload, "late");
    }
}

static void a_poll_waits_for_what_comes(void **state) {
    static const char body[] = "{\"waitMs\":9000}";
    waiting_poll w = {"", false};
    player p;
    (void)state;
    log_in(&p, "push-wait-device");
    ow_client_request request = {
        .method = "POST", .path = PUSH "Poll", .body = body, .size = sizeof body - 1};
    assert_true(ow_client_send_start(p.client, &request, on_poll, &w, NULL));
    int64_t quiet = now_ms() + SHORT_MS;
    while (now_ms() < quiet) {
        ow_client_poll(p.client, 20);
    }
    assert_false(w.done);
    push_to(operator, p.id, "\\\"late\\\"", NULL);
    while (!w.done) {
        ow_client_poll(p.client, 100);
    }
    assert_string_equal(w.payload, "late");
    ow_client_free(p.client);
}

static void bad_messages_are_refused(void **state) {
    static const struct {
        const char *body, *reason;
    } cases[] = {
        {"{\"topic\":\"t\",\"payloadJson\":\"1\"}", "bad_players"},
        {"{\"playerIds\":[\"x\"],\"topic\":\"t\",\"payloadJson\":\"1\"}", "bad_player"},
        {"{\"playerIds\":[\"plr_01HXG3K5N8Q2Z4V6B8D0F2H4J6\"],\"payloadJson\":\"1\"}", "bad_topic"},
        {"{\"playerIds\":[\"plr_01HXG3K5N8Q2Z4V6B8D0F2H4J6\"],\"topic\":\"a b\","
         "\"payloadJson\":\"1\"}",
         "bad_topic"},
        {"{\"playerIds\":[\"plr_01HXG3K5N8Q2Z4V6B8D0F2H4J6\"],\"topic\":\"t\","
         "\"payloadJson\":\"{\"}",
         "invalid_json"},
        {"{\"playerIds\":[\"plr_01HXG3K5N8Q2Z4V6B8D0F2H4J6\"],\"topic\":\"t\"}", "invalid_json"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ow_client_error error;
        assert_null(json_call(operator, PUSH "Send", cases[i].body, &error));
        assert_int_equal(error.status, 400);
        assert_string_equal(error.reason, cases[i].reason);
    }
    ow_client_error error;
    assert_null(json_call(operator, PUSH "GetMessage", "{\"messageId\":\"psh_1\"}", &error));
    assert_string_equal(error.reason, "message_not_found");
    int status;
    assert_null(ws_connect(deployment_public(d), "/v1/pushes", &status));
    assert_int_equal(status, 404);
}

// ---- the SDK ----

typedef struct listener {
    char payloads[200]; // of all that came, each behind a blank
    int lost, moved;
} listener;

static void on_push(void *user, const ow_client_push *push) {
    listener *l = user;
    assert_string_equal(push->topic, "test");
    assert_int_equal(push->size, strlen(push->payload));
    snprintf(l->payloads + strlen(l->payloads), sizeof l->payloads - strlen(l->payloads), " %s",
             push->payload);
}

static void on_event(void *user, ow_client_event event, const ow_client_error *error) {
    listener *l = user;
    (void)error;
    l->lost += event == OW_CLIENT_PUSHES_LOST;
    l->moved += event == OW_CLIENT_PUSHES_MOVED;
}

static void listen_as(player *p, const char *device, const deployment *at, listener *l) {
    memset(l, 0, sizeof *l);
    ow_client_config config = {
        .url = deployment_public(at), .on_event = on_event, .on_event_user = l};
    ow_client_login login;
    p->client = ow_client_new(&config, NULL);
    assert_true(ow_client_login_device(p->client, device, &login, NULL));
    memcpy(p->id, login.player_id, sizeof p->id);
    assert_true(ow_client_listen(p->client, on_push, l, NULL));
}

#define POLL_UNTIL(client, condition)                                                              \
    do {                                                                                           \
        int64_t until_ = now_ms() + PATIENCE_MS;                                                   \
        while (!(condition) && now_ms() < until_) {                                                \
            ow_client_poll((client), 50);                                                          \
        }                                                                                          \
        assert_true(condition);                                                                    \
    } while (0)

static void the_sdk_hears_confirms_and_comes_back(void **state) {
    player p;
    listener l;
    char id[48];
    (void)state;
    listen_as(&p, "push-sdk-device", d, &l);
    POLL_UNTIL(p.client, ow_client_is_listening(p.client));
    push_to(operator, p.id, "1", id);
    POLL_UNTIL(p.client, strcmp(l.payloads, " 1") == 0);
    // Within the second in which it confirms, and somewhat more.
    int64_t until = now_ms() + 1500;
    while (now_ms() < until) {
        ow_client_poll(p.client, 50);
    }
    wait_for_report(id, "delivered", 1);
    // What is pushed while it does not listen comes when it does again.
    ow_client_listen_stop(p.client);
    push_to(operator, p.id, "2", NULL);
    assert_true(ow_client_listen(p.client, on_push, &l, NULL));
    POLL_UNTIL(p.client, strcmp(l.payloads, " 1 2") == 0);
    // Elsewhere the same player begins to listen.
    player again;
    listener other;
    listen_as(&again, "push-sdk-device", d, &other);
    POLL_UNTIL(again.client, ow_client_is_listening(again.client));
    POLL_UNTIL(p.client, l.moved == 1);
    assert_false(ow_client_is_listening(p.client));
    ow_client_free(p.client);
    ow_client_free(again.client);
}

static void where_sockets_are_refused_the_sdk_polls(void **state) {
    static const char *const flags[] = {"--gateway.push_connections=0", NULL};
    player p;
    listener l;
    (void)state;
    if (shape != SHAPE_ONE_PROCESS) {
        skip();
    }
    deployment *other = deployment_start(shape, flags);
    ow_client *pusher = deployment_operator(other);
    listen_as(&p, "push-poll-device", other, &l);
    POLL_UNTIL(p.client, ow_client_is_listening(p.client));
    push_to(pusher, p.id, "1", NULL);
    POLL_UNTIL(p.client, strcmp(l.payloads, " 1") == 0);
    push_to(pusher, p.id, "2", NULL);
    push_to(pusher, p.id, "3", NULL);
    POLL_UNTIL(p.client, strcmp(l.payloads, " 1 2 3") == 0);
    assert_int_equal(l.lost, 0);
    ow_client_free(p.client);
    ow_client_free(pusher);
    deployment_stop(other);
}

// The hub goes and comes back: who was connected stays so, and is told that something may be lost.
static void the_hub_may_restart(void **state) {
    player p;
    (void)state;
    if (shape != SHAPE_SPLIT) {
        skip();
    }
    log_in(&p, "push-restart-device");
    ws_client *ws = open_push(&p);
    deployment_kill(d, "push");
    deployment_restart(d, "push");
    hear(ws, &p, "ready", NULL);
    push_to(operator, p.id, "\\\"again\\\"", NULL);
    hear(ws, &p, "message", "again");
    ws_close(ws);
    ow_client_free(p.client);
}

int main(int argc, char **argv) {
    shape = deployment_shape_of(argc, argv);
    const struct CMUnitTest tests[] = {
        OW_TEST(a_push_reaches_its_player_and_is_confirmed),
        OW_TEST(who_comes_back_in_time_misses_nothing),
        OW_TEST(without_a_holder_it_is_reported_undelivered),
        OW_TEST(the_later_connection_replaces_the_earlier),
        OW_TEST(wrong_tickets_and_words_are_refused),
        OW_TEST(an_ended_session_is_closed),
        OW_TEST(a_slow_reader_is_bounded_and_told),
        OW_TEST(polling_gives_the_same),
        OW_TEST(a_poll_waits_for_what_comes),
        OW_TEST(bad_messages_are_refused),
        OW_TEST(the_sdk_hears_confirms_and_comes_back),
        OW_TEST(where_sockets_are_refused_the_sdk_polls),
        OW_TEST(the_hub_may_restart),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
