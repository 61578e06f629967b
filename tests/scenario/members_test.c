// Operators from being added to being removed, by the command line, against every shape of deployment; and
// how few passwords can be guessed.

#include "tests/scenario/deployment.h"

#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOGIN "/overworld.identity.v1.Identity/OperatorLogin"

enum {
    OK,
    FAILED,
    USAGE,
    AUTH,
    NOT_FOUND,
    CONFLICT,
    UNAVAILABLE,
    OUT_MAX = 8192,
    PATIENCE_MS = 10000
};

static deployment_shape shape;
static deployment *d;
static char config_home[64];

static int set_up(void **state) {
    (void)state;
    // Only the second proxy is believed.
    static const char *const flags[] = {"--gateway.trusted_proxies=127.0.0.1", NULL};
    snprintf(config_home, sizeof config_home, "/tmp/overworld-home-XXXXXX");
    assert_non_null(mkdtemp(config_home));
    setenv("XDG_CONFIG_HOME", config_home, 1);
    d = deployment_start(shape, flags);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    deployment_stop(d);
    return 0;
}

// Expects the exit code and a part of what is printed.
static void run(int wanted, const char *part, char out[static OUT_MAX], const char *const *words) {
    int code = deployment_ow(d, out, OUT_MAX, words);
    if (code != wanted || strstr(out, part) == NULL) {
        fail_msg("ow %s %s: %d instead of %d, \"%s\" wanted:\n%s", words[0],
                 words[1] != NULL ? words[1] : "", code, wanted, part, out);
    }
}

#define RUN(code, part, ...)                                                                       \
    run((code), (part), (char[OUT_MAX]){0}, (const char *const[]){__VA_ARGS__, NULL})

// The same, again until it is so: gateways hear of changes by a stream.
static void wait_for(int wanted, const char *const *words) {
    char out[OUT_MAX];
    int64_t deadline = now_ms() + PATIENCE_MS;
    while (deployment_ow(d, out, sizeof out, words) != wanted) {
        assert_true(now_ms() < deadline);
    }
}

#define WAIT_FOR(code, ...) wait_for((code), (const char *const[]){__VA_ARGS__, NULL})

// The second word of "name secret\n", in a file of its own.
static void keep_secret(const char *out, char path[static 64]) {
    const char *secret = strchr(out, ' ');
    snprintf(path, 64, "/tmp/overworld-secret-XXXXXX");
    int fd = mkstemp(path);
    assert_non_null(secret);
    assert_true(write(fd, secret + 1, strlen(secret + 1)) > 0);
    close(fd);
}

// As her, wherever the server is now.
#define ANN "--profile", "ann", "--url", deployment_console(d)

static void members_come_work_and_go(void **state) {
    (void)state;
    char out[OUT_MAX];
    char password[64];
    char api_key[64];
    char key_id[64];
    assert_int_equal(OW(d, out, "member", "add", "ann@example.com"), OK);
    keep_secret(out, password);
    RUN(CONFLICT, "", "member", "add", "ann@example.com");
    RUN(OK, "ann@example.com", "member", "list");
    RUN(OK, "", "login", "--email", "ann@example.com", "--password-file", password, "--name",
        "ann");
    WAIT_FOR(OK, "whoami", ANN);
    RUN(OK, "viewer", "whoami", ANN);
    RUN(AUTH, "", "vs", "create", "shop", ANN);
    RUN(OK, "", "vs", "list", ANN);
    RUN(AUTH, "", "member", "add", "bob@example.com", ANN);
    RUN(OK, "", "member", "set-role", "ann@example.com", "developer");
    WAIT_FOR(OK, "vs", "create", "shop", ANN);

    assert_int_equal(OW(d, out, "apikey", "create", "ci", "--role", "viewer", "--days", "7", ANN),
                     OK);
    snprintf(key_id, sizeof key_id, "%.*s", (int)strcspn(out, " "), out);
    keep_secret(out, api_key);
    WAIT_FOR(OK, "whoami", "--token-file", api_key);
    RUN(OK, "viewer", "whoami", "--token-file", api_key);
    RUN(AUTH, "", "vs", "create", "other", "--token-file", api_key);
    RUN(OK, "ci", "apikey", "list", ANN);
    RUN(NOT_FOUND, "", "apikey", "revoke", key_id); // it is hers alone

    // A session outlives a restart of everything.
    deployment_kill(d, "identity");
    deployment_restart(d, "identity");
    if (shape == SHAPE_SPLIT) {
        deployment_kill(d, "gateway");
        deployment_restart(d, "gateway");
    }
    assert_true(deployment_wait_ready(d, 30000));
    WAIT_FOR(OK, "whoami", ANN);

    RUN(OK, "", "apikey", "revoke", key_id, ANN);
    WAIT_FOR(AUTH, "whoami", "--token-file", api_key);
    RUN(OK, "", "logout", ANN);
    WAIT_FOR(AUTH, "whoami", ANN);
    RUN(OK, "", "login", "--email", "ann@example.com", "--password-file", password, "--name",
        "ann");
    WAIT_FOR(OK, "whoami", ANN);
    RUN(OK, "", "member", "remove", "ann@example.com");
    WAIT_FOR(AUTH, "whoami", ANN);
    RUN(AUTH, "", "login", "--email", "ann@example.com", "--password-file", password);
    RUN(OK, "operator.login", "audit", "list", "--action", "operator.login");
    unlink(password);
    unlink(api_key);
}

static int guess(const char *from, const char *account) {
    char headers[96];
    char body[128];
    snprintf(headers, sizeof headers, "X-Forwarded-For: %s\r\n", from);
    snprintf(body, sizeof body, "{\"email\":\"%s\",\"password\":\"not the password\"}", account);
    return deployment_post(d, headers, LOGIN, body);
}

// What comes through the proxy is counted by what the proxy saw, not by what the guesser claims.
static void guesses_are_few(void **state) {
    (void)state;
    for (int i = 0; i < 30; i++) {
        char claimed[64];
        char account[32];
        snprintf(claimed, sizeof claimed, "10.1.2.%d, 203.0.113.9", i);
        snprintf(account, sizeof account, "m%d@example.com", i);
        assert_int_equal(guess(claimed, account), i < 10 ? 401 : 429);
    }
    for (int i = 0; i < 12; i++) {
        char other[32];
        snprintf(other, sizeof other, "198.51.100.%d", i);
        assert_int_equal(guess(other, "bob@example.com"), i < 5 ? 401 : 429);
    }
    assert_int_equal(guess("198.51.100.200", "cid@example.com"), 401);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_come_work_and_go),
        cmocka_unit_test(guesses_are_few),
    };
    shape = deployment_shape_of(argc, argv);
    return cmocka_run_group_tests_name("members", tests, set_up, tear_down);
}
