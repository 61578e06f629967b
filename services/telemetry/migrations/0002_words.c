#include "services/telemetry/migrations/migrations.h"

// The words of each block's lines and errors. unindexed: blocks that have none of theirs in the
// index, because they are too many or the block is older than it.
const char telemetry_words[] = "OW_WORD_INDEX;"

                               "CREATE TABLE unindexed ("
                               "  block_id BIGINT NOT NULL PRIMARY KEY);"

                               "INSERT INTO unindexed (block_id) SELECT block_id FROM blocks;";
