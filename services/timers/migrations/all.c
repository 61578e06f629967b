#include "services/timers/migrations/migrations.h"

const ow_db_migration timers_migrations[] = {
    {1, timers_first},
    {2, timers_every},
    {3, timers_outbox},
    {0, NULL},
};
