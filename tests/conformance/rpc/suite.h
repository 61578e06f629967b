#pragma once

// The conformance suite of channels: what every call site may rely on, whichever channel is between
// it and the callee. A rig provides the channel.

#include "tests/conformance/rpc/probe.h"

#include "core/testing/ow_test.h"

typedef struct rig rig;

struct rig {
    ow_loop *loop;           // the caller's
    ProtobufCService *probe; // what the caller holds
    bool encodes;            // messages are packed: size limits hold, closures are deferred
    void (*stop_callee)(rig *r);
    void (*start_callee)(rig *r);
    void *self;
};

// Runs all cases (cmocka); returns what main is to return. `setup` puts a rig into *state,
// `teardown` takes it down.
int suite_run(const char *name, CMFixtureFunction setup, CMFixtureFunction teardown);

// ---- For cases beyond the suite ----

// How a call went, filled by suite_begin's closure.
typedef struct outcome {
    rig *rig;
    const ProtobufCMethodDescriptor *method;
    int messages; // of a stream; 1 for a reply
    int ends;     // final closures; anything but 1 is wrong once done
    ow_err err;
    ProtobufCMessage *last; // copy of the last message; freed by outcome_deinit
    int cancel_after;       // > 0: the consumer cancels at that message
    ow_call *call;          // NULL once ended
} outcome;

// A short path (sockets have 107 bytes), and its end with everything in it.
#define FOLDER_MAX 64
void make_folder(char path[static FOLDER_MAX]);
void remove_folder(const char *path);

// A root call for a service of the platform with 5 s to go.
ow_call *suite_call(rig *r);

// Begins the named method; the call is freed when it ends.
void suite_begin(outcome *o, rig *r, const char *method, const void *request, ow_call *call);

// Turns the caller's loop until the call has ended (fails after 20 s).
void suite_wait(outcome *o);

// suite_begin, suite_wait.
void suite_run_call(outcome *o, rig *r, const char *method, const void *request, ow_call *call);
void outcome_deinit(outcome *o);
