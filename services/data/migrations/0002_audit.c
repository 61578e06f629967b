#include "services/data/migrations/tables.h"

#include "core/audit/audit.h"

const char data_audit_tables[] = OW_AUDIT_TABLES;
