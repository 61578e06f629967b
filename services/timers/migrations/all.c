#include "services/timers/migrations/migrations.h"

const ow_db_migration timers_migrations[] = {
    {1, timers_first},           {2, timers_every}, {3, timers_outbox},
    {4, timers_slots_of_titles}, {5, timers_names}, {0, NULL},
};
