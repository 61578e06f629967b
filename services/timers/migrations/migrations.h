#pragma once

// The tables of timers, one file a number; see core/db/db.h.

#include "core/db/db.h"

extern const char timers_first[], timers_every[], timers_outbox[], timers_slots_of_titles[],
    timers_names[];

// Ends with number 0.
extern const ow_db_migration timers_migrations[];
