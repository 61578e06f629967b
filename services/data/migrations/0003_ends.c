#include "services/data/migrations/tables.h"

// kv_scopes.ended_us > 0: the player or the virtual server was deleted. kv_scopes.deployment: of a virtual server,
// the one that said so, or that there is one. kv_titles.sequence: no scope of the title that has no row (any
// more) has ever given a higher version.
const char data_ends_tables[] =
    "ALTER TABLE kv_scopes ADD COLUMN deployment BIGINT NOT NULL DEFAULT 0;"
    "ALTER TABLE kv_titles ADD COLUMN sequence BIGINT NOT NULL DEFAULT 0";
