// The shipped storage layer on a disk that fails: power loss, EIO and ENOSPC at chosen calls.
//
// A process (store_load) applies effects through core/db and core/db_sqlite with the real file system
// calls, which the shim counts and, at one of them, turns against it. What it acknowledged stands in
// a journal outside. Then it is started again, which applies every effect once more, so that each
// unknown outcome is resolved by its key. Oracle: every acknowledged effect was there before the
// restart; afterwards each is there exactly once, the total counted with them agrees, the file is sound.
//
// 2,000 points of power loss are here, where a point costs some 15 ms; server_power_test has some
// hundred more on the whole server.

#include "core/db_sqlite/db_sqlite.h"
#include "core/testing/ow_test.h"
#include "tests/faults/disk/effects.h"
#include "tests/faults/disk/faulty.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    POWER_POINTS = 2000,
    SECOND_LOSS_EVERY = 5, // points whose recovery loses power too
    LYING_POINTS = 10,
    EXIT_UNKNOWN = 42,
    EXIT_CLOSED = 43,
};

typedef struct bench {
    faulty faulty;
    ow_loop *loop;
    char store[PATH_MAX + 8];
    bool acked[EFFECTS];
    int status; // of the last process
} bench;

static int set_up(void **state) {
    bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    faulty_init(&b->faulty);
    snprintf(b->store, sizeof b->store, "%s/store", b->faulty.plan->root);
    assert_int_equal(ow_loop_new(&b->loop, NULL), OW_OK);
    *state = b;
    return 0;
}

static int tear_down(void **state) {
    bench *b = *state;
    b->loop = ow_loop_free(b->loop);
    faulty_deinit(&b->faulty);
    free(b);
    return 0;
}

// ---- The process that suffers ----

static void exec_load(const bench *b, int out) {
    const char *argv[] = {"tests/faults/disk/store_load", b->store, NULL};
    dup2(out, STDOUT_FILENO);
    int quiet = open("/dev/null", O_WRONLY);
    dup2(quiet, STDERR_FILENO);
    execve(argv[0], (char *const *)argv, (char *const *)b->faulty.environment);
    _exit(127);
}

// Runs it to its end, whatever that is, and adds to the journal.
static void run_load(bench *b) {
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        exec_load(b, ends[1]);
    }
    assert_true(pid > 0);
    close(ends[1]);
    FILE *acks = fdopen(ends[0], "r");
    char line[32];
    while (fgets(line, sizeof line, acks) != NULL) {
        long number = strtol(line, NULL, 10);
        assert_true(strchr(line, '\n') != NULL && number >= 0 && number < EFFECTS);
        b->acked[number] = true;
    }
    fclose(acks);
    assert_int_equal(waitpid(pid, &b->status, 0), pid);
}

static bool ended_with(const bench *b, int code) {
    return WIFEXITED(b->status) && WEXITSTATUS(b->status) == code;
}

static bool lost_power(const bench *b) {
    return WIFSIGNALED(b->status) && WTERMSIG(b->status) == SIGKILL;
}

// ---- The oracle ----

typedef struct waiting {
    bool done;
    ow_code code;
    ow_err err;
} waiting;

static void on_read(void *self, ow_code code, const ow_err *err) {
    waiting *w = self;
    w->done = true;
    w->code = code;
    if (err != NULL) {
        w->err = *err;
    }
}

typedef struct reading {
    waiting waiting; // first
    effects_state state;
} reading;

static ow_code read_state(ow_db_conn *conn, void *self, ow_err *err) {
    return effects_read(conn, &((reading *)self)->state, err);
}

static void on_fatal(void *self, const ow_err *why) {
    (void)self;
    fail_msg("without a fault: %s: %s", why->reason, why->message);
}

static effects_state look(bench *b, long point) {
    ow_db_options options = effects_options(b->store, b->loop);
    options.on_fatal = on_fatal;
    ow_db *db = NULL;
    ow_err err = {0};
    if (ow_db_sqlite_open(&options, &db, &err) != OW_OK) {
        fail_msg("point %ld: %s: %s", point, err.reason, err.message);
    }
    reading r = {0};
    ow_db_job job = {.run = read_state, .done = on_read, .self = &r};
    ow_db_read(db, &job);
    while (!r.waiting.done) {
        assert_int_equal(ow_loop_turn(b->loop, 1000000, NULL), OW_OK);
    }
    ow_db_close(db);
    ow_loop_turn(b->loop, 0, NULL);
    if (r.waiting.code != OW_OK) {
        fail_msg("point %ld: %s: %s", point, r.waiting.err.reason, r.waiting.err.message);
    }
    return r.state;
}

static int count_lost(const bench *b, const effects_state *s) {
    int lost = 0;
    for (int i = 0; i < EFFECTS; i++) {
        lost += b->acked[i] && !s->there[i];
    }
    return lost;
}

static void expect_consistent(bench *b, long point) {
    effects_state s = look(b, point);
    int lost = count_lost(b, &s);
    if (lost != 0 || !s.sound || s.total != s.count || s.amount != s.wanted_amount) {
        fail_msg("point %ld: %d acknowledged effects lost; %d rows, %lld counted; sound: %d", point,
                 lost, s.count, (long long)s.total, s.sound);
    }
}

// Starts again without faults: every effect once, none twice.
static void expect_resolved(bench *b, long point) {
    faulty_rest(&b->faulty);
    run_load(b);
    if (!ended_with(b, 0)) {
        fail_msg("point %ld: the restart ended with %d", point, b->status);
    }
    effects_state s = look(b, point);
    if (s.count != EFFECTS || s.total != EFFECTS || s.amount != s.wanted_amount || !s.sound) {
        fail_msg("point %ld: %d rows, %lld counted after the restart", point, s.count,
                 (long long)s.total);
    }
}

static void begin_anew(bench *b) {
    faulty_renew(&b->faulty);
    memset(b->acked, 0, sizeof b->acked);
}

// How many calls a whole load makes.
static long count_calls(bench *b, int kinds) {
    begin_anew(b);
    atomic_store(&b->faulty.plan->kinds, kinds);
    run_load(b);
    assert_true(ended_with(b, 0));
    expect_consistent(b, 0);
    return atomic_load(&b->faulty.plan->seen);
}

// ---- Cases ----

static void power_loss_takes_nothing_acknowledged(void **state) {
    bench *b = *state;
    long calls = count_calls(b, FAULT_ALL);
    int struck = 0, twice = 0;
    for (int point = 0; point < POWER_POINTS; point++) {
        begin_anew(b);
        // Every call has its turn, then again with other luck.
        faulty_lose_power(&b->faulty, 1 + point % calls, (unsigned)point);
        run_load(b);
        struck += lost_power(b);
        if (point % SECOND_LOSS_EVERY == 0) {
            faulty_lose_power(&b->faulty, 1 + point / SECOND_LOSS_EVERY % 40, (unsigned)point + 1);
            run_load(b);
            twice += lost_power(b);
        }
        if (!lost_power(b) && !ended_with(b, 0)) {
            fail_msg("point %d: the process ended with %d", point, b->status);
        }
        faulty_rest(&b->faulty);
        expect_consistent(b, point);
        expect_resolved(b, point);
    }
    print_message("%d power losses over %ld calls, %d of them twice in a row\n", struck, calls,
                  twice);
    assert_true(struck > POWER_POINTS * 9 / 10 && twice > POWER_POINTS / SECOND_LOSS_EVERY / 2);
}

// On a disk that answers syncs without doing them the same harness finds losses: it can fail.
static void a_lying_disk_is_found_out(void **state) {
    bench *b = *state;
    long calls = count_calls(b, FAULT_ALL);
    int lossy = 0;
    for (long at = calls / 2; at < calls / 2 + LYING_POINTS; at++) {
        begin_anew(b);
        faulty_lose_power(&b->faulty, at, 0);
        atomic_store(&b->faulty.plan->lies, true);
        run_load(b);
        faulty_rest(&b->faulty);
        effects_state s = {0};
        lossy += access(b->store, F_OK) != 0 || (s = look(b, at), count_lost(b, &s) > 0);
    }
    assert_int_equal(lossy, LYING_POINTS);
}

static void an_io_error_stops_the_process(void **state) {
    bench *b = *state;
    static const int kinds[] = {FAULT_WRITE, FAULT_SYNC, FAULT_SIZE};
    int stopped = 0, points = 0;
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        long calls = count_calls(b, kinds[k]);
        for (long at = 1; at <= calls; at++, points++) {
            begin_anew(b);
            faulty_fail(&b->faulty, kinds[k], at, EIO, 1);
            run_load(b);
            stopped += ended_with(b, EXIT_UNKNOWN);
            if (!ended_with(b, EXIT_UNKNOWN) && !ended_with(b, EXIT_CLOSED) && !ended_with(b, 0)) {
                fail_msg("call %ld of kind %d: the process ended with %d", at, kinds[k], b->status);
            }
            faulty_rest(&b->faulty);
            expect_consistent(b, at);
            expect_resolved(b, at);
        }
    }
    print_message("EIO at %d calls, the process stopped at %d\n", points, stopped);
    assert_true(stopped > points / 2);
}

static void a_full_disk_is_an_answer(void **state) {
    bench *b = *state;
    long calls = count_calls(b, FAULT_WRITE);
    int went_on = 0;
    for (long at = 1; at <= calls; at++) {
        begin_anew(b);
        faulty_fail(&b->faulty, FAULT_WRITE, at, ENOSPC, 3);
        run_load(b);
        went_on += ended_with(b, 0);
        if (!ended_with(b, EXIT_CLOSED) && !ended_with(b, 0)) {
            fail_msg("call %ld: the process ended with %d", at, b->status);
        }
        faulty_rest(&b->faulty);
        expect_consistent(b, at);
        expect_resolved(b, at);
    }
    print_message("ENOSPC at %ld writes, the process went on after %d\n", calls, went_on);
    assert_true(went_on > calls * 8 / 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_lying_disk_is_found_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(power_loss_takes_nothing_acknowledged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_io_error_stops_the_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_is_an_answer, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("storage", tests, NULL, NULL);
}
