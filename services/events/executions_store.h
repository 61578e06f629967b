#pragma once

// All SQL about executions. The functions run in write or read steps and jobs. Codes as ow_db_exec besides
// those named.

#include "services/events/messages.h"
#include "services/events/queue_logic.h"
#include "services/events/queue_shares.h"

#include "core/arena/arena.h"
#include "core/db/db.h"

enum {
    PAYLOAD_INLINE_MAX = 2048, // larger ones stand apart: an update writes its whole row
    PAYLOAD_MAX = 256 << 10,
    RESULT_MAX = 256 << 10,
    CLAIM_MAX = 256,
    ATTEMPTS_SHOWN_MAX = 20,
    PLAIN_AT_ONCE = 5, // a statement takes 31 values
};

// One that is to be stored.
typedef struct new_execution {
    char execution_id[OW_ID_MAX];
    const char *title_id;
    queue_item item;
    int64_t created_us, concurrency, size;
    const char *lane, *subscription, *deduplication_key; // "": none
    ProtobufCBinaryData facts;                           // packed ExecutionFacts
    ProtobufCBinaryData payload;                         // apart from them; len 0: it is in there
} new_execution;

// One that is stored. Lives in the arena that it was read into.
typedef struct execution_row {
    char execution_id[OW_ID_MAX];
    const char *title_id;
    queue_item item;
    int64_t created_us, concurrency, size;
    const char *lane, *subscription, *deduplication_key;
    const char *reason, *message;
    execution_facts *facts;     // its payload may be missing, see execution_load_payload
    execution_outcome *outcome; // NULL: none yet
} execution_row;

// Stores it, or finds that its deduplication key is known: then `ret_first_id` is that of the first.
ow_code execution_insert(ow_db_conn *db, const new_execution *new, bool *ret_duplicate,
                         char ret_first_id[static OW_ID_MAX], ow_err *err);

// One that nothing has to be looked up for: in no lane, without a deduplication key, due at once, and in one row.
bool execution_is_plain(const new_execution *new);
// Stores some that are plain, of one title and time: PLAIN_AT_ONCE of them or fewer. Their ids are new.
ow_code executions_insert_plain(ow_db_conn *db, const new_execution *list, int count, ow_err *err);

// Codes: not_found "no_execution" (also when it is another title's).
ow_code execution_read(ow_db_conn *db, const char *title_id, const char *execution_id,
                       ow_arena *arena, execution_row *ret_row, ow_err *err);

// What a SELECT of EXECUTION_COLUMNS has. Codes: data_loss "bad_facts", resource_exhausted "memory".
ow_code execution_read_row(ow_rows *rows, ow_arena *arena, execution_row *ret_row, ow_err *err);

#define EXECUTION_COLUMNS_BUT_OUTCOME                                                              \
    "execution_id, title_id, state, due_us, since_us, started_us, ended_us, attempt, throttles,"   \
    " epoch, lease_until_us, created_us, concurrency, size, lane, subscription,"                   \
    " deduplication_key, reason, message, facts"
#define EXECUTION_COLUMNS EXECUTION_COLUMNS_BUT_OUTCOME ", outcome"
// Without what a function answered.
#define EXECUTION_COLUMNS_LIGHT EXECUTION_COLUMNS_BUT_OUTCOME ", NULL"

// Puts a payload that stands apart into the facts.
ow_code execution_load_payload(ow_db_conn *db, execution_row *row, ow_arena *arena, ow_err *err);

// The failed runs, oldest first, at most ATTEMPTS_SHOWN_MAX.
ow_code execution_read_attempts(ow_db_conn *db, const char *execution_id, ow_arena *arena,
                                attempt_msg ***ret_attempts, size_t *ret_count, ow_err *err);

// ---- The worker's ----

// One that a worker has taken, with an arena of its own; see claimed_free.
typedef struct claimed {
    struct claimed *next;
    ow_arena *arena;
    execution_row row;
} claimed;

claimed *claimed_free(claimed *claimed);

typedef struct claim_order {
    int64_t now_us, lease_us;
    int limit; // at most CLAIM_MAX
} claim_order;

typedef struct claim_result {
    claimed *first;      // in order; the caller's. Those that are too old are still as they were
    bool more;           // there may be others that are due
    int64_t next_due_us; // when there are none: of the next one; 0: none is waiting
} claim_result;

// Takes what is due, the oldest first. `ret_result` is emptied first.
ow_code executions_claim(ow_db_conn *db, const claim_order *order, claim_result *ret_result,
                         ow_err *err);

// Those whose lease was over at `now_us`, as they are. Also in a read job.
ow_code executions_leased(ow_db_conn *db, int64_t now_us, int limit, claimed **ret_first,
                          ow_err *err);

// What becomes of an execution.
typedef struct settlement {
    const execution_row *row; // as it is known to be: with another state or epoch nothing happens
    queue_item next;
    int64_t delete_us; // 0: it is not settled
    const char *reason, *message;
    ProtobufCBinaryData outcome; // packed ExecutionOutcome; data NULL: none
    const char *invocation_id;   // of the failed run to remember; NULL: none
    int64_t ended_us;
    const new_execution *successor; // what its end sets going; NULL: nothing
} settlement;

// Writes it, and sets free who waited for it. *ret_stale: it was no longer so, and nothing was written.
ow_code execution_settle(ow_db_conn *db, const settlement *s, bool *ret_stale, ow_err *err);

// Sets free who waited for an execution that was as `row` says and is `now` something else.
ow_code execution_set_free(ow_db_conn *db, const execution_row *row, execution_state now,
                           ow_err *err);

// What there is to delete and to show.
typedef struct queue_census {
    queue_shares shares; // of those that wait, held and parked ones included
    int64_t waiting, held, parked, running, dead;
    int64_t oldest_due_us; // of those that wait; 0: none
    int64_t settled_bytes;
} queue_census;

ow_code executions_census(ow_db_conn *db, queue_census *ret_census, ow_err *err);

// Deletes settled ones that need not be kept since `before_us`, the first of them, until `bytes` are gone.
ow_code executions_delete(ow_db_conn *db, int64_t before_us, int64_t bytes, int limit,
                          int *ret_deleted, ow_err *err);
