#pragma once

// The tables of events, one file a number; see core/db/db.h.

#include "core/db/db.h"

extern const char events_executions[];
extern const char events_moments[];
extern const char events_shares[];
extern const char events_test_events[];
extern const char events_subscriptions[];

// Ends with number 0.
extern const ow_db_migration events_migrations[];
