// What `ow` takes from and leaves to the shell: stored logins, a payload from standard input, a log that is
// followed until Ctrl-C.

#include "tests/scenario/deployment.h"

#include "core/testing/ow_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OK, FAILED, USAGE, AUTH, NOT_FOUND, CONFLICT, UNAVAILABLE, DEADLINE_MS = 20000 };

static deployment *d;
static char home[64] = "/tmp/overworld-home-XXXXXX";
static char token_file[128];

static int set_up(void **state) {
    (void)state;
    d = deployment_start(SHAPE_ONE_PROCESS, NULL);
    deployment_deploy(d, "tests/scenario/bundle", true);
    assert_non_null(mkdtemp(home));
    setenv("XDG_CONFIG_HOME", home, 1);
    // The first operator's token, as an operator would carry it to another machine.
    ow_client *operator= deployment_operator(d);
    snprintf(token_file, sizeof token_file, "%s/token", home);
    FILE *file = fopen(token_file, "w");
    assert_non_null(file);
    fprintf(file, "%s\n", ow_client_access_token(operator));
    fclose(file);
    ow_client_free(operator);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    deployment_stop(d);
    return 0;
}

// ---- A running ow ----

typedef struct shell {
    pid_t pid;
    int in, out;
    char text[1 << 16]; // what it printed so far
    size_t used;
} shell;

// With `words` what it says on standard error is read, too.
static void shell_start(shell *s, bool words, const char *const *args) {
    const char *argv[16] = {"cli/ow"};
    int in[2], out[2];
    for (size_t n = 0; args[n] != NULL; n++) {
        argv[n + 1] = args[n];
    }
    *s = (shell){0};
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    s->pid = fork();
    if (s->pid == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        if (words) {
            dup2(out[1], STDERR_FILENO);
        }
        // Not this folder's server: the stored login alone counts.
        execv(argv[0], (char *const *)argv);
        _exit(127);
    }
    assert_true(s->pid > 0);
    close(in[0]);
    close(out[1]);
    s->in = in[1];
    s->out = out[0];
}

// Reads until it has printed `wanted`, or to its end (NULL). False: it ended before, or time is over.
static bool shell_read(shell *s, const char *wanted) {
    int64_t limit = now_ms() + DEADLINE_MS;
    struct pollfd ready = {.fd = s->out, .events = POLLIN};
    while (wanted == NULL || strstr(s->text, wanted) == NULL) {
        int64_t left = limit - now_ms();
        if (left <= 0 || poll(&ready, 1, (int)left) <= 0) {
            return false;
        }
        ssize_t got = read(s->out, s->text + s->used, sizeof s->text - 1 - s->used);
        if (got <= 0) {
            return got == 0 && wanted == NULL;
        }
        s->used += (size_t)got;
        s->text[s->used] = '\0';
    }
    return true;
}

static int shell_end(shell *s) {
    int status;
    close(s->in);
    bool ended = shell_read(s, NULL);
    if (!ended) {
        kill(s->pid, SIGKILL);
    }
    close(s->out);
    while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR) {
    }
    assert_true(ended);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int run(char *out, size_t size, const char *input, const char *const *args) {
    static shell s;
    shell_start(&s, false, args);
    if (input != NULL) {
        assert_int_equal(write(s.in, input, strlen(input)), strlen(input));
    }
    int code = shell_end(&s);
    size_t used = s.used < size ? s.used : size - 1;
    memcpy(out, s.text, used);
    out[used] = '\0';
    return code;
}

#define RUN(input, ...) run(out, sizeof out, (input), (const char *const[]){__VA_ARGS__, NULL})

static void hear(int wanted_code, const char *wanted, const char *const *args) {
    static shell s;
    shell_start(&s, true, args);
    int code = shell_end(&s);
    if (code != wanted_code || strstr(s.text, wanted) == NULL) {
        fail_msg("ow %s: %d, \"%s\" wanted:\n%s", args[0], code, wanted, s.text);
    }
}

#define HEAR(code, wanted, ...) hear((code), (wanted), (const char *const[]){__VA_ARGS__, NULL})

// ---- Stored logins ----

static void a_login_is_stored_and_used(void **state) {
    (void)state;
    char out[4096], path[160];
    struct stat info;
    assert_int_equal(RUN(NULL, "whoami"), USAGE); // nothing is stored yet
    assert_int_equal(RUN(NULL, "login", "--url", deployment_console(d), "--token-file", token_file),
                     OK);
    assert_int_equal(RUN(NULL, "whoami"), OK);
    assert_non_null(strstr(out, "operator"));
    // It holds a secret.
    snprintf(path, sizeof path, "%s/overworld/default.profile", home);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    snprintf(path, sizeof path, "%s/overworld", home);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
}

static void logins_have_names(void **state) {
    (void)state;
    char out[4096];
    assert_int_equal(RUN(NULL, "login", "--url", deployment_console(d), "--token-file", token_file,
                         "--title", "default", "--name", "live"),
                     OK);
    assert_int_equal(RUN(NULL, "vs", "list", "--profile", "live"), OK);
    assert_non_null(strstr(out, "lab"));
    setenv("OVERWORLD_PROFILE", "live", 1);
    assert_int_equal(RUN(NULL, "vs", "list"), OK);
    setenv("OVERWORLD_PROFILE", "nobody", 1);
    assert_int_equal(RUN(NULL, "vs", "list"), USAGE);
    unsetenv("OVERWORLD_PROFILE");
}

static void a_login_that_is_refused_is_not_stored(void **state) {
    (void)state;
    char out[4096], wrong[160];
    snprintf(wrong, sizeof wrong, "%s/wrong", home);
    FILE *file = fopen(wrong, "w");
    assert_non_null(file);
    fputs("nonsense\n", file);
    fclose(file);
    assert_int_equal(
        RUN(NULL, "login", "--url", deployment_console(d), "--token-file", wrong, "--name", "bad"),
        AUTH);
    assert_int_equal(RUN(NULL, "whoami", "--profile", "bad"), USAGE);
    HEAR(AUTH, "/wrong holds no token that is good", "whoami", "--url", deployment_console(d),
         "--token-file", wrong);
    // The public listener says who one is, too, but nothing else would work there.
    HEAR(NOT_FOUND, "is this the console listener", "login", "--url", deployment_public(d),
         "--token-file", token_file, "--name", "bad");
    assert_int_equal(RUN(NULL, "whoami", "--profile", "bad"), USAGE);
}

// Takes connections and never answers.
static int listen_silently(char url[static 64]) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    snprintf(url, 64, "http://127.0.0.1:%d", ntohs(at.sin_port));
    return fd;
}

static void one_who_is_impatient_is_told(void **state) {
    (void)state;
    char url[64];
    int fd = listen_silently(url);
    HEAR(UNAVAILABLE, "--timeout SECONDS waits longer", "status", "--url", url, "--token-file",
         token_file, "--timeout", "1");
    close(fd);
}

static void what_goes_wrong_says_what_to_do(void **state) {
    (void)state;
    HEAR(UNAVAILABLE, "overworld up --data=", "status", "--data", home);
    HEAR(UNAVAILABLE, "is a server running at http://127.0.0.1:1?", "status", "--url",
         "http://127.0.0.1:1", "--token-file", token_file);
    HEAR(NOT_FOUND, "nothing that fits is known", "logs", "--request",
         "req_01HXG3K5N8Q2Z4V6B8D0F2H4J6");
    HEAR(OK, "ow timer create VS NAME makes one", "timer", "list");
    HEAR(OK, "ow sub create NAME TYPE TARGET makes one", "sub", "list");
    HEAR(OK, "No dead letters fit", "dead", "list");
    HEAR(OK, "ow alarm create NAME MEASURE makes one", "alarm", "list");
    HEAR(OK, "warning: the newest code of lab has no function nothing", "sub", "create", "early",
         "match.ended", "lab/nothing");
    HEAR(OK, "early is off: too early", "sub", "off", "early", "--reason", "too early");
    HEAR(OK, "warning: there is no virtual server nowhere", "alarm", "create", "early", "errors",
         "--above", "1", "--call", "nowhere/nothing");
    HEAR(USAGE, "deletes the virtual server lab with all its versions. Type lab to go on", "vs",
         "delete", "lab");
}

// Last: afterwards nothing works without a title.
static void the_second_title_is_to_be_named(void **state) {
    (void)state;
    HEAR(OK, "each command names its own from now on", "title", "create", "second");
    HEAR(FAILED, "--title NAME or OVERWORLD_TITLE names one", "vs", "list");
    HEAR(OK, "second", "title", "list");
    HEAR(OK, "lab", "vs", "list", "--title", "default");
}

// ---- Payload and log ----

static void a_payload_comes_from_standard_input(void **state) {
    (void)state;
    char out[4096];
    assert_int_equal(RUN("{\"from\": \"a pipe\"}", "fn", "invoke", "lab", "echo", "--file", "-"),
                     OK);
    assert_string_equal(out, "{\"from\": \"a pipe\"}");
    assert_int_equal(RUN("{\"from\": 2}", "fn", "invoke", "lab", "echo", "-"), OK);
    assert_string_equal(out, "{\"from\": 2}");
    assert_int_equal(RUN("{\"broken\"", "fn", "invoke", "lab", "echo", "-"), FAILED);
}

// The very first call of a function: nothing of it is in the store when `ow logs` asks.
static void a_log_is_there_right_after_the_call(void **state) {
    (void)state;
    char out[1 << 14];
    assert_int_equal(RUN(NULL, "fn", "invoke", "lab", "inner"), OK);
    assert_int_equal(RUN(NULL, "logs", "--vs", "lab", "--function", "inner"), OK);
    assert_non_null(strstr(out, "inner runs for manual"));
}

static void a_followed_log_shows_what_happens_until_ctrl_c(void **state) {
    (void)state;
    static shell s;
    ow_client *player = deployment_player(d, "device-that-is-followed");
    shell_start(&s, false,
                (const char *const[]){"logs", "--vs", "lab", "--kind", "REQUEST", "--follow",
                                      "--json", NULL});
    for (int i = 0; i < 3; i++) {
        char payload[40], request_id[48] = "";
        snprintf(payload, sizeof payload, "{\"round\":%d}", i);
        ow_client_reply *reply = NULL;
        assert_true(ow_client_call_json(player, "lab/whoami", payload, &reply, NULL));
        snprintf(request_id, sizeof request_id, "%s", reply->request_id);
        ow_client_reply_free(reply);
        assert_true(shell_read(&s, request_id));
    }
    assert_int_equal(kill(s.pid, SIGINT), 0);
    assert_int_equal(shell_end(&s), OK);
    assert_null(strstr(s.text, "REPORT")); // what was not looked for does not come later either
    ow_client_free(player);
}

static void call_whoami(ow_client *player, char request_id[static 48]) {
    ow_client_reply *reply = NULL;
    assert_true(ow_client_call_json(player, "lab/whoami", "{}", &reply, NULL));
    snprintf(request_id, 48, "%s", reply->request_id);
    ow_client_reply_free(reply);
}

static void who_develops_sees_what_is_new(void **state) {
    (void)state;
    static shell s;
    char before[48], now[48], out[1 << 14];
    int64_t limit = now_ms() + DEADLINE_MS;
    ow_client *player = deployment_player(d, "device-of-one-who-develops");
    call_whoami(player, before);
    while (RUN(NULL, "logs", "--request", before) == NOT_FOUND) {
        assert_true(now_ms() < limit);
    }
    shell_start(&s, false, (const char *const[]){"dev", "tests/scenario/bundle", "--json", NULL});
    assert_true(shell_read(&s, "revision"));
    call_whoami(player, now);
    assert_true(shell_read(&s, now));
    assert_int_equal(kill(s.pid, SIGINT), 0);
    assert_int_equal(shell_end(&s), OK);
    assert_null(strstr(s.text, before));
    ow_client_free(player);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_login_is_stored_and_used),
        cmocka_unit_test(logins_have_names),
        cmocka_unit_test(a_login_that_is_refused_is_not_stored),
        cmocka_unit_test(what_goes_wrong_says_what_to_do),
        cmocka_unit_test(one_who_is_impatient_is_told),
        cmocka_unit_test(a_payload_comes_from_standard_input),
        cmocka_unit_test(a_log_is_there_right_after_the_call),
        cmocka_unit_test(a_followed_log_shows_what_happens_until_ctrl_c),
        cmocka_unit_test(who_develops_sees_what_is_new),
        cmocka_unit_test(the_second_title_is_to_be_named),
    };
    return cmocka_run_group_tests_name("ow and the shell", tests, set_up, tear_down);
}
