#include "services/registry/migrations/migrations.h"

#include "core/bus/bus.h"

// What the rest of the platform is told of deployments.
const char registry_migration_6[] = OW_BUS_TABLES;
