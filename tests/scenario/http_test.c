// Routes that a bundle declares, from its manifest to what a client without any SDK gets.

#include "tests/scenario/deployment.h"

#include "core/json/tree.h"
#include "core/testing/ow_test.h"

#include <string.h>

enum { PATIENCE_MS = 10000 };

static deployment_shape shape;

static ow_client_reply *ask(ow_client *client, const char *method, const char *path,
                            ow_client_error *error) {
    ow_client_request request = {.method = method,
                                 .path = path,
                                 .body = "hi",
                                 .size = strcmp(method, "GET") == 0 ? 0 : 2,
                                 .content_type = "text/plain"};
    if (strstr(path, "/Poll") != NULL) {
        request.body = "{}";
        request.content_type = "application/json";
    }
    ow_client_reply *reply = NULL;
    return ow_client_send(client, &request, &reply, error) ? reply : NULL;
}

// Gateways hear of what changes by a stream.
static ow_client_reply *ask_until_answered(ow_client *client, const char *method,
                                           const char *path) {
    ow_client_error error;
    ow_client_reply *reply = NULL;
    for (int64_t until = now_ms() + PATIENCE_MS; reply == NULL && now_ms() < until;) {
        reply = ask(client, method, path, &error);
    }
    assert_non_null(reply);
    return reply;
}

// Without a deployment: who watches the routes knows before the command ends, gateways at once.
static void is_switched_off_and_on(deployment *d, ow_client *player) {
    char out[4000];
    ow_client_error error;
    ow_client_reply *reply = NULL;
    assert_int_equal(OW(d, out, "route", "disable", "web", "mine"), 0);
    for (int64_t until = now_ms() + PATIENCE_MS; now_ms() < until;) {
        reply = ask(player, "GET", "/http/web/mine", &error);
        if (reply == NULL) {
            break;
        }
        ow_client_reply_free(reply);
    }
    assert_null(reply);
    assert_int_equal(error.status, 404);
    assert_int_equal(OW(d, out, "route", "list", "web"), 0);
    assert_non_null(strstr(out, "off"));
    assert_int_equal(OW(d, out, "route", "enable", "web", "mine"), 0);
    ow_client_reply_free(ask_until_answered(player, "GET", "/http/web/mine"));
    assert_int_equal(OW(d, out, "route", "disable", "web", "nothing"), 4);
}

static void declared_routes_are_served(void **state) {
    (void)state;
    deployment *d = deployment_start(shape, NULL);
    ow_client *player = deployment_player(d, "http-route-device");
    ow_client_error error;
    deployment_deploy(d, "tests/scenario/http_bundle", false);
    ow_client_reply *reply = ask_until_answered(player, "POST", "/http/web/rooms/7?x=1");
    ow_json *event;
    assert_int_equal(ow_json_parse(reply->data, reply->size, 64, &event, NULL), OW_OK);
    assert_string_equal(ow_json_string(ow_json_get(event, "body")), "hi");
    assert_string_equal(ow_json_string(ow_json_get(ow_json_get(event, "pathParameters"), "room")),
                        "7");
    assert_string_equal(ow_json_string(ow_json_get(ow_json_get(event, "requestContext"), "path")),
                        "/rooms/{room}");
    ow_json_free(event);
    ow_client_reply_free(reply);
    reply = ask(player, "GET", "/http/web/mine", &error);
    assert_non_null(reply);
    assert_non_null(strstr(reply->data, "\"playerId\":\"plr_"));
    ow_client_reply_free(reply);
    // A file of the bundle stands in for a function that fails; twice: fetched, then kept.
    for (int i = 0; i < 2; i++) {
        reply = ask(player, "GET", "/http/web/page", &error);
        assert_non_null(reply);
        assert_string_equal(reply->data, "<p>Back soon.</p>\n");
        assert_string_equal(reply->content_type, "text/html; charset=utf-8");
        ow_client_reply_free(reply);
    }
    // And what a function pushes comes to its player.
    expect_reply(player, "web/tell", "{}", "1");
    reply = ask(player, "POST", "/overworld.push.v1.Push/Poll", &error);
    assert_non_null(reply);
    assert_non_null(strstr(reply->data, "a function"));
    ow_client_reply_free(reply);
    is_switched_off_and_on(d, player);
    ow_client *server = deployment_server(d);
    assert_null(ask(server, "GET", "/http/web/mine", &error));
    assert_int_equal(error.status, 403);
    ow_client_free(server);
    ow_client_free(player);
    deployment_stop(d);
}

int main(int argc, char **argv) {
    shape = deployment_shape_of(argc, argv);
    const struct CMUnitTest tests[] = {OW_TEST(declared_routes_are_served)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
