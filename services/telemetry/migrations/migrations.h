#pragma once

// Telemetry's tables, one file a number; see core/db/db.h.

#include "core/db/db.h"

extern const char telemetry_first[];
extern const char telemetry_words[];
extern const char telemetry_series[];
extern const char telemetry_alarms[];
extern const char telemetry_request_keys[];

// Ends with number 0.
extern const ow_db_migration telemetry_migrations[];
