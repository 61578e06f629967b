// The methods of the queue for those who look after it: listing, cancelling, dead letters, running again.

#include "services/events/event_reply.h"
#include "services/events/internal.h"

#include "core/audit/audit.h"
#include "core/timestamp/timestamp.h"

#include <stdio.h>
#include <string.h>

enum { BULK_MAX = 500, REASON_MAX = 200 };

#define TIME_MAX_S INT64_C(253402300799) // the end of the year 9999

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for executions");
}

static ow_code wrong_state(ow_err *err, const execution_row *row, const char *needed) {
    return ow_fail(err, OW_FAILED_PRECONDITION, "wrong_state", "%s is %s, not %s",
                   row->execution_id, execution_state_name(row->item.state), needed);
}

ow_code hands_begin(ow_run *run) {
    events *e = run->self;
    hands_state *s = run->state;
    s->now_us = ow_clock_wall_us(e->env->clock);
    return events_check_title(run);
}

ow_code hands_kick(ow_run *run) {
    events *e = run->self;
    const hands_state *s = run->state;
    if (s->first_due_us > 0) {
        worker_kick(e->worker, s->first_due_us);
    }
    return OW_OK;
}

// What an operator does leaves an entry; what players and services do with their own does not.
static ow_code audit(ow_run *run, const char *action, const char *object, const char *before,
                     const char *after) {
    const hands_state *s = run->state;
    if (run->call->principal->kind != OW_OPERATOR) {
        return OW_OK;
    }
    ow_audit_entry entry = ow_audit_of_call(run->call, s->now_us);
    entry.action = action;
    entry.object = object;
    entry.before = before;
    entry.after = after;
    return ow_audit_append(run->db, &entry, run->err);
}

static const char *state_text(const execution_row *row, execution_state state, ow_arena *arena) {
    const new_execution_msg *wanted = row->facts->wanted;
    return ow_audit_state_in(arena, "ttti", "state", execution_state_name(state), "virtual_server",
                             wanted->virtual_server, "function", wanted->function, "attempt",
                             row->item.attempt);
}

// ---- ListExecutions ----

static ow_code fill_page(ow_run *run, const execution_page *page) {
    list_executions_response *reply = run->reply;
    ow_arena *arena = run->call->arena;
    reply->next_page_token = (char *)(uintptr_t)page->next;
    reply->executions = ow_arena_calloc(arena, (size_t)page->count + 1, sizeof *reply->executions);
    for (int i = 0; reply->executions != NULL && i < page->count; i++) {
        execution_msg *made = ow_arena_alloc(arena, sizeof *made);
        if (made == NULL) {
            return no_memory(run->err);
        }
        overworld__events__v1__execution__init(made);
        if (!execution_fill(&page->rows[i], arena, made)) {
            return no_memory(run->err);
        }
        made->payload_size = page->rows[i].size;
        reply->executions[reply->n_executions++] = made;
    }
    return reply->executions != NULL ? OW_OK : no_memory(run->err);
}

static bool is_state(const char *name) {
    for (int i = EXECUTION_WAITING; i <= EXECUTION_DISCARDED; i++) {
        if (strcmp(execution_state_name((execution_state)i), name) == 0) {
            return true;
        }
    }
    return name[0] == '\0';
}

static ow_code check_list(const list_executions_request *request, ow_err *err) {
    if (request->page_size < 0 || request->page_size > PAGE_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_page_size", "at most %d a page", PAGE_MAX);
    }
    if (request->page_token[0] != '\0' && !ow_id_is(request->page_token, "exe_")) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_page_token", "this is no page token");
    }
    if (request->filter != NULL && !is_state(request->filter->state)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "invalid",
                       "state is waiting, running, done, dead or discarded");
    }
    if (request->filter != NULL && request->filter->trigger_id[0] != '\0' &&
        !ow_id_is(request->filter->trigger_id, "trg_")) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "invalid", "that is no id of an event");
    }
    return OW_OK;
}

ow_code executions_list_read(ow_run *run) {
    const list_executions_request *request = run->request;
    execution_query query = {
        .title_id = run->call->principal->title,
        .filter = request->filter,
        .below = request->page_token,
        .limit = request->page_size > 0 ? request->page_size : PAGE_DEFAULT,
    };
    execution_page page;
    ow_code code = events_check_title(run);
    code = code == OW_OK ? check_list(request, run->err) : code;
    if (code == OW_OK) {
        code = executions_list(run->db, &query, run->call->arena, &page, run->err);
    }
    return code == OW_OK ? fill_page(run, &page) : code;
}

// ---- CancelExecution ----

static ow_code read_own(ow_run *run, const char *execution_id, execution_row *row) {
    ow_code code = execution_read(run->db, run->call->principal->title, execution_id,
                                  run->call->arena, row, run->err);
    if (code == OW_OK && !events_may_see(run->call, row)) {
        code = ow_fail(run->err, OW_NOT_FOUND, "no_execution", "there is no execution %s",
                       execution_id);
    }
    return code;
}

ow_code execution_cancel_store(ow_run *run) {
    const events *e = run->self;
    const cancel_execution_request *request = run->request;
    hands_state *s = run->state;
    execution_row *row = &s->row;
    ow_arena *arena = run->call->arena;
    ow_code code = read_own(run, request->execution_id, row);
    if (code != OW_OK) {
        return code;
    }
    queue_item next = row->item;
    if (queue_cancel(&next, s->now_us) == STEP_NOT) {
        return wrong_state(run->err, row, "waiting or running");
    }
    s->ended_run = row->item.state == EXECUTION_RUNNING;
    s->first_due_us = s->now_us; // whoever waited behind it may run now
    code = execution_write_step(run->db, row, &next, s->now_us + e->config.keep_us, "cancelled",
                                run->err);
    if (code == OW_OK) {
        code = audit(run, "execution.cancel", row->execution_id,
                     state_text(row, row->item.state, arena), state_text(row, next.state, arena));
    }
    row->item = next;
    row->reason = "cancelled";
    return code == OW_OK && !execution_fill(row, arena, run->reply) ? no_memory(run->err) : code;
}

ow_code execution_cancel_kill(ow_run *run) {
    events *e = run->self;
    const hands_state *s = run->state;
    if (s->ended_run) {
        worker_cancel(e->worker, s->row.execution_id);
    }
    return hands_kick(run);
}

// ---- EditExecution ----

static ow_code check_edit(ow_run *run, const execution_row *row) {
    const edit_request *request = run->request;
    execution_msg now;
    if (row->item.state != EXECUTION_DEAD) {
        return wrong_state(run->err, row, "dead");
    }
    if (request->payload.len > PAYLOAD_MAX) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "payload_too_large",
                       "an asynchronous payload has at most %d KB", PAYLOAD_MAX >> 10);
    }
    overworld__events__v1__execution__init(&now);
    if (!execution_fill(row, run->call->arena, &now)) {
        return no_memory(run->err);
    }
    if (request->etag[0] != '\0' && strcmp(request->etag, now.etag) != 0) {
        return ow_fail(run->err, OW_ABORTED, "stale_etag", "%s was changed meanwhile",
                       row->execution_id);
    }
    return OW_OK;
}

static const char *payload_text(const char *type, size_t size, ow_arena *arena) {
    return ow_audit_state_in(arena, "ti", "content_type", type, "payload_size", (int64_t)size);
}

ow_code execution_edit_store(ow_run *run) {
    const edit_request *request = run->request;
    ow_arena *arena = run->call->arena;
    execution_row row;
    ProtobufCBinaryData facts, apart;
    ow_code code = read_own(run, request->execution_id, &row);
    code = code == OW_OK ? execution_load_payload(run->db, &row, arena, run->err) : code;
    code = code == OW_OK ? check_edit(run, &row) : code;
    if (code != OW_OK) {
        return code;
    }
    if (!execution_repack(&row, request->payload, request->content_type, arena, &facts, &apart)) {
        return no_memory(run->err);
    }
    const new_execution_msg *wanted = row.facts->wanted;
    code = execution_write_facts(run->db, &row, facts, apart, run->err);
    if (code == OW_OK) {
        code = audit(run, "execution.edit", row.execution_id,
                     payload_text(wanted->content_type, wanted->payload.len, arena),
                     payload_text(request->content_type[0] != '\0' ? request->content_type
                                                                   : wanted->content_type,
                                  request->payload.len, arena));
    }
    row.item.epoch++;
    return code == OW_OK && !execution_fill(&row, arena, run->reply) ? no_memory(run->err) : code;
}

// ---- Dead letters, many at once ----

// What is asked for: those that are named, or all that fit.
typedef struct bulk {
    size_t n_ids;
    char **ids;
    bool all;
    const execution_filter *filter;
    const char *below; // where an earlier answer stopped looking
    execution_row *rows;
    int count;
    const char *next; // "": all were looked at
} bulk;

static ow_code find_named(ow_run *run, bulk *b) {
    ow_code code = OW_OK;
    b->rows = ow_arena_calloc(run->call->arena, b->n_ids + 1, sizeof *b->rows);
    if (b->rows == NULL) {
        return no_memory(run->err);
    }
    for (size_t i = 0; code == OW_OK && i < b->n_ids; i++) {
        execution_row *row = &b->rows[b->count++];
        code = read_own(run, b->ids[i], row);
        if (code == OW_OK && row->item.state != EXECUTION_DEAD) {
            code = wrong_state(run->err, row, "dead");
        }
    }
    return code;
}

static ow_code find_fitting(ow_run *run, bulk *b) {
    execution_filter filter;
    execution_page page;
    overworld__events__v1__execution_filter__init(&filter);
    if (b->filter != NULL) {
        filter = *b->filter;
    }
    filter.state = (char *)(uintptr_t) "dead";
    execution_query query = {
        .title_id = run->call->principal->title,
        .filter = &filter,
        .below = b->below,
        .limit = BULK_MAX,
    };
    ow_code code = executions_list(run->db, &query, run->call->arena, &page, run->err);
    b->rows = page.rows;
    b->count = page.count;
    b->next = code == OW_OK ? page.next : "";
    return code;
}

static ow_code find_bulk(ow_run *run, bulk *b) {
    if (b->below[0] != '\0' && !ow_id_is(b->below, "exe_")) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_page_token", "this is no page token");
    }
    if (b->all == (b->n_ids > 0) || b->n_ids > PAGE_MAX) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "invalid",
                       "name up to %d executions, or ask for all", PAGE_MAX);
    }
    return b->all ? find_fitting(run, b) : find_named(run, b);
}

static ow_code audit_bulk(ow_run *run, const bulk *b, const char *action, const char *more_name,
                          const char *more) {
    ow_arena *arena = run->call->arena;
    const execution_filter *filter = b->filter;
    const char *object = b->count == 1 ? b->rows[0].execution_id : "";
    return audit(run, action, object, "",
                 ow_audit_state_in(arena, "itttt", "count", (int64_t)b->count, "virtual_server",
                                   filter != NULL ? filter->virtual_server : "", "function",
                                   filter != NULL ? filter->function : "", "reason",
                                   filter != NULL ? filter->reason : "", more_name, more));
}

static int64_t time_of(const Google__Protobuf__Timestamp *at, int64_t not_before_us) {
    bool sound = at != NULL && at->seconds >= 0 && at->seconds <= TIME_MAX_S;
    int64_t at_us = sound ? ow_timestamp_us(at) : 0;
    return at_us > not_before_us ? at_us : not_before_us;
}

static ow_code tell_next(ow_run *run, int64_t next_us) {
    redrive_response *reply = run->reply;
    reply->next = ow_timestamp_in(run->call->arena, next_us);
    return reply->next != NULL ? OW_OK : no_memory(run->err);
}

ow_code executions_redrive_store(ow_run *run) {
    const redrive_request *request = run->request;
    redrive_response *reply = run->reply;
    hands_state *s = run->state;
    bulk b = {.n_ids = request->n_execution_ids,
              .ids = request->execution_ids,
              .all = request->all,
              .filter = request->filter,
              .below = request->page_token,
              .next = ""};
    int64_t pause_us = request->per_second > 0 ? SECOND_US / request->per_second : 0;
    int64_t due_us = time_of(request->begin, s->now_us);
    ow_code code = request->per_second < 0
                       ? ow_fail(run->err, OW_INVALID_ARGUMENT, "invalid", "a rate is positive")
                       : find_bulk(run, &b);
    s->first_due_us = code == OW_OK && b.count > 0 ? due_us : 0;
    for (int i = b.count - 1; code == OW_OK && i >= 0; i--) { // the oldest first
        queue_item next = b.rows[i].item;
        queue_redrive(&next, due_us);
        code = execution_write_step(run->db, &b.rows[i], &next, 0, b.rows[i].reason, run->err);
        due_us += pause_us;
    }
    if (code == OW_OK && b.count > 0) {
        char rate[16];
        snprintf(rate, sizeof rate, "%d", request->per_second);
        code = audit_bulk(run, &b, "execution.redrive", "per_second", rate);
    }
    reply->count = b.count;
    reply->more = b.next[0] != '\0';
    reply->next_page_token = (char *)(uintptr_t)b.next;
    return code == OW_OK ? tell_next(run, due_us) : code;
}

ow_code executions_discard_store(ow_run *run) {
    const events *e = run->self;
    const discard_request *request = run->request;
    discard_response *reply = run->reply;
    hands_state *s = run->state;
    bulk b = {.n_ids = request->n_execution_ids,
              .ids = request->execution_ids,
              .all = request->all,
              .filter = request->filter,
              .below = request->page_token,
              .next = ""};
    size_t size = strlen(request->reason);
    ow_code code = size == 0 || size > REASON_MAX
                       ? ow_fail(run->err, OW_INVALID_ARGUMENT, "invalid",
                                 "say why: 1 to %d characters", REASON_MAX)
                       : find_bulk(run, &b);
    for (int i = 0; code == OW_OK && i < b.count; i++) {
        queue_item next = b.rows[i].item;
        queue_discard(&next, s->now_us);
        code = execution_write_step(run->db, &b.rows[i], &next, s->now_us + e->config.keep_us,
                                    request->reason, run->err);
    }
    if (code == OW_OK && b.count > 0) {
        code = audit_bulk(run, &b, "execution.discard", "because", request->reason);
    }
    reply->count = b.count;
    reply->more = b.next[0] != '\0';
    reply->next_page_token = (char *)(uintptr_t)b.next;
    return code;
}

// ---- RerunExecution ----

ow_code execution_rerun_read(ow_run *run) {
    const rerun_request *request = run->request;
    hands_state *s = run->state;
    ow_code code = read_own(run, request->execution_id, &s->row);
    return code == OW_OK ? execution_load_payload(run->db, &s->row, run->call->arena, run->err)
                         : code;
}

ow_code execution_rerun_prepare(ow_run *run) {
    events *e = run->self;
    const rerun_request *request = run->request;
    hands_state *s = run->state;
    ow_arena *arena = run->call->arena;
    new_execution_msg wanted = *s->row.facts->wanted;
    execution_limits limits = {.concurrency = e->config.concurrency};
    execution_origin origin = events_origin(run, s->now_us);
    wanted.source = (char *)(uintptr_t) "manual";
    wanted.due = NULL;
    wanted.depth = 0;
    wanted.deduplication_key = (char *)(uintptr_t) "";
    if (request->request_key[0] != '\0') {
        wanted.deduplication_key = ow_arena_printf_in(
            arena, "rerun:%s:%.100s", run->call->principal->id, request->request_key);
    }
    if (request->other_payload) {
        wanted.payload = request->payload;
    }
    if (request->qualifier[0] != '\0') {
        wanted.qualifier = request->qualifier;
    }
    if (wanted.deduplication_key == NULL) {
        return no_memory(run->err);
    }
    events_make_id(e, s->now_us, s->new.execution_id);
    memcpy(s->new_id, s->new.execution_id, sizeof s->new_id);
    ow_code code = execution_prepare(&wanted, &origin, &limits, arena, &s->new, run->err);
    memcpy(s->new.execution_id, s->new_id, sizeof s->new_id);
    s->first_due_us = s->now_us;
    return code;
}

ow_code execution_rerun_store(ow_run *run) {
    rerun_response *reply = run->reply;
    hands_state *s = run->state;
    ow_arena *arena = run->call->arena;
    bool duplicate;
    char id[OW_ID_MAX];
    memcpy(id, s->new_id, sizeof id);
    ow_code code = execution_insert(run->db, &s->new, &duplicate, id, run->err);
    if (code == OW_OK && !duplicate) {
        code =
            audit(run, "execution.rerun", s->row.execution_id, "",
                  ow_audit_state_in(arena, "tti", "execution_id", id, "qualifier",
                                    s->row.facts->wanted->qualifier, "payload_size", s->new.size));
    }
    reply->execution_id = ow_arena_strdup_in(arena, id);
    return code == OW_OK && reply->execution_id == NULL ? no_memory(run->err) : code;
}
