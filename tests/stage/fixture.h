#pragma once

// A service on its stage for cmocka, with more than one call under way, and streams. Where stage_call makes one
// call after the other, here answers come as the loop turns. The service's own tests say by a `subject` what is
// different for it.

#include "tests/stage/stage.h"

typedef struct mode {
    ow_channel_kind channel;
    bool rerun_writes;
    const char *flags[STAGE_FLAGS_MAX]; // NULL-ended
} mode;

typedef struct fixture {
    stage stage;
    const struct subject *subject;
    void *own; // the subject's
} fixture;

typedef struct subject {
    const ow_module *module;
    const ProtobufCServiceDescriptor *service;
    const char *flag;           // that it has besides the mode's; NULL: none
    const char *streamed;       // short name of the messages of its streams; NULL: has none
    void (*before)(fixture *f); // offers stand-ins, before the module starts; may be NULL
    void (*after)(fixture *f);  // takes them back; may be NULL
} subject;

// The initial state is a `mode`; then it is the fixture, whose module runs.
int fixture_setup(void **state, const subject *about);
int fixture_teardown(void **state);

typedef struct answer {
    int messages, wanted; // of a stream; 1 for a unary call that went well
    bool ended;
    ow_code code;
    ow_err err;
    ProtobufCMessage *message; // the last one, a copy
    ow_call *call;             // while it runs
    fixture *of;
} answer;

// Begins a call of a method; the answer comes as the loop turns.
void ask_begin(fixture *f, const stage_caller *as, const char *method,
               const ProtobufCMessage *request, answer *a);
// ... and waits for its end.
void ask(fixture *f, const stage_caller *as, const char *method, const ProtobufCMessage *request,
         answer *a);
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
