#pragma once

// Builds: a few at a time, a bounded number waiting. Each answers a server stream.

#include "core/rpc/service.h"
#include "runtimes/build/build.h"
#include "services/runner/blobs.h"

#define BUILDS_WAITING_MAX 32
#define BUILT_RUNTIME "c" // the one whose sources are compiled

enum build_stage { BUILD_WAITING, BUILD_READY, BUILD_COMPILING };

// One build: the state of its call.
struct build {
    struct build *next;
    struct builds *builds;
    ow_run *run;
    enum build_stage stage; // waits for its bundle, waits for its turn, runs
    struct blob_wait wait;
    const struct blob *bundle;
    ow_build *tool;
    ow_watch watch;
    ow_message ending; // posted: it ends when the loop comes back to it
    bool is_ending;
    ow_code code;
};

struct builds {
    struct blobs *blobs;
    ow_loop *loop;
    const char *binary;
    unsigned at_once;
    struct build *first, *last; // waiting and running, in order
    unsigned running, waiting;
};

// The Build method's step.
ow_code builds_begin(struct builds *builds, ow_run *run);

// Ends all with unavailable; those being ended already end in a later turn.
void builds_abandon(struct builds *builds);
