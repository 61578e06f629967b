#pragma once

// Factories over SQLite: a fresh folder, with or without faults in between.

#include "core/db/testing/fault_driver.h"
#include "tests/conformance/db/suite.h"

typedef struct sqlite_place {
    char folder[256];
    char store[264];
    ow_db_fault_plan *plan; // NULL: no fault driver in between
} sqlite_place;

// Makes a new temporary folder (below `parent`; NULL: the test's own place for such).
void sqlite_place_init(sqlite_place *place, const char *parent);
void sqlite_place_deinit(sqlite_place *place); // removes it

db_factory sqlite_factory(sqlite_place *place, const char *name, bool rerun_writes);
