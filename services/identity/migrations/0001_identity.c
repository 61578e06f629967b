#include "services/identity/migrations/tables.h"

// A device is known by the SHA-256 of its title and id only: whoever reads the store cannot log in.
// For the same reason a server key's row has no secret (it is derived, see keys.h) and an operator's
// only the hash of the token.
//
// nonces: what ServerLogin has accepted within its window. request_keys: the key a CreateServerKey
// request made, for 24 hours. server_keys.revoked_us is 0 while the key is valid.
const char identity_first_tables[] =
    "CREATE TABLE players ("
    "  player_id TEXT NOT NULL PRIMARY KEY,"
    "  title_id TEXT NOT NULL,"
    "  platform TEXT NOT NULL,"
    "  created_us BIGINT NOT NULL);"

    "CREATE TABLE devices ("
    "  device_hash OW_BLOB NOT NULL PRIMARY KEY,"
    "  player_id TEXT NOT NULL);"

    "CREATE TABLE server_keys ("
    "  key_id TEXT NOT NULL PRIMARY KEY,"
    "  title_id TEXT NOT NULL,"
    "  name TEXT NOT NULL,"
    "  created_us BIGINT NOT NULL,"
    "  revoked_us BIGINT NOT NULL);"
    "CREATE INDEX server_keys_title ON server_keys (title_id, key_id);"
    "CREATE INDEX server_keys_revoked ON server_keys (revoked_us);"

    "CREATE TABLE nonces ("
    "  key_id TEXT NOT NULL,"
    "  nonce TEXT NOT NULL,"
    "  expires_us BIGINT NOT NULL,"
    "  PRIMARY KEY (key_id, nonce));"
    "CREATE INDEX nonces_expiry ON nonces (expires_us);"

    "CREATE TABLE request_keys ("
    "  title_id TEXT NOT NULL,"
    "  method TEXT NOT NULL,"
    "  request_key TEXT NOT NULL,"
    "  made_id TEXT NOT NULL,"
    "  expires_us BIGINT NOT NULL,"
    "  PRIMARY KEY (title_id, method, request_key));"
    "CREATE INDEX request_keys_expiry ON request_keys (expires_us);"

    "CREATE TABLE operators ("
    "  operator_id TEXT NOT NULL PRIMARY KEY,"
    "  name TEXT NOT NULL UNIQUE,"
    "  role TEXT NOT NULL,"
    "  token_sha256 OW_BLOB NOT NULL,"
    "  created_us BIGINT NOT NULL);"

    "CREATE TABLE audit ("
    "  audit_id TEXT NOT NULL PRIMARY KEY,"
    "  at_us BIGINT NOT NULL,"
    "  request_id TEXT NOT NULL,"
    "  principal_id TEXT NOT NULL,"
    "  title_id TEXT NOT NULL,"
    "  method TEXT NOT NULL,"
    "  subject_id TEXT NOT NULL,"
    "  state_before TEXT NOT NULL,"
    "  state_after TEXT NOT NULL)";
