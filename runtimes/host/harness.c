#include "runtimes/host/harness.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint64_t harness_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void must(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "harness: %s\n", what);
        abort();
    }
}

static int load_code(const char *path) {
    FILE *file = fopen(path, "re");
    must(file != NULL, path);
    char *data = malloc(4 << 20);
    size_t length = fread(data, 1, 4 << 20, file);
    fclose(file);
    int fd = -1;
    must(ow_host_memfd("code", data, length, &fd, NULL) == OW_OK, "memfd of the code");
    free(data);
    return fd;
}

static void copy_log(const ow_host_log *log, char *to, size_t size) {
    size_t cursor = 0;
    size_t at = 0;
    ow_host_log_record record;
    to[0] = '\0';
    while (ow_host_log_next(log, &cursor, &record) && at + record.length + 4 < size) {
        at += (size_t)snprintf(to + at, size - at, "%d %.*s\n", record.level, (int)record.length,
                               record.text);
    }
}

static void on_zygote(void *ctx, ow_host_zygote *zygote, const ow_host_zygote_status *status) {
    (void)zygote;
    harness *self = ctx;
    self->zygote_ready = status->ready;
    self->zygote_gone = status->gone;
    self->status = *status;
}

static void on_ready(void *ctx, ow_host_instance *instance, const ow_host_ready *ready) {
    (void)instance;
    harness *self = ctx;
    self->ready++;
    copy_log(&ready->log, self->ready_log, sizeof self->ready_log);
}

static void on_completed(void *ctx, ow_host_instance *instance, const ow_host_completion *done) {
    (void)instance;
    harness *self = ctx;
    harness_reply *last = self->last;
    free(last->data);
    last->id = done->id;
    last->outcome = done->outcome;
    last->length = done->length;
    last->data = calloc(1, done->length + 1);
    memcpy(last->data, done->data ? done->data : "", done->length);
    snprintf(last->content_type, sizeof last->content_type, "%s", done->content_type);
    snprintf(last->code, sizeof last->code, "%s", done->code);
    snprintf(last->message, sizeof last->message, "%s", done->message);
    snprintf(last->details, sizeof last->details, "%s", done->details);
    copy_log(&done->log, last->log, sizeof last->log);
    last->lines_lost = done->log.lines_lost;
    self->answered[self->replies % HARNESS_REPLIES] = done->id;
    self->replies++;
}

static void on_called(void *ctx, ow_host_instance *instance, const ow_host_call *call) {
    harness *self = ctx;
    snprintf(self->called, sizeof self->called, "%s", call->target);
    char *copy = malloc(call->length + 1);
    memcpy(copy, call->payload, call->length);
    ow_host_instance_answer(instance, call->number, self->answer_outcome,
                            self->answer_outcome ? "not_today" : NULL, copy, call->length);
    free(copy);
}

static void on_exited(void *ctx, ow_host_instance *instance, const ow_host_exit *exit) {
    (void)instance;
    harness *self = ctx;
    self->exits++;
    self->exit = *exit;
    copy_log(&exit->log, self->exit_log, sizeof self->exit_log);
}

harness *harness_open(const char *runtime, const char *code, const char *build,
                      ow_host_sandbox_level most) {
    const ow_host_events events = {.zygote = on_zygote,
                                   .ready = on_ready,
                                   .completed = on_completed,
                                   .called = on_called,
                                   .exited = on_exited};
    const ow_host_options options = {.build_binary = build, .most = most};
    harness *self = calloc(1, sizeof *self);
    self->last = calloc(1, sizeof *self->last);
    self->code_fd = load_code(code);
    ow_err err = {0};
    must(ow_host_open(&options, &events, self, &self->host, &err) == OW_OK, err.message);
    must(ow_host_zygote_start(self->host, runtime, &self->zygote, &err) == OW_OK, err.message);
    uint64_t end = harness_now_ns() + HARNESS_PATIENCE_MS * 1000000ull;
    while (!self->zygote_ready && !self->zygote_gone && harness_now_ns() < end) {
        harness_turn(self, 100);
    }
    must(self->zygote_ready, "the zygote does not come up");
    return self;
}

harness *harness_close(harness *self) {
    if (self) {
        ow_host_free(self->host);
        close(self->code_fd);
        free(self->last->data);
        free(self->last);
        free(self);
    }
    return NULL;
}

void harness_turn(harness *self, int ms) {
    struct pollfd fds[2] = {{.fd = ow_host_fd(self->host), .events = POLLIN},
                            {.fd = ow_host_wake_fd(self->host), .events = POLLIN}};
    int wait = ow_host_sleep(self->host) ? ms : 0;
    poll(fds, 2, wait);
    ow_host_awake(self->host);
    if (fds[0].revents) {
        ow_host_pump(self->host);
    }
    ow_host_poll(self->host);
}

bool harness_until(harness *self, const unsigned *counter, unsigned wanted) {
    uint64_t end = harness_now_ns() + HARNESS_PATIENCE_MS * 1000000ull;
    while (*counter < wanted && harness_now_ns() < end) {
        harness_turn(self, 100);
    }
    return *counter >= wanted;
}

pid_t harness_known(harness *self, const ow_host_instance *instance) {
    uint64_t end = harness_now_ns() + HARNESS_PATIENCE_MS * 1000000ull;
    while (ow_host_instance_pid(instance) <= 0 && harness_now_ns() < end) {
        harness_turn(self, 1);
    }
    return ow_host_instance_pid(instance);
}

ow_host_instance *harness_spawn(harness *self, const char *symbol) {
    const ow_host_spec spec = {
        .code_fd = self->code_fd, .symbol = symbol, .memory_bytes = 64u << 20, .user = self};
    ow_host_instance *instance = NULL;
    return ow_host_instance_spawn(self->zygote, &spec, &instance, NULL) == OW_OK ? instance : NULL;
}

ow_code harness_submit(ow_host_instance *instance, uint64_t id, const void *data, size_t length) {
    const ow_host_request request = {
        .id = id,
        .deadline_ns = harness_now_ns() + 3000000000ull,
        .request_id = "req_01",
        .invocation_id = "inv_01",
        .traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        .source = "client",
        .player = "plr_01",
        .principal = "{\"kind\":\"player\",\"id\":\"plr_01\"}",
        .virtual_server = "chat",
        .function = "moderate",
        .version = "$LATEST",
        .execution_id = "exe_01",
        .attempt = 2,
        .content_type = "application/json",
        .payload = data,
        .payload_length = length,
    };
    return ow_host_instance_submit(instance, &request, NULL);
}

bool harness_call(harness *self, const char *symbol, const void *data, size_t length) {
    ow_host_instance *instance = harness_spawn(self, symbol);
    must(instance != NULL, "no instance");
    must(harness_submit(instance, 1, data, length) == OW_OK, "no room");
    unsigned replies = self->replies;
    unsigned exits = self->exits;
    uint64_t end = harness_now_ns() + HARNESS_PATIENCE_MS * 1000000ull;
    while (self->replies == replies && self->exits == exits && harness_now_ns() < end) {
        harness_turn(self, 100);
    }
    bool replied = self->replies > replies;
    if (self->exits == exits) {
        ow_host_instance_kill(instance);
        harness_until(self, &self->exits, exits + 1);
    }
    return replied;
}
