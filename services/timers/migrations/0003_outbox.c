#include "services/timers/migrations/migrations.h"

#include "core/bus/bus.h"

// What the rest of the platform is told of slots that came to nothing.
const char timers_outbox[] = OW_BUS_TABLES;
