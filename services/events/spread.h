#pragma once

// From an occurrence to what follows: an execution of each subscription that is about it, or an item of
// the batch that the subscription waits for. In write steps and jobs: what is made here and how far it has
// got are committed together, so nothing is made twice and nothing is left out. Oldest first within a
// title, so that what is ordered stays so.

#include "services/events/envelope.h"
#include "services/events/executions.h"
#include "services/events/occurrences_store.h"
#include "services/events/rules.h"

// Of one slice.
enum {
    SPREAD_OCCURRENCES_MAX = 200,
    SPREAD_EXECUTIONS_MAX = 1500,
    SPREAD_EXECUTIONS_MIN = 50, // see spread_next_size
    SPREAD_PUBLISHER_MAX = 400, // of the first one, which a publisher waits for
    SPREAD_BYTES_MAX = 2 << 20,
    SPREAD_WORK_MAX =
        24 << 20,       // bytes of data that conditions look through, each for itself: some 20 ms
    ID_BLOCK = 1 << 20, // ids at hand
};

typedef struct spread {
    // Given.
    rules_cache *cache;
    ow_arena *arena;
    execution_limits limits;
    int64_t now_us;
    const char *base_id;  // of a block of ID_BLOCK ids, see spread_id
    published_msg **told; // of these occurrences the number of matches is filled in; may be NULL
    size_t told_count;
    queue_shares *made; // executions by title are added to it; may be NULL
    // Kept.
    uint32_t ids_used;
    int executions_left, occurrences_max;
    int64_t bytes_left, work_left;
    new_execution plain[PLAIN_AT_ONCE]; // not stored yet
    int plain_count;
    // Found out.
    int executions, items, spread, skipped;
    int64_t next_batch_us; // when the next batch is due; 0: none waits
    bool more;             // there is more to do than one slice may
} spread;

// The nth id of a block, with that prefix ("exe_", "trg_").
void spread_id(const char *base_id, uint32_t n, const char *prefix, char id[static OW_ID_MAX]);

// Starts a slice of at most so many executions (plain ones: others count as several), and of as many occurrences and as
// much work as is in proportion; what was given stays.
void spread_begin(spread *s, int executions);

// What the next slice may make after one of `executions` that went well, or was more than a write may take.
int spread_next_size(int executions, bool went_well);

// Occurrences of a title, or of all ("").
ow_code spread_occurrences(ow_db_conn *db, spread *s, const char *title_id, ow_err *err);

// Batches that are due.
ow_code spread_batches(ow_db_conn *db, spread *s, ow_err *err);

// What a subscription would make of an occurrence: for trying it.
ow_code spread_payload(const occurrence_facts *facts, const subscription_msg *declared,
                       const char *execution_id, ow_arena *arena, ProtobufCBinaryData *ret_payload,
                       ow_err *err);
