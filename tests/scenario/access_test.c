// Every method of every service, asked for by everybody on both listeners: the rule in its .proto is what
// happens. A new method is covered as soon as it is there.

#include "tests/scenario/deployment.h"

#include "core/rpc/api.h"
#include "core/testing/ow_test.h"
#include "proto/descriptors.h"

#include <stdio.h>
#include <string.h>

enum { WHO_COUNT = 4, OUTSIDE = OW_ALLOW_PUBLIC | OW_ALLOW_PLAYER | OW_ALLOW_SERVER };

typedef struct caller {
    const char *who;
    uint32_t bit; // of a rule; 0: nobody
    char token[1024];
} caller;

typedef struct fixture {
    deployment *d;
    ow_api *api;
    caller callers[WHO_COUNT];
} fixture;

static void take_token(caller *to, const char *who, uint32_t bit, ow_client *client) {
    to->who = who;
    to->bit = bit;
    snprintf(to->token, sizeof to->token, "%s",
             client != NULL ? ow_client_access_token(client) : "");
    assert_true(client == NULL || to->token[0] != '\0');
    ow_client_free(client);
}

static void open_fixture(fixture *f, deployment_shape shape) {
    assert_int_equal(ow_api_open(ow_descriptors, ow_descriptors_size, &f->api, NULL), OW_OK);
    f->d = deployment_start(shape, NULL);
    ow_client *server = deployment_server(f->d);
    assert_true(ow_client_login_server(server, NULL, NULL));
    take_token(&f->callers[0], "nobody", 0, NULL);
    take_token(&f->callers[2], "a server key", OW_ALLOW_SERVER, server);
    take_token(&f->callers[3], "an admin", OW_ALLOW_OPERATOR, deployment_operator(f->d));
}

// What the rule says: 404 hidden, 401 or 403 refused, 0 let in.
static int expected(const ow_api_method *method, bool is_public, const caller *who) {
    uint32_t outside = method->allow & (is_public ? OUTSIDE : OUTSIDE | OW_ALLOW_OPERATOR);
    if (outside == 0) {
        return 404;
    }
    if ((method->allow & (OW_ALLOW_PUBLIC | who->bit)) != 0) {
        return 0;
    }
    return who->bit == 0 ? 401 : 403;
}

static int seen(const char *url, const ow_api_method *method, const caller *who) {
    ow_client_config config = {.url = url, .access_token = who->token};
    ow_client *client = ow_client_new(&config, NULL);
    ow_client_request request = {.method = "POST",
                                 .path = method->path,
                                 .body = "{}",
                                 .size = 2,
                                 .without_token = who->bit == 0};
    ow_client_error error = {0};
    bool is_good = ow_client_send(client, &request, NULL, &error);
    ow_client_free(client);
    assert_true(is_good || error.status != 0);
    bool is_hidden = error.status == 404 && strcmp(error.reason, "unknown_method") == 0;
    // What was let in may be refused for what it says: that is an answer of the method itself.
    bool is_refused =
        strcmp(error.reason, "no_token") == 0 || strcmp(error.reason, "not_allowed") == 0;
    return !is_good && (is_hidden || is_refused) ? error.status : 0;
}

static void log_player_in(fixture *f) {
    take_token(&f->callers[1], "a player", OW_ALLOW_PLAYER,
               deployment_player(f->d, "device-of-the-curious"));
}

static void check_method(fixture *f, const ow_api_method *method) {
    for (int i = 0; i < WHO_COUNT; i++) {
        for (int is_public = 0; is_public < 2; is_public++) {
            if (i == 1) {
                log_player_in(f); // some methods end sessions
            }
            const char *url = is_public ? deployment_public(f->d) : deployment_console(f->d);
            int wanted = expected(method, is_public, &f->callers[i]);
            int got = seen(url, method, &f->callers[i]);
            if (got != wanted) {
                fail_msg("%s of %s on the %s listener: %d instead of %d", method->path,
                         f->callers[i].who, is_public ? "public" : "console", got, wanted);
            }
        }
    }
}

static void rules_are_what_happens(deployment_shape shape) {
    static fixture f;
    open_fixture(&f, shape);
    size_t count;
    const ow_api_method *methods = ow_api_methods(f.api, &count);
    assert_true(count > 20);
    for (size_t i = 0; i < count; i++) {
        check_method(&f, &methods[i]);
    }
    ow_api_free(f.api);
    deployment_stop(f.d);
}

static void in_one_process(void **state) {
    (void)state;
    rules_are_what_happens(SHAPE_ONE_PROCESS);
}

static void split(void **state) {
    (void)state;
    rules_are_what_happens(SHAPE_SPLIT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_one_process),
        cmocka_unit_test(split),
    };
    return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}
