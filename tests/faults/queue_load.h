#pragma once

// A load of asynchronous calls, and of events, on a running server, with a journal outside of it: what was
// acknowledged, what was refused, what nobody knows. Each has a key, so that what nobody knows can be asked again.

#include "tests/scenario/deployment.h"

#include "sdk/c/overworld_execution.h"

typedef enum outcome { UNKNOWN, ACKED, REFUSED } outcome;

typedef struct wish {
    struct load *load;
    outcome outcome;
    bool is_event;
    int number;
    char id[48], key[24];
} wish;

typedef struct load {
    deployment *d;
    const char *function; // that is called with its key as text; each once
    const char *type;     // of the events, whose data are {"key": their key}; NULL: no events
    ow_client *client;
    wish *wishes;
    int count, running, end;
    int acked, unknown, refused;
    ow_client_error refusal; // the last one
} load;

// Heap, in what it points to.
void load_init(load *l, const char *function, const char *type);
void load_deinit(load *l);

// A round of `most` wishes on a server that is ready; every third is an event.
void load_begin(load *l, deployment *d, int most);
// Keeps some in flight, and gives the network `wait_ms`. False: all of the round are answered.
bool load_turn(load *l, int wait_ms);
// Begins no more, and waits until what is under way has ended, somehow.
void load_end(load *l);
int load_answered(const load *l);

// Everything is asked for again: what was acknowledged is there, with the same id; what nobody knows is afterwards.
void load_resolve(load *l, ow_client *client);

// Each call has ended well, whatever its runs met with.
void load_expect_done(const load *l, ow_client *client);

// How many executions there are, of a source ("": of all).
int count_executions(ow_client *client, const char *source);
