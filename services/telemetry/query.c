#include "services/telemetry/query.h"

#include "core/id/id.h"

#include <stdlib.h>
#include <string.h>

enum {
    BLOCKS_A_SLICE = 16,             // read whole in one go on a reader thread
    SCRATCH_MAX = 32 << 20,          // for the entries of one block, sorted
    WAKE_DELAY_US = 20 * 1000,       // so that many small blocks wake once
    DEADLINE_MARGIN_US = 100 * 1000, // an answer is sent before the caller gives up
};

// How far a request id is looked for when no time is named.
#define REQUEST_BEFORE_US ((int64_t)2 * 1000 * 1000)
#define REQUEST_AFTER_US ((int64_t)3600 * 1000 * 1000)

struct queries {
    ow_loop *loop;
    ow_db *db;
    query *waiting;
    int waiting_count, max_waiting;
    ow_gauge *gauge; // of waiting_count
    bool stopping;
    ow_timer wake;
};

// ---- On a reader thread ----

static ow_code arena_full(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "the page is too large: ask for less");
}

// Upwards the page fills in order.
static bool is_full(const query *q) {
    return !q->newest && q->count == q->limit;
}

// The place of the oldest entry of the page.
static int oldest(const query *q) {
    int at = 0;
    for (int i = 1; i < q->count; i++) {
        if (items_compare(&q->page[i].key, &q->page[at].key) < 0) {
            at = i;
        }
    }
    return at;
}

// Downwards the page holds the newest entries so far. Blocks of several processes overlap in time,
// so one that was received earlier may still have newer ones.
static bool is_wanted(const query *q, int64_t time_us) {
    return q->count < q->limit || time_us > q->page[oldest(q)].key.time_us;
}

static ow_code keep(query *q, const item *it, log_entry *entry, ow_err *err) {
    if (entry == NULL) {
        return arena_full(err);
    }
    int place = q->count < q->limit ? q->count++ : oldest(q);
    q->page[place] = (page_entry){.entry = entry, .key = *it};
    q->page[place].key.seq = q->newest ? UINT32_MAX - q->taken : q->taken;
    q->taken++;
    return OW_OK;
}

// The losses that a block reports are its first entry.
static ow_code keep_drop(query *q, const block_row *row, ow_err *err) {
    item it = {.time_us = row->last_us, .rank = 0, .kind = "DROPPED"};
    return keep(q, &it, drop_entry(row->last_us, row->dropped, row->process, q->run->call->arena),
                err);
}

static bool shows_drop(const query *q, const block_row *row) {
    return row->dropped > 0 && filter_shows_drops(&q->filter);
}

// Upwards: takes entries from number q->at.entry on until the page is full.
static ow_code take_up(query *q, const block_row *row, const item_list *list, ow_err *err) {
    int64_t count = (int64_t)list->count;
    int64_t first = shows_drop(q, row) ? 1 : 0;
    while (!is_full(q) && q->at.entry < first + count) {
        ow_code code;
        if (q->at.entry < first) {
            code = keep_drop(q, row, err);
        } else {
            const item *it = &list->items[q->at.entry - first];
            code = keep(q, it, entry_of(it, q->run->call->arena), err);
        }
        if (code != OW_OK) {
            return code;
        }
        q->at.entry++;
    }
    if (q->at.entry >= first + count) {
        q->at = (position){row->block_id + 1, 0};
    }
    return OW_OK;
}

// Downwards: takes the last entries first.
static ow_code take_down(query *q, const block_row *row, const item_list *list, ow_err *err) {
    const item *items = list->items;
    for (size_t i = list->count; i > 0 && is_wanted(q, items[i - 1].time_us); i--) {
        ow_code code = keep(q, &items[i - 1], entry_of(&items[i - 1], q->run->call->arena), err);
        if (code != OW_OK) {
            return code;
        }
    }
    if (shows_drop(q, row) && is_wanted(q, row->last_us)) {
        ow_code code = keep_drop(q, row, err);
        if (code != OW_OK) {
            return code;
        }
    }
    q->down_from = row->block_id - 1;
    return OW_OK;
}

static ow_code take_items(query *q, ow_db_conn *db, const block_row *row, ow_arena *scratch,
                          ow_err *err) {
    item_list list = {0};
    if (scratch != NULL) {
        slice records;
        ow_code code = store_records(db, row->block_id, scratch, &records, err);
        if (code == OW_OK) {
            code = items_of_block(&q->filter, records, scratch, &list, err);
        }
        if (code != OW_OK) {
            return code;
        }
    }
    return q->newest ? take_down(q, row, &list, err) : take_up(q, row, &list, err);
}

static ow_code take_block(query *q, ow_db_conn *db, const block_row *row, ow_err *err) {
    if (q->at.entry == 0 && row->last_us >= q->filter.since_us) {
        q->dropped += row->dropped;
    }
    // What is taken is unpacked, so the block's own bytes go again with the scratch arena.
    ow_arena *scratch = row->may_match ? ow_arena_new(SCRATCH_MAX) : NULL;
    if (row->may_match && scratch == NULL) {
        return arena_full(err);
    }
    ow_code code = take_items(q, db, row, scratch, err);
    ow_arena_free(scratch);
    return code;
}

// Nothing in this block or behind it can be wanted: a record is received after its time, and not
// long after.
static bool is_beyond(const query *q, const block_row *row) {
    if (q->newest) {
        return row->received_us + LATE_US < q->filter.since_us || !is_wanted(q, row->received_us);
    }
    return q->filter.until_us != INT64_MAX && row->received_us > q->filter.until_us + LATE_US;
}

static ow_code find_position(query *q, ow_db_conn *db, ow_err *err) {
    int64_t last = 0;
    int64_t bytes = 0;
    ow_code code = store_state(db, &last, &bytes, err);
    if (code == OW_OK && q->newest) {
        q->down_from = last;
        q->at = (position){last + 1, 0};
    } else if (code == OW_OK && q->filter.since_us > 0) {
        code = store_block_at(db, q->filter.since_us - REQUEST_BEFORE_US, &q->at.block, err);
    } else if (code == OW_OK) {
        q->at = (position){0, 0};
    }
    q->positioned = code == OW_OK;
    return code;
}

// Looks at these blocks until the page is full, enough was read in one go, or nothing behind can
// match. *ret_done: all of them were looked at.
static ow_code take_blocks(query *q, ow_db_conn *db, const block_list *list, bool *ret_done,
                           ow_err *err) {
    const block_row *rows = list->rows;
    int whole = 0;
    *ret_done = false;
    for (int i = 0; i < list->count; i++) {
        if (is_beyond(q, &rows[i])) {
            q->at_end = true;
            return OW_OK;
        }
        if (!q->newest && q->at.block < rows[i].block_id) {
            q->at = (position){rows[i].block_id, 0}; // what was there has been deleted
        }
        ow_code code = take_block(q, db, &rows[i], err);
        whole += rows[i].may_match ? 1 : 0;
        if (code != OW_OK || is_full(q) || whole == BLOCKS_A_SLICE) {
            return code;
        }
    }
    *ret_done = true;
    return OW_OK;
}

static ow_code read_slice(ow_db_conn *db, void *self, ow_err *err) {
    query *q = self;
    bool done = false;
    ow_code code = q->positioned ? OW_OK : find_position(q, db, err);
    block_list list = {.from = q->newest ? q->down_from : q->at.block, .down = q->newest};
    if (code == OW_OK) {
        code = store_blocks(db, &q->filter, q->run->call->arena, &list, err);
    }
    if (code == OW_OK) {
        code = take_blocks(q, db, &list, &done, err);
    }
    q->at_end = q->at_end || (done && list.count < ROWS_AT_ONCE);
    return code;
}

// ---- On the loop ----

static int page_compare(const void *left, const void *right) {
    return items_compare(&((const page_entry *)left)->key, &((const page_entry *)right)->key);
}

static ow_code fill_reply(query *q) {
    query_response *reply = q->run->reply;
    ow_arena *arena = q->run->call->arena;
    qsort(q->page, (size_t)q->count, sizeof *q->page, page_compare);
    reply->entries = ow_arena_calloc(arena, (size_t)q->count, sizeof *reply->entries);
    char token[POSITION_MAX];
    position_format(token, q->at);
    reply->next_page_token = ow_arena_strdup_in(arena, token);
    if (reply->entries == NULL || reply->next_page_token == NULL) {
        reply->next_page_token = (char *)(uintptr_t)protobuf_c_empty_string;
        return arena_full(q->run->err);
    }
    for (int i = 0; i < q->count; i++) {
        reply->entries[i] = q->page[i].entry;
    }
    reply->n_entries = (size_t)q->count;
    reply->dropped = q->dropped;
    return OW_OK;
}

static void finish(query *q, ow_code code) {
    ow_loop_timer_cancel(q->owner->loop, &q->timer);
    ow_run_resume(q->run, code == OW_OK ? fill_reply(q) : code);
}

static void leave_waiting(query *q) {
    queries *all = q->owner;
    for (query **at = &all->waiting; *at != NULL; at = &(*at)->next) {
        if (*at == q) {
            *at = q->next;
            all->waiting_count--;
            ow_gauge_add(all->gauge, -1);
            break;
        }
    }
    q->waiting = false;
}

static void on_wait_over(void *self) {
    query *q = self;
    leave_waiting(q);
    finish(q, OW_OK);
}

static void on_cancel(ow_call *call, void *self) {
    query *q = self;
    q->cancelled = true;
    if (q->waiting) {
        leave_waiting(q);
        finish(q, call->err.code != OW_OK ? call->err.code : OW_CANCELLED);
    }
}

static bool wait_for_more(query *q) {
    queries *all = q->owner;
    if (all->stopping || q->wait_until_us <= ow_loop_now_us(all->loop) ||
        all->waiting_count == all->max_waiting) {
        return false;
    }
    if (ow_loop_timer_set(all->loop, &q->timer, q->wait_until_us) != OW_OK) {
        return false;
    }
    q->newest = false;
    q->waiting = true;
    q->next = all->waiting;
    all->waiting = q;
    all->waiting_count++;
    ow_gauge_add(all->gauge, 1);
    return true;
}

static void read_on(query *q);

static void slice_read(void *self, ow_code code, const ow_err *err) {
    query *q = self;
    q->reading = false;
    if (code != OW_OK) {
        *q->run->err = *err;
        finish(q, code);
    } else if (q->cancelled) {
        finish(q, OW_CANCELLED);
    } else if (is_full(q)) {
        finish(q, OW_OK);
    } else if (!q->at_end && ow_call_left_us(q->run->call) > DEADLINE_MARGIN_US) {
        read_on(q);
    } else if (q->count > 0 || !wait_for_more(q)) {
        finish(q, OW_OK);
    }
}

static void read_on(query *q) {
    q->at_end = false;
    q->reading = true;
    q->job = (ow_db_job){.run = read_slice, .done = slice_read, .self = q};
    ow_db_read(q->owner->db, &q->job);
}

static void on_wake(void *self) {
    queries *all = self;
    query *list = all->waiting;
    all->waiting = NULL;
    ow_gauge_add(all->gauge, -all->waiting_count);
    all->waiting_count = 0;
    while (list != NULL) {
        query *q = list;
        list = q->next;
        q->waiting = false;
        ow_loop_timer_cancel(all->loop, &q->timer);
        read_on(q);
    }
}

void queries_wake(queries *q) {
    if (q->waiting != NULL && q->wake.index == 0) {
        ow_loop_timer_set(q->loop, &q->wake, ow_loop_now_us(q->loop) + WAKE_DELAY_US);
    }
}

// ---- Beginning ----

// A request's id says when it came in: without times of the caller's own only the hour from there
// is looked at.
void queries_narrow_to_request(filter *f, const query_request *request) {
    int64_t made_ms = f->request_id[0] != 0 ? ow_id_time_ms(f->request_id) : -1;
    if (made_ms < 0) {
        return;
    }
    if (request->since == NULL) {
        f->since_us = made_ms * 1000 - REQUEST_BEFORE_US;
    }
    if (request->until == NULL) {
        f->until_us = made_ms * 1000 + REQUEST_AFTER_US;
    }
}

ow_code queries_set_title(filter *f, const ow_call *call, ow_err *err) {
    f->title = call->principal->title;
    f->without_title = call->principal->role == OW_ROLE_ADMIN && call->principal->every_title;
    return f->title[0] != 0 ? OW_OK
                            : ow_fail(err, OW_FAILED_PRECONDITION, "title_needed",
                                      "name a title in Overworld-Title");
}

static ow_code set_filter(query *q, const query_request *request) {
    ow_run *run = q->run;
    ow_code code = filter_of(request, &q->filter, &q->limit, run->err);
    if (code != OW_OK) {
        return code;
    }
    queries_narrow_to_request(&q->filter, request);
    q->newest = request->newest && request->page_token[0] == 0;
    code = queries_set_title(&q->filter, run->call, run->err);
    if (code == OW_OK && request->page_token[0] != 0) {
        code = position_parse(request->page_token, &q->at, run->err);
        q->positioned = true;
    }
    return code;
}

ow_code queries_begin(queries *all, ow_run *run) {
    query *q = run->state;
    const query_request *request = run->request;
    q->owner = all;
    q->run = run;
    q->timer = (ow_timer){.on_due = on_wait_over, .self = q};
    ow_code code = set_filter(q, request);
    if (code != OW_OK) {
        return code;
    }
    if (request->wait_ms > 0 && all->waiting_count == all->max_waiting) {
        return ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "too_many_followers",
                       "%d queries wait for new log entries already", all->max_waiting);
    }
    int64_t wait_us = (int64_t)request->wait_ms * 1000;
    int64_t left_us = ow_call_left_us(run->call) - DEADLINE_MARGIN_US;
    q->wait_until_us = ow_loop_now_us(all->loop) + (wait_us < left_us ? wait_us : left_us);
    run->call->on_cancel = on_cancel;
    run->call->on_cancel_self = q;
    read_on(q);
    return OW_PENDING;
}

queries *queries_new(ow_loop *loop, ow_db *db, int max_waiting, ow_gauge *waiting) {
    queries *q = calloc(1, sizeof *q);
    if (q != NULL) {
        *q = (queries){.loop = loop, .db = db, .max_waiting = max_waiting, .gauge = waiting};
        q->wake = (ow_timer){.on_due = on_wake, .self = q};
    }
    return q;
}

bool queries_are_stopping(const queries *q) {
    return q->stopping;
}

void queries_stop(queries *q) {
    q->stopping = true;
    ow_loop_timer_cancel(q->loop, &q->wake);
    while (q->waiting != NULL) {
        on_wait_over(q->waiting);
    }
}

queries *queries_free(queries *q) {
    if (q == NULL) {
        return NULL;
    }
    ow_loop_timer_cancel(q->loop, &q->wake);
    free(q);
    return NULL;
}
