// The runner over the real runtimes: built by gcc in the sandbox, run in instances. Registry and
// telemetry are the test's.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/testing/ow_test.h"
#include "services/runner/runner_world.h"

#define FUNCTIONS "services/runner/testdata/functions.c"
#define RECORDED(w, ...) assert_true(world_recorded(w, (const char *const[]){__VA_ARGS__, NULL}))

static const struct world_function functions[] = {
    {"echo", 0, 0},       {"count", 0, 0},   {"who", 0, 0},      {"talk", 0, 0},
    {"refuse", 0, 0},     {"fail", 0, 0},    {"crash", 0, 0},    {"leave", 0, 0},
    {"endless", 300, 0},  {"hungry", 0, 64}, {"work", 10000, 0}, {"relay", 5000, 0},
    {"deeper", 10000, 0}, {"words", 0, 0},   {"env", 0, 0},      {"flood", 0, 0},
    {NULL, 0, 0},
};

static const struct world_revision standard = {
    .source = FUNCTIONS,
    .data_file = "alpha beta",
    .env_mood = "merry",
    .functions = functions,
    .version = 1,
};

static int open_local(void **state) {
    world *w = world_open(OW_CHANNEL_LOCAL, NULL);
    world_deploy(w, "main", &standard, NULL);
    *state = w;
    return 0;
}

static int open_packed(void **state) {
    world *w = world_open(OW_CHANNEL_PACKED, NULL);
    world_deploy(w, "main", &standard, NULL);
    *state = w;
    return 0;
}

static int close_world(void **state) {
    world_close(*state);
    return 0;
}

static void expect(world *w, const char *function, const char *payload, const char *reason,
                   const char *answer) {
    struct world_reply reply = world_call(w, "main", function, payload, 0);
    if (reply.code != OW_OK) {
        fail_msg("%s: %s: %s", function, reply.err_reason, reply.message);
    }
    assert_string_equal(reply.reason, reason);
    if (answer != NULL) {
        assert_string_equal(reply.payload, answer);
    }
    world_reply_deinit(&reply);
}

static void a_function_answers(void **state) {
    world *w = *state;
    struct world_reply reply = world_call(w, "main", "echo", "{\"a\":1}", 0);
    assert_int_equal(reply.code, OW_OK);
    assert_string_equal(reply.reason, "");
    assert_string_equal(reply.payload, "{\"a\":1}");
    assert_string_equal(reply.content_type, "text/plain");
    assert_true(reply.cold);
    world_reply_deinit(&reply);
    expect(w, "echo", "again", "", "again");
    expect(w, "count", "", "", "1");
    expect(w, "count", "", "", "2"); // the same instance
    expect(w, "words", "", "", "alpha beta");
    expect(w, "env", "", "", "merry");
    expect(w, "who", "", "",
           "client {\"kind\":\"player\",\"id\":\"plr_01HXG3K5N8Q2Z4V6B8D0F2H4J6\"} main/who@1");
}

static void until_idle(world *w) {
    int instances = -1;
    for (int i = 0; i < 300 && instances != 0; i++) {
        world_turn(w);
        status_response *status = world_status(w);
        instances = status->instances;
        world_status_free(status);
    }
    assert_int_equal(instances, 0);
}

static void levels_are_recorded_once_a_step(void **state) {
    world *w = *state;
    expect(w, "echo", "a", "", "a");
    world_clock_advance(w, 10000000);
    RECORDED(w, "levels main/echo version=1 instances=1/1 waiting=0/1");
    assert_true(world_shows(w, "overworld_function_instances{title=\"" WORLD_TITLE
                               "\",virtual_server=\"main\",function=\"echo\",version=\"1\"} 1\n"));
    assert_true(world_shows(w, "overworld_function_waiting_peak{"));
    world_clock_advance(w, 10000000);
    RECORDED(w, "levels main/echo version=1 instances=1/1 waiting=0/0");
    world_clock_advance(w, 61000000); // idle for long: its instance ends
    until_idle(w);
    world_clock_advance(w, 10000000);
    RECORDED(w, "levels main/echo version=1 instances=0/1 waiting=0/0");
}

static void what_it_says_is_recorded(void **state) {
    world *w = *state;
    expect(w, "talk", "", "", NULL);
    char id[OW_ID_MAX];
    snprintf(id, sizeof id, "%s", world_last_request_id(w));
    RECORDED(w, "line", id, "info printed printed line");
    RECORDED(w, "line", id, "warn logged logged line");
    RECORDED(w, "run", id, "main/talk source=client reason=ok", "cold=1 peak=1");
    RECORDED(w, "init", id, "main/talk", "reason=ok");
    RECORDED(w, "run", id, "memory=128 dropped=0 version=1");

    expect(w, "flood", "", "", NULL);
    RECORDED(w, "run", world_last_request_id(w), "memory=128 dropped=35");
}

// The place of the only record that begins like this.
static const char *only(world *w, const char *beginning, const char *request_id, const char *rest) {
    char wanted[200];
    snprintf(wanted, sizeof wanted, "%s %s %s", beginning, request_id, rest);
    RECORDED(w, wanted);
    const char *found = strstr(world_records(w), wanted);
    assert_null(strstr(found + 1, wanted));
    return found;
}

static void a_start_is_recorded_once_and_first(void **state) {
    world *w = *state;
    char id[OW_ID_MAX];
    expect(w, "talk", "", "", NULL);
    snprintf(id, sizeof id, "%s", world_last_request_id(w));
    const char *run = only(w, "run", id, "main/talk");
    assert_true(only(w, "init", id, "main/talk") < run);
    assert_true(only(w, "line", id, "info logged initialised") < run);

    expect(w, "talk", "", "", NULL);
    snprintf(id, sizeof id, "%s", world_last_request_id(w));
    RECORDED(w, "run", id, "cold=0");
    char start[100];
    snprintf(start, sizeof start, "init %s", id);
    assert_null(strstr(world_records(w), start));
}

static void failures_have_their_reasons(void **state) {
    world *w = *state;
    struct world_reply reply = world_call(w, "main", "refuse", "", 0);
    assert_string_equal(reply.reason, "refused");
    assert_string_equal(reply.refusal_code, "too_poor");
    assert_string_equal(reply.message, "not enough gold");
    assert_string_equal(reply.details, "{\"missing\":5}");
    world_reply_deinit(&reply);

    reply = world_call(w, "main", "fail", "", 0);
    assert_string_equal(reply.reason, "user_error");
    assert_string_equal(reply.message, "it did not work");
    world_reply_deinit(&reply);

    reply = world_call(w, "main", "crash", "", 0);
    assert_string_equal(reply.reason, "crashed");
    assert_non_null(strstr(reply.stack, "crash"));
    assert_non_null(strstr(reply.stack, "functions.c:"));
    world_reply_deinit(&reply);
    RECORDED(w, "line", world_last_request_id(w), "about to crash");
    RECORDED(w, "run", world_last_request_id(w), "reason=crashed", "functions.c:");

    expect(w, "leave", "", "crashed", NULL);
    expect(w, "hungry", "", "memory", NULL);
    expect(w, "echo", "alive", "", "alive");
}

static void time_limits_hold(void **state) {
    world *w = *state;
    struct world_reply reply = world_call(w, "main", "endless", "", 0);
    assert_string_equal(reply.reason, "timeout");
    assert_true(reply.instance_us >= 300000 && reply.instance_us < 1500000);
    world_reply_deinit(&reply);
    RECORDED(w, "line", world_last_request_id(w), "round and round");
    RECORDED(w, "run", world_last_request_id(w), "reason=timeout");

    reply = world_call(w, "main", "work", "", 2); // the caller's own deadline
    assert_true(reply.code == OW_DEADLINE_EXCEEDED || strcmp(reply.reason, "timeout") == 0);
    world_reply_deinit(&reply);
    expect(w, "work", "", "", NULL);
}

static void functions_call_functions(void **state) {
    world *w = *state;
    expect(w, "relay", "echo", "", "0 [] inner");
    char id[OW_ID_MAX];
    snprintf(id, sizeof id, "%s", world_last_request_id(w));
    RECORDED(w, "run", id, "main/echo source=function reason=ok parent=1");
    expect(w, "relay", "main/echo", "", "0 [] inner");
    expect(w, "relay", "refuse", "", "1 [too_poor] not enough gold");
    expect(w, "relay", "crash", "", NULL);
    // At once: no later change of the routes brings a function into a revision that is here.
    struct world_reply reply = world_call(w, "main", "relay", "nothing", 1500);
    assert_non_null(strstr(reply.payload, "[function_not_found]"));
    world_reply_deinit(&reply);
    reply = world_call(w, "main", "relay", "crash", 0);
    assert_non_null(strstr(reply.payload, "[crashed]"));
    world_reply_deinit(&reply);
    reply = world_call(w, "main", "deeper", "", 0);
    assert_non_null(strstr(reply.payload, "too_deep+1+1"));
    world_reply_deinit(&reply);
}

static void a_vanished_caller_frees_the_instance(void **state) {
    world *w = *state;
    struct world_pending pending;
    world_begin(w, &pending, "main", "endless", "", 0);
    world_turn_for(w, 10);
    assert_false(pending.done);
    ow_call_cancel(pending.call, OW_CANCELLED);
    world_until(w, &pending.done);
    assert_int_equal(pending.reply.code, OW_CANCELLED);
    world_reply_deinit(&pending.reply);
    RECORDED(w, "run", "main/endless", "reason=cancelled");
    expect(w, "echo", "still here", "", "still here");

    // ... and one that was inside a nested call
    world_begin(w, &pending, "main", "relay", "endless", 0);
    world_turn_for(w, 30);
    ow_call_cancel(pending.call, OW_CANCELLED);
    world_until(w, &pending.done);
    assert_int_equal(pending.reply.code, OW_CANCELLED);
    world_reply_deinit(&pending.reply);
    expect(w, "relay", "echo", "", "0 [] inner");
}

enum { MANY = 200, MANY_ROUNDS = 20, CRASH_ROUND = 3 };

static bool is_to_crash(int round, int index) {
    return round == CRASH_ROUND && index % 50 == 49;
}

static void one_round(world *w, struct world_pending *pending, int round) {
    for (int i = 0; i < MANY; i++) {
        char text[32];
        snprintf(text, sizeof text, "%d", i);
        world_begin(w, &pending[i], "main", is_to_crash(round, i) ? "crash" : "echo", text, 0);
    }
    for (int i = 0; i < MANY; i++) {
        char text[32];
        snprintf(text, sizeof text, "%d", i);
        world_until(w, &pending[i].done);
        bool crash = is_to_crash(round, i);
        assert_string_equal(pending[i].reply.reason, crash ? "crashed" : "");
        assert_string_equal(pending[i].reply.payload, crash ? "" : text);
        world_reply_deinit(&pending[i].reply);
    }
}

static int instances_of(world *w, const char *function) {
    status_response *status = world_status(w);
    int instances = 0;
    for (size_t i = 0; i < status->n_pools; i++) {
        if (strcmp(status->pools[i]->function, function) == 0) {
            instances += status->pools[i]->instances;
        }
    }
    world_status_free(status);
    return instances;
}

static void many_at_once(void **state) {
    world *w = *state;
    struct world_pending *pending = calloc(MANY, sizeof *pending);
    for (int round = 0; round < MANY_ROUNDS; round++) {
        one_round(w, pending, round);
    }
    free(pending);
    // Fast: not one a call, which would end at the quota of 32. A quiet machine takes at most 4; how
    // many it is depends on its speed, hence five times that.
    assert_in_range(instances_of(w, "echo"), 1, 20);
}

static void a_dead_zygote_is_replaced(void **state) {
    world *w = *state;
    expect(w, "echo", "before", "", "before");
    struct world_pending pending;
    world_begin(w, &pending, "main", "endless", "", 0);
    while (instances_of(w, "endless") == 0) {
        world_turn(w);
    }
    world_turn_for(w, 20);
    world_end_zygotes(w);
    world_until(w, &pending.done);
    assert_string_equal(pending.reply.reason, "crashed"); // it had started
    world_reply_deinit(&pending.reply);
    expect(w, "echo", "after", "", "after");
}

static void what_does_not_end_is_ended(void **state) {
    (void)state;
    static const char *const flags[] = {"--runner.drain=200ms", NULL};
    world *w = world_open(OW_CHANNEL_LOCAL, flags);
    world_deploy(w, "main", &standard, NULL);
    struct world_pending pending[4];
    for (int i = 0; i < 4; i++) {
        world_begin(w, &pending[i], "main", i == 3 ? "relay" : "work", "work", 0);
    }
    world_turn_for(w, 30);
    int64_t patience = 2000;
    world_drain(w);
    while (!world_drained(w) && patience-- > 0) {
        world_turn(w);
    }
    for (int i = 0; i < 4; i++) {
        assert_true(pending[i].done);
        bool finished = pending[i].reply.code == OW_OK;
        assert_true(finished || strcmp(pending[i].reply.err_reason, "stopping") == 0);
        world_reply_deinit(&pending[i].reply);
    }
    world_close(w);
}

static void slow_calls_get_instances_and_idle_ones_end(void **state) {
    world *w = *state;
    enum { COUNT = 6 };
    struct world_pending pending[COUNT];
    for (int i = 0; i < COUNT; i++) {
        world_begin(w, &pending[i], "main", "work", "", 0);
    }
    for (int i = 0; i < COUNT; i++) {
        world_until(w, &pending[i].done);
        assert_string_equal(pending[i].reply.reason, "");
        world_reply_deinit(&pending[i].reply);
    }
    status_response *status = world_status(w);
    assert_true(status->instances >= 2);
    world_status_free(status);
    world_clock_advance(w, 61000000);
    until_idle(w);
    expect(w, "echo", "from nothing", "", "from nothing");
}

static void a_failed_init_says_why_and_backs_off(void **state) {
    world *w = *state;
    static const struct world_function one[] = {{"echo", 0, 0}, {NULL, 0, 0}};
    const struct world_revision bad = {.source = "services/runner/testdata/bad_init.c",
                                       .functions = one};
    world_deploy(w, "bad", &bad, NULL);
    for (int i = 0; i < 4; i++) {
        struct world_reply reply = world_call(w, "bad", "echo", "", 0);
        assert_int_equal(reply.code, OW_OK);
        assert_string_equal(reply.reason, "init_failed");
        world_reply_deinit(&reply);
    }
    RECORDED(w, "line", "cannot begin");
    RECORDED(w, "init", "bad/echo", "reason=init_failed");
    status_response *status = world_status(w);
    bool said = false;
    for (size_t i = 0; i < status->n_pools; i++) {
        said = said || (status->pools[i]->backing_off &&
                        strstr(status->pools[i]->backing_off_reason, "init_failed") != NULL);
    }
    assert_true(said);
    world_status_free(status);
}

static void what_is_published_has_its_number(void **state) {
    world *w = *state;
    struct world_revision next = standard;
    next.salt = "not published yet";
    next.version = 0;
    world_deploy(w, "main", &next, NULL);
    expect(w, "who", "", "", NULL);
    RECORDED(w, "run", world_last_request_id(w), "main/who", "version=0");
    next.version = 7;
    world_deploy(w, "main", &next, NULL); // the same revision
    struct world_reply reply = world_call(w, "main", "who", "", 0);
    assert_non_null(strstr(reply.payload, "main/who@7"));
    assert_false(reply.cold);
    world_reply_deinit(&reply);
    RECORDED(w, "run", world_last_request_id(w), "main/who", "version=7");
}

static void redeploys_lose_no_call(void **state) {
    world *w = *state;
    enum { COUNT = 16 };
    struct world_pending pending[COUNT];
    for (int i = 0; i < COUNT; i++) {
        world_begin(w, &pending[i], "main", "echo", "x", 0);
    }
    for (int deploy = 0; deploy < 5; deploy++) {
        char salt[16];
        snprintf(salt, sizeof salt, "deploy %d", deploy);
        struct world_revision next = standard;
        next.salt = salt;
        next.version = 0;
        world_deploy(w, "main", &next, NULL);
        for (int turn = 0; turn < 100; turn++) {
            world_turn(w);
            for (int i = 0; i < COUNT; i++) {
                if (pending[i].done) {
                    assert_int_equal(pending[i].reply.code, OW_OK);
                    assert_string_equal(pending[i].reply.reason, "");
                    world_reply_deinit(&pending[i].reply);
                    world_begin(w, &pending[i], "main", "echo", "x", 0);
                }
            }
        }
    }
    for (int i = 0; i < COUNT; i++) {
        world_until(w, &pending[i].done);
        world_reply_deinit(&pending[i].reply);
    }
    world_turn_for(w, 300);
    status_response *status = world_status(w);
    unsigned with_instances = 0;
    for (size_t i = 0; i < status->n_pools; i++) {
        with_instances +=
            strcmp(status->pools[i]->function, "echo") == 0 && status->pools[i]->instances > 0;
    }
    assert_int_equal(with_instances, 1); // those of the old revisions have ended
    world_status_free(status);
}

static void serves_while_registry_is_away(void **state) {
    world *w = *state;
    expect(w, "echo", "1", "", "1");
    world_registry_away(w, true);
    world_turn_for(w, 50);
    status_response *status = world_status(w);
    assert_true(status->routes_stale);
    world_status_free(status);
    expect(w, "echo", "2", "", "2");
    world_registry_away(w, false);
    bool fresh = false;
    for (int i = 0; i < 400 && !fresh; i++) {
        world_turn(w);
        status = world_status(w);
        fresh = !status->routes_stale;
        world_status_free(status);
    }
    assert_true(fresh);
    world_remove(w, "main");
    world_turn_for(w, 20);
    struct world_reply reply = world_call(w, "other", "echo", "", 0);
    assert_int_equal(reply.code, OW_NOT_FOUND);
    assert_string_equal(reply.err_reason, "function_not_found");
    world_reply_deinit(&reply);
}

static void compiler_errors_come_back(void **state) {
    world *w = *state;
    char text[4000];
    assert_false(world_build(w, "int echo(void) { return x; }\n", "echo", text, sizeof text));
    assert_non_null(strstr(text, "functions.c:1: error:"));
    assert_false(world_build(w, "int other(void) { return 0; }\n", "echo", text, sizeof text));
    assert_true(strstr(text, "echo") != NULL);
    assert_true(world_build(w, "int echo(void) { return 0; }\n", "echo", text, sizeof text));
}

// Empty would mean: build everything anew.
static void what_builds_depend_on_is_told(void **state) {
    char first[80];
    for (int round = 0; round < 2; round++) {
        status_response *status = world_status(*state);
        assert_int_equal(status->n_runtimes, 1);
        const char *toolchain = status->runtimes[0]->toolchain;
        assert_int_equal(strlen(toolchain), 64);
        if (round == 0) {
            snprintf(first, sizeof first, "%s", toolchain);
        }
        assert_string_equal(toolchain, first);
        world_status_free(status);
    }
}

static void draining_finishes_what_runs(void **state) {
    world *w = *state;
    struct world_pending pending;
    expect(w, "work", "", "", NULL);
    world_begin(w, &pending, "main", "work", "", 0);
    world_turn(w);
    world_drain(w);
    struct world_reply reply = world_call(w, "main", "echo", "", 0);
    assert_int_equal(reply.code, OW_UNAVAILABLE);
    assert_string_equal(reply.err_reason, "stopping");
    world_until(w, &pending.done);
    assert_string_equal(pending.reply.reason, "");
    world_reply_deinit(&pending.reply);
}

static void a_full_queue_says_so(void **state) {
    (void)state;
    static const char *const flags[] = {"--runner.queue_requests=5", "--runner.quota=1", NULL};
    world *w = world_open(OW_CHANNEL_LOCAL, flags);
    world_deploy(w, "main", &standard, NULL);
    enum { COUNT = 8 };
    struct world_pending pending[COUNT];
    for (int i = 0; i < COUNT; i++) {
        world_begin(w, &pending[i], "main", "work", "", 0);
    }
    int throttled = 0;
    for (int i = 0; i < COUNT; i++) {
        world_until(w, &pending[i].done);
        if (strcmp(pending[i].reply.reason, "throttled") == 0) {
            throttled++;
            assert_true(pending[i].reply.retry_after_s >= 1);
        }
        world_reply_deinit(&pending[i].reply);
    }
    assert_true(throttled >= 1 && throttled <= 3);
    world_close(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST_WITH(a_function_answers, open_local, close_world),
        OW_TEST_WITH(a_function_answers, open_packed, close_world),
        OW_TEST_WITH(what_it_says_is_recorded, open_local, close_world),
        OW_TEST_WITH(levels_are_recorded_once_a_step, open_local, close_world),
        OW_TEST_WITH(a_start_is_recorded_once_and_first, open_local, close_world),
        OW_TEST_WITH(failures_have_their_reasons, open_local, close_world),
        OW_TEST_WITH(time_limits_hold, open_local, close_world),
        OW_TEST_WITH(functions_call_functions, open_local, close_world),
        OW_TEST_WITH(functions_call_functions, open_packed, close_world),
        OW_TEST_WITH(a_vanished_caller_frees_the_instance, open_local, close_world),
        OW_TEST_WITH(a_vanished_caller_frees_the_instance, open_packed, close_world),
        OW_TEST_WITH(many_at_once, open_local, close_world),
        OW_TEST_WITH(slow_calls_get_instances_and_idle_ones_end, open_local, close_world),
        OW_TEST_WITH(a_failed_init_says_why_and_backs_off, open_local, close_world),
        OW_TEST_WITH(what_is_published_has_its_number, open_local, close_world),
        OW_TEST_WITH(redeploys_lose_no_call, open_local, close_world),
        OW_TEST_WITH(serves_while_registry_is_away, open_local, close_world),
        OW_TEST_WITH(compiler_errors_come_back, open_local, close_world),
        OW_TEST_WITH(what_builds_depend_on_is_told, open_local, close_world),
        OW_TEST_WITH(draining_finishes_what_runs, open_local, close_world),
        OW_TEST_WITH(a_dead_zygote_is_replaced, open_local, close_world),
        OW_TEST(what_does_not_end_is_ended),
        OW_TEST(a_full_queue_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
