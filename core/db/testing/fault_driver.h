#pragma once

// The second implementation of the storage seam: a driver around another one whose writer fails
// when the plan says so. For tests of core/db and of whoever must bear a failing store.

#include "core/db/driver.h"

#include <stdatomic.h>

typedef enum ow_db_fault_point {
    OW_DB_FAULT_ANYWHERE,
    OW_DB_FAULT_BEGIN,
    OW_DB_FAULT_STEP, // of a job's statement
    OW_DB_FAULT_COMMIT,
    OW_DB_FAULT_MAINTAIN,
} ow_db_fault_point;

typedef enum ow_db_fault_kind {
    OW_DB_FAULT_FULL,            // nothing was stored, the transaction is rolled back
    OW_DB_FAULT_LOST,            // the statement was stopped and the transaction with it
    OW_DB_FAULT_IO,              // unknown outcome; a commit is not carried out
    OW_DB_FAULT_IO_AFTER_COMMIT, // unknown outcome; a commit is carried out
} ow_db_fault_kind;

// Owned by the test and longer-lived than the database. Set point, kind and skip, then count; any
// thread.
typedef struct ow_db_fault_plan {
    _Atomic ow_db_fault_point point;
    _Atomic ow_db_fault_kind kind;
    atomic_int skip;  // so many operations of that point pass first
    atomic_int count; // then so many fail
    atomic_int seen;  // operations of that point so far, for choosing `skip`
} ow_db_fault_plan;

// Takes over `inner`. Heap, freed by the database it is given to; NULL when out of memory (`inner`
// is closed then).
ow_db_driver *ow_db_fault_driver_new(ow_db_driver *inner, ow_db_fault_plan *plan);
