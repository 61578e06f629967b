// Change while players are on it: redeploys under load, and every split process killed in turn.

#include "tests/scenario/own_bundle.h"
#include "tests/scenario/steady.h"

#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { IN_FLIGHT = 16, REDEPLOYS = 20 };

static const char *answer_source(char source[160], int number) {
    snprintf(source, 160,
             "#include <overworld.h>\nint answer(ow_ctx *ctx) {\n    return ow_reply_text(ctx, "
             "\"%d\");\n}\n",
             number);
    return source;
}

// A deploy in a child process, while the load goes on.
static void deploy_under_load(deployment *d, steady *l, const char *folder) {
    pid_t child = fork();
    if (child == 0) {
        char out[2048];
        const char *args[] = {"vs", "deploy", folder, "--publish", NULL};
        _exit(deployment_ow(d, out, sizeof out, args) == 0 ? 0 : 1);
    }
    int status;
    pid_t done;
    do {
        steady_play(l, 10);
        done = waitpid(child, &status, WNOHANG);
    } while (done == 0);
    assert_int_equal(done, child);
    assert_int_equal(status, 0);
}

static void twenty_redeploys_fail_no_call(void **state) {
    (void)state;
    deployment *d = deployment_start(SHAPE_ONE_PROCESS, NULL);
    char folder[64], source[160];
    own_bundle_make(
        folder,
        "{\"name\":\"moving\",\"runtime\":\"c\",\"functions\":{\"answer\":{\"exposure\":"
        "\"client\"}}}",
        answer_source(source, 0));
    deployment_deploy(d, folder, true);
    steady l = {.client = deployment_player(d, "device-under-load"),
                .function = "moving/answer",
                .payload = "{}",
                .in_flight = IN_FLIGHT};
    steady_play(&l, 200);
    for (int number = 1; number <= REDEPLOYS; number++) {
        write_file(folder, "main.c", answer_source(source, number));
        deploy_under_load(d, &l, folder);
    }
    own_bundle_remove(folder);
    steady_play(&l, 200);
    steady_end(&l, REDEPLOYS * 10);
    char wanted[8];
    snprintf(wanted, sizeof wanted, "%d", REDEPLOYS);
    expect_reply(l.client, "moving/answer", "{}", wanted);
    ow_client_free(l.client);
    deployment_stop(d);
}

typedef bool (*found)(deployment *d);

static bool identity_found(deployment *d) {
    ow_client_config config = {.url = deployment_public(d)};
    ow_client *client = ow_client_new(&config, NULL);
    ow_client_login login;
    bool is_found = ow_client_login_device(client, "device-of-the-split", &login, NULL);
    ow_client_free(client);
    return is_found;
}

static bool registry_found(deployment *d) {
    char out[2048];
    return OW(d, out, "vs", "list") == 0;
}

static bool telemetry_found(deployment *d) {
    char out[2048];
    return OW(d, out, "logs", "--limit", "1") == 0;
}

static bool runner_found(deployment *d) {
    ow_client *player = deployment_player(d, "device-of-the-split");
    bool is_found = ow_client_call_json(player, "lab/echo", "1", NULL, NULL);
    ow_client_free(player);
    return is_found;
}

// Found again within 2 s of being up; starting and five times slack on top.
static void restart(deployment *d, const char *service, found is_found) {
    int64_t until = now_ms() + 12000;
    deployment_restart(d, service);
    while (!is_found(d)) {
        if (now_ms() > until) {
            fail_msg("%s is back and was not found", service);
        }
    }
}

static void split_processes_die_and_come_back(void **state) {
    (void)state;
    static const struct {
        const char *service;
        found is_found;
    } away_is_fine[] = {
        {"identity", identity_found}, {"registry", registry_found}, {"telemetry", telemetry_found}};
    deployment *d = deployment_start(SHAPE_SPLIT, NULL);
    deployment_deploy(d, "tests/scenario/bundle", true);
    ow_client *player = deployment_player(d, "device-of-the-split");
    expect_reply(player, "lab/echo", "1", "1");
    for (size_t i = 0; i < sizeof away_is_fine / sizeof away_is_fine[0]; i++) {
        deployment_kill(d, away_is_fine[i].service);
        for (int n = 0; n < 20; n++) {
            expect_reply(player, "lab/echo", "1", "1");
        }
        restart(d, away_is_fine[i].service, away_is_fine[i].is_found);
    }
    deployment_kill(d, "runner");
    ow_client_error error;
    assert_false(ow_client_call_json(player, "lab/echo", "1", NULL, &error));
    assert_int_equal(error.status, 503);
    assert_true(identity_found(d) && registry_found(d) && telemetry_found(d));
    restart(d, "runner", runner_found);
    deployment_kill(d, "gateway");
    deployment_restart(d, "gateway");
    assert_true(deployment_wait_ready(d, 20000));
    assert_true(runner_found(d));
    ow_client_free(player);
    deployment_stop(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(twenty_redeploys_fail_no_call),
        cmocka_unit_test(split_processes_die_and_come_back),
    };
    return cmocka_run_group_tests_name("redeploy", tests, NULL, NULL);
}
