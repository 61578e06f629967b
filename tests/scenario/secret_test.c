// Secrets: functions get them, nobody else sees them. Run against the shapes of deployment.

#include "tests/scenario/own_bundle.h"

#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST "correct-horse-battery"
#define SECOND "staple-of-the-second"

static deployment_shape shape;
static deployment *d;
static ow_client *player;

// `sum` replies the sum of the secret's characters, or -1; `at_start` the same of what ow_init saw.
static const char source[] =
    "#include <overworld.h>\n#include <stdio.h>\n"
    "static int seen;\n"
    "static int sum_of(const char *text) {\n"
    "    int sum = text != NULL ? 0 : -1;\n"
    "    for (; text != NULL && *text; text++) { sum += *text; }\n"
    "    return sum;\n}\n"
    "int ow_init(ow_ctx *ctx) { seen = sum_of(ow_secret(ctx, \"key\")); return 0; }\n"
    "static int reply(ow_ctx *ctx, int sum) {\n"
    "    char text[16];\n    snprintf(text, sizeof text, \"%d\", sum);\n"
    "    return ow_reply_text(ctx, text);\n}\n"
    "int at_start(ow_ctx *ctx) { return reply(ctx, seen); }\n"
    "int sum(ow_ctx *ctx) {\n"
    "    const char *once = ow_secret(ctx, \"key\");\n"
    "    return reply(ctx, once == ow_secret(ctx, \"key\") ? sum_of(once) : -2);\n}\n"
    "int missing(ow_ctx *ctx) { return reply(ctx, sum_of(ow_secret(ctx, \"nothing\"))); }\n";

static int set_up(void **state) {
    (void)state;
    d = deployment_start(shape, NULL);
    own_bundle_deploy(
        d,
        "{\"name\":\"vault\",\"runtime\":\"c\",\"functions\":{\"sum\":{\"exposure\":"
        "\"client\"},\"at_start\":{\"exposure\":\"client\"},\"missing\":{\"exposure\":"
        "\"client\"}}}",
        source, true);
    player = deployment_player(d, "device-of-secrets");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    ow_client_free(player);
    deployment_stop(d);
    return 0;
}

static void set_secret(const char *value) {
    char folder[64] = "/tmp/overworld-secret-XXXXXX", path[80], out[1024];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/value", folder);
    write_file(folder, "value", value);
    assert_int_equal(OW(d, out, "secret", "set", "vault", "key", "--file", path), 0);
    assert_null(strstr(out, value));
    unlink(path);
    rmdir(folder);
}

static const char *sum_of(const char *text, char sum[static 16]) {
    int number = 0;
    for (; *text != '\0'; text++) {
        number += *text;
    }
    snprintf(sum, 16, "%d", number);
    return sum;
}

static bool replies(const char *function, const char *wanted) {
    ow_client_reply *reply = NULL;
    assert_true(ow_client_call_json(player, function, "{}", &reply, NULL));
    bool same = strcmp(reply->data, wanted) == 0;
    ow_client_reply_free(reply);
    return same;
}

// In one process at once; elsewhere as soon as the stream has told it: a second, five times slack.
static void expect_soon(const char *function, const char *wanted) {
    int64_t end = now_ms() + 5000;
    while (!replies(function, wanted)) {
        assert_true(now_ms() < end);
        usleep(50000);
    }
}

static void functions_get_the_current_version(void **state) {
    (void)state;
    char sum[16], out[4096];
    expect_reply(player, "vault/sum", "{}", "-1");
    set_secret(FIRST);
    expect_soon("vault/sum", sum_of(FIRST, sum));
    expect_soon("vault/at_start", sum);
    set_secret(SECOND);
    expect_soon("vault/sum", sum_of(SECOND, sum));
    expect_reply(player, "vault/missing", "{}", "-1");
    assert_int_equal(OW(d, out, "secret", "use", "vault", "key", "1"), 0);
    expect_soon("vault/sum", sum_of(FIRST, sum));
    assert_int_equal(OW(d, out, "secret", "use", "vault", "key", "7"), 4);
    assert_int_equal(OW(d, out, "secret", "list", "vault"), 0);
    assert_non_null(strstr(out, "key"));
    assert_null(strstr(out, FIRST));
}

static void nothing_shows_a_value(void **state) {
    (void)state;
    static char out[1 << 17];
    static const char *const commands[][6] = {{"secret", "list", "vault", "--json"},
                                              {"vs", "show", "vault", "--json"},
                                              {"logs", "--limit", "200", "--json"},
                                              {"audit", "list", "--json"}};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        assert_int_equal(deployment_ow(d, out, sizeof out, commands[i]), 0);
        assert_null(strstr(out, FIRST));
        assert_null(strstr(out, SECOND));
    }
    // Nor is it in the stores, their logs, or anything else below the data folder.
    char command[400];
    snprintf(command, sizeof command, "grep -rlaE -e '" FIRST "' -e '" SECOND "' %s",
             deployment_folder(d));
    FILE *found = popen(command, "r");
    assert_non_null(found);
    assert_null(fgets(out, sizeof out, found));
    pclose(found);
}

// The limit of core files is below what the kernel would write or hand to a program.
static void no_process_leaves_a_core_file(void **state) {
    (void)state;
    static const char *const services[] = {"gateway", "registry", "runner"};
    for (size_t i = 0; i < 3; i++) {
        char path[64], line[200];
        snprintf(path, sizeof path, "/proc/%d/limits", (int)deployment_pid(d, services[i]));
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        bool found = false;
        while (fgets(line, sizeof line, file) != NULL) {
            int soft = -1, hard = -1;
            if (sscanf(line, "Max core file size %d %d", &soft, &hard) == 2) {
                found = soft == 1 && hard == 1;
            }
        }
        fclose(file);
        assert_true(found);
    }
}

static void a_deleted_secret_is_gone(void **state) {
    (void)state;
    char out[256], sum[16];
    if (shape == SHAPE_SPLIT) {
        deployment_kill(d, "registry");
        expect_reply(player, "vault/sum", "{}", sum_of(FIRST, sum));
        deployment_restart(d, "registry");
        assert_true(deployment_wait_ready(d, 20000));
    }
    int64_t end = now_ms() + 15000;
    while (OW(d, out, "secret", "delete", "vault", "key", "--yes", "key") == 6) {
        assert_true(now_ms() < end);
        usleep(100000);
    }
    expect_soon("vault/sum", "-1");
    assert_int_equal(OW(d, out, "secret", "delete", "vault", "key", "--yes", "key"), 4);
}

int main(int argc, char **argv) {
    shape = deployment_shape_of(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_get_the_current_version),
        cmocka_unit_test(nothing_shows_a_value),
        cmocka_unit_test(no_process_leaves_a_core_file),
        cmocka_unit_test(a_deleted_secret_is_gone),
    };
    return cmocka_run_group_tests_name("secret", tests, set_up, tear_down);
}
