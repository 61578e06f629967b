// soak_test SECONDS [SHAPE]: a mixed load, with what a server lives through in a day in between (redeploys,
// failing functions, clients that vanish, keys that come and go), and an orderly end. From a minute on,
// the descriptors and the memory of each process must be flat: what the last third of the time used is
// held against the middle third. Under ASan the end is also the leak check.

#include "tests/scenario/deployment.h"

#include "core/testing/ow_test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PLAYERS = 8,
    DEVICES = 500,
    SAMPLES_MAX = 100000,
    FLAT_FROM_S = 60,
    REDEPLOY_MS = 15000,
    SAMPLE_MS = 500,
    CHORE_MS = 50,
    FDS_SLACK = 16,
    MEMORY_SLACK_KB = 4096,
};

static const char *const flags[] = {"--gateway.player_calls=0", "--gateway.player_function_calls=0",
                                    "--gateway.address_requests=0", NULL};
static const char *const processes[] = {"identity", "registry", "telemetry", "runner",
                                        "events",   "timers",   "gateway"};
enum { PROCESSES = sizeof processes / sizeof processes[0] };

static int seconds = 5;
static deployment_shape shape;

// ---- Load ----

typedef struct player {
    struct soak *soak;
    ow_client *client;
    unsigned turn;
} player;

typedef struct soak {
    deployment *d;
    player players[PLAYERS];
    ow_client *admin;
    int chores, calls, failures;
    char first_failure[160];
    bool ending;
} soak;

static const struct {
    const char *function, *payload;
    int status; // expected; 0: a reply
} mix[] = {
    {"lab/echo", "{\"text\":\"hello\",\"n\":[1,2,3]}", 0},
    {"lab/echo", "\"short\"", 0},
    {"lab/nested", "{}", 0},
    {"lab/numbers", "[1,\"-9223372036854775808\"]", 0},
    {"lab/echo", "[]", 0},
    {"lab/fail", "{}", 500},
    {"lab/echo", "{}", 0},
    {"lab/refuse", "{}", 422},
    {"lab/whoami", "{}", 0},
    {"lab/echo", "{\"broken\":", 400},
    {"lab/nothing", "{}", 404},
    {"lab/crash", "{}", 502},
};
enum { MIX = sizeof mix / sizeof mix[0], CRASH_EVERY = 8 };

static void call_next(player *p);

static void on_reply(void *user, ow_client_reply *reply, const ow_client_error *error) {
    player *p = user;
    soak *s = p->soak;
    int expected = mix[p->turn % MIX].status;
    int status = reply != NULL ? 0 : error->status;
    // While its code changes hands a crashed function may be in its back-off.
    if (status != expected && expected != 502) {
        if (s->failures++ == 0) {
            snprintf(s->first_failure, sizeof s->first_failure, "%s: %d %s",
                     mix[p->turn % MIX].function, status, reply != NULL ? "" : error->reason);
        }
    }
    s->calls++;
    p->turn++;
    call_next(p);
}

static void call_next(player *p) {
    if (p->soak->ending) {
        return;
    }
    // Crashes are rare in a day, too.
    if (mix[p->turn % MIX].status == 502 && p->turn / MIX % CRASH_EVERY != 0) {
        p->turn++;
    }
    assert_true(start_call(p->client, mix[p->turn % MIX].function, mix[p->turn % MIX].payload,
                           on_reply, p));
}

static bool ask(ow_client *client, const char *path, const char *body, char *ret_id) {
    ow_client_request request = {
        .method = "POST", .path = path, .body = body, .size = strlen(body)};
    ow_client_reply *reply = NULL;
    bool ok = ow_client_send(client, &request, &reply, NULL);
    const char *id = ok ? strstr(reply->data, "\"keyId\":\"") : NULL;
    if (id != NULL && ret_id != NULL) {
        snprintf(ret_id, 48, "%.30s", id + strlen("\"keyId\":\""));
    }
    ow_client_reply_free(reply);
    return ok;
}

static void key_comes_and_goes(soak *s) {
    char body[96], id[48] = "";
    snprintf(body, sizeof body, "{\"name\":\"soak-%d\"}", s->chores);
    assert_true(ask(s->admin, "/overworld.identity.v1.Identity/CreateServerKey", body, id));
    snprintf(body, sizeof body, "{\"keyId\":\"%s\"}", id);
    assert_true(ask(s->admin, "/overworld.identity.v1.Identity/RevokeServerKey", body, NULL));
}

static void log_is_read(soak *s) {
    assert_true(ask(s->admin, "/overworld.telemetry.v1.Telemetry/QueryLogs",
                    "{\"pageSize\":20,\"newest\":true}", NULL));
}

static void player_comes_and_goes(soak *s) {
    char device[32];
    snprintf(device, sizeof device, "soak-device-%05d", s->chores % DEVICES);
    ow_client *client = deployment_player(s->d, device);
    start_call(client, "lab/slow", "{\"ms\":20}", NULL, NULL); // and does not wait for it
    ow_client_poll(client, 1);
    ow_client_free(client);
}

static void (*const chores[])(soak *) = {key_comes_and_goes, player_comes_and_goes, log_is_read,
                                         player_comes_and_goes};

// ---- What it costs ----

typedef struct sample {
    int64_t memory_kb[PROCESSES];
    int fds[PROCESSES];
} sample;

static int count_fds(pid_t pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    int count = 0;
    while (dir != NULL && readdir(dir) != NULL) {
        count++;
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return count;
}

// Anonymous memory: pages of files that the kernel keeps for us are nobody's leak.
static int64_t memory_kb(pid_t pid) {
    char path[64], line[128];
    long long kb = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL &&
           sscanf(line, "RssAnon: %lld", &kb) != 1) {
    }
    if (file != NULL) {
        fclose(file);
    }
    return kb;
}

static void take_sample(const deployment *d, sample *ret_sample) {
    for (int i = 0; i < PROCESSES; i++) {
        pid_t pid = deployment_pid(d, processes[i]);
        ret_sample->memory_kb[i] = memory_kb(pid);
        ret_sample->fds[i] = count_fds(pid);
    }
}

static sample highest(const sample *samples, int from, int to) {
    sample high = {0};
    for (int s = from; s < to; s++) {
        for (int i = 0; i < PROCESSES; i++) {
            high.fds[i] = samples[s].fds[i] > high.fds[i] ? samples[s].fds[i] : high.fds[i];
            high.memory_kb[i] = samples[s].memory_kb[i] > high.memory_kb[i]
                                    ? samples[s].memory_kb[i]
                                    : high.memory_kb[i];
        }
    }
    return high;
}

static void expect_flat(const sample *samples, int count) {
    sample middle = highest(samples, count / 3, count * 2 / 3);
    sample last = highest(samples, count * 2 / 3, count);
    for (int i = 0; i < (shape == SHAPE_SPLIT ? PROCESSES : 1); i++) {
        print_message("%s: memory %lld, then %lld KB; descriptors %d, then %d\n", processes[i],
                      (long long)middle.memory_kb[i], (long long)last.memory_kb[i], middle.fds[i],
                      last.fds[i]);
        if (seconds >= FLAT_FROM_S) {
            assert_true(last.fds[i] <= middle.fds[i] + FDS_SLACK);
            assert_true(last.memory_kb[i] <= middle.memory_kb[i] + MEMORY_SLACK_KB);
        }
    }
}

// ---- The whole ----

static void begin(soak *s) {
    s->d = deployment_start(shape, flags);
    deployment_deploy(s->d, "tests/scenario/bundle", true);
    s->admin = deployment_operator(s->d);
    for (int i = 0; i < PLAYERS; i++) {
        char device[32];
        snprintf(device, sizeof device, "soak-player-%02d", i);
        s->players[i] = (player){s, deployment_player(s->d, device), (unsigned)i};
        call_next(&s->players[i]);
    }
}

static void turn(soak *s) {
    for (int i = 0; i < PLAYERS; i++) {
        ow_client_poll(s->players[i].client, 0);
    }
}

static void end(soak *s) {
    s->ending = true;
    for (int i = 0; i < PLAYERS; i++) {
        while (ow_client_poll(s->players[i].client, 10) > 0) {
        }
        ow_client_free(s->players[i].client);
    }
    ow_client_free(s->admin);
    deployment_stop(s->d);
}

static int load(soak *s, sample *samples) {
    int64_t start = now_ms(), next_sample = start, next_chore = start;
    int64_t next_deploy = start + REDEPLOY_MS;
    int count = 0;
    while (now_ms() < start + seconds * INT64_C(1000)) {
        turn(s);
        int64_t now = now_ms();
        if (now >= next_chore) {
            chores[s->chores % (int)(sizeof chores / sizeof chores[0])](s);
            s->chores++;
            next_chore = now + CHORE_MS;
        }
        if (now >= next_deploy) {
            deployment_deploy(s->d, "tests/scenario/bundle", true);
            next_deploy = now + REDEPLOY_MS;
        }
        if (now >= next_sample && count < SAMPLES_MAX) {
            take_sample(s->d, &samples[count++]);
            next_sample = now + SAMPLE_MS;
        }
    }
    return count;
}

static void nothing_grows(void **state) {
    (void)state;
    static sample samples[SAMPLES_MAX];
    static soak s;
    begin(&s);
    int count = load(&s, samples);
    end(&s);
    print_message("%d calls, %d other things in %d s\n", s.calls, s.chores, seconds);
    expect_flat(samples, count);
    if (s.failures != 0) {
        fail_msg("%d calls went wrong, the first: %s", s.failures, s.first_failure);
    }
    assert_true(s.calls > seconds * 10);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_grows),
    };
    seconds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : seconds;
    shape = deployment_shape_of(argc - 1, argv + 1);
    return cmocka_run_group_tests_name("soak", tests, NULL, NULL);
}
