#include "services/registry/migrations/migrations.h"

const ow_db_migration registry_migrations[] = {
    {1, registry_migration_1}, {2, registry_migration_2}, {3, registry_migration_3},
    {4, registry_migration_4}, {5, registry_migration_5}, {6, registry_migration_6},
    {7, registry_migration_7}, {8, registry_migration_8}, {0, NULL},
};
