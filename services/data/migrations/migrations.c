#include "services/data/migrations/migrations.h"

#include "services/data/migrations/tables.h"

const ow_db_migration data_migrations[] = {
    {.number = 1, .sql = data_kv_tables},
    {.number = 2, .sql = data_audit_tables},
    {.number = 3, .sql = data_ends_tables},
    {.number = 0},
};
