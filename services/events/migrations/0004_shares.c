#include "services/events/migrations/migrations.h"

// What waits is counted by title from the indexes alone. Of those that are put aside the subscription begins with it,
// and they are found by the latter.
const char events_shares[] =
    "DROP INDEX executions_due;"
    "CREATE INDEX executions_due ON executions (due_us, execution_id, title_id) WHERE state = 1;"
    "DROP INDEX executions_parked;"
    "CREATE INDEX executions_aside ON executions (subscription, state, due_us)"
    "  WHERE state IN (2, 3);";
