#pragma once

// Data on the stage of tests/stage.

#include "services/data/messages.h"
#include "tests/stage/fixture.h"

// For cmocka: the initial state is a `mode`; fixture_teardown ends it.
int data_setup(void **state);

extern const stage_caller server, admin, viewer, platform; // for title "ttl_a"
extern const stage_caller stranger;                        // for "ttl_b"
