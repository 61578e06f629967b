#include "services/registry/migrations/migrations.h"

// A secret's values are kept by version, sealed (core/crypto/seal.h); `current` is the one that
// functions get. secrets_seq of a virtual server is the number of the last change of any of them.
const char registry_migration_4[] = "CREATE TABLE secrets ("
                                    "  title_id TEXT NOT NULL,"
                                    "  virtual_server TEXT NOT NULL,"
                                    "  name TEXT NOT NULL,"
                                    "  version BIGINT NOT NULL,"
                                    "  latest_version BIGINT NOT NULL,"
                                    "  updated_us BIGINT NOT NULL,"
                                    "  updated_by TEXT NOT NULL,"
                                    "  etag BIGINT NOT NULL,"
                                    "  PRIMARY KEY (title_id, virtual_server, name));"

                                    "CREATE TABLE secret_values ("
                                    "  title_id TEXT NOT NULL,"
                                    "  virtual_server TEXT NOT NULL,"
                                    "  name TEXT NOT NULL,"
                                    "  version BIGINT NOT NULL,"
                                    "  sealed OW_BLOB NOT NULL,"
                                    "  PRIMARY KEY (title_id, virtual_server, name, version));"

                                    "ALTER TABLE virtual_servers"
                                    "  ADD COLUMN secrets_seq BIGINT NOT NULL DEFAULT 0;";
