#pragma once

// Data on the harness of tests/stage, beside an identity that knows every player but one.

#include "services/data/messages.h"
#include "tests/stage/harness.h"

#define MADE_UP_PLAYER "plr_01HXG3K5N8Q2Z4V6B8D0F2H4J9"

typedef struct data_fakes {
    ProtobufCService *identity;
    int asked;
    bool identity_away;
} data_fakes;

// For cmocka: the initial state is a `mode`; harness_teardown ends it. f->own is a data_fakes.
int data_setup(void **state);

extern const who server, admin, viewer, platform; // for title "ttl_a"
extern const who stranger;                        // for "ttl_b"
