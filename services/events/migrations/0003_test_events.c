#include "services/events/migrations/migrations.h"

// `owner` is the operator who alone sees it, '' when it is shared.
const char events_test_events[] =
    "CREATE TABLE test_events ("
    "  title_id TEXT NOT NULL,"
    "  virtual_server TEXT NOT NULL,"
    "  function TEXT NOT NULL,"
    "  owner TEXT NOT NULL,"
    "  name TEXT NOT NULL,"
    "  content_type TEXT NOT NULL,"
    "  saved_us BIGINT NOT NULL,"
    "  payload OW_BLOB NOT NULL,"
    "  PRIMARY KEY (title_id, virtual_server, function, owner, name));";
