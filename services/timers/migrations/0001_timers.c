#include "services/timers/migrations/migrations.h"

#include "core/audit/audit.h"
#include "core/request_key/request_key.h"

// `spec` is a packed overworld.api.Timer. next_due_us is INT64_MAX while no slot is to come: paused, ended
// or gone. A declared timer that no version in force has any more is gone: it keeps its place, and with it
// its history and whether it was paused, for when it comes back. every_us is 0 unless it has an interval.
//
// A slot is written when it is claimed, in the same transaction that moves the timer on, and is settled when
// the queue has it; try_us is when a claim that nobody settled may be taken up again, INT64_MAX afterwards.
// A row of state 'missed' stands for `count` slots up to last_due_us.
const char timers_first[] =
    "CREATE TABLE timers ("
    "  timer_id TEXT NOT NULL PRIMARY KEY,"
    "  title_id TEXT NOT NULL,"
    "  virtual_server TEXT NOT NULL,"
    "  name TEXT NOT NULL,"
    "  alias TEXT NOT NULL,"
    "  function TEXT NOT NULL,"
    "  spec OW_BLOB NOT NULL,"
    "  declared BIGINT NOT NULL,"
    "  gone BIGINT NOT NULL,"
    "  paused BIGINT NOT NULL,"
    "  pause_reason TEXT NOT NULL,"
    "  paused_by TEXT NOT NULL,"
    "  next_due_us BIGINT NOT NULL,"
    "  last_due_us BIGINT NOT NULL,"
    "  last_execution_id TEXT NOT NULL,"
    "  every_us BIGINT NOT NULL,"
    "  anchor_us BIGINT NOT NULL,"
    "  created_us BIGINT NOT NULL,"
    "  updated_us BIGINT NOT NULL,"
    "  etag BIGINT NOT NULL,"
    "  UNIQUE (title_id, virtual_server, name, alias));"

    "CREATE INDEX timers_by_due ON timers (next_due_us);"
    "CREATE INDEX timers_by_title_due ON timers (title_id, next_due_us, timer_id);"

    "CREATE TABLE slots ("
    "  timer_id TEXT NOT NULL,"
    "  due_us BIGINT NOT NULL,"
    "  kind TEXT NOT NULL,"
    "  state TEXT NOT NULL,"
    "  execution_id TEXT NOT NULL,"
    "  reason TEXT NOT NULL,"
    "  count BIGINT NOT NULL,"
    "  last_due_us BIGINT NOT NULL,"
    "  made_us BIGINT NOT NULL,"
    "  try_us BIGINT NOT NULL,"
    "  PRIMARY KEY (timer_id, due_us));"

    "CREATE INDEX slots_by_try ON slots (try_us);"
    "CREATE INDEX slots_by_age ON slots (made_us);"

    "CREATE TABLE titles ("
    "  title_id TEXT NOT NULL PRIMARY KEY,"
    "  timers BIGINT NOT NULL);"

    "CREATE TABLE deployments ("
    "  title_id TEXT NOT NULL,"
    "  virtual_server TEXT NOT NULL,"
    "  number BIGINT NOT NULL,"
    "  PRIMARY KEY (title_id, virtual_server));" OW_REQUEST_KEY_TABLES OW_AUDIT_TABLES;
