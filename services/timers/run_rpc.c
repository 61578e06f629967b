// RunTimer: a slot by hand. It is durable before the queue is asked; should the queue be away, it is accepted
// all the same and goes the way of every claim.

#include "services/timers/claim.h"
#include "services/timers/internal.h"

#include "core/audit/audit.h"
#include "core/request_key/request_key.h"

#include <stdio.h>
#include <string.h>

enum { SAME_TIME_MAX = 16 };

ow_code by_hand_begin(ow_run *run) {
    const timers *t = run->self;
    const run_timer_request *request = run->request;
    run_state *s = run->state;
    s->now_us = ow_clock_wall_us(t->env->clock);
    if (run->call->principal->title[0] == 0) {
        return ow_fail(run->err, OW_FAILED_PRECONDITION, "title_needed",
                       "name a title in Overworld-Title");
    }
    return ow_request_key_check(request->request_key, run->err);
}

static ow_code add_slot(const reader *r, run_state *s) {
    bool added = false;
    s->slot = (slot_row){
        .timer_id = s->row.timer_id,
        .title_id = s->row.title_id,
        .kind = KIND_MANUAL,
        .state = STATE_CLAIMED,
        .execution_id = "",
        .reason = "",
        .count = 1,
        .made_us = s->now_us,
        .try_us = s->now_us + LEASE_US,
    };
    ow_code code = OW_OK;
    for (int i = 0; code == OW_OK && !added && i < SAME_TIME_MAX; i++) {
        s->slot.due_us = s->now_us + i;
        s->slot.last_due_us = s->slot.due_us;
        code = slot_add(r, &s->slot, &added);
    }
    return code != OW_OK || added ? code
                                  : ow_fail(r->err, OW_ABORTED, "too_many_at_once",
                                            "the timer was run very often just now");
}

static ow_request_key key_of(const ow_run *run) {
    const run_state *s = run->state;
    const run_timer_request *request = run->request;
    return (ow_request_key){.title = run->call->principal->title,
                            .principal = run->call->principal->id,
                            .method = "RunTimer",
                            .key = request->request_key,
                            .request = run->request,
                            .arena = run->call->arena,
                            .now_us = s->now_us};
}

static ow_code reply_with(ow_run *run) {
    const run_state *s = run->state;
    return fill_slot(run->reply, &s->slot, run->call->arena) ? OW_OK : no_room(run->err);
}

ow_code by_hand_claim(ow_run *run) {
    const run_timer_request *request = run->request;
    run_state *s = run->state;
    const reader r = reader_of(run);
    ow_request_key key = key_of(run);
    ProtobufCMessage *reply = run->reply;
    ow_code code = timer_find(&r, run->call->principal->title, request->timer_id, &s->row);
    code = code == OW_OK ? ow_request_key_find(run->db, &key, reply, &s->repeated, run->err) : code;
    if (code != OW_OK || s->repeated) {
        return code;
    }
    code = add_slot(&r, s);
    code = code == OW_OK ? audit_timer(run, s->now_us, "timer.run", &s->row, "", "") : code;
    code = code == OW_OK ? reply_with(run) : code;
    return code == OW_OK ? ow_request_key_keep(run->db, &key, reply, run->err) : code;
}

static void on_enqueued(const enqueue_response *reply, void *closure_data) {
    ow_call *call = closure_data;
    ow_run *run = call->user;
    run_state *s = run->state;
    if (reply != NULL && reply->n_executions == 1) {
        snprintf(s->execution_id, sizeof s->execution_id, "%s", reply->executions[0]->execution_id);
    } else {
        s->refused = !is_for_now(call->err.code);
        snprintf(s->reason, sizeof s->reason, "%s", call->err.reason);
    }
    s->call = ow_call_free(call);
    ow_run_resume(run, OW_OK);
}

ow_code by_hand_enqueue(ow_run *run) {
    const timers *t = run->self;
    run_state *s = run->state;
    if (s->repeated) {
        return OW_OK;
    }
    s->request = execution_of(&s->row, &s->slot, run->call->arena);
    s->call = s->request != NULL ? ow_call_child(run->call) : NULL;
    if (s->call == NULL) {
        return no_room(run->err);
    }
    s->call->user = run;
    overworld__events__v1__queue__enqueue(t->queue, s->request, on_enqueued, s->call);
    return OW_PENDING;
}

// What the first request with this key made of it.
static ow_code read_again(ow_run *run) {
    const slot_msg *first = run->reply;
    run_state *s = run->state;
    const reader r = reader_of(run);
    int count = 0;
    slot_filter f = {.timer_id = s->row.timer_id,
                     .state = "",
                     .before_us = us_of_time(first->due) + 1,
                     .limit = 1};
    ow_code code = slots_list(&r, &f, &s->slot, &count);
    return code == OW_OK && count == 1 ? reply_with(run) : code;
}

ow_code by_hand_settle(ow_run *run) {
    run_state *s = run->state;
    const reader r = reader_of(run);
    if (s->repeated) {
        return read_again(run);
    }
    if (s->execution_id[0] == 0 && !s->refused) {
        return slot_put_off(&r, s->slot.timer_id, s->slot.due_us, s->now_us + PUT_OFF_US);
    }
    slot_row settled = s->slot;
    settled.state = s->refused ? STATE_FAILED : STATE_FIRED;
    settled.execution_id = s->execution_id;
    settled.reason = s->reason;
    bool first = false;
    ow_code code = slot_settle(&r, &settled, &first);
    if (code == OW_OK && !fill_slot(run->reply, &settled, run->call->arena)) {
        return no_room(run->err);
    }
    return code;
}
