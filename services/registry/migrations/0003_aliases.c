#include "services/registry/migrations/migrations.h"

// An alias may split between two versions: second_target is the higher one ('' when there is none)
// and gets second_weight of 10,000 calls. previous is what had all the traffic before.
const char registry_migration_3[] =
    "ALTER TABLE aliases ADD COLUMN second_target TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE aliases ADD COLUMN second_weight BIGINT NOT NULL DEFAULT 0;"
    "ALTER TABLE aliases ADD COLUMN split TEXT NOT NULL DEFAULT 'key';"
    "ALTER TABLE aliases ADD COLUMN previous TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE aliases ADD COLUMN updated_us BIGINT NOT NULL DEFAULT 0;"
    "ALTER TABLE aliases ADD COLUMN etag BIGINT NOT NULL DEFAULT 1;";
