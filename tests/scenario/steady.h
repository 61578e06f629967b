#pragma once

// Players who play: calls of one function of which a certain number is always under way.

#include "sdk/c/overworld_client.h"

#include <stdbool.h>

typedef struct steady {
    ow_client *client; // the caller's
    const char *function, *payload;
    int in_flight; // how many are under way at a time
    // Its own.
    int running, good, bad;
    bool stop;
    ow_client_error last; // of those that failed
} steady;

// Goes on for so long; 0: one look at what came.
void steady_play(steady *s, int ms);
// Begins no more and waits for those under way; fails the test when any failed, or fewer than `at_least` went well.
void steady_end(steady *s, int at_least);
