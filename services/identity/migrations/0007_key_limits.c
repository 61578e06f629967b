#include "services/identity/migrations/tables.h"

// limit_calls: 0 is as many as of every key.
const char identity_key_limits[] =
    "ALTER TABLE server_keys ADD COLUMN limit_calls BIGINT NOT NULL DEFAULT 0;"
    "ALTER TABLE server_keys ADD COLUMN etag BIGINT NOT NULL DEFAULT 1;"
    "CREATE INDEX server_keys_limits ON server_keys (limit_calls)";
