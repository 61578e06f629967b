#include "services/data/migrations/tables.h"

// kv_scopes.sequence gives the versions of a scope's entries and never goes back, so that no key has a
// version twice, deleted or not. ended_us > 0: the player was deleted, nothing is written any more. keys
// and bytes (of keys and values) count what has expired until it is swept.
const char data_kv_tables[] =
    "CREATE TABLE kv_scopes ("
    "  scope TEXT NOT NULL PRIMARY KEY,"
    "  title_id TEXT NOT NULL,"
    "  sequence BIGINT NOT NULL,"
    "  keys BIGINT NOT NULL,"
    "  bytes BIGINT NOT NULL,"
    "  ended_us BIGINT NOT NULL);"

    "CREATE TABLE kv_entries ("
    "  scope TEXT NOT NULL,"
    "  key TEXT NOT NULL,"
    "  value OW_BLOB NOT NULL,"
    "  bytes BIGINT NOT NULL,"
    "  version BIGINT NOT NULL,"
    "  updated_us BIGINT NOT NULL,"
    "  expires_us BIGINT NOT NULL,"
    "  PRIMARY KEY (scope, key));"
    "CREATE INDEX kv_entries_expiry ON kv_entries (expires_us) WHERE expires_us > 0;"

    "CREATE TABLE kv_titles ("
    "  title_id TEXT NOT NULL PRIMARY KEY,"
    "  keys BIGINT NOT NULL,"
    "  bytes BIGINT NOT NULL)";
