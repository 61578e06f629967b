#include "services/events/migrations/migrations.h"

// What waits is counted by title, and of one title looked at, from an index alone. SQLite takes it only for a statement
// that says `state IN (1, 2, 3)`, too: it does not see that `state = 3` is part of that. What anything became of in a
// title is listed by the other: without it a quiet title's list would walk over everybody's.
const char events_shares[] =
    "CREATE INDEX executions_waiting ON executions (title_id, state, due_us)"
    "  WHERE state IN (1, 2, 3);"
    "CREATE INDEX executions_title ON executions (title_id, execution_id);";
