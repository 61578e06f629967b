// kill -9 at random points under a load of writes, of every process and of all at once: what was
// acknowledged is there afterwards, once; what is unknown is resolved by asking again (journal.h).

#include "tests/faults/journal.h"

#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>

// A title has at most 1,000 server keys, so each installation sees some of the kills.
enum { KILLS = 50, INSTALLATIONS = 4, SPLIT_KILLS = 60, ROUND_MAX = 90, ANSWERED_MAX = 60 };

// Kills `service` (NULL: all) at a random moment of a round: by what was answered, since a slow machine
// answers nothing in the time in which a fast one has answered all.
static void load_and_kill(deployment *d, journal *j, const char *service, unsigned *seed) {
    journal_begin(j, d, ROUND_MAX);
    int enough = journal_count(j).acked + rand_r(seed) % ANSWERED_MAX;
    while (journal_count(j).acked < enough && journal_turn(j, 1)) {
    }
    if (service != NULL) {
        deployment_kill(d, service);
    } else {
        deployment_kill_all(d);
    }
    journal_end(j);
}

static void kill_rounds(deployment_shape shape, const char *const *services, int count, int kills,
                        unsigned seed) {
    deployment *d = deployment_start(shape, journal_flags);
    journal *j = journal_new("kill");
    for (int round = 0; round < kills; round++) {
        load_and_kill(d, j, services[round % count], &seed);
        deployment_start_all(d);
        assert_true(deployment_wait_ready(d, 30000));
        journal_check(j, d, round);
    }
    journal_check_once_each(j, d);
    journal_counts counts = journal_count(j);
    print_message("%d kills: %d acknowledged, %d unknown, all there once\n", kills, counts.acked,
                  counts.unknown);
    assert_true(counts.acked > kills && counts.unknown > 0);
    journal_free(j);
    deployment_stop(d);
}

static void the_one_process(void **state) {
    (void)state;
    static const char *const services[] = {NULL};
    for (int i = 0; i < INSTALLATIONS; i++) {
        kill_rounds(SHAPE_ONE_PROCESS, services, 1, KILLS, 20260101 + (unsigned)i);
    }
}

static void each_process_and_all(void **state) {
    (void)state;
    static const char *const services[] = {"identity", "registry", "gateway", "telemetry", "runner",
                                           "data",     "events",   "timers",  NULL};
    kill_rounds(SHAPE_SPLIT, services, 8, SPLIT_KILLS, 20260102);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_one_process),
        cmocka_unit_test(each_process_and_all),
    };
    return cmocka_run_group_tests_name("kill", tests, NULL, NULL);
}
