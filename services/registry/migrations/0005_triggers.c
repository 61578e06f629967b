#include "services/registry/migrations/migrations.h"

// What a revision declares, a packed overworld.api.Triggers, NULL for nothing. An alias may keep the triggers
// of the revision that it led to before ('': those of where it leads). `applied` has for each virtual server the
// route_seq whose triggers all services have; it outlives the virtual server until they know that, too.
const char registry_migration_5[] =
    "ALTER TABLE revisions ADD COLUMN triggers OW_BLOB;"
    "ALTER TABLE aliases ADD COLUMN kept_revision TEXT NOT NULL DEFAULT '';"
    "CREATE TABLE applied ("
    "  title_id TEXT NOT NULL,"
    "  virtual_server TEXT NOT NULL,"
    "  number BIGINT NOT NULL,"
    "  PRIMARY KEY (title_id, virtual_server));";
