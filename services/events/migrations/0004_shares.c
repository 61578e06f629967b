#include "services/events/migrations/migrations.h"

// What waits is counted by title, which its subscription begins with, from the indexes alone. Those that are held
// are counted likewise.
const char events_shares[] =
    "DROP INDEX executions_due;"
    "CREATE INDEX executions_due ON executions (due_us, execution_id, subscription) WHERE state = 1;"
    "DROP INDEX executions_parked;"
    "CREATE INDEX executions_aside ON executions (subscription, state, due_us)"
    "  WHERE state IN (2, 3);";
