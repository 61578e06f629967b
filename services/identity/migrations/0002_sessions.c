#include "services/identity/migrations/tables.h"

// A session from login to logout. refresh_hash: SHA-256 of the refresh token that is good now,
// previous_hash: of the one before, which may be shown again for some seconds. issued_us: when the
// newest access token was given.
//
// ended_sessions: those that ended before their access tokens ran out; what gateways must refuse.
const char identity_sessions_tables[] =
    "CREATE TABLE sessions ("
    "  session_id TEXT NOT NULL PRIMARY KEY,"
    "  player_id TEXT NOT NULL,"
    "  title_id TEXT NOT NULL,"
    "  refresh_hash OW_BLOB NOT NULL,"
    "  previous_hash OW_BLOB NOT NULL,"
    "  created_us BIGINT NOT NULL,"
    "  issued_us BIGINT NOT NULL,"
    "  expires_us BIGINT NOT NULL);"
    "CREATE INDEX sessions_player ON sessions (player_id, session_id);"
    "CREATE INDEX sessions_expiry ON sessions (expires_us);"

    "CREATE TABLE ended_sessions ("
    "  session_id TEXT NOT NULL PRIMARY KEY,"
    "  ended_us BIGINT NOT NULL);"
    "CREATE INDEX ended_sessions_time ON ended_sessions (ended_us)";
