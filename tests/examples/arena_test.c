// examples/arena on a running server: the sample dedicated server reports matches, many at a time, and no
// point is lost.

#include "tests/scenario/deployment.h"

#include "core/json/tree.h"
#include "core/testing/ow_test.h"
#include "examples/arena/rating.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PLAYERS = 6, MATCHES = 120, AT_ONCE = 16 };

static deployment *d;
static ow_client *server;
static ow_client *players[PLAYERS];
static char ids[PLAYERS][48];

static int set_up(void **state) {
    (void)state;
    d = deployment_start(SHAPE_ONE_PROCESS, NULL);
    deployment_deploy(d, "examples/arena", true);
    server = deployment_server(d);
    for (int i = 0; i < PLAYERS; i++) {
        ow_client_config config = {.url = deployment_public(d), .timeout_ms = 60000};
        ow_client_login login;
        char device[32];
        snprintf(device, sizeof device, "arena-device-%d", i);
        players[i] = ow_client_new(&config, NULL);
        assert_true(ow_client_login_device(players[i], device, &login, NULL));
        snprintf(ids[i], sizeof ids[i], "%s", login.player_id);
    }
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    for (int i = 0; i < PLAYERS; i++) {
        ow_client_free(players[i]);
    }
    ow_client_free(server);
    deployment_stop(d);
    return 0;
}

static ow_json *call(ow_client *client, const char *function, const char *payload) {
    ow_client_reply *reply = NULL;
    ow_client_error error = {0};
    ow_json *json = NULL;
    if (!ow_client_call_json(client, function, payload, &reply, &error)) {
        fail_msg("%s %s: %s %s", function, payload, error.reason, error.message);
    }
    assert_int_equal(ow_json_parse(reply->data, reply->size, 8, &json, NULL), OW_OK);
    ow_client_reply_free(reply);
    return json;
}

static int64_t rating_of(int player) {
    int64_t rating = -1;
    ow_json *json = call(players[player], "arena/rating", "{}");
    assert_true(ow_json_as_int(ow_json_get(json, "rating"), &rating));
    ow_json_free(json);
    return rating;
}

static void points_follow_from_what_was_expected(void **state) {
    (void)state;
    assert_int_equal(rating_points(1000, 1000, 32), 16);
    assert_true(rating_points(1400, 1000, 32) < 4);
    assert_true(rating_points(1000, 1400, 32) > 28);
    assert_int_equal(rating_points(1000, 3, 32), 0);
    assert_int_equal(rating_points(0, 3, 32), 3); // never below nothing
    assert_int_equal(rating_points(9990, 9990, 32), 9);
}

static int run_dedicated_server(const char *match, const char *winner, const char *loser) {
    char out[256], key[400], url[100];
    assert_int_equal(OW(d, out, "key", "create", "arena-server"), 0);
    char *secret = strchr(out, ' ');
    assert_non_null(secret);
    *secret++ = '\0';
    secret[strcspn(secret, "\r\n")] = '\0';
    snprintf(key, sizeof key, "%s", secret);
    snprintf(url, sizeof url, "%s", deployment_public(d));
    pid_t pid = fork();
    if (pid == 0) {
        setenv("OVERWORLD_SERVER_KEY", out, 1);
        setenv("OVERWORLD_SERVER_SECRET", key, 1);
        execl("examples/dedicated_server/dedicated_server", "dedicated_server", url, "--match",
              match, winner, loser, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status);
}

static void a_dedicated_server_reports_a_match_once(void **state) {
    (void)state;
    assert_int_equal(rating_of(0), RATING_FIRST);
    assert_int_equal(run_dedicated_server("first", ids[0], ids[1]), 0);
    assert_int_equal(rating_of(0), RATING_FIRST + 16);
    assert_int_equal(rating_of(1), RATING_FIRST - 16);
    assert_int_equal(run_dedicated_server("first", ids[0], ids[1]), 1); // counted already
    assert_int_equal(rating_of(0), RATING_FIRST + 16);
    assert_int_equal(run_dedicated_server("none", ids[0], ids[0]), 1);
    char payload[200];
    snprintf(payload, sizeof payload, "{\"match\":\"x\",\"winner\":\"%s\",\"loser\":\"%s\"}",
             ids[0], ids[1]);
    expect_error(players[0], "arena/match_over", payload, (refusal){403, "not_exposed"}, NULL);
}

typedef struct load {
    int begun, running, good;
    char why[300];
} load;

static void on_reply(void *user, ow_client_reply *reply, const ow_client_error *error) {
    load *l = user;
    l->running--;
    l->good += reply != NULL;
    if (reply == NULL) {
        snprintf(l->why, sizeof l->why, "%.80s: %.200s", error->reason, error->message);
    }
}

static void begin_match(load *l) {
    char payload[200];
    int winner = l->begun % PLAYERS,
        loser = (winner + 1 + l->begun / PLAYERS % (PLAYERS - 1)) % PLAYERS;
    snprintf(payload, sizeof payload, "{\"match\":\"m%d\",\"winner\":\"%s\",\"loser\":\"%s\"}",
             l->begun++, ids[winner], ids[loser]);
    assert_true(start_call(server, "arena/match_over", payload, on_reply, l));
    l->running++;
}

static void of_many_matches_at_a_time_none_is_lost(void **state) {
    (void)state;
    load l = {0};
    int64_t until = now_ms() + 60000, sum = 0;
    while (l.begun < MATCHES || l.running > 0) {
        while (l.begun < MATCHES && l.running < AT_ONCE) {
            begin_match(&l);
        }
        ow_client_poll(server, 5);
        assert_true(now_ms() < until);
    }
    if (l.good != MATCHES) {
        fail_msg("%d of %d counted: %s", l.good, MATCHES, l.why);
    }
    for (int i = 0; i < PLAYERS; i++) {
        sum += rating_of(i);
    }
    assert_int_equal(sum, PLAYERS * RATING_FIRST);
}

static void the_leaderboard_has_each_player_once_best_first(void **state) {
    (void)state;
    int64_t last = RATING_MOST;
    int places = 0;
    ow_json *json = call(players[0], "arena/leaderboard", "{\"places\":100}");
    for (const ow_json *p = ow_json_first(ow_json_get(json, "places")); p != NULL;
         p = ow_json_next(p), places++) {
        const char *who = ow_json_string(ow_json_get(p, "player"));
        int64_t rating = -1;
        assert_true(ow_json_as_int(ow_json_get(p, "rating"), &rating));
        assert_true(rating <= last);
        last = rating;
        int found = 0;
        for (int i = 0; i < PLAYERS; i++) {
            if (strcmp(ids[i], who) == 0) {
                found++;
                assert_int_equal(rating, rating_of(i));
            }
        }
        assert_int_equal(found, 1);
    }
    assert_int_equal(places, PLAYERS);
    ow_json_free(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_follow_from_what_was_expected),
        cmocka_unit_test(a_dedicated_server_reports_a_match_once),
        cmocka_unit_test(of_many_matches_at_a_time_none_is_lost),
        cmocka_unit_test(the_leaderboard_has_each_player_once_best_first),
    };
    return cmocka_run_group_tests_name("arena", tests, set_up, tear_down);
}
