// The queue under load when processes are killed and when its disk is full: an execution whose acceptance was
// acknowledged ends well, whatever happened in between; one whose answer was lost is found by asking again
// with the same key; and each key is there once.

#include "tests/faults/disk/small_disk.h"
#include "tests/faults/queue_load.h"

#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KILLS = 12, ROUND = 120, ROOM = 32 };

// Everything that was asked for is there once, and ends well.
static void check(load *l, deployment *d) {
    ow_client *client = deployment_operator(d);
    load_resolve(l, client);
    load_expect_done(l, client);
    assert_int_equal(count_executions(client, ""), l->count);
    ow_client_free(client);
}

static void kill_rounds(deployment_shape shape, const char *const *services, int count) {
    static const char *const flags[] = {"--gateway.address_requests=0", NULL};
    unsigned seed = 20260901;
    load l;
    load_init(&l, "lab/echo", NULL);
    deployment *d = deployment_start(shape, flags);
    deployment_deploy(d, "tests/scenario/bundle", true);
    for (int round = 0; round < KILLS; round++) {
        const char *service = services[round % count];
        load_begin(&l, d, ROUND);
        // By what was answered, not by time: some are on their way whatever the machine's speed.
        int answered = l.count + rand_r(&seed) % (ROUND - ROOM);
        while (load_answered(&l) < answered && load_turn(&l, 1)) {
        }
        load_turn(&l, 0);
        if (service != NULL) {
            deployment_kill(d, service);
        } else {
            deployment_kill_all(d);
        }
        load_end(&l);
        deployment_start_all(d);
        assert_true(deployment_wait_ready(d, 30000));
    }
    check(&l, d);
    print_message("%d kills: %d acknowledged, %d unknown, all there once and done\n", KILLS,
                  l.acked, l.unknown);
    assert_true(l.acked > KILLS && l.unknown > 0);
    load_deinit(&l);
    deployment_stop(d);
}

static void the_one_process(void **state) {
    (void)state;
    static const char *const services[] = {NULL};
    kill_rounds(SHAPE_ONE_PROCESS, services, 1);
}

static void each_process(void **state) {
    (void)state;
    static const char *const services[] = {"events", "runner", "gateway", NULL};
    kill_rounds(SHAPE_SPLIT, services, 4);
}

// ---- A full disk ----

static void run_round(load *l, deployment *d, int most) {
    load_begin(l, d, most);
    while (load_turn(l, 1)) {
    }
    load_end(l);
}

static void on_small_disk(const char *folder) {
    static const char *const flags[] = {"--gateway.address_requests=0", NULL};
    char data[128], filler[128];
    snprintf(data, sizeof data, "%s/data", folder);
    snprintf(filler, sizeof filler, "%s/filler", folder);
    load l;
    load_init(&l, "lab/echo", NULL);
    deployment *d = deployment_new(SHAPE_ONE_PROCESS, flags, data);
    deployment_start_all(d);
    assert_true(deployment_wait_ready(d, 30000));
    deployment_deploy(d, "tests/scenario/bundle", true);
    run_round(&l, d, ROUND);
    assert_true(small_disk_fill(filler, 0) >= 0);
    for (int i = 0; i < 20 && l.refused == 0; i++) {
        run_round(&l, d, ROUND);
    }
    assert_true(l.refused > 0 && l.refusal.retry_after_s > 0);
    assert_true(deployment_is_running(d, "events"));
    unlink(filler);
    check(&l, d); // what was accepted ends, what was refused is accepted now
    print_message("%d acknowledged, %d refused\n", l.acked, l.refused);
    assert_int_equal(l.unknown, 0);
    load_deinit(&l);
    deployment_stop(d);
}

static void a_full_disk_is_an_answer(void **state) {
    (void)state;
    small_disk_run("64m", on_small_disk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_one_process),
        cmocka_unit_test(each_process),
        cmocka_unit_test(a_full_disk_is_an_answer),
    };
    return cmocka_run_group_tests_name("async", tests, NULL, NULL);
}
