#include "services/identity/migrations/tables.h"

#include "core/bus/bus.h"

// What the rest of the platform is told of players.
const char identity_outbox[] = OW_BUS_TABLES;
