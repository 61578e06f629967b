#pragma once

// The conformance suite of the storage seam: what every database behind core/db must do alike. A
// database joins with a factory and a main of ten lines (sqlite_test.c).

#include "core/db/db.h"

typedef struct db_factory {
    const char *name;
    // Opens a store with these options (folder and name are the factory's to fill).
    ow_code (*open)(void *self, ow_db_options *options, ow_db **ret_db, ow_err *err);
    // Forgets everything stored; no database is open.
    void (*wipe)(void *self);
    void *self;
    bool rerun_writes; // open with it
} db_factory;

// Runs every case against a wiped store. Returns the number of failures.
int db_conformance_run(const db_factory *factory);
