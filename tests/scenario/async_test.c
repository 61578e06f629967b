// Calls that happen later, end to end: from the SDK, by functions, and by people with ow. Run against the shapes
// of deployment.

#include "tests/scenario/own_bundle.h"

#include "core/testing/ow_test.h"
#include "sdk/c/overworld_execution.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static deployment_shape shape;
static deployment *d;
static ow_client *player;

static const char source[] =
    "#include <overworld.h>\n#include <stdio.h>\n#include <string.h>\n#include <time.h>\n"
    "int leaf(ow_ctx *ctx) {\n"
    "    return ow_reply_text(ctx, ow_player(ctx)[0] ? \"\\\"for a player\\\"\" : \"\\\"\\\"\");\n}\n"
    "int which(ow_ctx *ctx) {\n"
    "    char text[100];\n"
    "    snprintf(text, sizeof text, \"\\\"%s attempt %d\\\"\", ow_execution_id(ctx), ow_attempt(ctx));\n"
    "    return ow_reply_text(ctx, text);\n}\n"
    "int spread(ow_ctx *ctx) {\n"
    "    ow_spawn_options options = {.key = \"once\"};\n"
    "    for (int i = 0; i < 3; i++) {\n"
    "        ow_status status = ow_spawn(ctx, i ? \"leaf\" : \"later/leaf\", \"{}\", 2, &options);\n"
    "        if (status) return ow_user_error(ctx, ow_error_reason(ctx));\n    }\n"
    "    return ow_reply_text(ctx, \"3\");\n}\n"
    "int chain(ow_ctx *ctx) {\n"
    "    ow_status status = ow_spawn(ctx, \"chain\", \"{}\", 2, NULL);\n"
    "    return ow_reply_text(ctx, status ? ow_error_reason(ctx) : \"on\");\n}\n"
    "int slow(ow_ctx *ctx) {\n"
    "    struct timespec time = {20, 0};\n    nanosleep(&time, NULL);\n"
    "    return ow_reply_text(ctx, \"1\");\n}\n"
    "int refuse(ow_ctx *ctx) { return ow_refuse(ctx, \"poor\", \"not enough\", NULL); }\n";

static int set_up(void **state) {
    (void)state;
    d = deployment_start(shape, NULL);
    own_bundle_deploy(
        d,
        "{\"name\":\"later\",\"runtime\":\"c\",\"functions\":{"
        "\"leaf\":{\"exposure\":\"client\"},\"which\":{\"exposure\":\"client\"},\"spread\":{\"exposure\":\"client\"},"
        "\"chain\":{\"exposure\":\"client\"},\"refuse\":{\"exposure\":\"client\"},"
        "\"slow\":{\"exposure\":\"client\",\"timeout_ms\":30000}}}",
        source, true);
    player = deployment_player(d, "device-of-later");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    ow_client_free(player);
    deployment_stop(d);
    return 0;
}

static void call(const char *name, ow_client_accepted *accepted) {
    ow_client_function function = {.name = name, .payload = "{}", .size = 2};
    ow_client_error error;
    if (!ow_client_call_async(player, &function, accepted, &error)) {
        fail_msg("%s: %d %s %s", name, error.status, error.reason, error.message);
    }
}

static void wait_for(const char *id, const char *state) {
    ow_client_execution execution;
    ow_client_error error;
    int64_t deadline = now_ms() + 15000;
    do {
        if (!ow_client_execution_get(player, id, &execution, &error)) {
            fail_msg("%s: %s", id, error.reason);
        }
        if (now_ms() > deadline) {
            fail_msg("%s is %s, not %s: %s", id, execution.state, state, execution.message);
        }
    } while (strcmp(execution.state, state) != 0);
}

#define RUN(out, ...) assert_int_equal(OW(d, out, __VA_ARGS__), 0)

static char out[65536];

static void expect_part(const char *part) {
    if (strstr(out, part) == NULL) {
        fail_msg("no \"%s\" in: %s", part, out);
    }
}

static int count_lines(void) {
    int lines = 0;
    for (const char *at = out; (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    return lines;
}

static void a_players_call_happens_later(void **state) {
    (void)state;
    ow_client_accepted accepted;
    call("later/leaf", &accepted);
    wait_for(accepted.execution_id, "done");
    RUN(out, "exec", "show", accepted.execution_id);
    expect_part("for a player");
    expect_part("later/leaf:$DEFAULT  done");
    RUN(out, "exec", "rerun", accepted.execution_id);
    out[strcspn(out, "\n")] = '\0';
    char again[64];
    snprintf(again, sizeof again, "%.63s", out);
    wait_for(again, "done"); // it still is the player's
    // It knows which one it is; one that somebody waits for is none.
    call("later/which", &accepted);
    wait_for(accepted.execution_id, "done");
    RUN(out, "exec", "show", accepted.execution_id);
    snprintf(again, sizeof again, "%.40s attempt 1", accepted.execution_id);
    expect_part(again);
    RUN(out, "fn", "invoke", "later", "which");
    assert_string_equal(out, "\" attempt 0\"");
    // Another player does not see it.
    ow_client *other = deployment_player(d, "another-device-of-later");
    ow_client_execution execution;
    ow_client_error error;
    assert_false(ow_client_execution_get(other, accepted.execution_id, &execution, &error));
    assert_string_equal(error.reason, "no_execution");
    ow_client_free(other);
}

// The same key three times is one execution.
static void a_function_spawns_others(void **state) {
    (void)state;
    ow_client_accepted accepted;
    call("later/spread", &accepted);
    wait_for(accepted.execution_id, "done");
    RUN(out, "exec", "list", "--source", "function", "--function", "leaf");
    assert_int_equal(count_lines(), 2); // with the heading
}

static void a_chain_ends(void **state) {
    (void)state;
    ow_client_accepted accepted;
    call("later/chain", &accepted);
    wait_for(accepted.execution_id, "done");
    for (int64_t deadline = now_ms() + 15000; now_ms() < deadline;) {
        RUN(out, "exec", "list", "--function", "chain", "--state", "done");
        if (count_lines() == 1 + 9) {
            break;
        }
    }
    RUN(out, "exec", "list", "--function", "chain");
    assert_int_equal(count_lines(), 1 + 9); // the first one and eight behind it
}

static void one_that_runs_is_killed(void **state) {
    (void)state;
    ow_client_accepted accepted;
    call("later/slow", &accepted);
    wait_for(accepted.execution_id, "running");
    RUN(out, "exec", "cancel", accepted.execution_id);
    wait_for(accepted.execution_id, "discarded");
}

static void people_look_after_the_dead(void **state) {
    (void)state;
    ow_client_accepted accepted;
    call("later/refuse", &accepted);
    wait_for(accepted.execution_id, "dead");
    RUN(out, "dead", "list", "--vs", "later", "--reason", "refused");
    expect_part(accepted.execution_id);
    RUN(out, "dead", "show", accepted.execution_id);
    expect_part("refused: not enough");
    expect_part("attempt 1");
    RUN(out, "dead", "edit", accepted.execution_id, "{\"gold\":1}");
    RUN(out, "dead", "redrive", "--all", "--vs", "later", "--rate", "100");
    expect_part("1 set going");
    wait_for(accepted.execution_id, "dead");
    RUN(out, "exec", "show", accepted.execution_id);
    expect_part("{\"gold\":1}");
    assert_int_equal(OW(d, out, "dead", "discard", accepted.execution_id), 1);
    // All of them only when it is said twice.
    assert_int_equal(OW(d, out, "dead", "discard", "--all", "--reason", "of a test", "--yes", "no"),
                     2);
    wait_for(accepted.execution_id, "dead");
    RUN(out, "dead", "discard", "--all", "--reason", "of a test", "--yes", "all");
    wait_for(accepted.execution_id, "discarded");
    RUN(out, "audit", "list", "--action", "execution.discard");
    expect_part("of a test");
}

// `ow` with what stands in `text` as its standard input.
static int ow_reads(const char *text, const char *const *args) {
    FILE *input = tmpfile();
    int before = dup(STDIN_FILENO);
    assert_non_null(input);
    fputs(text, input);
    rewind(input);
    assert_true(dup2(fileno(input), STDIN_FILENO) == STDIN_FILENO);
    int code = deployment_ow(d, out, sizeof out, args);
    dup2(before, STDIN_FILENO);
    close(before);
    fclose(input);
    return code;
}

static void many_dead_ones_are_named(void **state) {
    (void)state;
    enum { MANY = 12 };
    ow_client_accepted accepted[MANY];
    const char *args[MANY + 3] = {"dead", "redrive"};
    char ids[MANY * 40] = "";
    size_t size = 0;
    for (int i = 0; i < MANY; i++) {
        call("later/refuse", &accepted[i]);
        args[i + 2] = accepted[i].execution_id;
        size += (size_t)snprintf(ids + size, sizeof ids - size, "%s\n", accepted[i].execution_id);
    }
    for (int i = 0; i < MANY; i++) {
        wait_for(accepted[i].execution_id, "dead");
    }
    assert_int_equal(deployment_ow(d, out, sizeof out, args), 0);
    assert_string_equal(out, "12 set going\n");
    for (int i = 0; i < MANY; i++) {
        wait_for(accepted[i].execution_id, "dead");
    }
    const char *const from_input[] = {"dead", "discard", "-", "--reason", "of a list", NULL};
    assert_int_equal(ow_reads(" \n", from_input), 2);
    assert_int_equal(ow_reads(ids, from_input), 0);
    assert_string_equal(out, "12 discarded\n");
    wait_for(accepted[MANY - 1].execution_id, "discarded");
}

static void by_hand_it_can_wait_too(void **state) {
    (void)state;
    RUN(out, "fn", "invoke", "later", "leaf", "--async", "--key", "k");
    char first[64];
    snprintf(first, sizeof first, "%.63s", out);
    RUN(out, "fn", "invoke", "later", "leaf", "--async", "--key", "k", "--json");
    first[strcspn(first, "\n")] = '\0';
    expect_part(first);
    expect_part("\"duplicate\":true");
}

static void a_payload_is_kept_and_run_for_a_player(void **state) {
    (void)state;
    RUN(out, "fn", "save", "later", "leaf", "mine", "{\"a\":1}");
    RUN(out, "fn", "saved", "later", "leaf");
    expect_part("mine");
    RUN(out, "fn", "run", "later", "leaf", "--event", "mine");
    assert_string_equal(out, "\"\"\n");
    char id[64];
    RUN(out, "player", "find", "--device", "device-of-later");
    snprintf(id, sizeof id, "%.*s", (int)strcspn(out, "\n"), out);
    RUN(out, "fn", "run", "later", "leaf", "--event", "mine", "--as", id);
    expect_part("for a player");
    assert_int_equal(OW(d, out, "fn", "run", "later", "leaf", "--event", "mine", "--as",
                        "plr_01HXG3K5N8Q2Z4V6B8D0F2H4J6"),
                     4); // nobody
    RUN(out, "fn", "forget", "later", "leaf", "mine");
    assert_int_equal(OW(d, out, "fn", "run", "later", "leaf", "--event", "mine"), 4);
}

int main(int argc, char **argv) {
    shape = deployment_shape_of(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_players_call_happens_later),
        cmocka_unit_test(a_function_spawns_others),
        cmocka_unit_test(a_chain_ends),
        cmocka_unit_test(one_that_runs_is_killed),
        cmocka_unit_test(people_look_after_the_dead),
        cmocka_unit_test(many_dead_ones_are_named),
        cmocka_unit_test(by_hand_it_can_wait_too),
        cmocka_unit_test(a_payload_is_kept_and_run_for_a_player),
    };
    return cmocka_run_group_tests_name("async", tests, set_up, tear_down);
}
