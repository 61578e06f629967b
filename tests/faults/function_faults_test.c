// Everything a function can do wrong, through the whole path: the right answer comes, the server lives,
// the next call is served, and other functions notice nothing.

#include "tests/scenario/deployment.h"

#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 3 };

typedef struct fault {
    const char *function;
    int status;         // 200: it replies
    const char *reason; // or the reply
} fault;

// A forbidden system call either kills the instance or is refused to it: both are told by the reply.
static const fault faults[] = {
    {"faulty/segv", 502, "crashed"},
    {"faulty/aborts", 502, "crashed"},
    {"faulty/endless", 504, "timeout"},
    {"faulty/ignores_timeout", 504, "timeout"},
    {"faulty/stack", 502, "crashed"},
    {"faulty/memory_bomb", 502, "memory"},
    {"faulty/descriptors", 502, "crashed"},
    {"faulty/flood", 200, "\"flooded\""},
    {"faulty/no_reply", 502, "protocol"},
    {"faulty/double_reply", 502, "protocol"},
    {"faulty/big_reply", 502, "reply_too_large"},
    {"faulty/exits", 502, "crashed"},
    {"faulty/fork_bomb", 502, "crashed"},
    {"faulty/opens_socket", 502, "crashed"},
    {"faulty/executes", 502, "crashed"},
    {"faulty/traces", 502, "crashed"},
    {"faulty/kills_parent", 502, "crashed"},
    {"faulty/reads_passwd", 200, "\"refused\""},
    {"faulty/reads_others", 200, "\"refused\""},
    {"faulty/writes_file", 200, "\"refused\""},
    {"faulty/closes_all", 200, "\"closed\""},
    {"faulty/writes_everywhere", 502, "protocol"},
    {"faulty/ignores_sigsys", 502, "crashed"},
    {"faulty/replies_with_nothing_there", 502, "crashed"},
    {"faulty/log_flood", 200, "\"logged\""},
    {"faulty/ignores_its_request", 200, "\"ignored\""},
    {"faulty/passes_on_6_mb", 200, "\"passed\""},
    {"faulty/calls_what_is_not_there", 200, "\"none\""},
};

static deployment *d;
static ow_client *player;

static int set_up(void **state) {
    (void)state;
    d = deployment_start(SHAPE_ONE_PROCESS, NULL);
    deployment_deploy(d, "tests/faults/bundle", true);
    player = deployment_player(d, "device-of-the-faults");
    expect_reply(player, "faulty/good", "{}", "\"good\"");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    ow_client_free(player);
    deployment_stop(d);
    return 0;
}

static void expect_fault(const fault *f) {
    if (f->status == 200) {
        expect_reply(player, f->function, "{}", f->reason);
    } else {
        expect_error(player, f->function, "{}", (refusal){f->status, f->reason}, NULL);
    }
}

static void each_fault_has_its_answer(void **state) {
    (void)state;
    pid_t server = deployment_pid(d, "runner");
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        expect_fault(&faults[i]);
        expect_reply(player, "faulty/good", "{}", "\"good\"");
        assert_true(deployment_is_running(d, "runner"));
    }
    assert_int_equal(server, deployment_pid(d, "runner"));
}

// Three quick deaths back off; the answer then says so instead of starting instance after instance.
static void quick_deaths_back_off(void **state) {
    (void)state;
    bool backed_off = false;
    for (int i = 0; i < 20 && !backed_off; i++) {
        ow_client_error error;
        assert_false(ow_client_call_json(player, "faulty/segv", "{}", NULL, &error));
        backed_off = strcmp(error.reason, "crashed") != 0;
    }
    assert_true(backed_off);
    expect_reply(player, "faulty/good", "{}", "\"good\"");
}

// What comes of such a call is the function's own affair; what comes of the next one is ours.
static void shared_memory_is_not_believed(void **state) {
    (void)state;
    for (int seed = 1; seed <= 8; seed++) {
        char payload[32];
        ow_client_function call = {
            .name = "faulty/overwrites_shared_memory",
            .payload = payload,
            .size = (size_t)snprintf(payload, sizeof payload, "{\"seed\":%d}", seed),
            .timeout_ms = 1000};
        ow_client_call(player, &call, NULL, NULL);
        expect_reply(player, "faulty/good", "{}", "\"good\"");
    }
    assert_true(deployment_is_running(d, "runner"));
}

static void a_denied_start_costs_the_instance_only(void **state) {
    (void)state;
    static const char payload[] = "{\"deny\":1}";
    ow_client_function call = {.name = "faulty/denies_its_start",
                               .payload = payload,
                               .size = sizeof payload - 1,
                               .timeout_ms = 1000};
    expect_reply(player, "faulty/denies_its_start", "{}", "\"honest\"");
    assert_false(ow_client_call(player, &call, NULL, NULL));
    expect_reply(player, "faulty/denies_its_start", "{}", "\"honest\"");
}

typedef struct traffic {
    int good, bad, ended;
} traffic;

static void on_good(void *user, ow_client_reply *reply, const ow_client_error *error) {
    traffic *t = user;
    (void)error;
    t->ended++;
    if (reply != NULL) {
        t->good++;
    } else {
        t->bad++;
    }
}

static void on_fault(void *user, ow_client_reply *reply, const ow_client_error *error) {
    (void)reply;
    (void)error;
    ((traffic *)user)->ended++;
}

static void other_functions_notice_nothing(void **state) {
    (void)state;
    traffic t = {0};
    int sent = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
            assert_true(start_call(player, faults[i].function, "{}", on_fault, &t));
            sent++;
            for (int n = 0; n < 5; n++) {
                assert_true(start_call(player, "faulty/good", "{}", on_good, &t));
                sent++;
            }
        }
    }
    int64_t start = now_ms();
    while (t.ended < sent) {
        ow_client_poll(player, 100);
        assert_true(now_ms() - start < 120000);
    }
    assert_int_equal(t.bad, 0);
    assert_true(t.good > 0);
}

static void the_kill_after_the_deadline_is_prompt(void **state) {
    (void)state;
    int64_t start = now_ms();
    expect_error(player, "faulty/endless", "{}", (refusal){504, "timeout"}, NULL);
    // Five times 300 ms of timeout, and a start on a machine that is busy.
    assert_true(now_ms() - start < 300 * 5 + 5000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_has_its_answer),
        cmocka_unit_test(the_kill_after_the_deadline_is_prompt),
        cmocka_unit_test(other_functions_notice_nothing),
        cmocka_unit_test(shared_memory_is_not_believed),
        cmocka_unit_test(a_denied_start_costs_the_instance_only),
        cmocka_unit_test(quick_deaths_back_off),
    };
    return cmocka_run_group_tests_name("function faults", tests, set_up, tear_down);
}
