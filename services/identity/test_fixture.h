#pragma once

// Identity on the stage of tests/stage, with a stand-in of data.

#include "services/identity/messages.h"
#include "tests/stage/fixture.h"

typedef struct identity_fakes {
    ProtobufCService *data;
    bool data_away; // it refuses to delete
    int erasures;   // slices that it deleted
} identity_fakes;

// For cmocka: the initial state is a `mode`; fixture_teardown ends it. `own` of the fixture are the fakes.
int identity_setup(void **state);

extern const stage_caller nobody, admin, viewer, owner,
    platform; // all for title "ttl_a", but for `platform`
