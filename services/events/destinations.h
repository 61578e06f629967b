#pragma once

// Who is told when an execution has ended: another execution, whose payload says what happened.

#include "services/events/runs.h"

// Fills run->successor (and the settlement's) when the end that the settlement describes has a
// destination, and the outcome with what became of that. Before the outcome is packed.
void destination_prepare(run *run, const queue_item *next, int64_t now_us);
