#include "services/timers/migrations/migrations.h"

// Which intervals begin anew once the clock was set back: without it every timer would be looked at, which is
// more than a write may take.
const char timers_every[] = "CREATE INDEX timers_by_every ON timers ((next_due_us - every_us))"
                            "  WHERE every_us > 0 AND next_due_us < 9223372036854775807;";
