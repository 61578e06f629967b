#include "services/events/runs.h"

#include "services/events/destinations.h"

#include <string.h>

enum { MESSAGE_MAX = 1000 };

static char *borrow(const char *text) {
    return (char *)(uintptr_t)(text != NULL ? text : "");
}

// ---- A life ----

run *run_new(const run_place *place, claimed *claimed) {
    run *made = ow_arena_calloc(claimed->arena, 1, sizeof *made);
    if (made == NULL) {
        claimed_free(claimed);
        return NULL;
    }
    made->place = *place;
    made->claimed = claimed;
    made->reason = "";
    made->message = "";
    overworld__events__v1__execution_outcome__init(&made->outcome);
    return made;
}

run *run_free(run *run) {
    if (run != NULL) {
        ow_call_free(run->call);
        claimed_free(run->claimed);
    }
    return NULL;
}

// ---- The runner ----

static const char *keep(run *run, const char *text) {
    size_t size = text == NULL ? 0 : strlen(text);
    size = size < MESSAGE_MAX ? size : MESSAGE_MAX;
    char *copy = ow_arena_memdup_in(run->claimed->arena, size > 0 ? text : "", size);
    return copy != NULL ? copy : "";
}

static void note_failure(run *run, const char *reason, const char *message) {
    run->reason = keep(run, reason);
    run->message = keep(run, message);
}

static void note_result(run *run, const invoke_response *reply) {
    execution_outcome *outcome = &run->outcome;
    outcome->content_type = borrow(keep(run, reply->content_type));
    outcome->result_dropped = reply->payload.len > RESULT_MAX;
    if (!outcome->result_dropped) {
        outcome->result.data =
            ow_arena_memdup_in(run->claimed->arena, reply->payload.data, reply->payload.len);
        outcome->result.len = outcome->result.data != NULL ? reply->payload.len : 0;
        outcome->result_dropped = outcome->result.data == NULL;
    }
}

static void note_reply(run *run, const invoke_response *reply) {
    execution_outcome *outcome = &run->outcome;
    outcome->invocation_id = borrow(keep(run, reply->invocation_id));
    outcome->version = reply->version;
    if (reply->reason[0] == '\0') {
        note_result(run, reply);
        return;
    }
    note_failure(run, reply->reason, reply->message);
    run->retry_after_us = reply->retry_after_s * SECOND_US;
    outcome->refusal_code = borrow(keep(run, reply->refusal_code));
    size_t size = strlen(reply->details_json);
    if (size <= PAYLOAD_INLINE_MAX) {
        outcome->details_json = ow_arena_memdup_in(run->claimed->arena, reply->details_json, size);
    }
    outcome->details_json = borrow(outcome->details_json);
}

static void on_invoked(const invoke_response *reply, void *closure_data) {
    ow_call *call = closure_data;
    run *run = call->user;
    if (reply != NULL) {
        note_reply(run, reply);
    } else {
        note_failure(run, call->err.reason, call->err.message);
    }
    run->call = ow_call_free(call);
    run->place.on_ended(run->place.self, run);
}

static ow_call *make_call(const run *run) {
    const execution_row *row = &run->claimed->row;
    ow_principal principal = execution_principal(row);
    ow_trace trace;
    ow_call_options options = {
        .principal = &principal,
        .request_id = row->facts->request_id,
        .client_address = row->facts->client_address,
        .timeout_us = run->place.run_us,
    };
    if (ow_trace_parse(row->facts->traceparent, &trace)) {
        ow_trace_new_span(&trace);
        options.trace = &trace;
    }
    return ow_call_new(run->place.loop, &options);
}

static void deliver(run *run) {
    const new_execution_msg *wanted = run->claimed->row.facts->wanted;
    deliver_request *request = &run->delivery;
    overworld__events__v1__deliver_webhook_request__init(request);
    request->subscription_id = wanted->subscription_key;
    request->execution_id = run->claimed->row.execution_id;
    request->content_type = wanted->content_type;
    request->payload = wanted->payload;
    overworld__events__v1__events__deliver_webhook(run->place.events, request, on_invoked,
                                                   run->call);
}

void run_begin(run *run) {
    const new_execution_msg *wanted = run->claimed->row.facts->wanted;
    run->call = make_call(run);
    if (run->call == NULL) {
        note_failure(run, "overloaded", "no memory for a call");
        run->place.on_ended(run->place.self, run);
        return;
    }
    run->call->user = run;
    if (wanted->url[0] != '\0') {
        deliver(run);
        return;
    }
    invoke_request *request = &run->request;
    overworld__runner__v1__invoke_request__init(request);
    request->virtual_server = wanted->virtual_server;
    request->function = wanted->function;
    request->qualifier = wanted->qualifier;
    request->source = wanted->source;
    request->content_type = wanted->content_type;
    request->payload = wanted->payload;
    request->routing_key = wanted->routing_key;
    request->depth = wanted->depth + 1;
    request->execution_id = run->claimed->row.execution_id;
    request->attempt = (int32_t)run->claimed->row.item.attempt;
    overworld__runner__v1__runner__invoke(run->place.runner, request, on_invoked, run->call);
}

void run_cancel(run *run) {
    ow_call_cancel(run->call, OW_CANCELLED);
}

// ---- What became of it ----

static uint64_t dice(void) {
    uint64_t random;
    ow_random_bytes(&random, sizeof random);
    return random;
}

static ProtobufCBinaryData pack(const run *run) {
    size_t size = overworld__events__v1__execution_outcome__get_packed_size(&run->outcome);
    uint8_t *bytes = ow_arena_alloc(run->claimed->arena, size);
    if (bytes == NULL) {
        return (ProtobufCBinaryData){0, NULL};
    }
    overworld__events__v1__execution_outcome__pack(&run->outcome, bytes);
    return (ProtobufCBinaryData){size, bytes};
}

static void settle(run *run, const queue_item *next, int64_t now_us) {
    settlement *s = &run->settlement;
    bool dead = next->state == EXECUTION_DEAD;
    destination_prepare(run, next, now_us);
    *s = (settlement){
        .row = &run->claimed->row,
        .next = *next,
        .reason = run->reason,
        .message = run->message,
        .outcome = pack(run),
        .ended_us = now_us,
        .successor = run->successor,
    };
    if (state_is_settled(next->state)) {
        s->delete_us = now_us + (dead ? run->place.keep_dead_us : run->place.keep_us);
    }
    if (run->reason[0] != '\0' && s->row->item.state == EXECUTION_RUNNING) {
        s->invocation_id = run->outcome.invocation_id;
    }
}

void run_settle(run *run, int64_t now_us, bool stopping) {
    queue_item next = run->claimed->row.item;
    if (stopping && run->reason[0] != '\0') {
        note_failure(run, "stopping", "the platform was stopped");
    }
    run_result result = {.reason = run->reason, .retry_after_us = run->retry_after_us};
    if (run->reason[0] != '\0') {
        result.random = dice();
    }
    queue_settle(&next, next.epoch, now_us, &result);
    settle(run, &next, now_us);
}

void run_expire(run *run, int64_t now_us) {
    queue_item next = run->claimed->row.item;
    note_failure(run, "expired", run->claimed->row.message);
    if (run->claimed->row.reason[0] == '\0') {
        run->message = "it waited longer than it may";
    }
    queue_claim(&next, now_us > next.due_us ? now_us : next.due_us, 0);
    settle(run, &next, now_us);
}

void run_lapse(run *run, int64_t now_us) {
    queue_item next = run->claimed->row.item;
    note_failure(run, "lease_lost", "whoever ran it has not answered: stopped or crashed");
    queue_lapse(&next, now_us, true, dice());
    settle(run, &next, now_us);
}

// ---- Metrics ----

static ow_counter *deliveries(ow_metrics *metrics, const char *outcome) {
    ow_metric_labels labels = {{"outcome"}, {outcome}};
    return ow_metrics_counter(metrics, "overworld_events_deliveries_total",
                              "Runs of executions by what became of them", &labels);
}

void run_metrics_init(run_metrics *m, ow_metrics *metrics) {
    *m = (run_metrics){
        .metrics = metrics,
        .done = deliveries(metrics, "done"),
        .again = deliveries(metrics, "retry"),
        .throttled = deliveries(metrics, "throttled"),
        .dead = deliveries(metrics, "dead"),
        .stale = deliveries(metrics, "stale"),
        .waits = ow_metrics_histogram(metrics, "overworld_events_wait_seconds",
                                      "How long after they were due executions began", NULL,
                                      &ow_histogram_of_durations),
    };
}

// Reasons are the platform's, few; one that a function can choose is none of them.
static void count_dead(const run_metrics *m, const char *reason) {
    ow_metric_labels labels = {{"reason"}, {reason}};
    ow_counter_add(ow_metrics_counter(m->metrics, "overworld_events_dead_letters_total",
                                      "Executions that were given up, by reason", &labels),
                   1);
}

static ow_counter *counter_of(const run_metrics *m, const run *run) {
    const settlement *s = &run->settlement;
    if (run->stale) {
        return m->stale;
    }
    switch (s->next.state) {
    case EXECUTION_DONE:
        return m->done;
    case EXECUTION_DEAD:
        return m->dead;
    default:
        return s->next.throttles > s->row->item.throttles ? m->throttled : m->again;
    }
}

void run_count(const run_metrics *m, const run *run) {
    const queue_item *was = &run->claimed->row.item;
    ow_counter_add(counter_of(m, run), 1);
    if (was->state == EXECUTION_RUNNING) {
        ow_histogram_observe(m->waits, was->started_us - was->due_us);
    }
    if (!run->stale && run->settlement.next.state == EXECUTION_DEAD) {
        count_dead(m, run->reason);
    }
}
