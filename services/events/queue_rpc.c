// The methods of the queue: accepting and showing.

#include "services/events/event_reply.h"
#include "services/events/internal.h"
#include "services/events/queue_stats_store.h"

#include "core/audit/methods.h"

#include <inttypes.h>
#include <string.h>

enum { EXECUTIONS_MAX = 500, BYTES_MAX = 4 << 20 };

void events_make_id(events *e, int64_t now_us, char id[static OW_ID_MAX]) {
    char fresh[OW_ID_MAX];
    ow_id_make(fresh, "exe_", now_us);
    execution_id_after(id, e->last_execution_id, fresh);
    memcpy(e->last_execution_id, id, OW_ID_MAX);
}

void events_reserve_ids(events *e, int64_t now_us, char base_id[static OW_ID_MAX]) {
    enum { TAIL = 4 };
    char id[OW_ID_MAX];
    events_make_id(e, now_us, id);
    size_t head = strlen(id) - TAIL;
    memset(id + head, 'Z', TAIL); // the last of the block that it is in: the next block is whole
    execution_id_after(base_id, id, id);
    memcpy(e->last_execution_id, base_id, OW_ID_MAX);
    memset(e->last_execution_id + head, 'Z', TAIL);
}

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for executions");
}

// ---- Enqueue ----

typedef struct enqueue_state {
    new_execution *executions;
    size_t count;
    int64_t first_due_us;
    uint64_t duplicates;
} enqueue_state;

execution_origin events_origin(const ow_run *run, int64_t now_us) {
    const ow_call *call = run->call;
    return (execution_origin){
        .title_id = call->principal->title,
        .request_id = call->request_id,
        .client_address = call->client_address,
        .principal = call->principal,
        .trace = &call->trace,
        .now_us = now_us,
    };
}

static ow_code check_size(const enqueue_request *request, ow_err *err) {
    size_t bytes = 0;
    for (size_t i = 0; i < request->n_executions; i++) {
        bytes += request->executions[i]->payload.len;
    }
    if (request->n_executions > EXECUTIONS_MAX || bytes > BYTES_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "too_many",
                       "at most %d executions and %d MB at once", EXECUTIONS_MAX, BYTES_MAX >> 20);
    }
    return OW_OK;
}

ow_code events_check_room(const ow_run *run, size_t count) {
    const events *e = run->self;
    const queue_shares *shares = upkeep_shares(e->upkeep);
    const char *title = run->call->principal->title;
    switch (shares_admit(shares, title, (int64_t)count, e->config.max_waiting)) {
    case SHARE_QUEUE_FULL:
        return ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "throttled",
                       "%" PRId64 " executions wait already", shares_total(shares));
    case SHARE_USED_UP:
        return ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "throttled",
                       "%" PRId64 " executions of this title wait already; while others wait, too, "
                       "a title has half of the queue",
                       shares_of(shares, title));
    default:
        return OW_OK;
    }
}

static ow_code prepare_each(ow_run *run, const enqueue_request *request, enqueue_state *s) {
    events *e = run->self;
    int64_t now_us = ow_clock_wall_us(e->env->clock);
    execution_origin origin = events_origin(run, now_us);
    execution_limits limits = {.concurrency = e->config.concurrency};
    ow_code code = OW_OK;
    for (size_t i = 0; code == OW_OK && i < request->n_executions; i++) {
        new_execution *new = &s->executions[i];
        code = execution_prepare(request->executions[i], &origin, &limits, run->call->arena, new,
                                 run->err);
        events_make_id(e, now_us, new->execution_id);
        if (i == 0 || new->item.due_us < s->first_due_us) {
            s->first_due_us = new->item.due_us;
        }
        s->count++;
    }
    return code;
}

static ow_code make_replies(ow_run *run, size_t count) {
    enqueue_response *reply = run->reply;
    ow_arena *arena = run->call->arena;
    reply->executions = ow_arena_calloc(arena, count + 1, sizeof *reply->executions);
    enqueued_msg *each = ow_arena_calloc(arena, count + 1, sizeof *each);
    char *ids = ow_arena_calloc(arena, count + 1, OW_ID_MAX);
    if (reply->executions == NULL || each == NULL || ids == NULL) {
        return no_memory(run->err);
    }
    for (size_t i = 0; i < count; i++) {
        overworld__events__v1__enqueued__init(&each[i]);
        each[i].execution_id = ids + i * OW_ID_MAX;
        reply->executions[i] = &each[i];
    }
    reply->n_executions = count;
    return OW_OK;
}

static ow_code enqueue_check(ow_run *run) {
    const enqueue_request *request = run->request;
    enqueue_state *s = run->state;
    ow_code code = events_check_title(run);
    code = code == OW_OK ? check_size(request, run->err) : code;
    code = code == OW_OK ? events_check_room(run, request->n_executions) : code;
    if (code != OW_OK) {
        return code;
    }
    s->executions =
        ow_arena_calloc(run->call->arena, request->n_executions + 1, sizeof *s->executions);
    if (s->executions == NULL) {
        return no_memory(run->err);
    }
    code = prepare_each(run, request, s);
    return code == OW_OK ? make_replies(run, s->count) : code;
}

static ow_code enqueue_store(ow_run *run) {
    enqueue_response *reply = run->reply;
    enqueue_state *s = run->state;
    ow_code code = OW_OK;
    for (size_t i = 0; code == OW_OK && i < s->count; i++) {
        bool duplicate;
        enqueued_msg *told = reply->executions[i];
        memcpy(told->execution_id, s->executions[i].execution_id, OW_ID_MAX);
        code =
            execution_insert(run->db, &s->executions[i], &duplicate, told->execution_id, run->err);
        told->duplicate = duplicate;
        s->duplicates += duplicate;
    }
    return code;
}

static ow_code enqueue_kick(ow_run *run) {
    events *e = run->self;
    const enqueue_state *s = run->state;
    ow_counter_add(e->accepted, s->count - s->duplicates);
    ow_counter_add(e->duplicates, s->duplicates);
    upkeep_accepted(e->upkeep, run->call->principal->title, (int64_t)(s->count - s->duplicates));
    if (s->count > s->duplicates) {
        worker_kick(e->worker, s->first_due_us);
    }
    return OW_OK;
}

// ---- GetExecution ----

bool events_may_see(const ow_call *call, const execution_row *row) {
    ow_principal owner = execution_principal(row);
    if (!call->from_outside || call->principal->kind == OW_OPERATOR) {
        return true;
    }
    // What a subscription or a destination makes of it runs for them too, but is the title's: ids of one
    // event lie next to each other, so they could be guessed and cancelled.
    const new_execution_msg *wanted = row->facts->wanted;
    bool asked = wanted->trigger_id[0] == '\0' && strcmp(wanted->source, "destination") != 0;
    return asked && owner.kind == call->principal->kind &&
           strcmp(owner.id, call->principal->id) == 0;
}

static ow_code get_read(ow_run *run) {
    const get_execution_request *request = run->request;
    execution_msg *reply = run->reply;
    ow_arena *arena = run->call->arena;
    execution_row row;
    ow_code code = events_check_title(run);
    if (code == OW_OK) {
        code = execution_read(run->db, run->call->principal->title, request->execution_id, arena,
                              &row, run->err);
    }
    if (code == OW_OK && !events_may_see(run->call, &row)) {
        code = ow_fail(run->err, OW_NOT_FOUND, "no_execution", "there is no execution %s",
                       request->execution_id);
    }
    if (code == OW_OK) {
        code = execution_load_payload(run->db, &row, arena, run->err);
    }
    if (code == OW_OK) {
        code = execution_read_attempts(run->db, row.execution_id, arena, &reply->attempts,
                                       &reply->n_attempts, run->err);
    }
    if (code != OW_OK) {
        return code;
    }
    reply->payload_size = (int64_t)row.facts->wanted->payload.len;
    if (request->payload) {
        reply->payload = row.facts->wanted->payload;
    }
    return execution_fill(&row, arena, reply) ? OW_OK : no_memory(run->err);
}

// ---- Backup ----

static ow_code start_backup(ow_run *run) {
    events *self = run->self;
    return ow_backup_start_step(self->backup, run);
}

static ow_code started_backup(ow_run *run) {
    events *self = run->self;
    ow_backup_note(run, ow_clock_wall_us(self->env->clock));
    return ow_backup_started_step(self->backup, run);
}

static ow_code read_backup(ow_run *run) {
    events *self = run->self;
    return ow_backup_read_step(self->backup, run);
}

const ow_method queue_methods[] = {
    {"Enqueue",
     sizeof(enqueue_state),
     {{OW_LOOP, enqueue_check}, {OW_WRITE, enqueue_store}, {OW_LOOP, enqueue_kick}}},
    {"GetExecution", 0, {{OW_READ, get_read}}},
    {"GetQueueStats",
     sizeof(queue_look),
     {{OW_LOOP, queue_stats_begin}, {OW_READ, queue_stats_step}}},
    {"ListExecutions", 0, {{OW_READ, executions_list_read}}},
    {"CancelExecution",
     sizeof(hands_state),
     {{OW_LOOP, hands_begin},
      {OW_WRITE, execution_cancel_store},
      {OW_LOOP, execution_cancel_kill}}},
    {"EditExecution",
     sizeof(hands_state),
     {{OW_LOOP, hands_begin}, {OW_WRITE, execution_edit_store}}},
    {"RedriveExecutions",
     sizeof(hands_state),
     {{OW_LOOP, hands_begin}, {OW_WRITE, executions_redrive_store}, {OW_LOOP, hands_kick}}},
    {"DiscardExecutions",
     sizeof(hands_state),
     {{OW_LOOP, hands_begin}, {OW_WRITE, executions_discard_store}, {OW_LOOP, hands_kick}}},
    {"RerunExecution",
     sizeof(hands_state),
     {{OW_LOOP, hands_begin},
      {OW_READ, execution_rerun_read},
      {OW_LOOP, execution_rerun_prepare},
      {OW_WRITE, execution_rerun_store},
      {OW_LOOP, hands_kick}}},
    {"ListAudit", 0, {{OW_READ, ow_audit_list_step}}},
    {"VerifyAudit", 0, {{OW_READ, ow_audit_verify_step}}},
    {"StartBackup",
     sizeof(ow_audit_entry),
     {{OW_READ, start_backup}, {OW_LOOP, started_backup}, {OW_WRITE, ow_backup_audit_step}}},
    {"ReadBackup", 0, {{OW_POOL, read_backup}}},
    {0},
};
