#pragma once

// The registry's tables, one file a number; see core/db/db.h.

#include "core/db/db.h"

// Ends with number 0.
extern const ow_db_migration registry_migrations[];

extern const char registry_migration_1[], registry_migration_2[], registry_migration_3[],
    registry_migration_4[], registry_migration_5[], registry_migration_6[], registry_migration_7[],
    registry_migration_8[];
