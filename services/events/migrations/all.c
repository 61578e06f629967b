#include "services/events/migrations/migrations.h"

const ow_db_migration events_migrations[] = {
    {1, events_executions}, {2, events_subscriptions}, {3, events_test_events},
    {4, events_shares},     {5, events_moments},       {0, NULL},
};
