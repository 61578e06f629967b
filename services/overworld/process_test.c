#include "services/overworld/process.h"

#include "core/log/log.h"
#include "core/module/env.h"
#include "core/testing/ow_test.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000 };

// One fake module; how it behaves is the name it is chosen by.
static ow_code fake_init(ow_module_env *env, const void *config, void **ret_self, ow_err *err) {
    (void)config;
    (void)err;
    *ret_self = env;
    return OW_OK;
}

static bool never(void *self) {
    (void)self;
    return false;
}

static void fake_free(void *self) {
    (void)self;
}

static ow_code fail_to_start(void *self, ow_err *err) {
    (void)self;
    return ow_fail(err, OW_UNAVAILABLE, "address_in_use", "the port is taken");
}

static void *break_down(void *self) {
    const ow_module_env *env = self;
    ow_err err;
    ow_fail(&err, OW_DATA_LOSS, "store_io", "the disk is gone");
    env->on_fatal(env->on_fatal_self, &err);
    return NULL;
}

static ow_code break_down_soon(void *self, ow_err *err) {
    (void)err;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, break_down, self), 0);
    pthread_detach(thread);
    return OW_OK;
}

static void say_reloaded(void *self) {
    (void)self;
    ow_log(OW_LOG_INFO, "reloaded by the module", "x=1");
}

static const ow_module table[] = {
    {.name = "easy", .init = fake_init, .free = fake_free},
    {.name = "renewing", .init = fake_init, .reload = say_reloaded, .free = fake_free},
    {.name = "stuck", .init = fake_init, .drained = never, .free = fake_free},
    {.name = "failing", .init = fake_init, .start = fail_to_start, .free = fake_free},
    {.name = "breaking", .init = fake_init, .start = break_down_soon, .free = fake_free},
};

typedef struct child {
    char data[200];
    const char *target;
    pid_t pid;
    int log_fd;
    char log[8192];
    size_t log_size;
} child;

static void run_child(const child *child, const char *target, const char *drain_time, int log_fd) {
    static const ow_config_table tables[] = {
        {"server", process_config_keys, sizeof(process_config)}, {0}};
    static const platform_service no_services[] = {{0}};
    options options = {.command = COMMAND_UP, .targets = target, .data = child->data};
    ow_config *config;
    ow_modules *modules;
    dup2(log_fd, STDERR_FILENO);
    if (ow_config_load(tables, NULL, &drain_time, 1, NULL, &config, NULL) != OW_OK ||
        ow_modules_new(table, sizeof table / sizeof table[0], target, &modules, NULL) != OW_OK) {
        _exit(99);
    }
    int status = process_run(&options, config, modules, no_services);
    ow_modules_free(modules);
    ow_config_free(config);
    exit(status);
}

static void start(child *child, const char *target, const char *drain_time) {
    int fds[2];
    *child = (struct child){.target = target};
    // Not below Bazel's folder: its path is longer than a socket's may be.
    snprintf(child->data, sizeof child->data, "/tmp/overworld-XXXXXX");
    assert_non_null(mkdtemp(child->data));
    assert_int_equal(pipe(fds), 0);
    child->pid = fork();
    if (child->pid == 0) {
        run_child(child, target, drain_time, fds[1]);
    }
    close(fds[1]);
    child->log_fd = fds[0];
}

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// Reads the child's log until `text` is in it.
static void await_log(child *child, const char *text) {
    int64_t deadline = now_ms() + PATIENCE_MS;
    while (strstr(child->log, text) == NULL) {
        struct pollfd ready = {.fd = child->log_fd, .events = POLLIN};
        poll(&ready, 1, 100);
        ssize_t got = 0;
        if (ready.revents != 0) {
            got = read(child->log_fd, child->log + child->log_size,
                       sizeof child->log - 1 - child->log_size);
        }
        if (got > 0) {
            child->log_size += (size_t)got;
            child->log[child->log_size] = '\0';
        } else if (ready.revents != 0 || now_ms() > deadline) {
            fail_msg("\"%s\" did not come; the log is: %s", text, child->log);
        }
    }
}

static int finish(child *child) {
    int status;
    assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
    close(child->log_fd);
    char path[256];
    snprintf(path, sizeof path, "%s/run/%s.http.sock", child->data, child->target);
    unlink(path);
    snprintf(path, sizeof path, "%s/run", child->data);
    rmdir(path);
    rmdir(child->data);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_signal_ends_it_in_order(void **state) {
    (void)state;
    static const int signals[] = {SIGTERM, SIGINT};
    for (size_t i = 0; i < 2; i++) {
        child child;
        start(&child, "easy", "--server.drain_time=10s");
        await_log(&child, "event=ready targets=easy");
        kill(child.pid, signals[i]);
        await_log(&child, "event=draining");
        await_log(&child, "event=stopped drained=true");
        assert_int_equal(finish(&child), 0);
    }
}

static void a_hang_up_reloads_and_goes_on(void **state) {
    (void)state;
    child child;
    start(&child, "renewing", "--server.drain_time=10s");
    await_log(&child, "event=ready");
    kill(child.pid, SIGHUP);
    await_log(&child, "event=\"reloaded by the module\"");
    kill(child.pid, SIGTERM);
    await_log(&child, "event=stopped drained=true");
    assert_int_equal(finish(&child), 0);
}

static void a_drain_has_an_end(void **state) {
    (void)state;
    child child;
    start(&child, "stuck", "--server.drain_time=30ms");
    await_log(&child, "event=ready");
    kill(child.pid, SIGTERM);
    await_log(&child, "drain time is over");
    await_log(&child, "event=stopped drained=false");
    assert_int_equal(finish(&child), 0);
}

static void a_second_signal_ends_it_at_once(void **state) {
    (void)state;
    child child;
    start(&child, "stuck", "--server.drain_time=10m");
    await_log(&child, "event=ready");
    kill(child.pid, SIGTERM);
    await_log(&child, "event=draining");
    kill(child.pid, SIGINT);
    await_log(&child, "second signal");
    assert_int_equal(finish(&child), 1);
}

static void a_failed_start_says_why(void **state) {
    (void)state;
    child child;
    start(&child, "failing", "--server.drain_time=10s");
    await_log(&child, "event=\"cannot start\" code=unavailable reason=address_in_use "
                      "why=\"failing: the port is taken\"");
    assert_int_equal(finish(&child), 1);
}

static void an_unknown_outcome_ends_it(void **state) {
    (void)state;
    child child;
    start(&child, "breaking", "--server.drain_time=10s");
    await_log(&child, "event=\"ending at once\" reason=store_io why=\"the disk is gone\"");
    assert_int_equal(finish(&child), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signal_ends_it_in_order),
        cmocka_unit_test(a_hang_up_reloads_and_goes_on),
        cmocka_unit_test(a_drain_has_an_end),
        cmocka_unit_test(a_second_signal_ends_it_at_once),
        cmocka_unit_test(a_failed_start_says_why),
        cmocka_unit_test(an_unknown_outcome_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
