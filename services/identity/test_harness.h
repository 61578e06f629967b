#pragma once

// Identity as it runs, alone in a process: its module on a loop, called through the directory.

#include "services/identity/messages.h"

#include "core/clock/clock.h"
#include "core/config/config.h"
#include "core/module/env.h"
#include "core/module/module.h"
#include "core/rpc/call.h"
#include "core/rpc/directory.h"
#include "core/rpc/pool.h"
#include "core/testing/ow_test.h"

typedef struct mode {
    ow_channel_kind channel;
    bool rerun_writes;
} mode;

typedef struct fixture {
    mode mode;
    char folder[64];
    char data[80];
    ow_module_env env;
    ow_loop *loop;
    ow_clock *clock;
    ow_config *config;
    const char *more_flags[4]; // of identity's configuration; NULL-ended
    ow_api *api;
    struct ow_metrics *metrics;
    ow_directory *directory;
    ow_pool *pool;
    ProtobufCService *identity; // as callers see it
    void *module;
    ProtobufCService *data_service; // a stand-in
    bool data_away;                 // it refuses to delete
    int erasures;                   // slices that it deleted
} fixture;

// For cmocka: the initial state is a `mode`.
int fixture_setup(void **state);
int fixture_teardown(void **state);

// The module's life. identity_start answers what the module's start does.
ow_code identity_start(fixture *f, ow_err *err);
void identity_wait_ready(fixture *f);
void identity_stop(fixture *f);

typedef struct answer {
    int messages; // of a stream; 1 for a unary call that went well
    bool ended;
    ow_code code;
    ow_err err;
    ProtobufCMessage *message; // the last one, a copy
    ow_call *call;             // while it runs
} answer;

typedef struct who {
    ow_principal_kind kind;
    ow_role role;
    const char *id;
    const char *title;
    bool every_title; // an operator's role
    bool with_api_key;
} who;

extern const who nobody, admin, viewer, owner,
    platform; // all for title "ttl_a", but for `platform`

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
