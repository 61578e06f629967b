#pragma once

// Who is told when an execution has ended: another execution whose payload, or subscribers to an event whose
// data, say what happened.

#include "services/events/runs.h"

// Fills run->successor or run->told_as when the end that the settlement describes has a destination, and
// the outcome with what became of that. Before the outcome is packed.
void destination_prepare(run *run, const queue_item *next, int64_t now_us);

// Stores the event, if it is one that is told, in the write job that settled the run. *ret_announced: there
// is something to be spread. Codes as occurrence_insert.
ow_code destination_announce(ow_db_conn *db, const run *ended, bool *ret_announced, ow_err *err);
