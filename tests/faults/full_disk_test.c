// The data folder's disk is full: writes are answered disk_full with 503, reads go on, nothing half-done is
// stored, and writes succeed again by themselves once there is space.

#include "tests/faults/disk/small_disk.h"
#include "tests/faults/journal.h"

#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROUNDS = 8, ROUND = 120, RECOVERY_MS = 5000, SLACK = 5 };

static void run_round(journal *j, const deployment *d, int most) {
    journal_begin(j, d, most);
    while (journal_turn(j, 1)) {
    }
    journal_end(j);
}

static bool can_read(ow_client *admin) {
    ow_client_request request = {.method = "POST",
                                 .path = "/overworld.registry.v1.Registry/ListVirtualServers",
                                 .body = "{}",
                                 .size = 2};
    return ow_client_send(admin, &request, NULL, NULL);
}

// The log of the store may have room left from before, so the first ones may still be taken.
static void expect_disk_full(ow_client *admin, int number) {
    enum { TRIES = 2000 };
    char body[80];
    ow_client_error error = {0};
    bool sent = true;
    for (int i = 0; sent && i < TRIES; i++) {
        int size =
            snprintf(body, sizeof body, "{\"name\":\"more-%d-%d\",\"runtime\":\"c\"}", number, i);
        ow_client_request request = {.method = "POST",
                                     .path = "/overworld.registry.v1.Registry/CreateVirtualServer",
                                     .body = body,
                                     .size = (size_t)size};
        sent = ow_client_send(admin, &request, NULL, &error);
    }
    assert_false(sent);
    if (error.status != 503 || strcmp(error.reason, "disk_full") != 0 || error.retry_after_s <= 0) {
        fail_msg("%d %s, retry after %d: %s", error.status, error.reason, error.retry_after_s,
                 error.message);
    }
}

// Rounds until one is acknowledged whole.
static void expect_recovery(journal *j, const deployment *d, int number) {
    int64_t deadline = now_ms() + SLACK * RECOVERY_MS;
    int before;
    do {
        assert_true(now_ms() < deadline);
        before = journal_count(j).acked;
        run_round(j, d, 20);
        journal_check(j, d, number);
    } while (journal_count(j).acked - before < 20);
}

static void fill_and_free(journal *j, deployment *d, const char *filler, int number) {
    // What is left differs, so that the end comes at different files.
    assert_true(small_disk_fill(filler, number * 7) >= 0);
    ow_client *admin = deployment_operator(d);
    int refused = journal_count(j).refused;
    for (int i = 0; i < 10 && journal_count(j).refused < refused + ROUND / 2; i++) {
        run_round(j, d, ROUND);
        assert_true(deployment_is_running(d, "identity"));
        assert_true(can_read(admin));
    }
    assert_true(journal_count(j).refused > refused);
    small_disk_fill(filler, 0);
    expect_disk_full(admin, number);
    ow_client_free(admin);
    unlink(filler);
    journal_check(j, d, number); // now only: asking again is a write
    expect_recovery(j, d, number);
}

static void run(const char *folder) {
    char data[128], filler[128];
    snprintf(data, sizeof data, "%s/data", folder);
    snprintf(filler, sizeof filler, "%s/filler", folder);
    deployment *d = deployment_new(SHAPE_ONE_PROCESS, journal_flags, data);
    deployment_start_all(d);
    assert_true(deployment_wait_ready(d, 30000));
    journal *j = journal_new("full");
    run_round(j, d, ROUND);
    journal_check(j, d, -1);
    for (int i = 0; i < ROUNDS; i++) {
        fill_and_free(j, d, filler, i);
    }
    journal_check_once_each(j, d);
    journal_counts counts = journal_count(j);
    print_message("%d acknowledged, %d refused, %d unknown\n", counts.acked, counts.refused,
                  counts.unknown);
    assert_int_equal(counts.unknown, 0);
    journal_free(j);
    deployment_stop(d);
}

static void a_full_disk_is_an_answer(void **state) {
    (void)state;
    small_disk_run("48m", run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_is_an_answer),
    };
    return cmocka_run_group_tests_name("full_disk", tests, NULL, NULL);
}
