#include "services/registry/migrations/migrations.h"

// The names of the functions of $LATEST, a line each, so that looking for one reads no revision. '': none, or it was
// deployed before there was this column, and nothing since.
const char registry_migration_8[] =
    "ALTER TABLE virtual_servers ADD COLUMN functions TEXT NOT NULL DEFAULT '';";
