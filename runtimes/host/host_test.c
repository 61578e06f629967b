#include "runtimes/host/host.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/testing/ow_test.h"
#include "runtimes/host/harness.h"

#define RUNTIME "runtimes/c/ow-rt-c"
#define BUILDER "runtimes/build/ow-build-c"
#define FUNCTIONS "runtimes/host/functions.so"
#define LARGE (6u << 20)
#define LATE_MS 500

static int open_host(void **state) {
    *state = harness_open(RUNTIME, FUNCTIONS, BUILDER, OW_HOST_SANDBOX_REFUSED);
    return 0;
}

static int close_host(void **state) {
    harness_close(*state);
    return 0;
}

static void answers_with_what_it_was_told(void **state) {
    harness *self = *state;
    int fd = -1;
    assert_int_equal(ow_host_memfd("words", "one\ntwo\n", 8, &fd, NULL), OW_OK);
    const ow_host_file files[] = {{.name = "words.txt", .fd = fd}};
    const char *const env[] = {"GREETING=hello=you", "LOG_INIT=1"};
    const ow_host_spec spec = {.code_fd = self->code_fd,
                               .symbol = "about",
                               .files = files,
                               .file_count = 1,
                               .env = env,
                               .env_count = 2,
                               .memory_bytes = 16u << 20};
    ow_host_instance *instance = NULL;
    assert_int_equal(ow_host_instance_spawn(self->zygote, &spec, &instance, NULL), OW_OK);
    close(fd);
    assert_int_equal(harness_submit(instance, 7, "{}", 2), OW_OK);
    assert_true(harness_until(self, &self->replies, 1));
    assert_int_equal(self->last->id, 7);
    assert_int_equal(self->ready, 1);
    assert_string_equal(self->ready_log, "1 in init\n");
    assert_string_equal(self->last->content_type, "application/vnd.about+json");
    assert_string_equal(
        self->last->data,
        "{\"request_id\":\"req_01\",\"source\":\"client\",\"player\":\"plr_01\",\"principal\":"
        "\"{\\\"kind\\\":\\\"player\\\",\\\"id\\\":\\\"plr_01\\\"}\",\"version\":\"$LATEST\","
        "\"function\":\"moderate\",\"execution\":\"exe_01\",\"attempt\":2,\"type\":\"application/json\",\"env\":\"hello=you\",\"words\":8,"
        "\"init\":1,\"deadline\":true,\"big\":\"9223372036854775807\"}");
}

static void serves_several_in_order(void **state) {
    harness *self = *state;
    ow_host_instance *instance = harness_spawn(self, "echo_json");
    for (uint64_t round = 0; round < 50; round++) {
        for (uint64_t i = 0; i < OW_HOST_DEPTH_MAX; i++) {
            assert_int_equal(harness_submit(instance, i, "[1]", 3), OW_OK);
        }
        assert_int_equal(harness_submit(instance, 99, "[1]", 3), OW_RESOURCE_EXHAUSTED);
        unsigned wanted = (unsigned)(round + 1) * OW_HOST_DEPTH_MAX;
        assert_true(harness_until(self, &self->replies, wanted));
        for (unsigned i = 0; i < OW_HOST_DEPTH_MAX; i++) {
            unsigned at = wanted - OW_HOST_DEPTH_MAX + i;
            assert_int_equal(self->answered[at % HARNESS_REPLIES], i);
        }
    }
    assert_string_equal(self->last->data, "[1]");
    assert_int_equal(ow_host_instance_depth(instance), 0);
}

static void carries_large_payloads(void **state) {
    harness *self = *state;
    char *data = malloc(LARGE + 1);
    for (size_t i = 0; i < LARGE; i++) {
        data[i] = (char)(i * 31 >> 3);
    }
    ow_host_instance *instance = harness_spawn(self, "echo");
    assert_int_equal(harness_submit(instance, 1, data, LARGE + 1), OW_INVALID_ARGUMENT);
    const size_t sizes[] = {0, 1, 16u << 10, (16u << 10) + 1, 1u << 20, LARGE};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_int_equal(harness_submit(instance, i, data, sizes[i]), OW_OK);
        assert_true(harness_until(self, &self->replies, i + 1));
        assert_int_equal(self->last->outcome, OW_HOST_OK);
        assert_int_equal(self->last->length, sizes[i]);
        assert_memory_equal(self->last->data, data, sizes[i]);
    }
    // What a large payload took is given back.
    assert_true(ow_host_instance_resident(instance) < (10u << 20));
    free(data);
}

static void crash_fails_only_what_had_started(void **state) {
    harness *self = *state;
    ow_host_instance *instance = harness_spawn(self, "crash_on");
    assert_int_equal(harness_submit(instance, 1, "a", 1), OW_OK);
    assert_int_equal(harness_submit(instance, 2, "crash", 5), OW_OK);
    assert_int_equal(harness_submit(instance, 3, "b", 1), OW_OK);
    assert_int_equal(harness_submit(instance, 4, "c", 1), OW_OK);
    assert_true(harness_until(self, &self->exits, 1));
    assert_int_equal(self->replies, 1);
    assert_int_equal(self->last->id, 1);
    assert_string_equal(self->last->log, "1 got a\n");
    const ow_host_exit *exit = &self->exit;
    assert_string_equal(exit->reason, "crashed");
    assert_int_equal(exit->started_count, 1);
    assert_int_equal(exit->started[0], 2);
    assert_int_equal(exit->queued_count, 2);
    assert_int_equal(exit->queued[0] + exit->queued[1], 7);
    assert_string_equal(self->exit_log, "1 got crash\n");
    assert_in_range(exit->frame_count, 3, 8);
    assert_string_equal(exit->frames[0].function, "third");
    assert_string_equal(exit->frames[1].function, "second");
    assert_string_equal(exit->frames[2].function, "crash_on");
    assert_non_null(strstr(exit->frames[2].file, "functions.c"));
    assert_true(exit->frames[2].line > 0);
    // The same again: named from memory.
    assert_false(harness_call(self, "crash_on", "crash", 5));
    assert_string_equal(exit->frames[1].function, "second");
    assert_true(harness_call(self, "echo", "{}", 2));
}

static void gives_back_what_has_not_started(void **state) {
    harness *self = *state;
    ow_host_instance *instance = harness_spawn(self, "naps");
    for (uint64_t i = 1; i <= OW_HOST_DEPTH_MAX; i++) {
        assert_int_equal(harness_submit(instance, i, "", 0), OW_OK);
    }
    uint64_t id = 0;
    uint64_t started_ns = 0;
    uint64_t end = harness_now_ns() + HARNESS_PATIENCE_MS * 1000000ull;
    while (!ow_host_instance_running(instance, &id, &started_ns) && harness_now_ns() < end) {
        harness_turn(self, 1);
    }
    assert_true(started_ns <= harness_now_ns());
    uint64_t ids[OW_HOST_DEPTH_MAX];
    unsigned taken = ow_host_instance_reclaim(instance, ids, 3);
    assert_int_equal(taken, 3);
    assert_int_equal(ids[0], OW_HOST_DEPTH_MAX);
    assert_int_equal(ids[2], OW_HOST_DEPTH_MAX - 2);
    taken = ow_host_instance_reclaim(instance, ids, OW_HOST_DEPTH_MAX);
    unsigned left = ow_host_instance_depth(instance) + self->replies;
    assert_int_equal(taken + left, OW_HOST_DEPTH_MAX - 3);
    assert_true(harness_until(self, &self->replies, left));
    // The slots come back once the instance has gone past them.
    end = harness_now_ns() + HARNESS_PATIENCE_MS * 1000000ull;
    while (!ow_host_instance_has_room(instance) && harness_now_ns() < end) {
        harness_turn(self, 1);
    }
    assert_int_equal(harness_submit(instance, 100, "", 0), OW_OK);
    assert_true(harness_until(self, &self->replies, left + 1));
    assert_int_equal(self->last->id, 100);
}

// The kick is for an instance that fell asleep before the second request, when this process had lost its
// core between the two.
static void wait_polling(harness *self, unsigned wanted) {
    uint64_t end = harness_now_ns() + HARNESS_PATIENCE_MS * 1000000ull;
    uint64_t late = harness_now_ns() + LATE_MS * 1000000ull;
    while (self->replies < wanted && harness_now_ns() < end) {
        ow_host_poll(self->host);
        if (harness_now_ns() > late) {
            ow_host_kick(self->host);
        }
    }
    assert_int_equal(self->replies, wanted);
}

static bool sleeps(pid_t pid) {
    char path[40];
    char text[64] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && read(fd, text, sizeof text - 1) > 0);
    close(fd);
    return strstr(text, ") S") != NULL;
}

// A wake-up for a request that was served before it came must not make the next one be missed.
static void late_wake_ups_are_harmless(void **state) {
    harness *self = *state;
    ow_host_instance *instance = harness_spawn(self, "naps");
    assert_true(harness_until(self, &self->ready, 1));
    unsigned served = 0;
    for (int round = 0; round < 20; round++) {
        assert_int_equal(harness_submit(instance, 1, "", 0), OW_OK);
        ow_host_kick(self->host);
        assert_int_equal(harness_submit(instance, 2, "", 0), OW_OK);
        served += 2;
        wait_polling(self, served);
        uint64_t end = harness_now_ns() + HARNESS_PATIENCE_MS * 1000000ull;
        while (!sleeps(ow_host_instance_pid(instance)) && harness_now_ns() < end) {
        }
        ow_host_kick(self->host); // for the second one
        assert_int_equal(harness_submit(instance, 3, "", 0), OW_OK);
        ow_host_kick(self->host);
        wait_polling(self, ++served);
    }
}

typedef struct reply_case {
    const char *symbol;
    ow_host_outcome outcome;
    const char *text; // in message, or in the reply when OK
} reply_case;

static void functions_that_answer(void **state) {
    harness *self = *state;
    static const reply_case cases[] = {
        {"user_error", OW_HOST_USER_ERROR, "number 7 is wrong"},
        {"returns_3", OW_HOST_USER_ERROR, "returned 3"},
        {"no_reply", OW_HOST_PROTOCOL, "without a reply"},
        {"double_reply", OW_HOST_PROTOCOL, "twice"},
        {"large_reply", OW_HOST_REPLY_TOO_LARGE, "6 MB"},
        {"maps", OW_HOST_OK, "refused"},
        {"reads_files", OW_HOST_OK, "none"},
        {"raises_limit", OW_HOST_PROTOCOL, "without a reply"},
        {"math", OW_HOST_OK, "2.828"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(harness_call(self, cases[i].symbol, "{}", 2));
        assert_int_equal(self->last->outcome, cases[i].outcome);
        const char *text = cases[i].outcome == OW_HOST_OK ? self->last->data : self->last->message;
        assert_non_null(strstr(text, cases[i].text));
    }
}

static void refuses_by_its_own_rules(void **state) {
    harness *self = *state;
    assert_true(harness_call(self, "file", "none.txt", 8));
    assert_int_equal(self->last->outcome, OW_HOST_REFUSED);
    assert_string_equal(self->last->code, "no_file");
    assert_string_equal(self->last->message, "none.txt");
    assert_string_equal(self->last->details, "{\"a\":1}");
}

typedef struct end_case {
    const char *symbol;
    const char *reason;
    const char *text;
} end_case;

static const end_case ends[] = {
    {"segv", "crashed", "Segmentation fault"},
    {"aborts", "crashed", "Aborted"},
    {"overflows", "crashed", "the stack overflowed"},
    {"memory_bomb", "memory", "did not fit the memory limit"},
    {"memory_huge", "memory", "1099511627776 bytes"},
    {"exits", "crashed", "exit(0) was called before the reply"},
    {"leaks_descriptors", "crashed", "forbidden system call dup"},
    {"fork_bomb", "crashed", "forbidden system call clone"},
    {"sockets", "crashed", "forbidden system call socket"},
    {"execs", "crashed", "forbidden system call execve"},
    {"uring", "crashed", "forbidden system call io_uring_setup"},
    {"kills", "crashed", "forbidden system call kill"},
    {"kills_other", "crashed", "forbidden system call tgkill"},
    {"traces", "crashed", "forbidden system call ptrace"},
    {"drains_host", "crashed", "forbidden system call"},
    {"maps_shared", "crashed", "forbidden system call mmap"},
    {"maps_stack", "crashed", "forbidden system call mmap"},
    {"write_file", "crashed", "Segmentation fault"},
};

static void functions_that_end_their_instance(void **state) {
    harness *self = *state;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        assert_false(harness_call(self, ends[i].symbol, "{}", 2));
        assert_string_equal(self->exit.reason, ends[i].reason);
        assert_non_null(strstr(self->exit.message, ends[i].text));
        assert_int_equal(self->exit.started_count, 1);
        assert_true(harness_call(self, "echo", "{}", 2));
    }
}

static void endless_loop_is_killed_from_outside(void **state) {
    harness *self = *state;
    ow_host_instance *instance = harness_spawn(self, "endless");
    assert_int_equal(harness_submit(instance, 1, "", 0), OW_OK);
    assert_int_equal(harness_submit(instance, 2, "", 0), OW_OK);
    uint64_t id = 0;
    uint64_t started_ns = 0;
    uint64_t end = harness_now_ns() + HARNESS_PATIENCE_MS * 1000000ull;
    while (!ow_host_instance_running(instance, &id, &started_ns) && harness_now_ns() < end) {
        harness_turn(self, 1);
    }
    assert_int_equal(id, 1);
    ow_host_instance_kill(instance);
    assert_true(harness_until(self, &self->exits, 1));
    assert_string_equal(self->exit.reason, "killed");
    assert_int_equal(self->exit.started[0], 1);
    assert_int_equal(self->exit.queued[0], 2);
    assert_int_equal(self->replies, 0);
}

static void output_belongs_to_its_request(void **state) {
    harness *self = *state;
    ow_host_instance *instance = harness_spawn(self, "talk");
    for (uint64_t i = 0; i < 4; i++) {
        assert_int_equal(harness_submit(instance, i, "", 0), OW_OK);
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_true(harness_until(self, &self->replies, i + 1));
        assert_string_equal(self->last->log, "1 plain line\n2 a warning, 7\nwith two lines\n"
                                             "1 on stderr\n1 raw\n1 unfinished\n");
        assert_int_equal(self->last->lines_lost, 0);
    }
}

static unsigned count_newlines(const char *text) {
    unsigned count = 0;
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++) {
        count++;
    }
    return count;
}

static void output_flood_is_cut(void **state) {
    harness *self = *state;
    assert_true(harness_call(self, "floods", "", 0));
    assert_in_range(strlen(self->last->log), 60000, 70000);
    assert_int_equal(count_newlines(self->last->log) + self->last->lines_lost, 1000000);
    assert_true(harness_call(self, "floods_raw", "", 0));
    assert_int_equal(self->last->lines_lost, 1); // it is one, and its end is cut off
    assert_false(harness_call(self, "floods_and_aborts", "", 0));
    assert_int_equal(count_newlines(self->exit_log) / 2 + self->exit.log.lines_lost, 5000);
    ow_host_instance *instance = harness_spawn(self, "talk");
    unsigned replies = self->replies;
    assert_int_equal(harness_submit(instance, 1, "", 0), OW_OK);
    assert_true(harness_until(self, &self->replies, replies + 1));
    assert_int_equal(self->last->lines_lost, 0);
}

static void nested_calls_are_answered(void **state) {
    harness *self = *state;
    char *data = malloc(LARGE);
    memset(data, 'n', LARGE);
    assert_true(harness_call(self, "nested", data, LARGE));
    assert_string_equal(self->called, "other/echo");
    assert_int_equal(self->last->length, LARGE);
    assert_memory_equal(self->last->data, data, LARGE);
    free(data);
    self->answer_outcome = OW_HOST_REFUSED;
    assert_true(harness_call(self, "nested", "{}", 2));
    assert_int_equal(self->last->outcome, OW_HOST_REFUSED);
    assert_string_equal(self->last->code, "not_today");
}

static void spawn_with(harness *self, const char *symbol, const char *env) {
    const ow_host_spec spec = {.code_fd = self->code_fd,
                               .symbol = symbol,
                               .env = &env,
                               .env_count = env ? 1 : 0,
                               .memory_bytes = 16u << 20};
    ow_host_instance *instance = NULL;
    assert_int_equal(ow_host_instance_spawn(self->zygote, &spec, &instance, NULL), OW_OK);
    assert_int_equal(harness_submit(instance, 1, "", 0), OW_OK);
    assert_true(harness_until(self, &self->exits, self->exits + 1));
    assert_string_equal(self->exit.reason, "init_failed");
    assert_int_equal(self->exit.queued_count, 1);
    assert_int_equal(self->exit.started_count, 0);
}

static void init_may_fail(void **state) {
    harness *self = *state;
    spawn_with(self, "echo", "FAIL_INIT=no words");
    assert_non_null(strstr(self->exit.message, "init says no words"));
    spawn_with(self, "echo", "FAIL_INIT=crash");
    assert_non_null(strstr(self->exit.message, "Segmentation fault"));
    spawn_with(self, "missing", NULL);
    assert_non_null(strstr(self->exit.message, "no function `missing`"));
    int code_fd = self->code_fd;
    assert_int_equal(ow_host_memfd("code", "no ELF", 6, &self->code_fd, NULL), OW_OK);
    spawn_with(self, "echo", NULL);
    close(self->code_fd);
    self->code_fd = code_fd;
    assert_int_equal(self->ready, 0);
}

// The instance overwrites every word of the shared page, over and over, with the host polling.
static void survives_a_scribbling_instance(void **state) {
    harness *self = *state;
    for (unsigned seed = 1; seed <= 40; seed++) {
        ow_host_instance *instance = harness_spawn(self, "scribbles");
        unsigned exits = self->exits;
        uint64_t end = harness_now_ns() + 50000000u;
        for (uint64_t id = 1; self->exits == exits && harness_now_ns() < end; id++) {
            if (ow_host_instance_has_room(instance)) {
                (void)harness_submit(instance, id, &seed, sizeof seed);
            }
            uint64_t taken[2];
            (void)ow_host_instance_reclaim(instance, taken, seed % 3);
            (void)ow_host_instance_running(instance, &taken[0], &taken[1]);
            harness_turn(self, 0);
        }
        if (self->exits == exits) {
            ow_host_instance_kill(instance);
            assert_true(harness_until(self, &self->exits, exits + 1));
        }
    }
    unsigned replies = self->replies;
    ow_host_instance *instance = harness_spawn(self, "echo");
    assert_int_equal(harness_submit(instance, 1, "still here", 10), OW_OK);
    assert_true(harness_until(self, &self->replies, replies + 1));
    assert_string_equal(self->last->data, "still here");
}

// Its own word on when it started is taken once.
static void age_is_not_renewed(void **state) {
    harness *self = *state;
    ow_host_instance *instance = harness_spawn(self, "stays_young");
    assert_int_equal(harness_submit(instance, 1, "", 0), OW_OK);
    uint64_t id = 0;
    uint64_t first_ns = 0;
    uint64_t started_ns = 0;
    uint64_t end = harness_now_ns() + HARNESS_PATIENCE_MS * 1000000ull;
    while (!ow_host_instance_running(instance, &id, &first_ns) && harness_now_ns() < end) {
        harness_turn(self, 1);
    }
    assert_int_equal(id, 1);
    uint64_t later = first_ns + 50000000;
    while (harness_now_ns() < later) {
        harness_turn(self, 1);
    }
    assert_true(ow_host_instance_running(instance, &id, &started_ns));
    assert_int_equal(started_ns, first_ns);
    ow_host_instance_kill(instance);
    assert_true(harness_until(self, &self->exits, 1));
}

static void zygote_takes_its_instances_along(void **state) {
    harness *self = *state;
    ow_host_instance *one = harness_spawn(self, "endless");
    assert_int_equal(harness_submit(one, 1, "", 0), OW_OK);
    (void)harness_spawn(self, "echo");
    assert_true(harness_until(self, &self->ready, 2));
    ow_host_zygote_stop(self->zygote);
    assert_true(harness_until(self, &self->exits, 2));
    assert_string_equal(self->exit.reason, "zygote_gone");
    assert_true(self->zygote_gone);
    ow_err err;
    assert_int_equal(
        ow_host_zygote_start(self->host, "runtimes/c/no-such-binary", &self->zygote, &err),
        OW_INTERNAL);
    assert_int_equal(ow_host_zygote_start(self->host, RUNTIME, &self->zygote, &err), OW_OK);
    assert_true(harness_call(self, "echo", "{}", 2));
}

static unsigned long status_number(pid_t pid, const char *format) {
    char path[40];
    char line[256];
    unsigned long value = ~0ul;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) && sscanf(line, format, &value) != 1) {
    }
    fclose(file);
    return value;
}

static void instances_hold_no_privilege(void **state) {
    harness *self = *state;
    ow_host_instance *instance = harness_spawn(self, "echo");
    assert_true(harness_until(self, &self->ready, 1));
    pid_t pid = harness_known(self, instance);
    assert_int_equal(status_number(pid, "CapEff: %lx"), 0);
    assert_int_equal(status_number(pid, "CapPrm: %lx"), 0);
    assert_int_equal(status_number(pid, "NoNewPrivs: %lu"), 1);
    assert_int_equal(status_number(pid, "Seccomp: %lu"), 2);
    assert_int_not_equal(status_number(pid, "Uid: %lu"), 0);
    assert_int_equal(status_number(pid, "Threads: %lu"), 1);
}

static void walls_hold_at(ow_host_sandbox_level level) {
    harness *self = harness_open(RUNTIME, FUNCTIONS, NULL, level);
    assert_int_equal(self->status.level, level);
    assert_true(harness_call(self, "echo", "{}", 2));
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        assert_false(harness_call(self, ends[i].symbol, "{}", 2));
        assert_string_equal(self->exit.reason, ends[i].reason);
    }
    if (level >= OW_HOST_SANDBOX_LANDLOCK) {
        assert_true(harness_call(self, "reads_files", "{}", 2));
        assert_string_equal(self->last->data, "none");
    }
    harness_close(self);
}

static void walls_hold_at_every_level(void **state) {
    (void)state;
    walls_hold_at(OW_HOST_SANDBOX_FULL);
    walls_hold_at(OW_HOST_SANDBOX_LANDLOCK);
    walls_hold_at(OW_HOST_SANDBOX_SECCOMP);
}

static void copy_program(const char *from, const char *to) {
    char buffer[65536];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
    assert_true(in >= 0 && out >= 0);
    for (ssize_t got; (got = read(in, buffer, sizeof buffer)) > 0;) {
        assert_int_equal(write(out, buffer, (size_t)got), got);
    }
    close(in);
    close(out);
}

// The same without being root: in a child, from a folder that everyone can read.
static void works_without_root(void **state) {
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    char folder[] = "/tmp/ow-host-test-XXXXXX";
    char runtime[64];
    char code[64];
    assert_non_null(mkdtemp(folder));
    snprintf(runtime, sizeof runtime, "%s/rt", folder);
    snprintf(code, sizeof code, "%s/so", folder);
    copy_program(RUNTIME, runtime);
    copy_program(FUNCTIONS, code);
    assert_int_equal(chmod(folder, 0755), 0);
    pid_t child = fork();
    if (child == 0) {
        bool dropped = setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0;
        harness *self = dropped ? harness_open(runtime, code, NULL, 0) : NULL;
        bool good = self && harness_call(self, "echo", "{}", 2) &&
                    harness_call(self, "reads_files", "{}", 2) &&
                    strcmp(self->last->data, "none") == 0 && !harness_call(self, "sockets", "", 0);
        _exit(good ? 0 : 1);
    }
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    unlink(runtime);
    unlink(code);
    rmdir(folder);
    assert_int_equal(status, 0);
}

static bool ended(int pidfd) {
    struct pollfd fd = {.fd = pidfd, .events = POLLIN};
    return poll(&fd, 1, HARNESS_PATIENCE_MS) == 1;
}

// kill -9 of the host leaves nothing behind.
static void everything_dies_with_the_host(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        harness *self = harness_open(RUNTIME, FUNCTIONS, NULL, 0);
        ow_host_instance *instance = harness_spawn(self, "endless");
        harness_submit(instance, 1, "", 0);
        harness_until(self, &self->ready, 1);
        pid_t pid = harness_known(self, instance);
        ssize_t wrote = write(ends[1], &pid, sizeof pid);
        for (;;) {
            harness_turn(self, wrote > 0 ? 1000 : 0);
        }
    }
    pid_t pid = 0;
    assert_int_equal(read(ends[0], &pid, sizeof pid), sizeof pid);
    assert_true(pid > 0);
    int instance = (int)syscall(SYS_pidfd_open, pid, 0);
    assert_true(instance >= 0);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_true(ended(instance));
    close(instance);
    close(ends[0]);
    close(ends[1]);
}

static bool all_are_reaped(harness *self) {
    uint64_t end = harness_now_ns() + HARNESS_PATIENCE_MS * 1000000ull;
    siginfo_t ended = {.si_pid = 1};
    while (ended.si_pid != 0 && harness_now_ns() < end) {
        harness_turn(self, 1);
        ended.si_pid = 0;
        // Looks and leaves; at a lower level the new zygote is a living child, else there is none.
        (void)waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT);
    }
    return ended.si_pid == 0;
}

static bool serves(harness *self) {
    return harness_call(self, "echo", "{}", 2);
}

static bool has_a_busy_one(harness *self) {
    ow_host_instance *busy = harness_spawn(self, "endless");
    harness_submit(busy, 1, "", 0);
    return harness_until(self, &self->ready, 2) && harness_known(self, busy) > 0;
}

static bool loses_its_zygote(harness *self) {
    unsigned exits = self->exits;
    ow_host_zygote_stop(self->zygote);
    return harness_until(self, &self->exits, exits + 1);
}

static bool has_another_zygote(harness *self) {
    return ow_host_zygote_start(self->host, RUNTIME, &self->zygote, NULL) == OW_OK;
}

// In a process that orphans fall to, as the first one of a container is: what the host has started
// and ended leaves nothing to reap. 0, or the number of the step that failed.
static int leaves_nothing_behind(ow_host_sandbox_level level) {
    static bool (*const steps[])(harness *) = {
        serves, has_a_busy_one, loses_its_zygote, has_another_zygote, serves, all_are_reaped,
    };
    harness *self = harness_open(RUNTIME, FUNCTIONS, NULL, level);
    size_t done = 0;
    while (done < sizeof steps / sizeof *steps && steps[done](self)) {
        done++;
    }
    harness_close(self);
    siginfo_t ended;
    bool empty = waitid(P_ALL, 0, &ended, WEXITED) == -1 && errno == ECHILD;
    return done == sizeof steps / sizeof *steps && empty ? 0 : (int)done + 1;
}

static void nothing_is_left_to_reap(void **state) {
    (void)state;
    const ow_host_sandbox_level levels[] = {OW_HOST_SANDBOX_FULL, OW_HOST_SANDBOX_LANDLOCK};
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        pid_t child = fork();
        if (child == 0) {
            prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
            _exit(leaves_nothing_behind(levels[i]));
        }
        int status = 1;
        assert_int_equal(waitpid(child, &status, 0), child);
        if (status != 0) {
            fail_msg("level %d: step %d", (int)levels[i], WEXITSTATUS(status));
        }
    }
}

#define WITH_HOST(test) cmocka_unit_test_setup_teardown(test, open_host, close_host)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_HOST(answers_with_what_it_was_told),
        WITH_HOST(serves_several_in_order),
        WITH_HOST(carries_large_payloads),
        WITH_HOST(crash_fails_only_what_had_started),
        WITH_HOST(gives_back_what_has_not_started),
        WITH_HOST(late_wake_ups_are_harmless),
        WITH_HOST(functions_that_answer),
        WITH_HOST(refuses_by_its_own_rules),
        WITH_HOST(functions_that_end_their_instance),
        WITH_HOST(endless_loop_is_killed_from_outside),
        WITH_HOST(output_belongs_to_its_request),
        WITH_HOST(output_flood_is_cut),
        WITH_HOST(nested_calls_are_answered),
        WITH_HOST(init_may_fail),
        WITH_HOST(survives_a_scribbling_instance),
        WITH_HOST(age_is_not_renewed),
        WITH_HOST(instances_hold_no_privilege),
        WITH_HOST(zygote_takes_its_instances_along),
        cmocka_unit_test(walls_hold_at_every_level),
        cmocka_unit_test(works_without_root),
        cmocka_unit_test(everything_dies_with_the_host),
        cmocka_unit_test(nothing_is_left_to_reap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
