#pragma once

// What the tests and the bench of the host share: a host with a zygote of the C runtime, and a loop
// that runs until something is true or a deadline has passed.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtimes/host/host.h"

#define HARNESS_REPLIES 64
#define HARNESS_PATIENCE_MS 20000

typedef struct harness_reply {
    uint64_t id;
    ow_host_outcome outcome;
    char *data; // NUL-terminated copy
    size_t length;
    char content_type[96];
    char code[64];
    char message[512];
    char details[512];
    char log[70000]; // records as "level text\n"
    uint64_t lines_lost;
} harness_reply;

typedef struct harness {
    ow_host *host;
    ow_host_zygote *zygote;
    int code_fd;
    bool zygote_ready;
    bool zygote_gone;
    ow_host_zygote_status status;
    unsigned ready;
    unsigned replies;
    unsigned exits;
    harness_reply *last; // of the last completion
    uint64_t answered[HARNESS_REPLIES];
    ow_host_exit exit;
    char exit_log[70000];
    char ready_log[4096];
    // what a nested call gets
    ow_host_outcome answer_outcome;
    char called[256];
} harness;

// Opens everything and waits for the zygote. `code` is a shared object's path; `most` caps the
// sandbox level (0 = none). Aborts the test program when that fails.
harness *harness_open(const char *runtime, const char *code, const char *build,
                      ow_host_sandbox_level most);
harness *harness_close(harness *self);

// One turn of a caller's loop; waits up to `ms` when there is nothing to do.
void harness_turn(harness *self, int ms);

// Turns until *counter >= wanted; false when patience ends.
bool harness_until(harness *self, const unsigned *counter, unsigned wanted);

// Turns until the zygote has told the instance's process, which may come after its readiness; 0 when
// patience ends.
pid_t harness_known(harness *self, const ow_host_instance *instance);

// An instance of a symbol with 64 MB; NULL when refused.
ow_host_instance *harness_spawn(harness *self, const char *symbol);

// Submits with plausible metadata.
ow_code harness_submit(ow_host_instance *instance, uint64_t id, const void *data, size_t length);

// Spawns, submits, waits for the reply or the exit: true for a reply.
bool harness_call(harness *self, const char *symbol, const void *data, size_t length);

uint64_t harness_now_ns(void);
