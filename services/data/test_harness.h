#pragma once

// Data on the harness of tests/stage.

#include "services/data/messages.h"
#include "tests/stage/harness.h"

// For cmocka: the initial state is a `mode`; harness_teardown ends it.
int data_setup(void **state);

extern const who server, admin, viewer, platform; // for title "ttl_a"
extern const who stranger;                        // for "ttl_b"
