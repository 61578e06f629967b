#include "services/telemetry/migrations/migrations.h"

// What a function did within a step of 10 s or 1 min; `point` is a packed SeriesPoint, since it is
// always read and written whole.
const char telemetry_series[] =
    "CREATE TABLE series_points ("
    "  step_s BIGINT NOT NULL,"
    "  time_us BIGINT NOT NULL,"
    "  title_id TEXT NOT NULL,"
    "  virtual_server TEXT NOT NULL,"
    "  function TEXT NOT NULL,"
    "  version BIGINT NOT NULL,"
    "  qualifier TEXT NOT NULL,"
    "  point OW_BLOB NOT NULL,"
    "  PRIMARY KEY (step_s, title_id, time_us, virtual_server, function,"
    "    version, qualifier));"

    "CREATE INDEX series_points_by_time ON series_points (time_us);";
