#include "services/timers/migrations/migrations.h"

// Whose timers are looked through in the order in which they come is told by the index alone.
const char timers_names[] = "DROP INDEX timers_by_title_due;"
                            "CREATE INDEX timers_by_title_due ON timers"
                            "  (title_id, next_due_us, timer_id, virtual_server, name);";
