#include "services/registry/migrations/migrations.h"

// Every change of something that gateways and runners route by takes the next number of the counter
// "route" and stores it in route_seq: what changed since a number is found by index.
//
// revisions.version is 0 until the revision is published; the row of a revision that no name
// reaches any more is deleted. body is a packed RouteRevision without version.
//
// request_keys holds the first answer to a request that carried a request_key, for 24 hours.
const char registry_migration_1[] =
    "CREATE TABLE counters ("
    "  name TEXT NOT NULL PRIMARY KEY,"
    "  value BIGINT NOT NULL);"

    "INSERT INTO counters (name, value) VALUES ('route', 0);"

    "CREATE TABLE titles ("
    "  title_id TEXT NOT NULL PRIMARY KEY,"
    "  name TEXT NOT NULL UNIQUE,"
    "  created_us BIGINT NOT NULL,"
    "  etag BIGINT NOT NULL,"
    "  route_seq BIGINT NOT NULL);"

    "CREATE TABLE virtual_servers ("
    "  title_id TEXT NOT NULL,"
    "  name TEXT NOT NULL,"
    "  runtime TEXT NOT NULL,"
    "  description TEXT NOT NULL,"
    "  created_us BIGINT NOT NULL,"
    "  updated_us BIGINT NOT NULL,"
    "  etag BIGINT NOT NULL,"
    "  latest_revision TEXT NOT NULL," // '' until the first deploy
    "  latest_version BIGINT NOT NULL,"
    "  route_seq BIGINT NOT NULL,"
    "  PRIMARY KEY (title_id, name));"

    "CREATE INDEX virtual_servers_by_route_seq ON virtual_servers (route_seq);"

    "CREATE TABLE revisions ("
    "  title_id TEXT NOT NULL,"
    "  virtual_server TEXT NOT NULL,"
    "  revision_id TEXT NOT NULL,"
    "  version BIGINT NOT NULL,"
    "  created_us BIGINT NOT NULL,"
    "  created_by TEXT NOT NULL,"
    "  description TEXT NOT NULL,"
    "  bundle_sha256 TEXT NOT NULL,"
    "  body OW_BLOB NOT NULL,"
    "  PRIMARY KEY (title_id, virtual_server, revision_id));"

    "CREATE UNIQUE INDEX revisions_by_version"
    "  ON revisions (title_id, virtual_server, version) WHERE version > 0;"

    "CREATE TABLE aliases ("
    "  title_id TEXT NOT NULL,"
    "  virtual_server TEXT NOT NULL,"
    "  name TEXT NOT NULL,"
    "  target TEXT NOT NULL," // '$LATEST' or a version
    "  is_public BIGINT NOT NULL,"
    "  PRIMARY KEY (title_id, virtual_server, name));"

    "CREATE TABLE route_removals ("
    "  seq BIGINT NOT NULL PRIMARY KEY,"
    "  title_id TEXT NOT NULL,"
    "  name TEXT NOT NULL);"

    "CREATE TABLE builds ("
    "  source_key TEXT NOT NULL,"
    "  toolchain TEXT NOT NULL,"
    "  code_sha256 TEXT NOT NULL,"
    "  created_us BIGINT NOT NULL,"
    "  PRIMARY KEY (source_key, toolchain));"

    "CREATE TABLE request_keys ("
    "  title_id TEXT NOT NULL,"
    "  principal_id TEXT NOT NULL,"
    "  method TEXT NOT NULL,"
    "  request_key TEXT NOT NULL,"
    "  request_sha256 TEXT NOT NULL,"
    "  reply OW_BLOB NOT NULL,"
    "  created_us BIGINT NOT NULL,"
    "  PRIMARY KEY (title_id, principal_id, method, request_key));"

    "CREATE INDEX request_keys_by_age ON request_keys (created_us);"

    "CREATE TABLE audit ("
    "  audit_id TEXT NOT NULL PRIMARY KEY,"
    "  time_us BIGINT NOT NULL,"
    "  title_id TEXT NOT NULL,"
    "  principal_id TEXT NOT NULL,"
    "  request_id TEXT NOT NULL,"
    "  action TEXT NOT NULL,"
    "  target TEXT NOT NULL,"
    "  detail TEXT NOT NULL);";
