// More calls than a function's queue holds: those too many are told when to come again, the others are
// served.

#include "tests/scenario/deployment.h"

#include "core/testing/ow_test.h"

#include <string.h>

enum { CALLS = 12, QUOTA = 1, WAITING = 4 };

typedef struct tally {
    int good, full, other;
    int least_retry_s;
} tally;

static void on_reply(void *user, ow_client_reply *reply, const ow_client_error *error) {
    tally *t = user;
    if (reply != NULL) {
        t->good++;
    } else if (error->status == 429 && strcmp(error->reason, "throttled") == 0) {
        t->full++;
        t->least_retry_s =
            error->retry_after_s < t->least_retry_s ? error->retry_after_s : t->least_retry_s;
    } else {
        t->other++;
    }
}

static void what_does_not_fit_is_asked_to_come_again(void **state) {
    (void)state;
    static const char *const flags[] = {"--runner.quota=1", "--runner.queue_requests=4", NULL};
    deployment *d = deployment_start(SHAPE_ONE_PROCESS, flags);
    deployment_deploy(d, "tests/scenario/bundle", true);
    ow_client *player = deployment_player(d, "device-of-the-queue");
    tally t = {.least_retry_s = 1000};
    for (int i = 0; i < CALLS; i++) {
        assert_true(start_call(player, "lab/slow", "{\"ms\":300}", on_reply, &t));
    }
    int64_t start = now_ms();
    while (t.good + t.full + t.other < CALLS) {
        ow_client_poll(player, 100);
        assert_true(now_ms() - start < 60000);
    }
    assert_int_equal(t.other, 0);
    assert_true(t.good >= WAITING && t.good <= QUOTA + WAITING);
    assert_int_equal(t.full, CALLS - t.good);
    assert_true(t.least_retry_s >= 1 && t.least_retry_s < 1000);
    expect_reply(player, "lab/echo", "1", "1");
    ow_client_free(player);
    deployment_stop(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_fit_is_asked_to_come_again),
    };
    return cmocka_run_group_tests_name("full queue", tests, NULL, NULL);
}
