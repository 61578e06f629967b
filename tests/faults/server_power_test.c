// The whole server on a disk that fails: power loss and EIO at chosen calls of all its threads, from its
// first start on. Most points are in tests/faults/disk:storage_test, where one costs less; here it is
// everything that a server keeps: three stores, keys, the operator's token, bundles.

#include "tests/faults/disk/faulty.h"
#include "tests/faults/journal.h"

#include "core/testing/ow_test.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

enum { POWER_POINTS = 300, ERROR_POINTS = 60, ROUND_MAX = 150, START_MS = 30000, END_MS = 20000 };

typedef struct bench {
    faulty faulty;
    char data[PATH_MAX + 8];
    deployment *d;
    journal *j;
} bench;

static int set_up(void **state) {
    bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    faulty_init(&b->faulty);
    snprintf(b->data, sizeof b->data, "%s/data", b->faulty.plan->root);
    *state = b;
    return 0;
}

static int tear_down(void **state) {
    bench *b = *state;
    deployment_stop(b->d);
    journal_free(b->j);
    faulty_deinit(&b->faulty);
    free(b);
    return 0;
}

// A new installation with an empty folder and an empty journal.
static void begin_anew(bench *b) {
    deployment_stop(b->d);
    journal_free(b->j);
    faulty_renew(&b->faulty);
    b->d = deployment_new(SHAPE_ONE_PROCESS, journal_flags, b->data);
    b->j = journal_new("power");
}

// Starts, and runs a round until it is done or the process has ended. False: it was never ready.
static bool run_round(bench *b) {
    deployment_environment(b->d, b->faulty.environment);
    deployment_start_all(b->d);
    if (!deployment_wait_ready(b->d, START_MS)) {
        return false;
    }
    journal_begin(b->j, b->d, ROUND_MAX);
    while (deployment_is_running(b->d, "identity") && journal_turn(b->j, 1)) {
    }
    journal_end(b->j);
    return true;
}

// Without faults from here on: everything is there, and can go on.
static void recover(bench *b, bool ran, long point) {
    faulty_rest(&b->faulty);
    if (deployment_is_running(b->d, "identity")) {
        deployment_kill_all(b->d); // the point was behind the load's end
    }
    deployment_environment(b->d, NULL);
    deployment_start_all(b->d);
    if (!deployment_wait_ready(b->d, START_MS)) {
        fail_msg("point %ld: the server does not start again", point);
    }
    if (ran) {
        journal_check(b->j, b->d, point);
        journal_check_once_each(b->j, b->d);
    }
}

static long count_calls(bench *b, int kinds) {
    begin_anew(b);
    atomic_store(&b->faulty.plan->kinds, kinds);
    assert_true(run_round(b));
    long calls = atomic_load(&b->faulty.plan->seen);
    recover(b, true, 0);
    return calls;
}

static void power_loss_takes_nothing_acknowledged(void **state) {
    bench *b = *state;
    long calls = count_calls(b, FAULT_ALL);
    int struck = 0, acked = 0;
    for (int point = 0; point < POWER_POINTS; point++) {
        // On a used folder as well as on a new one.
        if (point % 4 == 0) {
            begin_anew(b);
        } else {
            deployment_kill_all(b->d);
        }
        long at = 1 + (long)point * 7919 % calls;
        faulty_lose_power(&b->faulty, at, (unsigned)point);
        bool ran = run_round(b);
        struck += atomic_load(&b->faulty.plan->struck) > 0;
        recover(b, ran, at);
        acked += journal_count(b->j).acked;
    }
    print_message("%d power losses over %ld calls\n", struck, calls);
    assert_true(struck > POWER_POINTS / 2 && acked > POWER_POINTS);
}

static void an_io_error_is_never_an_acknowledged_loss(void **state) {
    bench *b = *state;
    int kinds = FAULT_WRITE | FAULT_SYNC | FAULT_SIZE;
    long calls = count_calls(b, kinds);
    int struck = 0, stopped = 0;
    for (int point = 0; point < ERROR_POINTS; point++) {
        begin_anew(b);
        long at = 1 + (long)point * calls / ERROR_POINTS;
        faulty_fail(&b->faulty, kinds, at, EIO, 1);
        bool ran = run_round(b);
        struck += atomic_load(&b->faulty.plan->struck) > 0;
        stopped += !deployment_is_running(b->d, "identity");
        recover(b, ran, at);
    }
    print_message("EIO at %d of %ld calls, the process stopped at %d\n", struck, calls, stopped);
    assert_true(struck > ERROR_POINTS * 3 / 4 && stopped > ERROR_POINTS / 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(power_loss_takes_nothing_acknowledged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_io_error_is_never_an_acknowledged_loss, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests_name("server_power", tests, NULL, NULL);
}
