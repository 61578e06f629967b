// Events from one end to the other: a function publishes, a webhook comes in, CloudEvents come in, a player
// logs in; and other functions run for it.

#include "tests/scenario/json_call.h"
#include "tests/scenario/own_bundle.h"

#include "core/json/tree.h"
#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS "/overworld.events.v1.Events/"

enum { PATIENCE_MS = 20000, NOTE_MS = 5000 };

static deployment_shape shape;
static deployment *d;
static ow_client *operator;
static ow_client *player;

// "tell" publishes what it is given; "note" keeps the last event of its args' name and pushes to whoever called
// "attend"; "recall" shows it.
static const char source[] =
    "#include \"overworld.h\"\n"
    "#include <string.h>\n"
    "int tell(ow_ctx *ctx) {\n"
    "    size_t size;\n"
    "    ow_status status = ow_publish(ctx, \"match.ended\", ow_payload(ctx, &size), NULL);\n"
    "    return status == OW_DONE ? ow_reply(ctx, \"true\", 4)\n"
    "                             : ow_refuse(ctx, ow_error_reason(ctx), \"not published\", NULL);\n}\n"
    "int attend(ow_ctx *ctx) {\n"
    "    const char *who = ow_player(ctx);\n"
    "    return ow_kv_set(ctx, OW_KV_SERVER, \"attendant\", who, strlen(who), 0) == OW_DONE\n"
    "               ? ow_reply(ctx, \"true\", 4) : 1;\n}\n"
    "int note(ow_ctx *ctx) {\n"
    "    size_t size;\n"
    "    char who[64] = \"\";\n"
    "    ow_kv_item item;\n"
    "    const char *payload = ow_payload(ctx, &size);\n"
    "    cJSON *event = cJSON_ParseWithLength(payload, size);\n"
    "    const char *key = ow_json_string(event, \"args\", \"none\");\n"
    "    ow_status status = ow_kv_set(ctx, OW_KV_SERVER, key, payload, size, 0);\n"
    "    cJSON_Delete(event);\n"
    "    if (status == OW_DONE) status = ow_kv_get(ctx, OW_KV_SERVER, \"attendant\", &item);\n"
    "    if (status == OW_DONE && item.length < sizeof who) memcpy(who, item.value, item.length);\n"
    "    if (status == OW_DONE) status = ow_push(ctx, who, \"noted\", NULL);\n"
    "    return status == OW_DONE ? ow_reply(ctx, \"true\", 4) : 1;\n}\n"
    "int recall(ow_ctx *ctx) {\n"
    "    size_t size;\n"
    "    const char *payload = ow_payload(ctx, &size);\n"
    "    char key[64];\n"
    "    ow_kv_item item;\n"
    "    if (size < 3 || size > 60) return 1;\n"
    "    memcpy(key, payload + 1, size - 2);\n"
    "    key[size - 2] = 0;\n"
    "    if (ow_kv_get(ctx, OW_KV_SERVER, key, &item) != OW_DONE) return ow_reply(ctx, \"null\", 4);\n"
    "    return ow_reply(ctx, item.value, item.length);\n}\n";

static void deploy(void) {
    own_bundle_deploy(
        d,
        "{\"name\":\"bell\",\"runtime\":\"c\",\"functions\":{\"tell\":{\"exposure\":\"client\"},"
        "\"attend\":{\"exposure\":\"client\"},\"note\":{},\"recall\":{\"exposure\":\"client\"}},"
        "\"subscriptions\":[{\"name\":\"declared\",\"event_type\":\"match.*\","
        "\"function\":\"note\",\"args\":\"\\\"declared\\\"\"}]}",
        source, true);
}

static void ask(const char *method, const char *body) {
    char path[200];
    snprintf(path, sizeof path, EVENTS "%s", method);
    ow_json_free(json_must_call(operator, path, body));
}

// Returns when something was noted since the last time, or a while has passed.
static void await_note(int wait_ms) {
    static char cursor[64];
    char body[128];
    snprintf(body, sizeof body, "{\"cursor\":\"%s\",\"waitMs\":%d}", cursor, wait_ms);
    ow_json *json = json_must_call(player, "/overworld.push.v1.Push/Poll", body);
    snprintf(cursor, sizeof cursor, "%s", ow_json_string(ow_json_get(json, "cursor")));
    ow_json_free(json);
}

// What "note" has kept under a name; waits for it.
static ow_json *recall(const char *name) {
    char body[80];
    snprintf(body, sizeof body, "\"%s\"", name);
    for (int64_t end = now_ms() + PATIENCE_MS; now_ms() < end; await_note(NOTE_MS)) {
        ow_json *json = json_must_call(player, "/v1/call/bell/recall", body);
        if (ow_json_kind_of(json) == OW_JSON_OBJECT) {
            return json;
        }
        ow_json_free(json);
    }
    fail_msg("nothing came for %s", name);
    return NULL;
}

static void subscribe(const char *name, const char *type) {
    char body[300];
    snprintf(body, sizeof body,
             "{\"virtualServer\":\"bell\",\"subscription\":{\"name\":\"%s\",\"eventType\":\"%s\","
             "\"function\":\"note\",\"args\":\"\\\"%s\\\"\"}}",
             name, type, name);
    ask("CreateSubscription", body);
}

static int set_up(void **state) {
    (void)state;
    d = deployment_start(shape, NULL);
    operator= deployment_operator(d);
    deploy();
    ask("DeclareEventType", "{\"name\":\"match.ended\"}");
    player = deployment_player(d, "device-of-events");
    ow_json_free(json_must_call(player, "/v1/call/bell/attend", "{}"));
    await_note(0); // none is missed from here on
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    ow_client_free(player);
    ow_client_free(operator);
    deployment_stop(d);
    return 0;
}

// ---- Cases ----

static const char *text_of(const ow_json *json, const char *name) {
    const char *text = ow_json_string(ow_json_get(json, name));
    return text != NULL ? text : "";
}

// Behind a player's call, though players themselves may not publish the type.
static void a_function_publishes(void **state) {
    (void)state;
    subscribe("told", "match.ended");
    ow_json_free(json_must_call(player, "/v1/call/bell/tell", "{\"winner\":\"red\"}"));
    ow_json *event = recall("told");
    assert_string_equal(text_of(event, "event_name"), "match.ended");
    assert_string_equal(text_of(ow_json_get(event, "event_data"), "winner"), "red");
    ow_json_free(event);
    ow_json_free(recall("declared")); // the manifest's own subscription
}

static void expect_about(const char *name, const char *key, const char *value) {
    ow_json *event = recall(name);
    assert_string_equal(text_of(ow_json_get(event, "event_data"), key), value);
    ow_json_free(event);
}

// From the first login to the ban.
static void a_players_life_is_told(void **state) {
    (void)state;
    ow_client_login login;
    ow_client_config config = {.url = deployment_public(d)};
    ow_client *other = ow_client_new(&config, NULL);
    ow_client_credentials who = {.device_id = "device-of-somebody-new",
                                 .platform = "linux",
                                 .custom = "{\"invited\":\"by a friend\"}"};
    subscribe("made", "player.created");
    subscribe("came", "player.login");
    subscribe("left", "player.logout");
    subscribe("banned", "player.banned");
    assert_true(ow_client_login_with(other, &who, &login, NULL));
    ow_json *event = recall("came");
    const ow_json *data = ow_json_get(event, "event_data");
    bool is_new = false;
    assert_string_equal(text_of(data, "player_id"), login.player_id);
    assert_string_equal(text_of(data, "platform"), "linux");
    assert_string_equal(text_of(data, "custom"), who.custom);
    assert_true(strlen(text_of(data, "session_id")) > 4 && strlen(text_of(data, "ip")) > 2);
    assert_true(ow_json_as_bool(ow_json_get(data, "is_new_player"), &is_new) && is_new);
    expect_about("made", "player_id", login.player_id);
    assert_true(ow_client_logout(other, NULL));
    expect_about("left", "session_id", text_of(data, "session_id"));
    char body[200];
    snprintf(body, sizeof body, "{\"playerId\":\"%s\",\"reason\":\"of a test\"}", login.player_id);
    ow_json_free(json_must_call(operator, "/overworld.identity.v1.Identity/BanPlayer", body));
    expect_about("banned", "reason", "of a test");
    ow_json_free(event);
    ow_client_free(other);
}

static void what_fails_is_told(void **state) {
    (void)state;
    char folder[64], out[8192];
    subscribe("unbuilt", "virtualserver.build_failed");
    own_bundle_make(folder, "{\"name\":\"bell\",\"runtime\":\"c\",\"functions\":{\"tell\":{}}}",
                    "#include <overworld.h>\nint tell(ow_ctx *ctx) { return nothing; }\n");
    assert_int_not_equal(OW(d, out, "vs", "deploy", folder), 0);
    own_bundle_remove(folder);
    expect_about("unbuilt", "virtual_server", "bell");
    // Refused, and so given up at once.
    subscribe("failed", "function.failed");
    ow_client_request request = {.method = "POST",
                                 .path = "/v1/call/bell/tell?mode=async",
                                 .content_type = "text/plain",
                                 .body = "{",
                                 .size = 1};
    ow_client_reply *reply = NULL;
    ow_client_error error;
    if (!ow_client_send(player, &request, &reply, &error)) {
        fail_msg("%d %s: %s", error.status, error.reason, error.message);
    }
    ow_client_reply_free(reply);
    expect_about("failed", "function", "tell");
    expect_about("failed", "reason", "refused");
}

static void a_release_is_an_event(void **state) {
    (void)state;
    subscribe("moved", "virtualserver.deployed");
    ow_json_free(json_must_call(
        operator, "/overworld.registry.v1.Registry/CreateAlias",
        "{\"virtualServer\":\"bell\",\"name\":\"live\",\"targets\":[{\"version\":\"1\"}]}"));
    ow_json *event = recall("moved");
    assert_string_equal(text_of(ow_json_get(event, "event_data"), "alias"), "live");
    ow_json_free(event);
}

static void a_cloud_event_comes_in(void **state) {
    (void)state;
    subscribe("cloud", "match.*");
    ow_client_request request = {
        .method = "POST",
        .path = "/v1/events",
        .content_type = "application/cloudevents+json",
        .body =
            "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/lab\",\"type\":\"match.ended\","
            "\"data\":{\"n\":9007199254740993}}",
    };
    request.size = strlen(request.body);
    ow_client *server = deployment_server(d);
    ow_client_reply *reply = NULL;
    ow_client_error error;
    if (!ow_client_send(server, &request, &reply, &error)) {
        fail_msg("%d %s: %s", error.status, error.reason, error.message);
    }
    assert_int_equal(reply->status, 202);
    assert_non_null(strstr(reply->data, "\"duplicate\":false"));
    ow_client_reply_free(reply);
    assert_true(ow_client_send(server, &request, &reply, &error));
    assert_non_null(strstr(reply->data, "\"duplicate\":true"));
    ow_client_reply_free(reply);
    ow_json_free(recall("cloud"));
    ow_client_free(server);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        OW_TEST(a_function_publishes),   OW_TEST(a_players_life_is_told),
        OW_TEST(a_release_is_an_event),  OW_TEST(what_fails_is_told),
        OW_TEST(a_cloud_event_comes_in),
    };
    shape = deployment_shape_of(argc, argv);
    return cmocka_run_group_tests_name("events", tests, set_up, tear_down);
}
