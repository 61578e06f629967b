#pragma once

// All SQL about occurrences and about what waits to be delivered several at a time. In write or read
// steps and jobs. Codes as ow_db_exec besides those named.

#include "services/events/event_messages.h"

#include "core/arena/arena.h"
#include "core/db/db.h"
#include "core/id/id.h"

typedef struct occurrence_row {
    char trigger_id[OW_ID_MAX];
    const char *title_id;
    const char *event_key; // unique in the title: what makes a second one a duplicate
    int64_t received_us, matched;
    bool spreading;        // not every subscription was looked at
    const char *spread_to; // id of the last one that was
    occurrence_facts *facts;
} occurrence_row;

// Stores it as one that is to be spread, or finds that its key is known: then `ret_first_id` is that of the
// first.
ow_code occurrence_insert(ow_db_conn *db, const occurrence_row *row, ow_arena *arena,
                          bool *ret_duplicate, char ret_first_id[static OW_ID_MAX], ow_err *err);

// Codes: not_found "no_occurrence".
ow_code occurrence_read(ow_db_conn *db, const char *title_id, const char *trigger_id,
                        ow_arena *arena, occurrence_row *ret_row, ow_err *err);

// The oldest that is to be spread, of a title or of any ("").
ow_code occurrence_next_spreading(ow_db_conn *db, const char *title_id, ow_arena *arena,
                                  occurrence_row *ret_row, bool *ret_found, ow_err *err);

// How far it has got.
ow_code occurrence_progress(ow_db_conn *db, const occurrence_row *row, ow_err *err);

typedef struct occurrence_range {
    const char *title_id;
    const char *type;           // "": all
    const char *before;         // id; "": from the newest on
    int64_t since_us, until_us; // since <= received < until
    int limit;
} occurrence_range;

typedef struct occurrence_list {
    occurrence_row *rows;
    size_t count;
    bool more; // there are others behind the last one
} occurrence_list;

// Newest first; fewer than `limit` when these have some megabytes, one in any case.
ow_code occurrences_list(ow_db_conn *db, const occurrence_range *range, ow_arena *arena,
                         occurrence_list *ret_list, ow_err *err);

ow_code occurrences_size(ow_db_conn *db, int64_t *ret_bytes, ow_err *err);

// Deletes the oldest that are spread, a slice of them: those received before `before_us`, and others, but
// none after `young_us` (batches may still wait for those), until `bytes` are gone.
typedef struct occurrence_waste {
    int64_t before_us, young_us, bytes;
} occurrence_waste;
ow_code occurrences_delete(ow_db_conn *db, const occurrence_waste *waste, int *ret_deleted,
                           ow_err *err);

// ---- Batches ----

typedef struct batch_item {
    char item_id[OW_ID_MAX]; // ascends
    const char *title_id, *subscription_id, *lane, *trigger_id;
    int64_t due_us;
    ProtobufCBinaryData item; // JSON
} batch_item;

ow_code batch_add(ow_db_conn *db, const batch_item *item, ow_err *err);

// The first of a lane, at most `limit` and `bytes` of them (one in any case); how many there are in all.
typedef struct batch_take {
    const char *subscription_id, *lane;
    int limit;
    int64_t bytes;
} batch_take;
ow_code batch_read(ow_db_conn *db, const batch_take *take, ow_arena *arena, batch_item **ret_items,
                   size_t *ret_count, ow_err *err);
ow_code batch_measure(ow_db_conn *db, const char *subscription_id, const char *lane,
                      int64_t *ret_count, int64_t *ret_bytes, ow_err *err);
ow_code batch_delete(ow_db_conn *db, const batch_item *item, ow_err *err);

// The item that has been due for longest, whether it is or not yet.
ow_code batch_next_due(ow_db_conn *db, ow_arena *arena, batch_item *ret_item, bool *ret_found,
                       ow_err *err);
