#include "services/registry/migrations/migrations.h"

// HTTP routes that somebody switched off, or on, by hand: over what the manifest declares.
const char registry_migration_7[] = "CREATE TABLE route_switches ("
                                    "  title_id TEXT NOT NULL,"
                                    "  virtual_server TEXT NOT NULL,"
                                    "  alias TEXT NOT NULL,"
                                    "  name TEXT NOT NULL,"
                                    "  disabled BIGINT NOT NULL,"
                                    "  switched_by TEXT NOT NULL,"
                                    "  switched_us BIGINT NOT NULL,"
                                    "  PRIMARY KEY (title_id, virtual_server, alias, name));";
