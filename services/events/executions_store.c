#include "services/events/executions_store.h"

#include "services/events/executions_moments.h"
#include "services/events/store_rows.h"

#include "core/rpc/call.h"
#include "core/timestamp/timestamp.h"

#include <stdlib.h>
#include <string.h>

enum { ARENA_MAX = 4 << 20, CLAIM_BYTES_MAX = 8 << 20 };

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for an execution");
}

// ---- Insert ----

static ow_code lane_is_taken(ow_db_conn *db, const char *lane, const char *but, bool *ret_taken,
                             ow_err *err) {
    ow_rows *rows = NULL;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT 1 FROM executions WHERE lane = $1 AND lane <> ''"
                               " AND state < 5 AND execution_id <> $2 LIMIT 1",
                               "tt", lane, but);
    code = rows_one(code, rows, ret_taken, err);
    ow_rows_close(rows);
    return code;
}

static ow_code find_first(ow_db_conn *db, const new_execution *new, char ret_id[static OW_ID_MAX],
                          ow_err *err) {
    ow_rows *rows = NULL;
    bool found;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT execution_id FROM executions WHERE title_id = $1"
                               " AND deduplication_key = $2 AND deduplication_key <> ''",
                               "tt", new->title_id, new->deduplication_key);
    code = rows_one(code, rows, &found, err);
    if (code == OW_OK && found) {
        rows_copy_id(rows, 0, ret_id);
    }
    ow_rows_close(rows);
    return code;
}

static ow_code insert_row(ow_db_conn *db, const new_execution *new, execution_state state,
                          int64_t *ret_count, ow_err *err) {
    const queue_item *item = &new->item;
    return ow_db_exec(db, ret_count, err,
                      "INSERT INTO executions (execution_id, title_id, state, due_us, created_us,"
                      " since_us, started_us, ended_us, delete_us, attempt, throttles, epoch,"
                      " lease_until_us, lane, subscription, concurrency, deduplication_key, size,"
                      " reason, message, facts, outcome)"
                      " VALUES ($1, $2, $3, $4, $5, $6, 0, 0, 0, 0, 0, 0, 0, $7, $8, $9, $10, $11,"
                      " '', '', $12, NULL) ON CONFLICT DO NOTHING",
                      "ttiiiittitib", new->execution_id, new->title_id, (int64_t)state,
                      item->due_us, new->created_us, item->since_us, new->lane, new->subscription,
                      new->concurrency, new->deduplication_key, new->size, new->facts.data,
                      new->facts.len);
}

ow_code execution_insert(ow_db_conn *db, const new_execution *new, bool *ret_duplicate,
                         char ret_first_id[static OW_ID_MAX], ow_err *err) {
    bool taken = false;
    int64_t count = 0;
    *ret_duplicate = false;
    ow_code code = new->lane[0] != '\0' ? lane_is_taken(db, new->lane, "", &taken, err) : OW_OK;
    if (code == OW_OK) {
        code = insert_row(db, new, taken ? EXECUTION_HELD : EXECUTION_WAITING, &count, err);
    }
    if (code == OW_OK && count == 0) {
        *ret_duplicate = true;
        return find_first(db, new, ret_first_id, err);
    }
    code = code == OW_OK ? moment_note(db, new->title_id, new->execution_id, err) : code;
    if (code == OW_OK && new->payload.len > 0) {
        code = ow_db_exec(db, NULL, err,
                          "INSERT INTO payloads (execution_id, payload) VALUES ($1, $2)", "tb",
                          new->execution_id, new->payload.data, new->payload.len);
    }
    return code;
}

// Values of one row; title and time are the same in all, which is why `$2` and `$3` come again and again.
#define PLAIN_ROW(id, subscription, concurrency, size, facts)                                      \
    "(" id ", $2, 1, $3, $3, $3, 0, 0, 0, 0, 0, 0, 0, '', " subscription ", " concurrency          \
    ", '', " size ", '', '', " facts ", NULL)"
#define PLAIN_VALUES(n) n.subscription, n.concurrency, n.size, n.facts.data, n.facts.len

// Several at once cost little more than one: a statement opens the table and each of its indexes.
static ow_code insert_five(ow_db_conn *db, const new_execution *n, ow_err *err) {
    return ow_db_exec(
        db, NULL, err,
        "INSERT INTO executions (execution_id, title_id, state, due_us, created_us, since_us,"
        " started_us, ended_us, delete_us, attempt, throttles, epoch, lease_until_us, lane,"
        " subscription, concurrency, deduplication_key, size, reason, message, facts, outcome)"
        " VALUES " PLAIN_ROW("$1", "$4", "$5", "$6", "$7") "," PLAIN_ROW(
            "$8", "$9", "$10", "$11",
            "$12") "," PLAIN_ROW("$13", "$14", "$15", "$16",
                                 "$17") "," PLAIN_ROW("$18", "$19", "$20", "$21",
                                                      "$22") "," PLAIN_ROW("$23", "$24", "$25",
                                                                           "$26", "$27"),
        "ttitiib"
        "ttiib"
        "ttiib"
        "ttiib"
        "ttiib",
        n[0].execution_id, n[0].title_id, n[0].created_us, PLAIN_VALUES(n[0]), n[1].execution_id,
        PLAIN_VALUES(n[1]), n[2].execution_id, PLAIN_VALUES(n[2]), n[3].execution_id,
        PLAIN_VALUES(n[3]), n[4].execution_id, PLAIN_VALUES(n[4]));
}

bool execution_is_plain(const new_execution *new) {
    return new->lane[0] == '\0' && new->deduplication_key[0] == '\0' && new->payload.len == 0 &&
           new->item.due_us == new->created_us &&new->item.since_us == new->created_us;
}

ow_code executions_insert_plain(ow_db_conn *db, const new_execution *list, int count, ow_err *err) {
    int64_t inserted = 0;
    bool five = count == PLAIN_AT_ONCE;
    ow_code code = five ? insert_five(db, list, err) : OW_OK;
    for (int i = 0; code == OW_OK && i < count && !five; i++) {
        code = insert_row(db, &list[i], EXECUTION_WAITING, &inserted, err);
    }
    for (int i = 0; code == OW_OK && i < count; i++) {
        if (i == 0 || !moment_is_same(list[i].execution_id, list[i - 1].execution_id)) {
            code = moment_note(db, list[i].title_id, list[i].execution_id, err);
        }
    }
    return code;
}

// ---- Read ----

enum { COLUMN_FACTS = 19, COLUMN_OUTCOME };

static void read_item(ow_rows *rows, queue_item *item) {
    *item = (queue_item){
        .state = (execution_state)ow_rows_int(rows, 2),
        .due_us = ow_rows_int(rows, 3),
        .since_us = ow_rows_int(rows, 4),
        .started_us = ow_rows_int(rows, 5),
        .ended_us = ow_rows_int(rows, 6),
        .attempt = ow_rows_int(rows, 7),
        .throttles = ow_rows_int(rows, 8),
        .epoch = ow_rows_int(rows, 9),
        .lease_until_us = ow_rows_int(rows, 10),
    };
}

static bool read_texts(ow_rows *rows, execution_row *row, ow_arena *arena) {
    struct {
        int column;
        const char **place;
    } texts[] = {
        {1, &row->title_id},           {14, &row->lane},   {15, &row->subscription},
        {16, &row->deduplication_key}, {17, &row->reason}, {18, &row->message},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i].place = ow_arena_strdup_in(arena, ow_rows_text(rows, texts[i].column));
        if (*texts[i].place == NULL) {
            return false;
        }
    }
    return true;
}

static void take_retry(execution_row *row) {
    const retry_msg *retry = row->facts->wanted->retry;
    row->item.retry = (retry_policy){0};
    if (retry != NULL) {
        row->item.retry = (retry_policy){retry->max_attempts, retry->base_us, retry->max_age_us};
    }
    retry_policy_complete(&row->item.retry);
}

// Both messages point into the arena.
static ow_code unpack(ow_rows *rows, execution_row *row, ow_arena *arena, ow_err *err) {
    ProtobufCAllocator storage;
    ProtobufCAllocator *allocator = ow_arena_protobuf(arena, &storage);
    size_t size = 0;
    const void *bytes = ow_rows_blob(rows, COLUMN_FACTS, &size);
    row->facts = overworld__events__v1__execution_facts__unpack(allocator, size, bytes);
    if (row->facts == NULL || row->facts->wanted == NULL) {
        return ow_fail(err, OW_DATA_LOSS, "bad_facts", "execution %s cannot be read",
                       row->execution_id);
    }
    bytes = ow_rows_blob(rows, COLUMN_OUTCOME, &size);
    row->outcome = NULL;
    if (bytes != NULL) {
        row->outcome = overworld__events__v1__execution_outcome__unpack(allocator, size, bytes);
    }
    take_retry(row);
    return OW_OK;
}

ow_code execution_read_row(ow_rows *rows, ow_arena *arena, execution_row *ret_row, ow_err *err) {
    *ret_row = (execution_row){0};
    rows_copy_id(rows, 0, ret_row->execution_id);
    read_item(rows, &ret_row->item);
    ret_row->created_us = ow_rows_int(rows, 11);
    ret_row->concurrency = ow_rows_int(rows, 12);
    ret_row->size = ow_rows_int(rows, 13);
    return read_texts(rows, ret_row, arena) ? unpack(rows, ret_row, arena, err) : no_memory(err);
}

ow_code execution_read(ow_db_conn *db, const char *title_id, const char *execution_id,
                       ow_arena *arena, execution_row *ret_row, ow_err *err) {
    ow_rows *rows = NULL;
    bool found;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT " EXECUTION_COLUMNS
                               " FROM executions WHERE execution_id = $1 AND title_id = $2",
                               "tt", execution_id, title_id);
    code = rows_one(code, rows, &found, err);
    if (code != OW_OK || !found) {
        return code != OW_OK ? code
                             : ow_fail(err, OW_NOT_FOUND, "no_execution",
                                       "there is no execution %s", execution_id);
    }
    code = execution_read_row(rows, arena, ret_row, err);
    ow_rows_close(rows);
    return code;
}

ow_code execution_load_payload(ow_db_conn *db, execution_row *row, ow_arena *arena, ow_err *err) {
    ow_rows *rows = NULL;
    bool found;
    if (row->facts->wanted->payload.len > 0) {
        return OW_OK;
    }
    ow_code code =
        ow_db_query(db, &rows, err, "SELECT payload FROM payloads WHERE execution_id = $1", "t",
                    row->execution_id);
    code = rows_one(code, rows, &found, err);
    if (code != OW_OK || !found) {
        return code;
    }
    size_t size = 0;
    const void *bytes = ow_rows_blob(rows, 0, &size);
    ProtobufCBinaryData *payload = &row->facts->wanted->payload;
    payload->data = ow_arena_memdup_in(arena, bytes, size);
    ow_rows_close(rows);
    if (payload->data == NULL) {
        return no_memory(err);
    }
    payload->len = size;
    return OW_OK;
}

// ---- Claim ----

claimed *claimed_free(claimed *claimed) {
    if (claimed != NULL) {
        ow_arena_free(claimed->arena);
        free(claimed);
    }
    return NULL;
}

static void empty(claimed **first) {
    while (*first != NULL) {
        claimed *next = (*first)->next;
        claimed_free(*first);
        *first = next;
    }
}

static claimed *claimed_new(void) {
    claimed *made = calloc(1, sizeof *made);
    if (made != NULL) {
        made->arena = ow_arena_new(ARENA_MAX);
    }
    return made != NULL && made->arena != NULL ? made : claimed_free(made);
}

static ow_code take_rows(ow_rows *rows, claimed **ret_first, int *ret_count, ow_err *err) {
    claimed **end = ret_first;
    bool more = true;
    ow_code code = OW_OK;
    while (code == OW_OK && (code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        claimed *made = claimed_new();
        if (made == NULL) {
            return no_memory(err);
        }
        *end = made;
        end = &made->next;
        ++*ret_count;
        code = execution_read_row(rows, made->arena, &made->row, err);
    }
    return code;
}

// How many of a subscription run, asked once a claim for each of them.
typedef struct running_memo {
    char subscription[256];
    int64_t count;
} running_memo;

enum { MEMOS = 16 };

typedef struct claiming {
    ow_db_conn *db;
    const claim_order *order;
    int64_t bytes; // taken so far: a claim is one job, and a job has 50 ms
    bool cut;      // there was more than that
    running_memo memos[MEMOS];
    int next_memo;
} claiming;

static ow_code count_running(claiming *c, const char *subscription, int64_t **ret_count,
                             ow_err *err) {
    for (int i = 0; i < MEMOS; i++) {
        if (strcmp(c->memos[i].subscription, subscription) == 0) {
            *ret_count = &c->memos[i].count;
            return OW_OK;
        }
    }
    ow_rows *rows = NULL;
    bool found;
    ow_code code = ow_db_query(c->db, &rows, err,
                               "SELECT COUNT(*) FROM executions WHERE state = 4"
                               " AND subscription = $1",
                               "t", subscription);
    code = rows_one(code, rows, &found, err);
    if (code != OW_OK) {
        return code;
    }
    running_memo *memo = &c->memos[c->next_memo++ % MEMOS];
    memo->count = ow_rows_int(rows, 0);
    ow_rows_close(rows);
    size_t size = strlen(subscription);
    memo->subscription[0] = '\0';
    if (size < sizeof memo->subscription) {
        memcpy(memo->subscription, subscription, size + 1);
    }
    *ret_count = &memo->count;
    return OW_OK;
}

static ow_code set_state(ow_db_conn *db, const char *execution_id, execution_state from,
                         execution_state to, ow_err *err) {
    return ow_db_exec(db, NULL, err,
                      "UPDATE executions SET state = $1 WHERE execution_id = $2 AND state = $3",
                      "iti", (int64_t)to, execution_id, (int64_t)from);
}

static ow_code write_lease(ow_db_conn *db, const execution_row *row, ow_err *err) {
    const queue_item *item = &row->item;
    return ow_db_exec(db, NULL, err,
                      "UPDATE executions SET state = 4, epoch = $1, attempt = $2, started_us = $3,"
                      " lease_until_us = $4 WHERE execution_id = $5 AND state = 1",
                      "iiiit", item->epoch, item->attempt, item->started_us, item->lease_until_us,
                      row->execution_id);
}

// Takes it, or puts it aside; *ret_kept: the worker is to have it.
static ow_code claim_one(claiming *c, claimed *one, bool *ret_kept, ow_err *err) {
    execution_row *row = &one->row;
    int64_t *running = NULL;
    *ret_kept = false;
    ow_code code = count_running(c, row->subscription, &running, err);
    if (code != OW_OK) {
        return code;
    }
    if (row->concurrency > 0 && *running >= row->concurrency) {
        queue_put_aside(&row->item, EXECUTION_PARKED);
        return set_state(c->db, row->execution_id, EXECUTION_WAITING, EXECUTION_PARKED, err);
    }
    queue_step step = queue_claim(&row->item, c->order->now_us, c->order->lease_us);
    if (step == STEP_RUNS) {
        *ret_kept = true;
        ++*running;
        code = write_lease(c->db, row, err);
        return code == OW_OK ? execution_load_payload(c->db, row, one->arena, err) : code;
    }
    if (step == STEP_DEAD) {
        row->item.state = EXECUTION_WAITING; // as it still is: the worker settles it
        *ret_kept = true;
    }
    return OW_OK;
}

static ow_code claim_each(claiming *c, claim_result *result, ow_err *err) {
    claimed **at = &result->first;
    ow_code code = OW_OK;
    while (code == OW_OK && *at != NULL) {
        bool kept;
        claimed *one = *at;
        if (c->bytes >= CLAIM_BYTES_MAX) {
            empty(at); // as they were, for the next claim
            c->cut = true;
            return OW_OK;
        }
        c->bytes += one->row.size;
        code = claim_one(c, one, &kept, err);
        if (code == OW_OK && !kept) {
            *at = one->next;
            claimed_free(one);
        } else {
            at = &one->next;
        }
    }
    return code;
}

static ow_code find_next_due(ow_db_conn *db, int64_t *ret_due_us, ow_err *err) {
    ow_rows *rows = NULL;
    bool found;
    ow_code code =
        ow_db_query(db, &rows, err,
                    "SELECT due_us FROM executions WHERE state = 1 ORDER BY due_us LIMIT 1", "");
    code = rows_one(code, rows, &found, err);
    *ret_due_us = code == OW_OK && found ? ow_rows_int(rows, 0) : 0;
    ow_rows_close(rows);
    return code;
}

ow_code executions_claim(ow_db_conn *db, const claim_order *order, claim_result *ret_result,
                         ow_err *err) {
    claiming c = {.db = db, .order = order};
    ow_rows *rows = NULL;
    int count = 0;
    empty(&ret_result->first);
    *ret_result = (claim_result){0};
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT " EXECUTION_COLUMNS " FROM executions WHERE state = 1"
                               " AND due_us <= $1 ORDER BY due_us, execution_id LIMIT $2",
                               "ii", order->now_us, (int64_t)order->limit);
    code = code == OW_OK ? take_rows(rows, &ret_result->first, &count, err) : code;
    code = code == OW_OK ? claim_each(&c, ret_result, err) : code;
    ret_result->more = count == order->limit || c.cut;
    if (code == OW_OK && !ret_result->more) {
        code = find_next_due(db, &ret_result->next_due_us, err);
    }
    if (code != OW_OK) {
        empty(&ret_result->first);
    }
    return code;
}

ow_code executions_leased(ow_db_conn *db, int64_t now_us, int limit, claimed **ret_first,
                          ow_err *err) {
    ow_rows *rows = NULL;
    int count = 0;
    empty(ret_first);
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT " EXECUTION_COLUMNS " FROM executions WHERE state = 4"
                               " AND lease_until_us <= $1 ORDER BY lease_until_us LIMIT $2",
                               "ii", now_us, (int64_t)limit);
    code = code == OW_OK ? take_rows(rows, ret_first, &count, err) : code;
    if (code != OW_OK) {
        empty(ret_first);
    }
    return code;
}

// ---- Settle ----

static ow_code release_first(ow_db_conn *db, ow_rows *rows, ow_code code, ow_err *err) {
    bool found;
    char id[OW_ID_MAX] = "";
    queue_item item = {0};
    code = rows_one(code, rows, &found, err);
    if (code != OW_OK || !found) {
        return code;
    }
    rows_copy_id(rows, 0, id);
    item.state = (execution_state)ow_rows_int(rows, 1);
    ow_rows_close(rows);
    execution_state was = item.state;
    return queue_release(&item) == STEP_NOT ? OW_OK : set_state(db, id, was, item.state, err);
}

ow_code execution_set_free(ow_db_conn *db, const execution_row *row, execution_state now,
                           ow_err *err) {
    ow_code code = OW_OK;
    ow_rows *rows = NULL;
    if (row->item.state == EXECUTION_RUNNING || row->item.state == EXECUTION_WAITING) {
        code = ow_db_query(db, &rows, err,
                           "SELECT execution_id, state FROM executions WHERE state = 3"
                           " AND state IN (2, 3) AND subscription = $1 ORDER BY due_us LIMIT 1",
                           "t", row->subscription);
        code = release_first(db, rows, code, err);
    }
    // Only the one whose turn it was hands it on: one that was held, or dead already, has none.
    bool had_turn = row->item.state != EXECUTION_HELD && !state_is_settled(row->item.state);
    if (code == OW_OK && row->lane[0] != '\0' && had_turn && state_is_settled(now)) {
        code = ow_db_query(db, &rows, err,
                           "SELECT execution_id, state FROM executions WHERE lane = $1"
                           " AND lane <> '' AND state < 5 ORDER BY execution_id LIMIT 1",
                           "t", row->lane);
        code = release_first(db, rows, code, err);
    }
    return code;
}

static ow_code remember_attempt(ow_db_conn *db, const settlement *s, ow_err *err) {
    const queue_item *was = &s->row->item;
    return ow_db_exec(db, NULL, err,
                      "INSERT INTO attempts (execution_id, epoch, number, began_us, ended_us,"
                      " reason, message, invocation_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
                      " ON CONFLICT DO NOTHING",
                      "tiiiittt", s->row->execution_id, was->epoch, was->attempt, was->started_us,
                      s->ended_us, s->reason, s->message, s->invocation_id);
}

static ow_code write_item(ow_db_conn *db, const settlement *s, int64_t *ret_count, ow_err *err) {
    const queue_item *was = &s->row->item;
    const queue_item *next = &s->next;
    int64_t size = s->row->size + (int64_t)s->outcome.len;
    return ow_db_exec(db, ret_count, err,
                      "UPDATE executions SET state = $1, due_us = $2, since_us = $3,"
                      " ended_us = $4, delete_us = $5, attempt = $6, throttles = $7, epoch = $8,"
                      " lease_until_us = $9, size = $10, reason = $11, message = $12,"
                      " outcome = $13"
                      " WHERE execution_id = $14 AND state = $15 AND epoch = $16",
                      "iiiiiiiiiittbtii", (int64_t)next->state, next->due_us, next->since_us,
                      next->ended_us, s->delete_us, next->attempt, next->throttles, next->epoch,
                      next->lease_until_us, size, s->reason, s->message, s->outcome.data,
                      s->outcome.len, s->row->execution_id, (int64_t)was->state, was->epoch);
}

ow_code execution_settle(ow_db_conn *db, const settlement *s, bool *ret_stale, ow_err *err) {
    int64_t count = 0;
    ow_code code = write_item(db, s, &count, err);
    *ret_stale = count == 0;
    if (code == OW_OK && count > 0 && s->invocation_id != NULL) {
        code = remember_attempt(db, s, err);
    }
    if (code == OW_OK && count > 0) {
        code = execution_set_free(db, s->row, s->next.state, err);
    }
    if (code == OW_OK && count > 0 && s->successor != NULL) {
        bool duplicate;
        char first_id[OW_ID_MAX];
        code = execution_insert(db, s->successor, &duplicate, first_id, err);
    }
    return code;
}

// ---- Attempts ----

static bool read_attempt(ow_rows *rows, ow_arena *arena, attempt_msg **ret_attempt) {
    attempt_msg *made = ow_arena_alloc(arena, sizeof *made);
    Google__Protobuf__Timestamp *times = ow_arena_calloc(arena, 2, sizeof *times);
    if (made == NULL || times == NULL) {
        return false;
    }
    overworld__events__v1__attempt__init(made);
    for (int i = 0; i < 2; i++) {
        ow_timestamp_init(&times[i], ow_rows_int(rows, 1 + i));
    }
    made->number = (int32_t)ow_rows_int(rows, 0);
    made->began = &times[0];
    made->ended = &times[1];
    made->reason = ow_arena_strdup_in(arena, ow_rows_text(rows, 3));
    made->message = ow_arena_strdup_in(arena, ow_rows_text(rows, 4));
    made->invocation_id = ow_arena_strdup_in(arena, ow_rows_text(rows, 5));
    *ret_attempt = made;
    return made->reason != NULL && made->message != NULL && made->invocation_id != NULL;
}

ow_code execution_read_attempts(ow_db_conn *db, const char *execution_id, ow_arena *arena,
                                attempt_msg ***ret_attempts, size_t *ret_count, ow_err *err) {
    ow_rows *rows = NULL;
    bool more = true;
    size_t count = 0;
    attempt_msg **attempts = ow_arena_calloc(arena, ATTEMPTS_SHOWN_MAX, sizeof *attempts);
    if (attempts == NULL) {
        return no_memory(err);
    }
    ow_code code =
        ow_db_query(db, &rows, err,
                    "SELECT number, began_us, ended_us, reason, message, invocation_id"
                    " FROM attempts WHERE execution_id = $1 ORDER BY epoch DESC LIMIT $2",
                    "ti", execution_id, (int64_t)ATTEMPTS_SHOWN_MAX);
    while (code == OW_OK && (code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        if (!read_attempt(rows, arena, &attempts[count++])) {
            return no_memory(err);
        }
    }
    for (size_t i = 0; i < count / 2; i++) {
        attempt_msg *early = attempts[i];
        attempts[i] = attempts[count - 1 - i];
        attempts[count - 1 - i] = early;
    }
    *ret_attempts = attempts;
    *ret_count = count;
    return code;
}
