// examples/chat on a running server, by the C SDK: who is in a room hears what is said there, banned words are
// masked by the list of the moment, and a gift comes to each of 500 players once.

#include "tests/scenario/deployment.h"

#include "core/json/tree.h"
#include "core/testing/ow_test.h"
#include "sdk/c/overworld_push.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATA "/overworld.data.v1.Data/"
#define OF_CHAT "\"scope\":{\"kind\":\"VIRTUAL_SERVER\",\"virtualServer\":\"chat\"}"

enum { PLAYERS = 500, AT_ONCE = 32, PATIENCE_MS = 20000, QUIET_MS = 300, LINES_KEPT = 200 };

static deployment *d;
static ow_client *operator, * server;

static int set_up(void **state) {
    static const char *const flags[] = {"--gateway.address_requests=0", NULL};
    (void)state;
    d = deployment_start(SHAPE_ONE_PROCESS, flags);
    deployment_deploy(d, "examples/chat", true);
    operator= deployment_operator(d);
    server = deployment_server(d);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    ow_client_free(server);
    ow_client_free(operator);
    deployment_stop(d);
    return 0;
}

// ---- players who listen ----

typedef struct player {
    ow_client *client;
    char id[48];
    char heard[4096]; // topic and payload of each push, a line each
} player;

static void on_push(void *user, const ow_client_push *push) {
    player *p = user;
    size_t used = strlen(p->heard);
    snprintf(p->heard + used, sizeof p->heard - used, "%s %s\n", push->topic, push->payload);
}

static void enter(player *p, const char *device) {
    ow_client_config config = {.url = deployment_public(d), .timeout_ms = 60000};
    ow_client_login login;
    memset(p, 0, sizeof *p);
    p->client = ow_client_new(&config, NULL);
    assert_true(ow_client_login_device(p->client, device, &login, NULL));
    memcpy(p->id, login.player_id, sizeof p->id);
    assert_true(ow_client_listen(p->client, on_push, p, NULL));
}

static bool hears(player *p, const char *text, int patience_ms) {
    int64_t until = now_ms() + patience_ms;
    while (strstr(p->heard, text) == NULL && now_ms() < until) {
        ow_client_poll(p->client, 20);
    }
    return strstr(p->heard, text) != NULL;
}

// ---- asking ----

// A call's JSON; fails the test when there is none.
static ow_json *call(ow_client *client, const char *function, const char *payload) {
    ow_client_reply *reply = NULL;
    ow_client_error error = {0};
    ow_json *json = NULL;
    if (!ow_client_call_json(client, function, payload, &reply, &error)) {
        fail_msg("%s %s: %s %s", function, payload, error.reason, error.message);
    }
    assert_int_equal(ow_json_parse(reply->data, reply->size, 16, &json, NULL), OW_OK);
    ow_client_reply_free(reply);
    return json;
}

static void expect_refusal(ow_client *client, const char *function, const char *payload,
                           const char *code) {
    ow_client_error error = {0};
    assert_false(ow_client_call_json(client, function, payload, NULL, &error));
    if (error.status != 422 || error.details == NULL || strstr(error.details, code) == NULL) {
        fail_msg("%s %s: %d %s instead of %s", function, payload, error.status, error.message,
                 code);
    }
}

// The text of an answer; "" when it was refused. Valid until the next one.
static const char *ask(ow_client *client, const char *method, const char *path, const char *body) {
    static char text[64 * 1024];
    ow_client_request request = {
        .method = method, .path = path, .body = body, .size = strlen(body)};
    ow_client_reply *reply = NULL;
    text[0] = '\0';
    if (ow_client_send(client, &request, &reply, NULL)) {
        snprintf(text, sizeof text, "%.*s", (int)reply->size, (const char *)reply->data);
        ow_client_reply_free(reply);
    }
    return text;
}

static void expect_in(const char *answer, const char *part) {
    if (strstr(answer, part) == NULL) {
        fail_msg("no %s in: %s", part, answer);
    }
}

// ---- rooms ----

static void what_is_said_reaches_the_room(void **state) {
    player ann, bob, eve;
    (void)state;
    enter(&ann, "chat-device-of-ann");
    enter(&bob, "chat-device-of-bob");
    enter(&eve, "chat-device-of-eve");
    ow_json_free(call(ann.client, "chat/join", "{\"room\":\"lobby\"}"));
    // By the route of the same action.
    expect_in(ask(bob.client, "POST", "/http/chat/room/join", "{\"room\":\"lobby\"}"),
              "\"members\":2");
    ow_json_free(call(ann.client, "chat/say", "{\"room\":\"lobby\",\"text\":\"you IDIOT\"}"));
    assert_true(hears(&bob, "chat.room:lobby", PATIENCE_MS));
    assert_true(hears(&bob, "\"text\":\"you *****\"", 0));
    assert_true(hears(&bob, ann.id, 0));
    assert_true(hears(&ann, "you *****", PATIENCE_MS));
    assert_false(hears(&eve, "chat.room", QUIET_MS));
    expect_refusal(eve.client, "chat/say", "{\"room\":\"lobby\",\"text\":\"hi\"}", "not_a_member");
    expect_refusal(eve.client, "chat/history", "{\"room\":\"lobby\"}", "not_a_member");
    // The last line only, by its route.
    expect_in(
        ask(bob.client, "POST", "/http/chat/room/say", "{\"room\":\"lobby\",\"text\":\"gg\"}"),
        "\"text\":\"gg\"");
    const char *last = ask(bob.client, "GET", "/http/chat/room/history?room=lobby&limit=1", "");
    expect_in(last, "\"text\":\"gg\"");
    assert_null(strstr(last, "*****"));
    ow_json *all = call(ann.client, "chat/history", "{\"room\":\"lobby\"}");
    const ow_json *first = ow_json_first(ow_json_get(all, "lines"));
    assert_string_equal(ow_json_string(ow_json_get(first, "text")), "you *****");
    assert_int_equal(ow_json_count(ow_json_get(all, "lines")), 2);
    ow_json_free(all);
    ow_json_free(call(bob.client, "chat/leave", "{\"room\":\"lobby\"}"));
    expect_refusal(bob.client, "chat/say", "{\"room\":\"lobby\",\"text\":\"x\"}", "not_a_member");
    ow_client_free(ann.client);
    ow_client_free(bob.client);
    ow_client_free(eve.client);
}

static void who_says_too_much_is_refused(void **state) {
    player p;
    (void)state;
    enter(&p, "chat-device-of-loud");
    ow_json_free(call(p.client, "chat/join", "{\"room\":\"loud\"}"));
    for (int i = 0; i < 5; i++) {
        ow_json_free(call(p.client, "chat/say", "{\"room\":\"loud\",\"text\":\"hey\"}"));
    }
    expect_refusal(p.client, "chat/say", "{\"room\":\"loud\",\"text\":\"hey\"}", "too_fast");
    expect_refusal(p.client, "chat/say", "{\"room\":\"no/room\",\"text\":\"hey\"}", "bad_room");
    expect_refusal(p.client, "chat/say", "{\"room\":\"loud\",\"text\":\"\"}", "bad_text");
    ow_client_free(p.client);
}

static void a_login_is_greeted(void **state) {
    player p;
    (void)state;
    enter(&p, "chat-device-of-guest");
    assert_true(hears(&p, "chat.greeting {\"text\":\"Welcome!", PATIENCE_MS));
    ow_client_free(p.client);
    enter(&p, "chat-device-of-guest");
    assert_true(hears(&p, "chat.greeting {\"text\":\"Good to see you again", PATIENCE_MS));
    ow_client_free(p.client);
}

static int64_t keys_with(const char *prefix) {
    char body[400], token[300] = "";
    int64_t count = 0;
    do {
        ow_json *page = NULL;
        snprintf(body, sizeof body,
                 "{" OF_CHAT ",\"prefix\":\"%s\",\"pageSize\":200,\"keysOnly\":true,"
                 "\"pageToken\":\"%s\"}",
                 prefix, token);
        const char *text = ask(operator, "POST", DATA "KvList", body);
        assert_int_equal(ow_json_parse(text, strlen(text), 16, &page, NULL), OW_OK);
        count += (int64_t)ow_json_count(ow_json_get(page, "entries"));
        const char *next = ow_json_string(ow_json_get(page, "nextPageToken"));
        snprintf(token, sizeof token, "%s", next != NULL ? next : "");
        ow_json_free(page);
    } while (token[0] != '\0');
    return count;
}

static void await_keys(const char *prefix, int64_t wanted) {
    int64_t until = now_ms() + PATIENCE_MS, count;
    while ((count = keys_with(prefix)) != wanted) {
        if (now_ms() > until) {
            fail_msg("%lld keys %s instead of %lld", (long long)count, prefix, (long long)wanted);
        }
    }
}

static void the_timer_trims_the_history(void **state) {
    char body[8192], out[4096];
    player p;
    (void)state;
    enter(&p, "chat-device-of-talker");
    ow_json_free(call(p.client, "chat/join", "{\"room\":\"old\"}"));
    for (int i = 0; i < 5; i++) {
        int used = snprintf(body, sizeof body, "{" OF_CHAT ",\"operations\":[");
        for (int k = 0; k < 50; k++) {
            used += snprintf(body + used, sizeof body - (size_t)used,
                             "%s{\"kind\":\"SET\",\"key\":\"history/old/%03d\",\"value\":\"e30=\"}",
                             k > 0 ? "," : "", i * 50 + k);
        }
        snprintf(body + used, sizeof body - (size_t)used, "]}");
        expect_in(ask(operator, "POST", DATA "KvBatch", body), "results");
    }
    assert_int_equal(keys_with("history/old/"), 250);
    assert_int_equal(OW(d, out, "timer", "run", "chat/trim"), 0);
    await_keys("history/old/", LINES_KEPT);
    expect_in(ask(operator, "POST", DATA "KvGet", "{" OF_CHAT ",\"keys\":[\"history/old/050\"]}"),
              "e30=");
    ow_client_free(p.client);
}

// ---- words ----

static void await_masked(ow_client *client, const char *text, const char *wanted) {
    char payload[100];
    int64_t until = now_ms() + PATIENCE_MS;
    snprintf(payload, sizeof payload, "{\"text\":\"%s\"}", text);
    for (;;) {
        ow_json *reply = call(client, "chat/moderate", payload);
        bool same = strcmp(ow_json_string(ow_json_get(reply, "text")), wanted) == 0;
        ow_json_free(reply);
        if (same) {
            return;
        }
        assert_true(now_ms() < until);
    }
}

static void a_new_list_is_in_force_soon(void **state) {
    char out[4096];
    (void)state;
    await_masked(operator, "idiot banana", "***** banana");
    assert_int_equal(OW(d, out, "kv", "set", "words", "en\tbanana", "--vs", "chat"), 0);
    await_masked(operator, "idiot banana", "idiot ******");
    // One that is none changes nothing, for longer than a list may be old.
    assert_int_equal(OW(d, out, "kv", "set", "words", "no list", "--vs", "chat"), 0);
    for (int64_t until = now_ms() + 2500; now_ms() < until;) {
        await_masked(operator, "banana", "******");
    }
    assert_int_equal(OW(d, out, "logs", "--vs", "chat", "--text", "stay"), 0);
    expect_in(out, "the words stay as they were");
    assert_int_equal(OW(d, out, "kv", "delete", "words", "--vs", "chat"), 0);
    await_masked(operator, "idiot banana", "***** banana");
}

// ---- gifts ----

typedef struct crowd {
    int begun, running, failed;
    char ids[PLAYERS][48];
} crowd;

typedef struct crowd_login {
    crowd *crowd;
    int number;
} crowd_login;

static void on_login(void *user, ow_client_reply *reply, const ow_client_error *error) {
    crowd_login *login = user;
    const char *id = reply != NULL ? strstr(reply->data, "plr_") : NULL;
    (void)error;
    login->crowd->running--;
    login->crowd->failed += id == NULL;
    if (id != NULL) {
        snprintf(login->crowd->ids[login->number], 48, "%.*s", (int)strcspn(id, "\""), id);
    }
}

static void log_all_in(crowd *c) {
    static crowd_login logins[PLAYERS];
    ow_client_config config = {.url = deployment_public(d), .timeout_ms = 60000};
    ow_client *client = ow_client_new(&config, NULL);
    while (c->begun < PLAYERS || c->running > 0) {
        while (c->begun < PLAYERS && c->running < AT_ONCE) {
            char body[80];
            logins[c->begun] = (crowd_login){c, c->begun};
            snprintf(body, sizeof body, "{\"deviceId\":\"crowd-device-%04d\"}", c->begun);
            ow_client_request request = {.method = "POST",
                                         .path = "/overworld.identity.v1.Identity/DeviceLogin",
                                         .body = body,
                                         .size = strlen(body),
                                         .without_token = true};
            assert_true(
                ow_client_send_start(client, &request, on_login, &logins[c->begun++], NULL));
            c->running++;
        }
        ow_client_poll(client, 5);
    }
    assert_int_equal(c->failed, 0);
    ow_client_free(client);
}

// What operators see of a player's purse, as it is stored.
static bool has_coins(const char *id, const char *base64) {
    char body[200];
    snprintf(body, sizeof body,
             "{\"scope\":{\"kind\":\"PLAYER\",\"playerId\":\"%s\"},\"keys\":[\"coins\"]}", id);
    return strstr(ask(operator, "POST", DATA "KvGet", body), base64) != NULL;
}

static void await_coins(const crowd *c, const char *base64) {
    int64_t until = now_ms() + 3 * PATIENCE_MS;
    for (int i = 0; i < PLAYERS; i++) {
        while (!has_coins(c->ids[i], base64)) {
            if (now_ms() > until) {
                fail_msg("player %d has no %s", i, base64);
            }
        }
    }
}

static void a_gift_comes_to_everybody_once(void **state) {
    static const char spring[] = "{\"gift\":\"spring\",\"coins\":10}";
    static crowd c;
    char payload[200], out[4096];
    (void)state;
    int64_t before = keys_with("known/");
    log_all_in(&c);
    await_keys("known/", before + PLAYERS);
    expect_in(ask(server, "POST", "/http/chat/gift/all", spring), "\"accepted\":true");
    await_coins(&c, "\"MTA=\""); // 10
    // Asked for again, spread again, and given again to one: nobody has more.
    expect_in(ask(server, "POST", "/http/chat/gift/all", spring), "\"accepted\":true");
    ow_json_free(call(operator, "chat/gift_spread", spring));
    snprintf(payload, sizeof payload, "{\"gift\":\"spring\",\"coins\":10,\"player\":\"%s\"}",
             c.ids[0]);
    ow_json_free(call(operator, "chat/gift_one", payload));
    // The next one comes behind whatever those began.
    ow_json_free(call(server, "chat/gift_all", "{\"gift\":\"summer\",\"coins\":5}"));
    await_coins(&c, "\"MTU=\""); // 15
    assert_int_equal(OW(d, out, "dead", "list", "--json"), 0);
    assert_null(strstr(out, "exe_"));
    ow_client *player = deployment_player(d, "crowd-device-0007");
    ow_json *purse = call(player, "chat/purse", "{}");
    int64_t coins = 0;
    assert_true(ow_json_as_int(ow_json_get(purse, "coins"), &coins));
    assert_int_equal(coins, 15);
    ow_json_free(purse);
    expect_in(ask(player, "GET", "/http/chat/gift/purse", ""), "\"coins\":15");
    expect_error(player, "chat/gift_all", spring, (refusal){403, "not_exposed"}, NULL);
    assert_string_equal(ask(player, "POST", "/http/chat/gift/all", spring), "");
    ow_client_free(player);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_said_reaches_the_room),
        cmocka_unit_test(who_says_too_much_is_refused),
        cmocka_unit_test(a_login_is_greeted),
        cmocka_unit_test(the_timer_trims_the_history),
        cmocka_unit_test(a_new_list_is_in_force_soon),
        cmocka_unit_test(a_gift_comes_to_everybody_once),
    };
    return cmocka_run_group_tests_name("chat", tests, set_up, tear_down);
}
