// SQL of what a person does with executions: looking at many, and setting them going or aside.

#include "services/events/executions_hands.h"

#include "services/events/store_rows.h"

#include <stdio.h>
#include <string.h>

enum { LOOKED_AT_MAX = 1000 };

// ---- List ----

#define LIGHT "SELECT " EXECUTION_COLUMNS_LIGHT " FROM "
// Moment by moment (executions_moments.h), each walked over from its first to its last: where the list begins must not
// be a bound of that walk.
#define MOMENT_BY_MOMENT                                                                           \
    " CROSS JOIN executions WHERE execution_id >= moment AND execution_id < moment || '['"         \
    " AND executions.title_id = $1 AND execution_id || '' "

// Which list; each takes the title, where it begins and a limit.
typedef enum list_kind { LIST_ANY, LIST_RUNNING, LIST_DEAD, LIST_BEHIND, LIST_KINDS } list_kind;

static const char *const lists[LIST_KINDS] = {
    [LIST_ANY] = LIGHT "(SELECT moment FROM execution_moments WHERE title_id = $1 AND moment <= $2)"
                       " AS moments" MOMENT_BY_MOMENT
                       "< $2 ORDER BY moment DESC, execution_id DESC LIMIT $3",
    [LIST_RUNNING] = LIGHT "executions WHERE state = 4"
                           " AND subscription >= $1 || ' ' AND subscription < $1 || '!'"
                           " AND execution_id < $2 ORDER BY execution_id DESC LIMIT $3",
    [LIST_DEAD] = LIGHT "executions WHERE title_id = $1 AND state = 6 AND execution_id < $2"
                        " ORDER BY execution_id DESC LIMIT $3",
    // What follows from an event comes soon behind it.
    [LIST_BEHIND] = LIGHT "(SELECT moment FROM execution_moments WHERE title_id = $1"
                          " AND moment >= substr($2, 1, 13)) AS moments" MOMENT_BY_MOMENT
                          "> $2 ORDER BY moment, execution_id LIMIT $3",
};

const char *executions_list_sql(size_t at) {
    return at < LIST_KINDS ? lists[at] : NULL;
}

static bool is_of_event(const execution_filter *filter) {
    return filter != NULL && filter->trigger_id[0] != '\0';
}

static list_kind kind_of(const execution_filter *filter) {
    if (filter == NULL) {
        return LIST_ANY;
    }
    if (is_of_event(filter)) {
        return LIST_BEHIND;
    }
    return strcmp(filter->state, "dead") == 0      ? LIST_DEAD
           : strcmp(filter->state, "running") == 0 ? LIST_RUNNING
                                                   : LIST_ANY;
}

static bool is_or_any(const char *wanted, const char *is) {
    return wanted[0] == '\0' || strcmp(wanted, is) == 0;
}

static bool fits(const execution_filter *filter, const execution_row *row) {
    const new_execution_msg *wanted = row->facts->wanted;
    return filter == NULL ||
           (is_or_any(filter->state, execution_state_name(row->item.state)) &&
            is_or_any(filter->virtual_server, wanted->virtual_server) &&
            is_or_any(filter->function, wanted->function) &&
            is_or_any(filter->source, wanted->source) && is_or_any(filter->reason, row->reason) &&
            is_or_any(filter->trigger_id, wanted->trigger_id) &&
            is_or_any(filter->subscription_key, wanted->subscription_key));
}

// Takes what fits; *ret_more: it stopped before the end. `last` is the id of the last one looked at.
static ow_code take_fitting(ow_rows *rows, const execution_query *query, ow_arena *arena,
                            execution_page *page, char last[static OW_ID_MAX], ow_err *err) {
    bool more = true;
    int looked_at = 0;
    ow_code code = OW_OK;
    while (page->count < query->limit && (code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        execution_row *row = &page->rows[page->count];
        code = execution_read_row(rows, arena, row, err);
        if (code != OW_OK) {
            return code;
        }
        looked_at++;
        memcpy(last, row->execution_id, OW_ID_MAX);
        page->count += fits(query->filter, row);
    }
    if (code == OW_OK && !more && looked_at < LOOKED_AT_MAX) {
        last[0] = '\0';
    }
    return code;
}

// Where a list begins: at the end of all, or at the time of the event, as its id has it.
static void begin_of(const execution_query *query, char begin[static OW_ID_MAX]) {
    enum { PREFIX = 4, TIME = 10 };
    const char *trigger = is_of_event(query->filter) ? query->filter->trigger_id : "";
    if (query->below[0] != '\0') {
        snprintf(begin, OW_ID_MAX, "%s", query->below);
    } else if (strlen(trigger) > PREFIX + TIME) {
        snprintf(begin, OW_ID_MAX, "exe_%.*s", TIME, trigger + PREFIX);
    } else {
        snprintf(begin, OW_ID_MAX, "exf_");
    }
}

ow_code executions_list(ow_db_conn *db, const execution_query *query, ow_arena *arena,
                        execution_page *ret_page, ow_err *err) {
    ow_rows *rows = NULL;
    char begin[OW_ID_MAX];
    char last[OW_ID_MAX] = "";
    *ret_page = (execution_page){.next = ""};
    ret_page->rows = ow_arena_calloc(arena, (size_t)query->limit + 1, sizeof *ret_page->rows);
    if (ret_page->rows == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for a page");
    }
    begin_of(query, begin);
    ow_code code = ow_db_query(db, &rows, err, lists[kind_of(query->filter)], "tti",
                               query->title_id, begin, (int64_t)LOOKED_AT_MAX);
    code = code == OW_OK ? take_fitting(rows, query, arena, ret_page, last, err) : code;
    ow_rows_close(rows);
    ret_page->next = ow_arena_strdup_in(arena, last);
    return code == OW_OK && ret_page->next == NULL
               ? ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for a page")
               : code;
}

// ---- Steps ----

static ow_code lane_is_taken(ow_db_conn *db, const execution_row *row, bool *ret_taken,
                             ow_err *err) {
    ow_rows *rows = NULL;
    *ret_taken = false;
    if (row->lane[0] == '\0') {
        return OW_OK;
    }
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT 1 FROM executions WHERE lane = $1 AND lane <> ''"
                               " AND state < 5 AND execution_id <> $2 LIMIT 1",
                               "tt", row->lane, row->execution_id);
    code = rows_one(code, rows, ret_taken, err);
    ow_rows_close(rows);
    return code;
}

static ow_code write_next(ow_db_conn *db, const execution_row *row, const queue_item *next,
                          int64_t delete_us, const char *reason, ow_err *err) {
    return ow_db_exec(db, NULL, err,
                      "UPDATE executions SET state = $1, due_us = $2, since_us = $3,"
                      " ended_us = $4, delete_us = $5, attempt = $6, throttles = $7,"
                      " lease_until_us = 0, reason = $8 WHERE execution_id = $9",
                      "iiiiiiitt", (int64_t)next->state, next->due_us, next->since_us,
                      next->ended_us, delete_us, next->attempt, next->throttles, reason,
                      row->execution_id);
}

ow_code execution_write_step(ow_db_conn *db, const execution_row *row, const queue_item *next,
                             int64_t delete_us, const char *reason, ow_err *err) {
    queue_item item = *next;
    bool taken = false;
    ow_code code = OW_OK;
    if (item.state == EXECUTION_WAITING) {
        code = lane_is_taken(db, row, &taken, err);
    }
    if (taken) {
        queue_put_aside(&item, EXECUTION_HELD);
    }
    code = code == OW_OK ? write_next(db, row, &item, delete_us, reason, err) : code;
    return code == OW_OK ? execution_set_free(db, row, item.state, err) : code;
}

ow_code execution_write_facts(ow_db_conn *db, const execution_row *row, ProtobufCBinaryData facts,
                              ProtobufCBinaryData payload, ow_err *err) {
    ow_code code = ow_db_exec(db, NULL, err,
                              "UPDATE executions SET facts = $1, size = $2, epoch = epoch + 1"
                              " WHERE execution_id = $3 AND state = 6",
                              "bit", facts.data, facts.len, (int64_t)(facts.len + payload.len),
                              row->execution_id);
    if (code == OW_OK) {
        code = ow_db_exec(db, NULL, err, "DELETE FROM payloads WHERE execution_id = $1", "t",
                          row->execution_id);
    }
    if (code == OW_OK && payload.len > 0) {
        code = ow_db_exec(db, NULL, err,
                          "INSERT INTO payloads (execution_id, payload) VALUES ($1, $2)", "tb",
                          row->execution_id, payload.data, payload.len);
    }
    return code;
}
