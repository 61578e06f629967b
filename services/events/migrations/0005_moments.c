#include "services/events/migrations/migrations.h"

// When executions of a title were accepted, as their ids begin: what lies between is of others, and a list does not
// walk over it. An index of each execution by its title would cost every one of them more than this.
const char events_moments[] =
    "CREATE TABLE execution_moments ("
    "  title_id TEXT NOT NULL,"
    "  moment TEXT NOT NULL,"
    "  PRIMARY KEY (title_id, moment));"
    "INSERT INTO execution_moments (title_id, moment)"
    "  SELECT DISTINCT title_id, substr(execution_id, 1, 13) FROM executions;";
