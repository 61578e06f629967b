#pragma once

// Data on the stage of tests/stage, beside an identity that knows every player but one.

#include "services/data/messages.h"
#include "tests/stage/fixture.h"

#define MADE_UP_PLAYER "plr_01HXG3K5N8Q2Z4V6B8D0F2H4J9"

typedef struct data_fakes {
    ProtobufCService *identity;
    int asked;
    bool identity_away;
} data_fakes;

// For cmocka: the initial state is a `mode`; fixture_teardown ends it. f->own is a data_fakes.
int data_setup(void **state);

extern const stage_caller server, admin, viewer, platform; // for title "ttl_a"
extern const stage_caller stranger;                        // for "ttl_b"
