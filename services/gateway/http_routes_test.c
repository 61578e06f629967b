#include "services/gateway/http_routes.h"

#include "core/testing/ow_test.h"

#include <stdio.h>
#include <string.h>

static const http_route items[] = {
    {.name = "list", .method = "GET", .path = "/rooms"},
    {.name = "make", .method = "POST", .path = "/rooms"},
    {.name = "one", .method = "GET", .path = "/rooms/{room}"},
    {.name = "new", .method = "GET", .path = "/rooms/new"},
    {.name = "said", .method = "GET", .path = "/rooms/{room}/messages/{message}"},
    {.name = "files", .method = "GET", .path = "/files/{path+}"},
    {.name = "logo", .method = "GET", .path = "/files/logo/{size}"},
    {.name = "root", .method = "GET", .path = "/"},
    {.name = "any", .method = "ANY", .path = "/any"},
};

static const http_routes routes = {items, sizeof items / sizeof items[0]};

static void the_most_literal_route_wins(void **state) {
    static const struct {
        const char *method, *path, *name; // name NULL: none; "": another method's
        const char *parameters;           // "room=7 message=8 "
    } cases[] = {
        {"GET", "/rooms", "list", ""},
        {"HEAD", "/rooms", "list", ""},
        {"POST", "/rooms", "make", ""},
        {"DELETE", "/rooms", "", ""},
        {"GET", "/rooms/7", "one", "room=7 "},
        {"GET", "/rooms/new", "new", ""},
        {"GET", "/rooms/%6eew", "one", "room=%6eew "},
        {"GET", "/rooms/", NULL, ""},
        {"GET", "/rooms/7/", NULL, ""},
        {"GET", "/rooms/7/messages", NULL, ""},
        {"GET", "/rooms/7/messages/8", "said", "room=7 message=8 "},
        {"GET", "/rooms//messages/8", NULL, ""},
        {"GET", "/files/a", "files", "path=a "},
        {"GET", "/files/a/b/c.txt", "files", "path=a/b/c.txt "},
        {"GET", "/files/logo/big", "logo", "size=big "},
        {"GET", "/files/logo/big/2", "files", "path=logo/big/2 "},
        {"GET", "/files/", NULL, ""},
        {"GET", "/", "root", ""},
        {"PATCH", "/any", "any", ""},
        {"GET", "/anything", NULL, ""},
        {"GET", "rooms", NULL, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        http_match match;
        char text[200] = "";
        http_routes_find(&routes, cases[i].method, cases[i].path, &match);
        for (size_t n = 0; n < match.parameter_count; n++) {
            const http_parameter *each = &match.parameters[n];
            snprintf(text + strlen(text), sizeof text - strlen(text), "%.*s=%.*s ",
                     (int)each->name_size, each->name, (int)each->value_size, each->value);
        }
        const char *found = match.route != NULL  ? match.route->name
                            : match.other_method ? ""
                                                 : NULL;
        bool right = found == NULL || cases[i].name == NULL ? found == cases[i].name
                                                            : strcmp(found, cases[i].name) == 0;
        if (!right || strcmp(text, cases[i].parameters) != 0) {
            fail_msg("%s %s: %s, %s", cases[i].method, cases[i].path,
                     found != NULL ? found : "none", text);
        }
    }
}

static void the_allowed_methods_are_listed(void **state) {
    char text[100];
    (void)state;
    http_routes_allow(&routes, "/rooms", text, sizeof text);
    assert_string_equal(text, "GET, POST");
    http_routes_allow(&routes, "/nothing", text, sizeof text);
    assert_string_equal(text, "");
}

static void origins_are_compared_whole(void **state) {
    static const char *const origins[] = {"https://game.example"};
    static const char *const all[] = {"*"};
    http_route some = {.origins = origins, .origin_count = 1};
    http_route any = {.origins = all, .origin_count = 1};
    http_route none = {.origins = NULL};
    (void)state;
    assert_string_equal(http_route_origin(&some, "https://game.example"), "https://game.example");
    assert_null(http_route_origin(&some, "https://game.example.evil"));
    assert_null(http_route_origin(&some, NULL));
    assert_string_equal(http_route_origin(&any, "https://x.example"), "*");
    assert_null(http_route_origin(&none, "https://game.example"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(the_most_literal_route_wins),
        OW_TEST(the_allowed_methods_are_listed),
        OW_TEST(origins_are_compared_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
