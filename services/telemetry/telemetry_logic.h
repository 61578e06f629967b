#pragma once

// How records become log entries: which match a query, what each one shows, in which order. No I/O,
// any thread.

#include "services/telemetry/messages.h"
#include "services/telemetry/records.h"
#include "services/telemetry/text.h"

#include "core/arena/arena.h"

// A place between two entries of the store: entries of a block are numbered as its query orders
// them. The next entry is `entry` of `block`, or the first of what comes after.
typedef struct position {
    int64_t block;
    int64_t entry;
} position;

// What is asked for. Text lives in the call's arena and is never NULL.
typedef struct filter {
    const char *title;
    bool without_title; // also records that belong to no title: requests that were refused early
    const char *request_id, *virtual_server, *function;
    const char *kind, *invocation_id, *parent_invocation_id;
    const char *principal, *client_address, *method;
    const char *reason, *source, *qualifier, *revision_id;
    bool without_readers;                     // leaves out the requests that read the log
    int64_t version, status, min_duration_us; // 0: any
    level min_level;
    int64_t since_us, until_us; // of the record; until_us INT64_MAX: open
    search text;
    char words[SEARCH_QUERY_MAX]; // `text` for the word index; "": no search
} filter;

#define POSITION_MAX 48
#define LATE_US ((int64_t)60 * 1000 * 1000) // a record comes in at most so long after its time

// "b<block>.<entry>". Codes of parse: invalid_argument "bad_page_token".
void position_format(char text[static POSITION_MAX], position p);
ow_code position_parse(const char *text, position *ret_position, ow_err *err);

// Reads the request into a filter. Codes: invalid_argument "bad_level", "bad_page_size",
// "bad_wait", "bad_kind", "bad_text", "bad_duration".
enum { QUERY_PAGE_MAX = 200, QUERY_PAGE_DEFAULT = 50, WAIT_MAX_MS = 30000 };
ow_code filter_of(const query_request *request, filter *ret_filter, int *ret_limit, ow_err *err);

// False: nothing in a block with these words can match.
bool filter_may_match(const filter *f, level top_level, const uint8_t *words, size_t size);

// True when the losses of processes are shown as entries: they belong to no function or request.
bool filter_shows_drops(const filter *f);

// One entry, not yet written out. A record gives one to four.
typedef struct item {
    int64_t time_us;
    int rank;     // order within a microsecond: what opens comes before what closes
    uint32_t seq; // order within the block
    record_view view;
    const char *kind; // static
} item;

typedef struct item_list {
    item *items;
    size_t count;
} item_list;

// The entries of a block that match, sorted. In `arena`. Codes: resource_exhausted, data_loss
// "malformed_block".
ow_code items_of_block(const filter *f, slice records, ow_arena *arena, item_list *ret_items,
                       ow_err *err);

int items_compare(const void *left, const void *right);

// The entry of an item, in `arena`. NULL: arena full, or the record cannot be read.
log_entry *entry_of(const item *it, ow_arena *arena);

// The entry for records that a process lost.
log_entry *drop_entry(int64_t time_us, int64_t dropped, const char *process, ow_arena *arena);
