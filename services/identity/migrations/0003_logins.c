#include "services/identity/migrations/tables.h"

// The ways in which players log in. login_hash: SHA-256 of title, kind and what the player shows, so
// that whoever reads the store cannot log in. shown: what people may see of it (an e-mail address),
// "" of what is secret. password: argon2id, of e-mail logins alone.
//
// players.banned_until_us: 0 for players who are not banned.
const char identity_logins_tables[] =
    "CREATE TABLE logins ("
    "  login_hash OW_BLOB NOT NULL PRIMARY KEY,"
    "  player_id TEXT NOT NULL,"
    "  kind TEXT NOT NULL,"
    "  shown TEXT NOT NULL,"
    "  password TEXT NOT NULL,"
    "  created_us BIGINT NOT NULL);"
    "INSERT INTO logins (login_hash, player_id, kind, shown, password, created_us) "
    "SELECT devices.device_hash, devices.player_id, 'device', '', '', players.created_us "
    "FROM devices JOIN players ON players.player_id = devices.player_id;"
    "CREATE INDEX logins_player ON logins (player_id);"
    "DROP TABLE devices;"
    "ALTER TABLE players ADD COLUMN banned_until_us BIGINT NOT NULL DEFAULT 0;"
    "ALTER TABLE players ADD COLUMN ban_reason TEXT NOT NULL DEFAULT ''";
