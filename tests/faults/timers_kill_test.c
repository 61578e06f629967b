// kill -9 at random points while timers fire every second: afterwards each slot has become one execution, or
// stands in the history as missed; none is missing, none is there twice.

#include "tests/scenario/deployment.h"

#include "core/json/tree.h"
#include "core/testing/ow_test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TIMERS = 12, KILLS = 8, EXECUTIONS_MAX = 4096, NAME_MAX = 48, HISTORY_MAX = 1 << 18 };

typedef struct seen {
    char executions[EXECUTIONS_MAX][NAME_MAX];
    int count, missed, claimed;
} seen;

static int64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * (int64_t)1000000 + now.tv_nsec / 1000;
}

static void wait_us(int64_t us) {
    struct timespec rest = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    while (nanosleep(&rest, &rest) != 0) {
    }
}

static int64_t seconds_of(const ow_json *slot, const char *name) {
    struct tm parts = {0};
    const char *text = ow_json_string(ow_json_get(slot, name));
    assert_non_null(text);
    assert_non_null(strptime(text, "%Y-%m-%dT%H:%M:%S", &parts));
    return (int64_t)timegm(&parts);
}

static const char *text_of(const ow_json *slot, const char *name) {
    const char *text = ow_json_string(ow_json_get(slot, name));
    return text != NULL ? text : "";
}

static void note_execution(seen *s, const char *id) {
    assert_true(id[0] != 0);
    for (int i = 0; i < s->count; i++) {
        assert_string_not_equal(s->executions[i], id);
    }
    assert_true(s->count < EXECUTIONS_MAX);
    snprintf(s->executions[s->count++], NAME_MAX, "%s", id);
}

// Latest first: each slot begins where the one before it in time has ended.
static void look_at(const deployment *d, const char *timer, seen *s) {
    static char out[HISTORY_MAX];
    ow_json *reply = NULL;
    int64_t later = 0;
    assert_int_equal(OW(d, out, "timer", "history", timer, "--limit", "200", "--json"), 0);
    assert_int_equal(ow_json_parse(out, strlen(out), 16, &reply, NULL), OW_OK);
    const ow_json *slots = ow_json_get(reply, "slots");
    assert_true(ow_json_count(slots) < 200); // all of them
    for (const ow_json *slot = ow_json_first(slots); slot != NULL; slot = ow_json_next(slot)) {
        const char *state = text_of(slot, "state");
        assert_true(later == 0 || later - seconds_of(slot, "lastDue") == 1);
        later = seconds_of(slot, "due");
        if (strcmp(state, "fired") == 0) {
            note_execution(s, text_of(slot, "executionId"));
        } else if (strcmp(state, "missed") == 0) {
            s->missed++;
        } else {
            assert_string_equal(state, "claimed");
            s->claimed++;
        }
    }
    ow_json_free(reply);
}

static void make_timers(const deployment *d) {
    char out[1000];
    char name[16];
    for (int i = 0; i < TIMERS; i++) {
        snprintf(name, sizeof name, "t%d", i);
        assert_int_equal(
            OW(d, out, "timer", "create", "lab", name, "--function", "echo", "--every", "1s"), 0);
    }
}

static void pause_timers(const deployment *d) {
    char out[1000];
    char name[16];
    for (int i = 0; i < TIMERS; i++) {
        snprintf(name, sizeof name, "lab/t%d", i);
        assert_int_equal(OW(d, out, "timer", "pause", name), 0);
    }
}

// Claims that broke off are taken up again when their lease is over.
static void until_settled(const deployment *d, seen *s) {
    char name[16];
    for (int64_t end = now_us() + 60 * 1000000; now_us() < end; wait_us(200 * 1000)) {
        *s = (seen){0};
        for (int i = 0; i < TIMERS; i++) {
            snprintf(name, sizeof name, "lab/t%d", i);
            look_at(d, name, s);
        }
        if (s->claimed == 0) {
            return;
        }
    }
    fail_msg("%d slots are claimed still", s->claimed);
}

static int executions_stored(const deployment *d) {
    char command[600];
    int count = -1;
    snprintf(command, sizeof command,
             "sqlite3 %s/events/events.db \"SELECT count(*) FROM executions WHERE deduplication_key"
             " LIKE 'tmr:%%'\"",
             deployment_folder(d));
    FILE *answer = popen(command, "r");
    assert_non_null(answer);
    assert_int_equal(fscanf(answer, "%d", &count), 1);
    assert_int_equal(pclose(answer), 0);
    return count;
}

static void kill_rounds(deployment_shape shape, const char *const *services, int count,
                        unsigned seed) {
    static seen s;
    deployment *d = deployment_start(shape, NULL);
    deployment_deploy(d, "tests/scenario/bundle", true);
    make_timers(d);
    for (int round = 0; round < KILLS; round++) {
        wait_us(500000 + rand_r(&seed) % 1500000);
        const char *service = services[round % count];
        if (service != NULL) {
            deployment_kill(d, service);
        } else {
            deployment_kill_all(d);
        }
        deployment_start_all(d);
        assert_true(deployment_wait_ready(d, 30000));
    }
    pause_timers(d);
    until_settled(d, &s);
    print_message("%d kills: %d slots fired, %d entries of missed ones\n", KILLS, s.count,
                  s.missed);
    assert_true(s.count > TIMERS * KILLS / 2);
    deployment_kill_all(d);
    assert_int_equal(executions_stored(d), s.count);
    deployment_start_all(d);
    assert_true(deployment_wait_ready(d, 30000));
    deployment_stop(d);
}

static void the_one_process(void **state) {
    (void)state;
    static const char *const services[] = {NULL};
    kill_rounds(SHAPE_ONE_PROCESS, services, 1, 20260401);
}

static void timers_queue_and_all(void **state) {
    (void)state;
    static const char *const services[] = {"timers", "events", NULL};
    kill_rounds(SHAPE_SPLIT, services, 3, 20260402);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_one_process),
        cmocka_unit_test(timers_queue_and_all),
    };
    return cmocka_run_group_tests_name("timers_kill", tests, NULL, NULL);
}
