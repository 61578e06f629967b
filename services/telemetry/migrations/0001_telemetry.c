#include "services/telemetry/migrations/migrations.h"

// One row a block, as a process sent it. `words` is a Bloom filter of what queries ask for, so that
// most blocks are passed over without reading `records`, which is why that column comes last.
// store: the number of the last block and the sum of sizes, kept because counting would read all.
const char telemetry_first[] =
    "CREATE TABLE blocks ("
    "  block_id BIGINT NOT NULL PRIMARY KEY,"
    "  received_us BIGINT NOT NULL,"
    "  first_us BIGINT NOT NULL,"
    "  last_us BIGINT NOT NULL,"
    "  count BIGINT NOT NULL,"
    "  dropped BIGINT NOT NULL,"
    "  top_level BIGINT NOT NULL,"
    "  size BIGINT NOT NULL,"
    "  process TEXT NOT NULL,"
    "  words OW_BLOB NOT NULL,"
    "  records OW_BLOB NOT NULL);"

    "CREATE INDEX blocks_by_received ON blocks (received_us);"

    "CREATE TABLE store ("
    "  name TEXT NOT NULL PRIMARY KEY,"
    "  last_block BIGINT NOT NULL,"
    "  bytes BIGINT NOT NULL);"

    "INSERT INTO store (name, last_block, bytes) VALUES ('blocks', 0, 0);";
