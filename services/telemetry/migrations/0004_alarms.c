#include "services/telemetry/migrations/migrations.h"

#include "core/audit/audit.h"

// `rule` is a packed AlarmRule. A notice stands there until its target has taken it, or it was tried
// too often, or newer ones needed its place.
const char telemetry_alarms[] = "CREATE TABLE alarms ("
                                "  alarm_id TEXT NOT NULL PRIMARY KEY,"
                                "  title_id TEXT NOT NULL,"
                                "  name TEXT NOT NULL,"
                                "  rule OW_BLOB NOT NULL,"
                                "  secret TEXT NOT NULL,"
                                "  firing BIGINT NOT NULL,"
                                "  since_us BIGINT NOT NULL,"
                                "  told BIGINT NOT NULL,"
                                "  last_told_us BIGINT NOT NULL,"
                                "  value DOUBLE PRECISION NOT NULL,"
                                "  last_error TEXT NOT NULL,"
                                "  UNIQUE (title_id, name));"

                                "CREATE TABLE notices ("
                                "  notice_id TEXT NOT NULL PRIMARY KEY,"
                                "  alarm_id TEXT NOT NULL,"
                                "  body TEXT NOT NULL,"
                                "  created_us BIGINT NOT NULL,"
                                "  due_us BIGINT NOT NULL,"
                                "  attempts BIGINT NOT NULL);"

                                "CREATE INDEX notices_by_due ON notices (due_us);" OW_AUDIT_TABLES;
