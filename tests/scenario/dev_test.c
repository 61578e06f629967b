// `ow dev`: from a changed function to a reply of the new code. The promise is a second; the bench reports,
// the test holds five.

#include "tests/scenario/deployment.h"

#include "core/testing/ow_test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINES = 200, CHANGES = 5, PROMISE_MS = 1000, SLACK = 5 };

// In one piece, as editors do: a half-written file is no change.
// In one step, as editors do.
static void replace_file(const char *folder, const char *name, const char *text) {
    char path[128], temporary[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    snprintf(temporary, sizeof temporary, "%s/.%s.new", folder, name);
    FILE *file = fopen(temporary, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(rename(temporary, path), 0);
}

static void write_source(const char *folder, int number) {
    static char text[LINES * 80];
    int used = snprintf(text, sizeof text, "#include <overworld.h>\n");
    for (int i = 0; i < LINES - 4; i++) {
        used += snprintf(text + used, sizeof text - (size_t)used,
                         "int step_%d(int x) { return x * %d + 1; }\n", i, i);
    }
    snprintf(text + used, sizeof text - (size_t)used,
             "int answer(ow_ctx *ctx) {\n    return ow_reply_text(ctx, \"%d\");\n}\n", number);
    replace_file(folder, "live.c", text);
}

// The answer in a header of a folder that is made while `ow dev` runs.
static void move_into_folder(const char *folder, int number) {
    char inner[128];
    snprintf(inner, sizeof inner, "%s/part", folder);
    assert_int_equal(mkdir(inner, 0755), 0);
    char text[64];
    snprintf(text, sizeof text, "#define NUMBER \"%d\"\n", number);
    replace_file(inner, "number.h", text);
    replace_file(folder, "live.c",
                 "#include <overworld.h>\n#include \"part/number.h\"\nint answer(ow_ctx *ctx) {\n"
                 "    return ow_reply_text(ctx, NUMBER);\n}\n");
}

static bool replies(ow_client *player, int number) {
    char wanted[8];
    snprintf(wanted, sizeof wanted, "%d", number);
    ow_client_reply *reply = NULL;
    bool is_new = ow_client_call_json(player, "live/answer", "{}", &reply, NULL) &&
                  strcmp(reply->data, wanted) == 0;
    ow_client_reply_free(reply);
    return is_new;
}

static int64_t until_reply(ow_client *player, int number, int64_t limit_ms) {
    int64_t start = now_ms();
    while (!replies(player, number)) {
        if (now_ms() - start > limit_ms) {
            fail_msg("change %d was not served within %d ms", number, (int)limit_ms);
        }
        ow_client_poll(player, 10);
    }
    return now_ms() - start;
}

static void a_change_is_served_soon(void **state) {
    (void)state;
    deployment *d = deployment_start(SHAPE_ONE_PROCESS, NULL);
    char folder[64] = "/tmp/overworld-bundle-XXXXXX";
    assert_non_null(mkdtemp(folder));
    replace_file(folder, "virtualserver.json",
                 "{\"name\":\"live\",\"runtime\":\"c\",\"functions\":{\"answer\":{\"exposure\":"
                 "\"client\"}}}");
    write_source(folder, 0);
    pid_t child = fork();
    if (child == 0) {
        static char out[65536];
        _exit(deployment_ow(d, out, sizeof out, (const char *const[]){"dev", folder, NULL}));
    }
    ow_client *player = deployment_player(d, "device-of-the-developer");
    until_reply(player, 0, 20000);
    int64_t longest = 0;
    char inner[80];
    for (int number = 1; number <= CHANGES; number++) {
        write_source(folder, number);
        int64_t took = until_reply(player, number, PROMISE_MS * SLACK);
        longest = took > longest ? took : longest;
    }
    move_into_folder(folder, 100);
    until_reply(player, 100, PROMISE_MS * SLACK);
    snprintf(inner, sizeof inner, "%s/part", folder);
    replace_file(inner, "number.h", "#define NUMBER \"101\"\n");
    until_reply(player, 101, PROMISE_MS * SLACK);
    print_message("%d changes, each served within %d ms\n", CHANGES, (int)longest);
    kill(child, SIGKILL); // and with it `ow dev`
    waitpid(child, NULL, 0);
    ow_client_free(player);
    deployment_stop(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_is_served_soon),
    };
    return cmocka_run_group_tests_name("dev", tests, NULL, NULL);
}
