#include "services/telemetry/migrations/migrations.h"

const ow_db_migration telemetry_migrations[] = {
    {1, telemetry_first},  {2, telemetry_words},        {3, telemetry_series},
    {4, telemetry_alarms}, {5, telemetry_request_keys}, {0, NULL},
};
