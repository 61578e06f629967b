// The command line: each command once, its exit code, and --json as one document that can be read.

#include "tests/scenario/deployment.h"

#include "core/json/tree.h"
#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK, FAILED, USAGE, AUTH, NOT_FOUND, CONFLICT, UNAVAILABLE, WORDS_MAX = 16 };

static deployment *d;

typedef struct command {
    int exit_code;
    const char *output; // is part of what it prints; NULL: whatever
    const char *words[WORDS_MAX];
} command;

static int set_up(void **state) {
    (void)state;
    d = deployment_start(SHAPE_ONE_PROCESS, NULL);
    deployment_deploy(d, "tests/scenario/bundle", true);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    deployment_stop(d);
    return 0;
}

static void run(const command *wanted) {
    static char out[1 << 16];
    int code = deployment_ow(d, out, sizeof out, wanted->words);
    if (code != wanted->exit_code ||
        (wanted->output != NULL && strstr(out, wanted->output) == NULL)) {
        fail_msg("ow %s %s: %d instead of %d, \"%s\" wanted:\n%s", wanted->words[0],
                 wanted->words[1] != NULL ? wanted->words[1] : "", code, wanted->exit_code,
                 wanted->output != NULL ? wanted->output : "", out);
    }
}

#define RUN(code, output, ...) run(&(command){(code), (output), {__VA_ARGS__}})

static void virtual_servers_come_and_go(void **state) {
    (void)state;
    RUN(OK, NULL, "vs", "create", "empty", "--description", "for the tests");
    RUN(CONFLICT, NULL, "vs", "create", "empty");
    RUN(USAGE, NULL, "vs", "create");
    RUN(OK, "for the tests", "vs", "show", "empty");
    RUN(OK, "empty: of other tests", "vs", "describe", "empty", "of other tests");
    RUN(OK, "of other tests", "vs", "show", "empty");
    RUN(NOT_FOUND, NULL, "vs", "describe", "nothing", "of other tests");
    RUN(OK, "lab", "vs", "list");
    RUN(OK, "echo", "vs", "show", "lab");
    RUN(OK, "1", "vs", "versions", "lab");
    RUN(OK, "lab 1", "vs", "publish", "lab");
    RUN(OK, NULL, "vs", "delete", "empty", "--yes", "empty");
    RUN(NOT_FOUND, NULL, "vs", "show", "empty");
    RUN(NOT_FOUND, NULL, "vs", "publish", "empty");
    RUN(USAGE, NULL, "vs", "deploy", "/nowhere/at/all");
}

static void aliases_lead_to_versions(void **state) {
    (void)state;
    RUN(OK, "live -> 1\n", "alias", "create", "lab", "live", "1");
    RUN(CONFLICT, NULL, "alias", "create", "lab", "live", "1");
    RUN(NOT_FOUND, NULL, "alias", "set", "lab", "live", "9");
    RUN(USAGE, NULL, "alias", "set", "lab", "live", "1=90");
    RUN(USAGE, NULL, "alias", "set", "lab", "live", "1=90", "2=20");
    RUN(USAGE, NULL, "alias", "set", "lab", "live", "1=1.234", "2");
    RUN(USAGE, NULL, "alias", "set", "lab", "live");
    RUN(OK, "\"isPublic\":true", "alias", "set", "lab", "live", "--public", "--json");
    RUN(OK, "live", "alias", "list", "lab");
    RUN(FAILED, NULL, "alias", "rollback", "lab", "live");
    RUN(OK, "live -> $LATEST", "alias", "set", "lab", "live", "$LATEST");
    RUN(OK, "live -> 1", "alias", "rollback", "lab", "live");
    RUN(FAILED, NULL, "alias", "delete", "lab", "$DEFAULT", "--yes", "$DEFAULT");
    RUN(USAGE, NULL, "alias", "delete", "lab", "live", "--yes", "other");
    RUN(OK, NULL, "alias", "delete", "lab", "live", "--yes", "live");
    RUN(NOT_FOUND, NULL, "alias", "rollback", "lab", "live");
}

static void versions_are_compared(void **state) {
    (void)state;
    char folder[] = "/tmp/overworld-diff-XXXXXX", shell[200];
    assert_non_null(mkdtemp(folder));
    snprintf(shell, sizeof shell,
             "cp -RL tests/scenario/bundle/. %s && chmod -R u+w %s && sed -i 's/hello/howdy/; "
             "s/300/400/' %s/virtualserver.json",
             folder, folder, folder);
    FILE *done = popen(shell, "r");
    assert_int_equal(pclose(done), 0);
    RUN(OK, NULL, "vs", "deploy", folder);
    RUN(OK, "~ env GREETING: hello -> howdy", "vs", "diff", "lab", "1", "$LATEST");
    RUN(OK, "400 ms", "vs", "diff", "lab", "1", "$LATEST");
    RUN(OK, "~ file virtualserver.json", "vs", "diff", "lab", "1", "$LATEST");
    RUN(OK, "-  \"env\": {\"GREETING\": \"hello\"}\n+  \"env\": {\"GREETING\": \"howdy\"}\n", "vs",
        "diff", "lab", "1", "$LATEST");
    RUN(OK, "\"lines\":\"@@ -", "vs", "diff", "lab", "1", "$LATEST", "--json");
    RUN(OK, "\"before\":\"hello\"", "vs", "diff", "lab", "1", "$LATEST", "--json");
    RUN(OK, "\"differences\":[]", "vs", "diff", "lab", "1", "1", "--json");
    RUN(NOT_FOUND, NULL, "vs", "diff", "lab", "1", "9");
    // A folder before it is deployed, against what runs or a version.
    RUN(OK, "~ env GREETING: hello -> howdy", "vs", "diff", folder);
    RUN(OK, "\"differences\":[]", "vs", "diff", folder, "$LATEST", "--json");
    RUN(OK, "\"differences\":[]", "vs", "diff", "tests/scenario/bundle", "1", "--json");
    RUN(OK, "+ timer trim: {", "vs", "diff", "examples/chat");
    RUN(USAGE, NULL, "vs", "diff", "/nowhere/at/all");
    RUN(NOT_FOUND, NULL, "vs", "diff", folder, "9");
    RUN(OK, NULL, "vs", "deploy", "tests/scenario/bundle");
}

static void with_blobs(const char *commands) {
    char shell[500];
    snprintf(shell, sizeof shell,
             "cd %s && for at in $(find . -path '*/blobs/*' -type f); do %s; done",
             deployment_folder(d), commands);
    FILE *done = popen(shell, "r");
    assert_int_equal(pclose(done), 0);
}

// What is damaged is deployed over without a comparison; whatever else keeps the server from comparing is told.
static void a_damaged_version_is_deployed_over(void **state) {
    (void)state;
    with_blobs("cp $at $at.kept && echo more >> $at");
    RUN(FAILED, NULL, "vs", "diff", "tests/scenario/bundle");
    RUN(OK, NULL, "vs", "deploy", "tests/scenario/bundle");
    RUN(OK, NULL, "vs", "diff", "tests/scenario/bundle");
    with_blobs("case $at in *.kept) ;; *) rm $at && mkdir $at ;; esac");
    RUN(FAILED, NULL, "vs", "deploy", "tests/scenario/bundle");
    with_blobs("rmdir ${at%.kept} && mv $at ${at%.kept}");
    RUN(OK, NULL, "vs", "deploy", "tests/scenario/bundle");
}

// What the console made is taken along as a folder, and deployed again from there.
static void a_version_is_pulled(void **state) {
    (void)state;
    char folder[] = "/tmp/overworld-pull-XXXXXX", inner[64];
    assert_non_null(mkdtemp(folder));
    snprintf(inner, sizeof inner, "%s/lab", folder);
    RUN(OK, "files of 1 ", "vs", "pull", "lab", inner, "--version", "1");
    RUN(OK, "\"differences\":[]", "vs", "diff", inner, "1", "--json");
    RUN(USAGE, NULL, "vs", "pull", "lab", inner);
    RUN(USAGE, NULL, "vs", "pull", "lab", folder);
    RUN(NOT_FOUND, NULL, "vs", "pull", "nothing", "/tmp/nowhere/at/all");
    RUN(NOT_FOUND, NULL, "vs", "pull", "lab", "/tmp/nowhere/at/all", "--version", "9");
    RUN(FAILED, NULL, "vs", "pull", "lab", "/tmp/nowhere/at/all");
    RUN(CONFLICT, NULL, "vs", "deploy", inner, "--based-on",
        "0000000000000000000000000000000000000000000000000000000000000000");
}

static void make_file(char path[static 64], const char *text) {
    snprintf(path, 64, "/tmp/overworld-file-XXXXXX");
    int fd = mkstemp(path);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void functions_are_run_by_hand(void **state) {
    (void)state;
    char file[64];
    make_file(file, "[1,2]");
    RUN(OK, "{\"a\":1}", "fn", "invoke", "lab", "echo", "{\"a\":1}");
    RUN(OK, "[1,2]", "fn", "invoke", "lab", "echo", "--file", file);
    RUN(OK, "inner", "fn", "invoke", "lab", "nested");
    RUN(OK, "{}", "fn", "invoke", "lab", "echo", "--qualifier", "$LATEST");
    RUN(NOT_FOUND, NULL, "fn", "invoke", "lab", "nothing");
    RUN(FAILED, NULL, "fn", "invoke", "lab", "fail");
    RUN(FAILED, "gold", "fn", "invoke", "lab", "refuse", "--json");
    RUN(OK, "lab/echo", "vs", "instances", "lab");
    RUN(OK, "\"memoryLimitBytes\"", "vs", "instances", "lab", "--function", "echo", "--json");
    RUN(NOT_FOUND, NULL, "logs", "--request", "req_01HXG3K5N8Q2Z4V6B8D0F2H4J6");
    RUN(NOT_FOUND, NULL, "trace", "req_01HXG3K5N8Q2Z4V6B8D0F2H4J6");
    RUN(OK, "running 0", "queue", "--hour");
    RUN(OK, "stores: identity ", "status");
    unlink(file);
}

static void webhooks_come_and_go(void **state) {
    (void)state;
    char file[64];
    make_file(file, "a secret of the sender\n");
    RUN(OK, "whsec_", "webhook", "create", "shop", "shop.paid");
    RUN(CONFLICT, NULL, "webhook", "create", "shop", "shop.paid");
    RUN(USAGE, NULL, "webhook", "create", "shop");
    RUN(OK, "/hooks/", "webhook", "create", "forge", "forge.push", "--header", "X-Signature",
        "--prefix", "sha256=", "--secret-file", file);
    RUN(OK, "hmac-sha256", "webhook", "show", "forge");
    RUN(OK, "forge.push", "webhook", "list");
    RUN(OK, "\"disabled\":true", "webhook", "disable", "forge", "--json");
    RUN(OK, "switched off", "webhook", "show", "forge");
    RUN(OK, NULL, "webhook", "enable", "forge");
    RUN(USAGE, NULL, "webhook", "delete", "forge", "--yes", "shop");
    RUN(OK, NULL, "webhook", "delete", "forge", "--yes", "forge");
    RUN(NOT_FOUND, NULL, "webhook", "show", "forge");
    RUN(NOT_FOUND, NULL, "webhook", "disable", "forge");
    unlink(file);
}

static void subscriptions_have_names(void **state) {
    (void)state;
    RUN(OK, "sub_", "sub", "create", "rating", "match.ended", "lab/echo");
    RUN(OK, "sub_", "sub", "create", "elsewhere", "match.ended", "http://127.0.0.1:9/x");
    RUN(OK, "\"disabledReason\":\"too loud\"", "sub", "off", "rating", "--reason", "too loud",
        "--json");
    RUN(OK, "off", "sub", "list", "--vs", "lab");
    RUN(OK, "\"subscriptionId\"", "sub", "on", "lab/rating", "--json");
    RUN(NOT_FOUND, NULL, "sub", "on", "nothing");
    RUN(NOT_FOUND, NULL, "sub", "try", "rating", "trg_01HXG3K5N8Q2Z4V6B8D0F2H4J6");
    RUN(OK, NULL, "sub", "delete", "rating");
    RUN(NOT_FOUND, NULL, "sub", "delete", "rating");
    RUN(OK, NULL, "sub", "delete", "elsewhere");
}

static void keys_and_titles_are_kept(void **state) {
    (void)state;
    char out[512];
    assert_int_equal(OW(d, out, "key", "create", "match-server"), OK);
    out[strcspn(out, " ")] = '\0';
    RUN(OK, "match-server", "key", "list");
    RUN(OK, NULL, "key", "revoke", out);
    RUN(NOT_FOUND, NULL, "key", "revoke", "key_01HXG3K5N8Q2Z4V6B8D0F2H4J6");
    RUN(OK, "owk_", "apikey", "create", "ci", "--days", "3");
    RUN(OK, "Z\n", "apikey", "list"); // when it ends
    RUN(OK, "sig_", "key", "rotate-signing");
    RUN(OK, "sig_", "key", "rotate-signing", "--json");
    RUN(OK, "default", "title", "list");
    RUN(OK, NULL, "title", "rename", "default", "racer");
    RUN(OK, "racer", "title", "list");
}

static void players_are_looked_after(void **state) {
    (void)state;
    char out[512];
    ow_client *player = deployment_player(d, "device-of-the-operated");
    ow_client_free(player);
    assert_int_equal(OW(d, out, "player", "find", "--device", "device-of-the-operated"), OK);
    out[strcspn(out, "\n")] = '\0';
    RUN(OK, out, "player", "list");
    RUN(OK, NULL, "player", "list", "nobody@example.com");
    RUN(USAGE, NULL, "player", "list", "--limit", "0");
    RUN(OK, "device", "player", "show", out);
    RUN(OK, "loginId", "player", "show", out, "--json");
    RUN(NOT_FOUND, NULL, "player", "find", "nobody@example.com");
    RUN(USAGE, NULL, "player", "find");
    RUN(USAGE, NULL, "player", "find", out, "--device", "device-of-the-operated");
    RUN(OK, NULL, "player", "ban", out, "--until", "2999-01-31T08:00:00Z");
    RUN(OK, "2999-01-31T08:00:00Z", "player", "show", out);
    RUN(USAGE, NULL, "player", "ban", out, "--for", "ever");
    RUN(OK, NULL, "player", "unban", out);
    RUN(OK, NULL, "player", "logout", out);
    RUN(OK, "\"waiting\":1", "push", out, "notice", "{\"text\":\"hello\"}", "--json");
    RUN(FAILED, NULL, "push", out, "notice", "{\"text\":");
    RUN(FAILED, NULL, "push", "nobody", "notice");
    RUN(OK, "exportedAt", "player", "export", out);
    RUN(USAGE, NULL, "player", "delete", out);
    RUN(OK, NULL, "player", "delete", out, "--yes", out);
    RUN(NOT_FOUND, NULL, "player", "show", out);
}

static void timers_go_by_the_clock(void **state) {
    (void)state;
    char out[8192];
    RUN(OK, "2099-02-27T09:00:00+01:00", "timer", "preview", "--cron", "0 0 9 LW 2 * 2099",
        "--zone", "Europe/Berlin", "--count", "12");
    RUN(USAGE, NULL, "timer", "create", "lab", "tick", "--every", "often");
    RUN(FAILED, NULL, "timer", "create", "lab", "tick", "--function", "echo", "--cron", "* * *");
    RUN(OK, "active", "timer", "create", "lab", "tick", "--function", "echo", "--every", "1s");
    RUN(CONFLICT, NULL, "timer", "create", "lab", "tick", "--function", "echo", "--every", "1s");
    RUN(OK, "lab/tick", "timer", "list", "--soonest");
    // It fires by itself, and by hand.
    for (int64_t end = now_ms() + 20000; now_ms() < end;) {
        assert_int_equal(OW(d, out, "timer", "history", "lab/tick", "--state", "fired"), OK);
        if (strstr(out, "exe_") != NULL) {
            break;
        }
    }
    assert_non_null(strstr(out, "exe_"));
    RUN(OK, "fired exe_", "timer", "run", "lab/tick");
    RUN(OK, "paused: too loud", "timer", "pause", "lab/tick", "--reason", "too loud");
    RUN(OK, "manual", "timer", "history", "lab/tick", "--json");
    RUN(OK, "every 3600 s", "timer", "update", "lab/tick", "--every", "1h");
    RUN(OK, "paused", "timer", "show", "lab/tick");
    RUN(OK, "active", "timer", "resume", "lab/tick");
    RUN(USAGE, NULL, "timer", "delete", "lab/tick");
    RUN(USAGE, NULL, "timer", "delete", "lab/tick", "--yes", "tock");
    // The name as it was given does as well.
    RUN(OK, NULL, "timer", "delete", "lab/tick", "--yes", "lab/tick");
    RUN(NOT_FOUND, NULL, "timer", "show", "lab/tick");
}

static void timers_come_with_the_code(void **state) {
    (void)state;
    char folder[] = "/tmp/overworld-timers-XXXXXX", shell[300];
    assert_non_null(mkdtemp(folder));
    snprintf(
        shell, sizeof shell,
        "cp -RL tests/scenario/bundle/. %s && chmod -R u+w %s && sed -i "
        "'1s/{/{\"timers\": [{\"name\": \"beat\", \"function\": \"echo\", \"every\": \"3600s\", "
        "\"alias\": \"edge\"}],/' %s/virtualserver.json",
        folder, folder, folder);
    FILE *done = popen(shell, "r");
    assert_int_equal(pclose(done), 0);
    RUN(OK, NULL, "alias", "create", "lab", "edge", "$LATEST");
    RUN(OK, NULL, "vs", "deploy", folder);
    RUN(OK, "every 3600 s, declared by the manifest", "timer", "show", "lab/beat");
    RUN(FAILED, NULL, "timer", "delete", "lab/beat", "--yes", "beat");
    RUN(OK, "+ timer beat for edge", "vs", "diff", "lab", "1", "$LATEST");
    RUN(OK, "fired exe_", "timer", "run", "lab/beat");
    RUN(OK, NULL, "vs", "publish", "lab");
    RUN(OK, NULL, "vs", "deploy", "tests/scenario/bundle");
    RUN(NOT_FOUND, NULL, "timer", "show", "lab/beat");
    RUN(OK, NULL, "alias", "delete", "lab", "edge", "--yes", "edge");
}

static void every_json_can_be_read(void **state) {
    (void)state;
    static const char *const commands[][WORDS_MAX] = {{"status", "--json"},
                                                      {"whoami", "--json"},
                                                      {"vs", "list", "--json"},
                                                      {"vs", "show", "lab", "--json"},
                                                      {"vs", "versions", "lab", "--json"},
                                                      {"key", "list", "--json"},
                                                      {"title", "list", "--json"},
                                                      {"queue", "--hour", "--json"},
                                                      {"webhook", "list", "--json"},
                                                      {"vs", "instances", "--json"},
                                                      {"timer", "list", "--json"}};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        static char out[1 << 16];
        ow_json *json = NULL;
        assert_int_equal(deployment_ow(d, out, sizeof out, commands[i]), OK);
        if (ow_json_parse(out, strlen(out), 64, &json, NULL) != OW_OK) {
            fail_msg("ow %s %s --json: %s", commands[i][0], commands[i][1], out);
        }
        ow_json_free(json);
    }
}

static void mistakes_have_their_exit_code(void **state) {
    (void)state;
    RUN(USAGE, NULL, "nonsense");
    RUN(USAGE, NULL, "status", "--no-such-flag");
    char file[64];
    make_file(file, "nonsense\n");
    RUN(AUTH, NULL, "whoami", "--token-file", file);
    RUN(UNAVAILABLE, NULL, "status", "--url", "http://127.0.0.1:1", "--token-file", file);
    unlink(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(virtual_servers_come_and_go),
        cmocka_unit_test(aliases_lead_to_versions),
        cmocka_unit_test(versions_are_compared),
        cmocka_unit_test(a_damaged_version_is_deployed_over),
        cmocka_unit_test(a_version_is_pulled),
        cmocka_unit_test(functions_are_run_by_hand),
        cmocka_unit_test(webhooks_come_and_go),
        cmocka_unit_test(subscriptions_have_names),
        cmocka_unit_test(keys_and_titles_are_kept),
        cmocka_unit_test(players_are_looked_after),
        cmocka_unit_test(timers_go_by_the_clock),
        cmocka_unit_test(timers_come_with_the_code),
        cmocka_unit_test(every_json_can_be_read),
        cmocka_unit_test(mistakes_have_their_exit_code),
    };
    return cmocka_run_group_tests_name("ow", tests, set_up, tear_down);
}
