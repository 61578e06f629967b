// Two runners: each function belongs to one of them, what they know is told together, and when one is
// killed its functions go on in the other.

#include "tests/scenario/own_bundle.h"

#include "core/testing/ow_test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// Both sides get some: none of 24 is as likely as one in eight million.
enum { FUNCTIONS = 24, CALLS_EACH = 5, IN_FLIGHT = 12, METRICS_MAX = 1 << 20, PATIENCE_MS = 60000 };

static const char *const names[] = {"a", "b", NULL};
static deployment *d;
static ow_client *player;

static const char source[] = "#include <overworld.h>\n#include <time.h>\nint work(ow_ctx *ctx) {\n"
                             "    struct timespec ms = {0, 2000000};\n    nanosleep(&ms, NULL);\n"
                             "    return ow_reply_text(ctx, \"done\");\n}\n";

static void deploy_many(void) {
    char manifest[FUNCTIONS * 60 + 80];
    size_t size = (size_t)snprintf(manifest, sizeof manifest,
                                   "{\"name\":\"many\",\"runtime\":\"c\",\"functions\":{");
    for (int i = 0; i < FUNCTIONS; i++) {
        size += (size_t)snprintf(manifest + size, sizeof manifest - size,
                                 "%s\"f%d\":{\"exposure\":\"client\",\"entry\":\"work\"}",
                                 i > 0 ? "," : "", i);
    }
    size += (size_t)snprintf(manifest + size, sizeof manifest - size, "}}");
    assert_true(size < sizeof manifest);
    own_bundle_deploy(d, manifest, source, true);
}

static int set_up(void **state) {
    (void)state;
    d = deployment_new(SHAPE_SPLIT, NULL, NULL);
    deployment_runners(d, names);
    deployment_start_all(d);
    assert_true(deployment_wait_ready(d, PATIENCE_MS));
    deploy_many();
    player = deployment_player(d, "a-player-of-many-functions");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    ow_client_free(player);
    deployment_stop(d);
    return 0;
}

// ---- What a runner did ----

static char *metrics_of(const char *runner) {
    static char text[METRICS_MAX];
    static const char request[] = "GET /metrics HTTP/1.0\r\nHost: a\r\n\r\n";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = 0;
    ssize_t got;
    snprintf(address.sun_path, sizeof address.sun_path, "%s/run/runner.%s.http.sock",
             deployment_folder(d), runner);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    text[0] = '\0';
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        write(fd, request, sizeof request - 1) == (ssize_t)sizeof request - 1) {
        while (size + 1 < sizeof text &&
               (got = read(fd, text + size, sizeof text - 1 - size)) > 0) {
            size += (size_t)got;
        }
    }
    close(fd);
    text[size] = '\0';
    return text;
}

static int calls_in(const char *metrics, int function) {
    char wanted[64];
    snprintf(wanted, sizeof wanted, "function=\"f%d\"", function);
    for (const char *at = metrics; (at = strstr(at, "overworld_function_calls_total{")) != NULL;) {
        size_t length = strcspn(at, "\n");
        const char *end = memmem(at, length, "} ", 2);
        if (end != NULL && memmem(at, length, wanted, strlen(wanted)) != NULL) {
            return (int)strtol(end + 2, NULL, 10);
        }
        at += length;
    }
    return 0;
}

static int calls_of(const char *runner, int calls[static FUNCTIONS]) {
    const char *metrics = metrics_of(runner);
    int served = 0;
    for (int i = 0; i < FUNCTIONS; i++) {
        calls[i] = calls_in(metrics, i);
        served += calls[i] > 0;
    }
    return served;
}

// ---- Tests ----

static void each_function_belongs_to_one(void **state) {
    (void)state;
    int of_a[FUNCTIONS], of_b[FUNCTIONS];
    char name[32];
    // Whom the first calls reach depends on who was connected first; from then on it is settled.
    for (int i = 0; i < FUNCTIONS * (CALLS_EACH + 1); i++) {
        snprintf(name, sizeof name, "many/f%d", i % FUNCTIONS);
        expect_reply(player, name, "{}", "done");
        if (i == FUNCTIONS - 1) {
            calls_of("a", of_a);
            calls_of("b", of_b);
        }
    }
    int now_a[FUNCTIONS], now_b[FUNCTIONS];
    int served_by_a = calls_of("a", now_a);
    int served_by_b = calls_of("b", now_b);
    assert_in_range(served_by_a, 1, FUNCTIONS - 1);
    assert_in_range(served_by_b, 1, FUNCTIONS - 1);
    for (int i = 0; i < FUNCTIONS; i++) {
        int a = now_a[i] - of_a[i];
        int b = now_b[i] - of_b[i];
        assert_int_equal(a + b, CALLS_EACH);
        assert_true(a == 0 || b == 0);
    }
}

static int count_of(const char *text, const char *part) {
    int count = 0;
    for (; (text = strstr(text, part)) != NULL; text++) {
        count++;
    }
    return count;
}

static void they_answer_together(void **state) {
    (void)state;
    static char out[65536];
    ow_client *admin = deployment_operator(d);
    static const char body[] = "{\"virtualServer\":\"many\"}";
    ow_client_request request = {.method = "POST",
                                 .path = "/overworld.runner.v1.Runner/GetFunctionStats",
                                 .content_type = "application/json",
                                 .body = body,
                                 .size = sizeof body - 1};
    ow_client_reply *reply = NULL;
    ow_client_error error;
    if (!ow_client_send(admin, &request, &reply, &error)) {
        fail_msg("%s: %s", error.reason, error.message);
    }
    assert_int_equal(count_of(reply->data, "\"function\":"), FUNCTIONS);
    assert_true(count_of(reply->data, "\"reason\":\"ok\"") >= FUNCTIONS);
    ow_client_reply_free(reply);
    ow_client_free(admin);
    assert_int_equal(OW(d, out, "status", "--json"), 0);
    assert_non_null(strstr(out, "full"));
}

typedef struct load {
    int ok, failed, running, next;
    bool stop;
} load;

static void start_one(load *l);

static void on_reply(void *user, ow_client_reply *reply, const ow_client_error *error) {
    load *l = user;
    (void)error;
    *(reply != NULL ? &l->ok : &l->failed) += 1;
    l->running--;
    if (!l->stop) {
        start_one(l);
    }
}

static void start_one(load *l) {
    char name[32];
    snprintf(name, sizeof name, "many/f%d", l->next++ % FUNCTIONS);
    l->running++;
    assert_true(start_call(player, name, "{}", on_reply, l));
}

static void run_until(load *l, int ok) {
    int64_t start = now_ms();
    while (l->ok < ok) {
        ow_client_poll(player, 50);
        assert_true(now_ms() - start < PATIENCE_MS);
    }
}

static void a_killed_one_fails_what_it_had_at_most(void **state) {
    (void)state;
    load l = {0};
    int before[FUNCTIONS], after[FUNCTIONS];
    while (l.running < IN_FLIGHT) {
        start_one(&l);
    }
    run_until(&l, 300);
    assert_int_equal(l.failed, 0);
    deployment_kill(d, "runner.a");
    run_until(&l, 900);
    assert_in_range(l.failed, 0, IN_FLIGHT);
    int failed = l.failed;
    run_until(&l, 1200);
    assert_int_equal(l.failed, failed);
    assert_int_equal(calls_of("b", before), FUNCTIONS);
    // Back again, it takes its functions back, and no call fails of that.
    deployment_restart(d, "runner.a");
    int64_t start = now_ms();
    while (calls_of("a", after) == 0) {
        run_until(&l, l.ok + 50);
        assert_true(now_ms() - start < PATIENCE_MS);
    }
    run_until(&l, l.ok + 300);
    l.stop = true;
    while (l.running > 0) {
        ow_client_poll(player, 50);
    }
    assert_int_equal(l.failed, failed);
}

// One that is stopped in good order finishes what it has, and what it refuses is what was on its way to it.
static void a_stopped_one_hands_over(void **state) {
    (void)state;
    load l = {0};
    int of_a[FUNCTIONS];
    while (l.running < IN_FLIGHT) {
        start_one(&l);
    }
    run_until(&l, 300);
    assert_int_equal(l.failed, 0);
    kill(deployment_pid(d, "runner.b"), SIGTERM);
    while (deployment_is_running(d, "runner.b")) {
        run_until(&l, l.ok + 20);
    }
    run_until(&l, l.ok + 300);
    assert_in_range(l.failed, 0, IN_FLIGHT);
    assert_int_equal(calls_of("a", of_a), FUNCTIONS);
    deployment_restart(d, "runner.b");
    l.stop = true;
    while (l.running > 0) {
        ow_client_poll(player, 50);
    }
    assert_true(deployment_wait_ready(d, PATIENCE_MS));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_function_belongs_to_one),
        cmocka_unit_test(they_answer_together),
        cmocka_unit_test(a_killed_one_fails_what_it_had_at_most),
        cmocka_unit_test(a_stopped_one_hands_over),
    };
    return cmocka_run_group_tests_name("runners", tests, set_up, tear_down);
}
