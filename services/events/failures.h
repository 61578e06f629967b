#pragma once

// function.failed: what the platform says of an execution that was given up.

#include "services/events/runs.h"

#include "core/db/db.h"

// Keeps the event with the settlement that it tells of, in the same write job; it is spread like any
// other. Nothing for a run that is not dead now, and at the end of a chain (one that reacts to failures
// and fails itself must not go on for ever). Codes as ow_db_exec; resource_exhausted "memory".
ow_code failure_announce(ow_db_conn *db, const run *ended, bool *ret_announced, ow_err *err);
