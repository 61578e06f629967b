#pragma once

// A service's module as it runs, alone in a process: on a loop, called through the directory by whomever the test
// wants, its answers as they come. Where stage.h makes one call after the other, here several may be under way, and
// streams are heard. The service's own tests say what is different for it by a `subject`.

#include "core/clock/clock.h"
#include "core/config/config.h"
#include "core/module/env.h"
#include "core/module/module.h"
#include "core/rpc/call.h"
#include "core/rpc/directory.h"
#include "core/rpc/pool.h"
#include "core/testing/ow_test.h"

#define HARNESS_FLAGS_MAX 6

typedef struct mode {
    ow_channel_kind channel;
    bool rerun_writes;
    const char *flags[HARNESS_FLAGS_MAX]; // of the configuration; NULL-ended
} mode;

typedef struct fixture {
    mode mode;
    const struct subject *subject;
    char folder[64];
    char data[80];
    ow_module_env env;
    ow_loop *loop;
    ow_clock *clock;
    ow_config *config;
    const char *more_flags[HARNESS_FLAGS_MAX]; // as the mode has them, until the test changes them
    ow_api *api;
    struct ow_metrics *metrics;
    ow_directory *directory;
    ow_pool *pool;
    ProtobufCService *service; // as callers see it
    void *module;
    void *own; // the subject's
} fixture;

typedef struct subject {
    const ow_module *module;
    const ProtobufCServiceDescriptor *service;
    const char *flag;           // that it always has; NULL: none
    const char *streamed;       // short name of the messages of its streams; NULL: has none
    void (*before)(fixture *f); // offers stand-ins, before the module starts; may be NULL
    void (*after)(fixture *f);  // takes them back; may be NULL
} subject;

// For cmocka: the initial state is a `mode`.
int harness_setup(void **state, const subject *about);
int harness_teardown(void **state);

// The module's life. harness_start answers what the module's start does.
ow_code harness_start(fixture *f, ow_err *err);
void harness_wait_ready(fixture *f);
void harness_stop(fixture *f);

typedef struct answer {
    int messages; // of a stream; 1 for a unary call that went well
    bool ended;
    ow_code code;
    ow_err err;
    ProtobufCMessage *message; // the last one, a copy
    ow_call *call;             // while it runs
    fixture *of;
} answer;

typedef struct who {
    ow_principal_kind kind;
    ow_role role;
    const char *id;
    const char *title;
    bool every_title; // an operator's role
    bool with_api_key;
} who;

// Begins a call of a method; the answer comes as the loop turns.
void ask_begin(fixture *f, const who *as, const char *method, const ProtobufCMessage *request,
               answer *a);
// ... and waits for its end.
void ask(fixture *f, const who *as, const char *method, const ProtobufCMessage *request, answer *a);
void answer_wait(fixture *f, answer *a, int messages); // or its end
void answer_deinit(answer *a);

// Asks, expects OW_OK and gives the message, which is the caller's (answer_deinit).
#define ASK_OK(f, as, method, request, a)                                                          \
    do {                                                                                           \
        ask((f), (as), (method), &(request)->base, (a));                                           \
        assert_ow_ok((a)->code, &(a)->err);                                                        \
    } while (0)

#define ASK_REFUSED(f, as, method, request, wanted_code, wanted_reason)                            \
    do {                                                                                           \
        answer refused;                                                                            \
        ask((f), (as), (method), &(request)->base, &refused);                                      \
        assert_ow_code(refused.code, (wanted_code), &refused.err);                                 \
        assert_string_equal(refused.err.reason, (wanted_reason));                                  \
        answer_deinit(&refused);                                                                   \
    } while (0)
