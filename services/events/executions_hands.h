#pragma once

// SQL of what a person does with executions. As executions_store.h.

#include "services/events/executions_store.h"

typedef struct execution_query {
    const char *title_id;
    const execution_filter *filter; // NULL: whatever
    const char *below;              // ids before this one only (of one event: behind it); "": all
    int limit;
} execution_query;

typedef struct execution_page {
    execution_row *rows; // in the arena
    int count;
    const char *next; // where to go on below; "": that was the end
} execution_page;

// Newest first, those of one event oldest first. Looks at a bounded number of rows, so a page may be short and not the last.
ow_code executions_list(ow_db_conn *db, const execution_query *query, ow_arena *arena,
                        execution_page *ret_page, ow_err *err);

// The nth of its statements, for a look at their plans; NULL: there are no more.
const char *executions_list_sql(size_t at);

// Writes what a step of the rules has made of `row`, and sets free or holds as it must be. Of a dead one
// `reason` and `message` are replaced.
ow_code execution_write_step(ow_db_conn *db, const execution_row *row, const queue_item *next,
                             int64_t delete_us, const char *reason, ow_err *err);

// Puts other facts (packed; `payload` apart, len 0: in there) into a dead one, under the next epoch.
ow_code execution_write_facts(ow_db_conn *db, const execution_row *row, ProtobufCBinaryData facts,
                              ProtobufCBinaryData payload, ow_err *err);
