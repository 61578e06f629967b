// Releases: aliases with weights, moves and rollbacks while players are on it. Run against the shapes of
// deployment.

#include "tests/scenario/deployment.h"

#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CALLS = 2000, IN_FLIGHT = 16, MOVES = 20 };

static deployment_shape shape;
static deployment *d;
static ow_client *operator_client;

static void write_file(const char *folder, const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

// Publishes a version of "game" whose function `answer` replies its number.
static void publish(int number) {
    char folder[64] = "/tmp/overworld-bundle-XXXXXX", source[512];
    assert_non_null(mkdtemp(folder));
    write_file(folder, "virtualserver.json",
               "{\"name\":\"game\",\"runtime\":\"c\",\"functions\":{\"answer\":{\"exposure\":"
               "\"client\"}}}");
    snprintf(source, sizeof source,
             "#include <overworld.h>\nint answer(ow_ctx *ctx) {\n    return ow_reply_text(ctx, "
             "\"%d\");\n}\n",
             number);
    write_file(folder, "game.c", source);
    deployment_deploy(d, folder, true);
}

static int set_up(void **state) {
    (void)state;
    d = deployment_start(shape, NULL);
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

// A command in a child process, while the load goes on.
static void under_load(const char *const *args) {
    pid_t child = fork();
    if (child == 0) {
        char out[2048];
        _exit(deployment_ow(d, out, sizeof out, args));
    }
    int status;
    int64_t end = now_ms() + 60000;
    while (waitpid(child, &status, WNOHANG) == 0) {
        ow_client_poll(operator_client, 5);
        assert_true(now_ms() < end);
    }
    assert_int_equal(status, 0);
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
    for (int i = 0; i < IN_FLIGHT; i++) {
        l.lanes[i].owner = &l;
        start_one(&l.lanes[i]);
    }
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
    l.stop = true;
    for (int64_t end = now_ms() + 30000; l.running > 0;) {
        ow_client_poll(operator_client, 5);
        assert_true(now_ms() < end);
    }
    if (l.bad > 0) {
        fail_msg("%d of %d calls failed, the last with %d %s: %s", l.bad, l.good + l.bad,
                 l.last.status, l.last.reason, l.last.message);
    }
    assert_true(l.good >= MOVES * 2 * SETTLED);
}

int main(int argc, char **argv) {
    shape = deployment_shape_of(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_aliases_answer_three_versions),
        cmocka_unit_test(ten_percent_are_ten_percent),
        cmocka_unit_test(nothing_and_everything_are_exact),
        cmocka_unit_test(a_player_stays_on_its_side),
        cmocka_unit_test(twenty_moves_and_rollbacks_fail_no_call),
    };
    return cmocka_run_group_tests_name("release", tests, set_up, tear_down);
}
