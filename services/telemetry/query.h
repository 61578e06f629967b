#pragma once

// QueryLogs: reads the store block by block in bounded slices, and waits for new blocks when asked
// to. Loop thread.

#include "services/telemetry/telemetry_store.h"

#include "core/metrics/metrics.h"
#include "core/rpc/service.h"

typedef struct queries queries;

// Heap; freed after the service whose calls run here. At most `max_waiting` queries wait for something new;
// `waiting` shows how many do.
queries *queries_new(ow_loop *loop, ow_db *db, int max_waiting, ow_gauge *waiting);
queries *queries_free(queries *q);

// The one step of QueryLogs; its state is a query.
ow_code queries_begin(queries *q, ow_run *run);

// For queries of other kinds: without times of the caller's own only the hour behind the request's
// id is looked at; and the caller's title. Codes: failed_precondition "title_needed".
void queries_narrow_to_request(filter *f, const query_request *request);
ow_code queries_set_title(filter *f, const ow_call *call, ow_err *err);

// There are new blocks: those who wait look again, some milliseconds from now.
void queries_wake(queries *q);

// Nobody waits any more: answers with what there is.
void queries_stop(queries *q);
bool queries_are_stopping(const queries *q);

enum { PAGE_ITEMS_MAX = QUERY_PAGE_MAX };

// An entry of the page with what orders it.
typedef struct page_entry {
    log_entry *entry;
    item key; // time, rank and a number over the whole page
} page_entry;

typedef struct query {
    queries *owner;
    ow_run *run;
    struct query *next; // among those that wait
    filter filter;
    int limit;
    bool newest;     // reading downwards
    bool positioned; // `at` is known
    bool at_end;     // everything that is there has been looked at
    bool waiting, cancelled;
    position at;       // where to go on; newest: where later pages go on
    int64_t down_from; // newest: the next block to look at
    page_entry page[PAGE_ITEMS_MAX];
    int count;
    uint32_t taken; // numbers the entries for what has the same time
    int64_t dropped;
    int64_t wait_until_us; // loop time; 0: does not wait
    ow_timer timer;
    ow_db_job job;
    bool reading;
} query;
