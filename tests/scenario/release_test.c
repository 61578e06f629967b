// Releases: aliases with weights, moves and rollbacks while players are on it. Run against the shapes of
// deployment.

#include "tests/scenario/own_bundle.h"

#include "core/testing/ow_test.h"

#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CALLS = 2000, IN_FLIGHT = 16, MOVES = 20 };

static deployment_shape shape;
static deployment *d;
static ow_client *operator_client;

// Publishes a version of "game" whose function `answer` is this code.
static void publish_code(const char *body) {
    static const char manifest[] =
        "{\"name\":\"game\",\"runtime\":\"c\",\"functions\":{\"answer\":{\"exposure\":"
        "\"client\"}}}";
    char source[1024];
    snprintf(source, sizeof source,
             "#define _POSIX_C_SOURCE 200809L\n#include <overworld.h>\n#include <time.h>\n"
             "int answer(ow_ctx *ctx) {\n%s\n}\n",
             body);
    own_bundle_deploy(d, manifest, source, false);
}

// A version whose `answer` replies its number.
static void publish(int number) {
    char body[100];
    snprintf(body, sizeof body, "return ow_reply_text(ctx, \"%d\");", number);
    publish_code(body);
    char out[256];
    assert_int_equal(OW(d, out, "vs", "publish", "game"), 0);
}

static int set_up(void **state) {
    (void)state;
    static const char *const flags[] = {"--gateway.stages=/test=test,/prehub=prehub,/live=live",
                                        NULL};
    d = deployment_start(shape, flags);
    for (int number = 1; number <= 3; number++) {
        publish(number);
    }
    operator_client = deployment_operator(d);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    ow_client_free(operator_client);
    deployment_stop(d);
    return 0;
}

#define MUST(...)                                                                                  \
    do {                                                                                           \
        char out_[4096];                                                                           \
        assert_int_equal(OW(d, out_, __VA_ARGS__), 0);                                             \
    } while (0)

static int number_in(const ow_client_reply *reply) {
    return (int)strtol(reply->data, NULL, 10);
}

// The version that answers.
static int ask(ow_client *client, const char *alias, const char *routing_key) {
    ow_client_function function = {.name = "game/answer",
                                   .payload = "{}",
                                   .size = 2,
                                   .qualifier = alias,
                                   .routing_key = routing_key};
    ow_client_reply *reply = NULL;
    ow_client_error error;
    if (!ow_client_call(client, &function, &reply, &error)) {
        fail_msg("%d %s: %s", error.status, error.reason, error.message);
    }
    int version = number_in(reply);
    ow_client_reply_free(reply);
    return version;
}

static void three_aliases_answer_three_versions(void **state) {
    (void)state;
    ow_client *player = deployment_player(d, "device-of-three");
    MUST("alias", "create", "game", "test", "3", "--public");
    MUST("alias", "create", "game", "prehub", "2", "--public");
    MUST("alias", "create", "game", "live", "1", "--public");
    for (int i = 0; i < 5; i++) {
        assert_int_equal(ask(player, "test", NULL), 3);
        assert_int_equal(ask(player, "prehub", NULL), 2);
        assert_int_equal(ask(player, "live", NULL), 1);
    }
    MUST("alias", "create", "game", "hidden", "1");
    ow_client_function hidden = {
        .name = "game/answer", .payload = "{}", .size = 2, .qualifier = "hidden"};
    ow_client_error error;
    assert_false(ow_client_call(player, &hidden, NULL, &error));
    assert_int_equal(error.status, 403);
    assert_int_equal(ask(operator_client, "hidden", NULL), 1);
    MUST("alias", "set", "game", "hidden", "--public");
    assert_int_equal(ask(player, "hidden", NULL), 1);
    ow_client_free(player);
}

static int ask_stage(ow_client *client, const char *stage) {
    char path[64];
    snprintf(path, sizeof path, "/%s/v1/call/game/answer", stage);
    ow_client_request request = {.method = "POST", .path = path, .body = "{}", .size = 2};
    ow_client_reply *reply = NULL;
    ow_client_error error;
    if (!ow_client_send(client, &request, &reply, &error)) {
        fail_msg("%s: %d %s: %s", path, error.status, error.reason, error.message);
    }
    int version = number_in(reply);
    ow_client_reply_free(reply);
    return version;
}

// The gateway's configuration stays; what the stages answer follows the aliases.
static void stages_are_bound_once(void **state) {
    (void)state;
    ow_client *player = deployment_player(d, "device-of-stages");
    assert_int_equal(ask_stage(player, "test"), 3);
    assert_int_equal(ask_stage(player, "prehub"), 2);
    assert_int_equal(ask_stage(player, "live"), 1);
    MUST("alias", "set", "game", "live", "2");
    MUST("alias", "set", "game", "prehub", "3");
    assert_int_equal(ask_stage(player, "live"), 2);
    assert_int_equal(ask_stage(player, "prehub"), 3);
    MUST("alias", "rollback", "game", "live");
    assert_int_equal(ask_stage(player, "live"), 1);
    ow_client_request request = {.method = "POST",
                                 .path = "/live/v1/call/game/answer",
                                 .body = "{}",
                                 .size = 2,
                                 .qualifier = "test"};
    ow_client_error error;
    assert_false(ow_client_send(player, &request, NULL, &error));
    assert_int_equal(error.status, 404);
    ow_client_free(player);
}

// ---- Weights ----

static int count_newer(bool by_key) {
    int newer = 0;
    for (int i = 0; i < CALLS; i++) {
        char key[32];
        snprintf(key, sizeof key, "match-%d", i);
        int version = ask(operator_client, "live", by_key ? key : NULL);
        assert_true(version == 1 || version == 2);
        newer += version == 2;
    }
    return newer;
}

// The bounds are those of the binomial distribution with a false alarm in a million.
static void ten_percent_are_ten_percent(void **state) {
    (void)state;
    MUST("alias", "set", "game", "live", "1", "2=10");
    assert_in_range(count_newer(true), 138, 269);
    MUST("alias", "set", "game", "live", "--split", "random");
    assert_in_range(count_newer(false), 138, 269);
}

static void nothing_and_everything_are_exact(void **state) {
    (void)state;
    MUST("alias", "set", "game", "live", "1", "2=0");
    assert_int_equal(count_newer(false), 0);
    MUST("alias", "set", "game", "live", "1", "2=100");
    assert_int_equal(count_newer(false), CALLS);
    MUST("alias", "set", "game", "live", "--split", "key");
    assert_int_equal(count_newer(true), CALLS);
    MUST("alias", "set", "game", "live", "1=100", "2");
    assert_int_equal(count_newer(true), 0);
}

static void a_player_stays_on_its_side(void **state) {
    (void)state;
    enum { PLAYERS = 30 };
    ow_client *players[PLAYERS];
    int first[PLAYERS], newer = 0;
    MUST("alias", "set", "game", "live", "1", "2=50");
    for (int i = 0; i < PLAYERS; i++) {
        char device[48];
        snprintf(device, sizeof device, "device-that-stays-%d", i);
        players[i] = deployment_player(d, device);
        first[i] = ask(players[i], "live", NULL);
        newer += first[i] == 2;
    }
    assert_in_range(newer, 1, PLAYERS - 1);
    MUST("alias", "set", "game", "live", "1", "2=60");
    for (int i = 0; i < PLAYERS * 5; i++) {
        int now = ask(players[i % PLAYERS], "live", NULL);
        assert_true(now == first[i % PLAYERS] || (first[i % PLAYERS] == 1 && now == 2));
        first[i % PLAYERS] = now;
    }
    for (int i = 0; i < PLAYERS; i++) {
        ow_client_free(players[i]);
    }
}

// ---- Moves under load ----

enum { SETTLED = 50 }; // calls in a row that the new version answered

typedef struct load load;

// One of the calls in flight.
typedef struct lane {
    load *owner;
    int move; // the last one that was made before it began
} lane;

struct load {
    lane lanes[IN_FLIGHT];
    int running, good, bad;
    int move, wanted; // the version that answers since the last move
    int in_a_row;     // calls begun since then that it answered
    bool stop;
    ow_client_error last;
};

static void start_one(lane *one);

static void note_version(lane *one, int version) {
    load *l = one->owner;
    if (one->move == l->move) {
        l->in_a_row = version == l->wanted ? l->in_a_row + 1 : 0;
    }
}

static void on_reply(void *user, ow_client_reply *reply, const ow_client_error *error) {
    lane *one = user;
    load *l = one->owner;
    l->running--;
    if (reply != NULL) {
        l->good++;
        note_version(one, number_in(reply));
    } else {
        l->bad++;
        l->last = *error;
    }
    start_one(one);
}

static void start_one(lane *one) {
    load *l = one->owner;
    ow_client_function function = {
        .name = "game/answer", .payload = "{}", .size = 2, .qualifier = "live"};
    one->move = l->move;
    if (!l->stop && ow_client_call_start(operator_client, &function, on_reply, one, NULL)) {
        l->running++;
    }
}

static void begin_load(load *l) {
    for (int i = 0; i < IN_FLIGHT; i++) {
        l->lanes[i].owner = l;
        start_one(&l->lanes[i]);
    }
}

static void end_load(load *l) {
    l->stop = true;
    for (int64_t end = now_ms() + 30000; l->running > 0;) {
        ow_client_poll(operator_client, 5);
        assert_true(now_ms() < end);
    }
}

static void expect_no_failure(const load *l) {
    if (l->bad > 0) {
        fail_msg("%d of %d calls failed, the last with %d %s: %s", l->bad, l->good + l->bad,
                 l->last.status, l->last.reason, l->last.message);
    }
}

// A command in a child process, while the load goes on; its standard output comes back.
static int run_under_load(const char *const *args, char out[static 4096]) {
    int pipe_ends[2];
    assert_int_equal(pipe(pipe_ends), 0);
    pid_t child = fork();
    if (child == 0) {
        int code = deployment_ow(d, out, 4096, args);
        _exit(write(pipe_ends[1], out, strlen(out)) >= 0 ? code : 99);
    }
    close(pipe_ends[1]);
    int status;
    int64_t end = now_ms() + 120000;
    while (waitpid(child, &status, WNOHANG) == 0) {
        ow_client_poll(operator_client, 5);
        assert_true(now_ms() < end);
    }
    ssize_t size = read(pipe_ends[0], out, 4095);
    out[size > 0 ? size : 0] = '\0';
    close(pipe_ends[0]);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void under_load(const char *const *args) {
    char out[4096];
    assert_int_equal(run_under_load(args, out), 0);
}

// Calls begun after the command was answered get the new version: at once, and in a process that hears
// of it by a stream within a second (with five times slack).
static void expect_version(load *l, int version) {
    int64_t end = now_ms() + 5000;
    l->move++;
    l->wanted = version;
    l->in_a_row = 0;
    while (l->in_a_row < SETTLED) {
        ow_client_poll(operator_client, 5);
        assert_true(now_ms() < end);
    }
}

static void twenty_moves_and_rollbacks_fail_no_call(void **state) {
    (void)state;
    load l = {0};
    MUST("alias", "set", "game", "live", "1");
    begin_load(&l);
    for (int i = 0; i < MOVES; i++) {
        char target[8], half[8];
        snprintf(target, sizeof target, "%d", 2 + i % 2);
        snprintf(half, sizeof half, "%d=50", 2 + i % 2);
        under_load((const char *const[]){"alias", "set", "game", "live", "1", half, NULL});
        under_load((const char *const[]){"alias", "set", "game", "live", target, NULL});
        expect_version(&l, 2 + i % 2);
        under_load((const char *const[]){"alias", "rollback", "game", "live", NULL});
        expect_version(&l, 1);
    }
    end_load(&l);
    expect_no_failure(&l);
    assert_true(l.good >= MOVES * 2 * SETTLED);
}

// ---- Quotas ----

// Room for two instances in all, under a load that keeps both busy: those of the version that loses
// its calls end and hand theirs over.
static void moves_do_not_exhaust_the_quota(void **state) {
    (void)state;
    static const char *const flags[] = {"--runner.quota=2", "--runner.title_memory=256MB", NULL};
    deployment *whole = d;
    ow_client *usual = operator_client;
    load l = {0};
    d = deployment_start(shape, flags);
    operator_client = deployment_operator(d);
    publish(1);
    publish(2);
    MUST("alias", "create", "game", "live", "1");
    begin_load(&l);
    for (int i = 0; i < 5; i++) {
        under_load((const char *const[]){"alias", "set", "game", "live", "1", "2=50", NULL});
        under_load((const char *const[]){"alias", "set", "game", "live", "2", NULL});
        expect_version(&l, 2);
        under_load((const char *const[]){"alias", "rollback", "game", "live", NULL});
        expect_version(&l, 1);
    }
    end_load(&l);
    expect_no_failure(&l);
    ow_client_free(operator_client);
    deployment_stop(d);
    d = whole;
    operator_client = usual;
}

// ---- ow release ----

static void expect_live(const char *target) {
    char out[4096];
    assert_int_equal(OW(d, out, "alias", "list", "game"), 0);
    char *line = strstr(out, "\nlive");
    assert_non_null(line);
    char name[16], leads_to[16];
    assert_int_equal(sscanf(line, "%15s %15s", name, leads_to), 2);
    assert_string_equal(leads_to, target);
}

static void a_good_version_is_released_step_by_step(void **state) {
    (void)state;
    load l = {0};
    char out[4096];
    MUST("alias", "set", "game", "live", "1");
    begin_load(&l);
    const char *const args[] = {"release",     "game",    "--alias",   "live",    "--version",
                                "2",           "--steps", "10,50,100", "--pause", "1s",
                                "--min-calls", "10",      "--json",    NULL};
    assert_int_equal(run_under_load(args, out), 0);
    expect_version(&l, 2);
    end_load(&l);
    expect_no_failure(&l);
    assert_non_null(strstr(out, "\"released\":true"));
    assert_non_null(strstr(out, "\"weight\":1000"));
    assert_non_null(strstr(out, "\"weight\":10000"));
    expect_live("2");
    MUST("alias", "rollback", "game", "live");
    expect_live("1");
}

// One call of five fails, in each instance.
static void a_version_that_fails_goes_back_by_itself(void **state) {
    (void)state;
    load l = {0};
    char out[4096];
    MUST("alias", "set", "game", "live", "1");
    publish_code("static int calls; return calls++ % 5 == 2 ? ow_user_error(ctx, \"bad luck\") : "
                 "ow_reply_text(ctx, \"9\");");
    begin_load(&l);
    const char *const args[] = {"release", "game", "--alias",      "live", "--steps", "50,100",
                                "--pause", "60s",  "--max-errors", "10",   "--json",  NULL};
    int64_t start = now_ms();
    assert_int_equal(run_under_load(args, out), 1);
    assert_true(now_ms() - start < 60000);
    expect_version(&l, 1);
    end_load(&l);
    assert_true(l.bad > 0);
    assert_string_equal(l.last.reason, "user_error");
    assert_non_null(strstr(out, "\"released\":false"));
    assert_non_null(strstr(out, "failed (allowed: 10.00 %)"));
    expect_live("1");
}

static void a_version_that_is_slow_goes_back_by_itself(void **state) {
    (void)state;
    load l = {0};
    char out[4096];
    MUST("alias", "set", "game", "live", "1");
    publish_code("struct timespec time = {0, 60000000}; nanosleep(&time, NULL); return "
                 "ow_reply_text(ctx, \"8\");");
    begin_load(&l);
    const char *const args[] = {"release", "game", "--alias",   "live", "--steps", "50,100",
                                "--pause", "60s",  "--max-p95", "50",   "--json",  NULL};
    assert_int_equal(run_under_load(args, out), 1);
    end_load(&l);
    expect_no_failure(&l);
    assert_non_null(strstr(out, "95 % of the runs"));
    expect_live("1");
}

static bool live_is(const char *part) {
    char out[4096];
    assert_int_equal(OW(d, out, "alias", "list", "game"), 0);
    const char *line = strstr(out, "\nlive");
    assert_non_null(line);
    const char *found = strstr(line, part);
    return found != NULL && memchr(line + 1, '\n', (size_t)(found - line - 1)) == NULL;
}

// ow on a terminal of its own, and what it wrote there.
typedef struct terminal {
    pid_t child;
    int fd;
    size_t used;
    char text[32768];
} terminal;

static void open_terminal(terminal *t, const char *const *args) {
    *t = (terminal){0};
    t->child = forkpty(&t->fd, NULL, NULL, NULL);
    if (t->child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execv(args[0], (char *const *)(uintptr_t)args);
        _exit(127);
    }
    assert_true(t->child > 0);
    assert_int_equal(fcntl(t->fd, F_SETFL, O_NONBLOCK), 0);
}

static void read_terminal(terminal *t) {
    ssize_t got = read(t->fd, t->text + t->used, sizeof t->text - 1 - t->used);
    t->used += got > 0 ? (size_t)got : 0;
    t->text[t->used] = '\0';
}

// The command on a terminal, interrupted when its first step is taken.
static void interrupt_release(int signal_number) {
    // Three lines of a table, drawn over those before.
    static const char drawn_again[] = "\033[3A\033[J";
    static terminal t;
    const char *const args[] = {
        "cli/ow",  "release", "game",    "--alias", "live",   "--version",          "2",
        "--steps", "50,100",  "--pause", "10m",     "--data", deployment_folder(d), NULL};
    MUST("alias", "set", "game", "live", "1");
    open_terminal(&t, args);
    int64_t end = now_ms() + 60000;
    while (!live_is("50 %") || strstr(t.text, drawn_again) == NULL) {
        read_terminal(&t);
        assert_true(now_ms() < end);
    }
    kill(t.child, signal_number);
    int status;
    while (waitpid(t.child, &status, WNOHANG) == 0) {
        read_terminal(&t);
        ow_client_poll(operator_client, 20);
        assert_true(now_ms() < end);
    }
    close(t.fd);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    expect_live("1");
}

static void an_interrupted_release_goes_back(void **state) {
    (void)state;
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        interrupt_release(signals[i]);
    }
}

static void releases_are_checked_first(void **state) {
    (void)state;
    char out[4096];
    assert_int_equal(OW(d, out, "release", "game"), 2);
    assert_int_equal(OW(d, out, "release", "game", "--alias", "nowhere"), 4);
    assert_int_equal(OW(d, out, "release", "nothing", "--alias", "live"), 4);
    assert_int_equal(OW(d, out, "release", "game", "--alias", "live", "--version", "99"), 4);
    assert_int_equal(OW(d, out, "release", "game", "--alias", "live", "--steps", "50,20,100"), 2);
    assert_int_equal(OW(d, out, "release", "game", "--alias", "live", "--steps", "10,50"), 2);
    assert_int_equal(OW(d, out, "release", "game", "--alias", "live", "--pause", "soon"), 2);
    assert_int_equal(OW(d, out, "release", "game", "--alias", "live", "--version", "1"), 0);
    MUST("alias", "set", "game", "live", "1", "2=50");
    assert_int_equal(OW(d, out, "release", "game", "--alias", "live", "--version", "2"), 5);
    MUST("alias", "set", "game", "live", "1");
}

int main(int argc, char **argv) {
    shape = deployment_shape_of(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_aliases_answer_three_versions),
        cmocka_unit_test(stages_are_bound_once),
        cmocka_unit_test(ten_percent_are_ten_percent),
        cmocka_unit_test(nothing_and_everything_are_exact),
        cmocka_unit_test(a_player_stays_on_its_side),
        cmocka_unit_test(twenty_moves_and_rollbacks_fail_no_call),
        cmocka_unit_test(moves_do_not_exhaust_the_quota),
        cmocka_unit_test(a_good_version_is_released_step_by_step),
        cmocka_unit_test(a_version_that_fails_goes_back_by_itself),
        cmocka_unit_test(a_version_that_is_slow_goes_back_by_itself),
        cmocka_unit_test(an_interrupted_release_goes_back),
        cmocka_unit_test(releases_are_checked_first),
    };
    return cmocka_run_group_tests_name("release", tests, set_up, tear_down);
}
