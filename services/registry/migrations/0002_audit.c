#include "services/registry/migrations/migrations.h"

#include "core/audit/audit.h"

// The flat list gives way to the chain; no release has had it.
const char registry_migration_2[] = "DROP TABLE audit;" OW_AUDIT_TABLES;
