// The queue as its callers see it: real store, steered clock, a runner that does what the test says. Run
// with "packed" the calls are encoded and deferred.

#include "services/events/events.h"
#include "services/events/internal.h"
#include "services/events/messages.h"
#include "tests/stage/stage.h"

#include "core/metrics/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE (&overworld__events__v1__queue__descriptor)
#define TEXT(literal) ((char *)(uintptr_t)(literal))
#define MINUTE ((int64_t)60 * 1000000)
#define SEEN_MAX 512

static ow_channel_kind channel;

static const stage_caller platform = {.kind = OW_PLATFORM, .title = "ttl_1"};
static const stage_caller viewer = {.kind = OW_OPERATOR, .role = OW_ROLE_VIEWER, .title = "ttl_1"};
static const stage_caller alice = {.kind = OW_PLAYER, .id = "plr_alice", .title = "ttl_1"};
static const stage_caller bob = {.kind = OW_PLAYER, .id = "plr_bob", .title = "ttl_1"};

// A run that the fake runner was asked for.
typedef struct seen {
    char function[64], payload[64], principal[64], request_id[OW_ID_MAX], source[32];
    char execution_id[OW_ID_MAX];
    int attempt;
} seen;

typedef struct fixture {
    stage stage;
    ProtobufCService *runner;
    const char *reason; // what runs end with
    bool hold;          // runs stay until they are let go
    bool quiet;         // runs are not written down
    ow_run *held[SEEN_MAX];
    int held_count, cancelled;
    seen seen[SEEN_MAX];
    int count;
    int wanted;             // runs to wait for
    const char *id, *state; // an execution to wait for
} fixture;

// ---- The runner ----

static void on_cancel(ow_call *call, void *self) {
    fixture *f = self;
    for (int i = 0; i < f->held_count; i++) {
        if (f->held[i] != NULL && f->held[i]->call == call) {
            ow_run *run = f->held[i];
            f->held[i] = NULL;
            f->cancelled++;
            ow_fail(run->err, OW_CANCELLED, "cancelled", "cancelled");
            ow_run_resume(run, OW_CANCELLED);
            return;
        }
    }
}

static ow_code invoke(ow_run *run) {
    fixture *f = run->self;
    const invoke_request *request = run->request;
    invoke_response *reply = run->reply;
    static seen nowhere;
    assert_true(f->quiet || f->count < SEEN_MAX);
    seen *at = f->quiet ? &nowhere : &f->seen[f->count++];
    snprintf(at->function, sizeof at->function, "%s", request->function);
    snprintf(at->payload, sizeof at->payload, "%.*s", (int)request->payload.len,
             (const char *)request->payload.data);
    snprintf(at->principal, sizeof at->principal, "%s", run->call->principal->id);
    snprintf(at->request_id, sizeof at->request_id, "%s", run->call->request_id);
    snprintf(at->source, sizeof at->source, "%s", request->source);
    snprintf(at->execution_id, sizeof at->execution_id, "%s", request->execution_id);
    at->attempt = request->attempt;
    reply->invocation_id = TEXT("inv_1");
    reply->reason = TEXT(f->reason);
    reply->message = TEXT(f->reason[0] != 0 ? "it went wrong" : "");
    reply->content_type = TEXT("application/json");
    if (f->reason[0] == 0) {
        reply->payload = (ProtobufCBinaryData){4, (uint8_t *)"true"};
    }
    if (!f->hold) {
        return OW_OK;
    }
    f->held[f->held_count++] = run;
    run->call->on_cancel = on_cancel;
    run->call->on_cancel_self = f;
    return OW_PENDING;
}

static void let_go(fixture *f, int index) {
    ow_run *run = f->held[index];
    assert_non_null(run);
    f->held[index] = NULL;
    run->call->on_cancel = NULL;
    ow_run_resume(run, OW_OK);
}

static const ow_method runner_methods[] = {
    {"Invoke", 0, {{OW_LOOP, invoke}}},
    {0},
};

static void offer_runner(fixture *f) {
    f->runner =
        stage_offer(&f->stage, &overworld__runner__v1__runner__descriptor, runner_methods, f);
}

static int set_up_with(void **state, const char *const *flags) {
    fixture *f = calloc(1, sizeof *f);
    f->reason = "";
    stage_open(&f->stage, &ow_events_module, channel, flags);
    offer_runner(f);
    stage_start(&f->stage);
    *state = f;
    return 0;
}

static int set_up(void **state) {
    return set_up_with(state, NULL);
}

static int set_up_small(void **state) {
    static const char *const flags[] = {"--events.max_waiting=10", NULL};
    return set_up_with(state, flags);
}

static int set_up_narrow(void **state) {
    static const char *const flags[] = {"--events.max_size=1MB", NULL};
    return set_up_with(state, flags);
}

static int tear_down(void **state) {
    fixture *f = *state;
    for (int i = 0; i < f->held_count; i++) {
        if (f->held[i] != NULL) {
            let_go(f, i);
        }
    }
    stage_close(&f->stage);
    ow_service_free(f->runner);
    free(f);
    return 0;
}

// ---- Asking ----

static new_execution_msg job(const char *payload) {
    static principal_msg for_alice;
    new_execution_msg made = OVERWORLD__EVENTS__V1__NEW_EXECUTION__INIT;
    overworld__events__v1__execution_principal__init(&for_alice);
    for_alice.kind = TEXT("player");
    for_alice.id = TEXT("plr_alice");
    made.principal = &for_alice;
    made.virtual_server = TEXT("chat");
    made.function = TEXT("moderate");
    made.source = TEXT("client");
    made.payload = (ProtobufCBinaryData){strlen(payload), (uint8_t *)TEXT(payload)};
    return made;
}

static enqueue_response *enqueue_as(fixture *f, const new_execution_msg *wanted,
                                    const stage_caller *who) {
    new_execution_msg *list[] = {(new_execution_msg *)(uintptr_t)wanted};
    enqueue_request request = OVERWORLD__EVENTS__V1__ENQUEUE_REQUEST__INIT;
    request.executions = list;
    request.n_executions = 1;
    return stage_call(&f->stage, QUEUE, "Enqueue", &request, who);
}

static const char *enqueue(fixture *f, const new_execution_msg *wanted) {
    enqueue_response *reply = enqueue_as(f, wanted, &platform);
    if (reply == NULL) {
        fail_msg("Enqueue: %s: %s", f->stage.err.reason, f->stage.err.message);
    }
    return reply->executions[0]->execution_id;
}

static execution_msg *look_at(fixture *f, const char *id, bool payload, const stage_caller *who) {
    get_execution_request request = OVERWORLD__EVENTS__V1__GET_EXECUTION_REQUEST__INIT;
    request.execution_id = TEXT(id);
    request.payload = payload;
    return stage_call(&f->stage, QUEUE, "GetExecution", &request, who);
}

static execution_msg *get(fixture *f, const char *id, const stage_caller *who) {
    return look_at(f, id, true, who);
}

static bool has_run(void *self) {
    const fixture *f = self;
    return f->count >= f->wanted;
}

static void wait_for_runs(fixture *f, int count) {
    f->wanted = count;
    stage_until(&f->stage, has_run, f);
}

// Asks until it is in that state; without the payload, since what is answered is kept until the end.
static execution_msg *wait_for_state(fixture *f, const char *id, const char *state) {
    int64_t until_us = ow_loop_now_us(f->stage.loop) + 15 * 1000000;
    while (ow_loop_now_us(f->stage.loop) < until_us) {
        execution_msg *found = look_at(f, id, false, &viewer);
        assert_non_null(found);
        if (strcmp(found->state, state) == 0) {
            return get(f, id, &viewer);
        }
    }
    fail_msg("%s is never %s", id, state);
    return NULL;
}

// ---- Cases ----

static void what_is_accepted_runs_and_is_seen(void **state) {
    fixture *f = *state;
    new_execution_msg wanted = job("{\"a\":1}");
    const char *id = enqueue(f, &wanted);
    execution_msg *done = wait_for_state(f, id, "done");
    assert_int_equal(f->count, 1);
    assert_string_equal(f->seen[0].payload, "{\"a\":1}");
    assert_string_equal(f->seen[0].principal, "plr_alice");
    assert_string_equal(f->seen[0].source, "client");
    assert_string_equal(f->seen[0].request_id, done->request_id);
    assert_int_equal(done->result.len, 4);
    assert_memory_equal(done->result.data, "true", 4);
    assert_string_equal(done->qualifier, "$DEFAULT");
    assert_int_equal(done->attempt, 1);
    assert_int_equal(done->n_attempts, 0);
    assert_memory_equal(done->payload.data, "{\"a\":1}", 7);
}

static void a_large_payload_comes_whole(void **state) {
    fixture *f = *state;
    size_t size = (size_t)200 << 10;
    char *large = malloc(size + 1);
    memset(large, 'x', size);
    large[size] = 0;
    new_execution_msg wanted = job(large);
    execution_msg *done = wait_for_state(f, enqueue(f, &wanted), "done");
    assert_int_equal(done->payload.len, size);
    assert_memory_equal(done->payload.data, large, size);
    assert_int_equal(done->payload_size, size);
    free(large);
}

static void the_same_key_is_the_same_execution(void **state) {
    fixture *f = *state;
    new_execution_msg wanted = job("1");
    wanted.deduplication_key = TEXT("tmr:1:2");
    char first[OW_ID_MAX];
    snprintf(first, sizeof first, "%s", enqueue(f, &wanted));
    wait_for_state(f, first, "done");
    enqueue_response *again = enqueue_as(f, &wanted, &platform);
    assert_true(again->executions[0]->duplicate);
    assert_string_equal(again->executions[0]->execution_id, first);
    assert_int_equal(f->count, 1);
    // In another title it is another key.
    stage_caller elsewhere = {.kind = OW_PLATFORM, .title = "ttl_2"};
    assert_false(enqueue_as(f, &wanted, &elsewhere)->executions[0]->duplicate);
}

static void a_failure_is_tried_again_and_given_up(void **state) {
    fixture *f = *state;
    f->reason = "user_error";
    new_execution_msg wanted = job("1");
    const char *id = enqueue(f, &wanted);
    for (int attempt = 1; attempt < 3; attempt++) {
        wait_for_runs(f, attempt);
        execution_msg *waiting = wait_for_state(f, id, "waiting");
        assert_string_equal(waiting->reason, "user_error");
        ow_clock_advance(f->stage.clock, MINUTE << attempt);
    }
    execution_msg *dead = wait_for_state(f, id, "dead");
    assert_int_equal(f->count, 3);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(f->seen[i].execution_id, id);
        assert_int_equal(f->seen[i].attempt, i + 1);
    }
    assert_int_equal(dead->n_attempts, 3);
    assert_int_equal(dead->attempts[0]->number, 1);
    assert_int_equal(dead->attempts[2]->number, 3);
    assert_string_equal(dead->attempts[1]->reason, "user_error");
    assert_string_equal(dead->attempts[1]->invocation_id, "inv_1");
    assert_string_equal(dead->message, "it went wrong");
}

static int enqueue_up_to(fixture *f, const new_execution_msg *wanted, const char *title, int most) {
    stage_caller who = {.kind = OW_PLATFORM, .title = title};
    int count = 0;
    while (count < most && enqueue_as(f, wanted, &who) != NULL) {
        count++;
    }
    if (count < most) {
        assert_string_equal(f->stage.err.reason, "throttled");
        assert_int_equal(f->stage.err.code, OW_RESOURCE_EXHAUSTED);
    }
    return count;
}

static bool was_counted(void *self) {
    const fixture *f = self;
    const events *e = f->stage.self;
    return upkeep_has_counted(e->upkeep);
}

static bool have_their_shares(void *self) {
    const fixture *f = self;
    const events *e = f->stage.self;
    const queue_shares *shares = upkeep_shares(e->upkeep);
    return shares_of(shares, "ttl_1") == 10 && shares_of(shares, "ttl_2") == 5;
}

// A title has the queue to itself until others come; then it has half, whatever it had before.
static void titles_share_the_queue(void **state) {
    fixture *f = *state;
    Google__Protobuf__Timestamp later = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    new_execution_msg wanted = job("1");
    later.seconds = 4102444800; // 2100
    wanted.due = &later;
    // What comes while the queue is counted for the first time may count twice.
    stage_until(&f->stage, was_counted, f);
    assert_int_equal(enqueue_up_to(f, &wanted, "ttl_1", 20), 10);
    assert_int_equal(enqueue_up_to(f, &wanted, "ttl_2", 20), 5);
    assert_non_null(strstr(f->stage.err.message, "half"));
    assert_int_equal(enqueue_up_to(f, &wanted, "ttl_1", 1), 0);
    assert_non_null(strstr(f->stage.err.message, "half"));
    // Each has its half: there is no room for a third.
    assert_int_equal(enqueue_up_to(f, &wanted, "ttl_3", 1), 0);
    // The next process counts the same.
    stage_restart(&f->stage);
    stage_until(&f->stage, have_their_shares, f);
    assert_int_equal(enqueue_up_to(f, &wanted, "ttl_2", 1), 0);
    assert_non_null(strstr(f->stage.err.message, "half"));
}

// An end that would be told to many is told to nobody while its title has no room.
static void a_chain_ends_in_a_full_queue(void **state) {
    fixture *f = *state;
    char id[OW_ID_MAX];
    Google__Protobuf__Timestamp later = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    destination_msg to = OVERWORLD__EVENTS__V1__DESTINATION__INIT;
    new_execution_msg wanted = job("1");
    stage_until(&f->stage, was_counted, f);
    f->hold = true;
    to.event_type = TEXT("match.over");
    wanted.on_success = &to;
    snprintf(id, sizeof id, "%s", enqueue(f, &wanted));
    wait_for_runs(f, 1);
    new_execution_msg other = job("2");
    later.seconds = 4102444800; // 2100
    other.due = &later;
    enqueue_up_to(f, &other, "ttl_1", 20);
    let_go(f, 0);
    assert_string_equal(wait_for_state(f, id, "done")->destination_reason, "throttled");
}

static void a_refusal_is_final(void **state) {
    fixture *f = *state;
    f->reason = "refused";
    new_execution_msg wanted = job("1");
    execution_msg *dead = wait_for_state(f, enqueue(f, &wanted), "dead");
    assert_string_equal(dead->reason, "refused");
    assert_int_equal(f->count, 1);
}

static void throttling_is_no_attempt(void **state) {
    fixture *f = *state;
    f->reason = "throttled";
    new_execution_msg wanted = job("1");
    const char *id = enqueue(f, &wanted);
    for (int i = 1; i <= 5; i++) {
        wait_for_runs(f, i);
        execution_msg *waiting = wait_for_state(f, id, "waiting");
        assert_int_equal(waiting->attempt, 0);
        ow_clock_advance(f->stage.clock, 5 * MINUTE);
    }
    f->reason = "";
    ow_clock_advance(f->stage.clock, 5 * MINUTE);
    assert_int_equal(wait_for_state(f, id, "done")->attempt, 1);
}

static void what_is_due_later_runs_later(void **state) {
    fixture *f = *state;
    new_execution_msg wanted = job("1");
    int64_t due_us = ow_clock_wall_us(f->stage.clock) + MINUTE;
    Google__Protobuf__Timestamp due = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    due.seconds = due_us / 1000000 + 1;
    wanted.due = &due;
    const char *id = enqueue(f, &wanted);
    new_execution_msg now = job("2");
    wait_for_state(f, enqueue(f, &now), "done");
    assert_int_equal(f->count, 1);
    assert_string_equal(get(f, id, &viewer)->state, "waiting");
    ow_clock_advance(f->stage.clock, MINUTE + 1000000);
    wait_for_state(f, id, "done");
}

static void one_of_a_key_runs_after_the_other(void **state) {
    fixture *f = *state;
    f->hold = true;
    char text[] = "0";
    for (int i = 0; i < 4; i++) {
        text[0] = (char)('0' + i);
        new_execution_msg wanted = job(text);
        wanted.ordering_key = TEXT(i == 3 ? "other" : "room");
        enqueue(f, &wanted);
    }
    wait_for_runs(f, 2); // 0 and, of the other key, 3: which first is not said
    int first = f->seen[0].payload[0] == '0' ? 0 : 1;
    assert_string_equal(f->seen[first].payload, "0");
    assert_string_equal(f->seen[1 - first].payload, "3");
    for (int i = 1; i < 3; i++) {
        let_go(f, i == 1 ? first : 2);
        wait_for_runs(f, 2 + i);
        assert_int_equal(f->seen[1 + i].payload[0], '0' + i);
    }
}

static void no_more_of_a_subscription_run_than_it_says(void **state) {
    fixture *f = *state;
    f->hold = true;
    for (int i = 0; i < 10; i++) {
        new_execution_msg wanted = job("1");
        wanted.concurrency = 2;
        wanted.subscription_key = TEXT("sub_1");
        enqueue(f, &wanted);
    }
    new_execution_msg other = job("2");
    wait_for_runs(f, 2);
    enqueue(f, &other);
    wait_for_runs(f, 3); // the others do not wait for them
    assert_string_equal(f->seen[2].payload, "2");
    for (int i = 0, next = 3; i < 11; i++) {
        let_go(f, i);
        next += i != 2 && next < 11;
        wait_for_runs(f, next);
        assert_true(f->count <= 3 + i + 1);
    }
    assert_int_equal(f->count, 11);
}

static void others_do_not_see_it(void **state) {
    fixture *f = *state;
    new_execution_msg wanted = job("1");
    const char *id = enqueue(f, &wanted);
    stage_caller elsewhere = {.kind = OW_OPERATOR, .role = OW_ROLE_ADMIN, .title = "ttl_2"};
    assert_null(get(f, id, &elsewhere));
    assert_string_equal(f->stage.err.reason, "no_execution");
    assert_null(get(f, id, &bob));
    assert_string_equal(f->stage.err.reason, "no_execution");
    assert_non_null(get(f, id, &alice));
    assert_non_null(get(f, id, &viewer));
    assert_null(enqueue_as(f, &wanted, &alice));
    assert_string_equal(f->stage.err.reason, "not_allowed");
}

static void bad_ones_are_refused_whole(void **state) {
    fixture *f = *state;
    new_execution_msg good = job("1");
    new_execution_msg deep = job("1");
    deep.depth = 9;
    new_execution_msg *list[] = {&good, &deep};
    enqueue_request request = OVERWORLD__EVENTS__V1__ENQUEUE_REQUEST__INIT;
    request.executions = list;
    request.n_executions = 2;
    assert_null(stage_call(&f->stage, QUEUE, "Enqueue", &request, &platform));
    assert_string_equal(f->stage.err.reason, "chain_too_deep");
    char *large = calloc(1, ((size_t)256 << 10) + 2);
    memset(large, 'x', ((size_t)256 << 10) + 1);
    new_execution_msg too_large = job(large);
    assert_null(enqueue_as(f, &too_large, &platform));
    assert_string_equal(f->stage.err.reason, "payload_too_large");
    free(large);
    new_execution_msg after = job("2");
    wait_for_state(f, enqueue(f, &after), "done");
    assert_int_equal(f->count, 1);
}

static void a_restart_goes_on(void **state) {
    fixture *f = *state;
    f->reason = "crashed";
    new_execution_msg wanted = job("1");
    char id[OW_ID_MAX];
    snprintf(id, sizeof id, "%s", enqueue(f, &wanted));
    wait_for_runs(f, 1);
    wait_for_state(f, id, "waiting");
    stage_restart(&f->stage);
    f->reason = "";
    ow_clock_advance(f->stage.clock, 2 * MINUTE);
    execution_msg *done = wait_for_state(f, id, "done");
    assert_int_equal(f->count, 2);
    assert_int_equal(done->attempt, 2);
    assert_int_equal(done->n_attempts, 1);
}

// ---- Hands ----

static void *ask(fixture *f, const char *method, const void *request, const stage_caller *who) {
    return stage_call(&f->stage, QUEUE, method, request, who);
}

static execution_msg *cancel(fixture *f, const char *id, const stage_caller *who) {
    cancel_execution_request request = OVERWORLD__EVENTS__V1__CANCEL_EXECUTION_REQUEST__INIT;
    request.execution_id = TEXT(id);
    return ask(f, "CancelExecution", &request, who);
}

static bool was_cancelled(void *self) {
    return ((fixture *)self)->cancelled > 0;
}

static void one_that_waits_can_be_cancelled(void **state) {
    fixture *f = *state;
    f->reason = "user_error";
    new_execution_msg wanted = job("1");
    char id[OW_ID_MAX];
    snprintf(id, sizeof id, "%s", enqueue(f, &wanted));
    wait_for_runs(f, 1);
    wait_for_state(f, id, "waiting");
    assert_null(cancel(f, id, &bob));
    assert_string_equal(f->stage.err.reason, "no_execution");
    assert_string_equal(cancel(f, id, &alice)->state, "discarded");
    assert_null(cancel(f, id, &alice));
    assert_string_equal(f->stage.err.reason, "wrong_state");
    ow_clock_advance(f->stage.clock, 5 * MINUTE);
    new_execution_msg other = job("2");
    f->reason = "";
    wait_for_state(f, enqueue(f, &other), "done");
    assert_int_equal(f->count, 2);
}

static void one_that_runs_is_killed(void **state) {
    fixture *f = *state;
    f->hold = true;
    new_execution_msg wanted = job("1");
    wanted.ordering_key = TEXT("room");
    char id[OW_ID_MAX];
    snprintf(id, sizeof id, "%s", enqueue(f, &wanted));
    enqueue(f, &wanted);
    wait_for_runs(f, 1);
    assert_string_equal(cancel(f, id, &alice)->state, "discarded");
    stage_until(&f->stage, was_cancelled, f);
    wait_for_runs(f, 2); // the next of its key
    execution_msg *found = get(f, id, &viewer);
    assert_string_equal(found->state, "discarded");
    assert_string_equal(found->reason, "cancelled");
}

static const stage_caller developer = {
    .kind = OW_OPERATOR, .role = OW_ROLE_DEVELOPER, .id = "opr_1", .title = "ttl_1"};

static list_executions_response *list_dead(fixture *f, const char *reason) {
    list_executions_request request = OVERWORLD__EVENTS__V1__LIST_EXECUTIONS_REQUEST__INIT;
    execution_filter filter = OVERWORLD__EVENTS__V1__EXECUTION_FILTER__INIT;
    filter.state = TEXT("dead");
    filter.reason = TEXT(reason);
    request.filter = &filter;
    list_executions_response *page = ask(f, "ListExecutions", &request, &viewer);
    assert_non_null(page);
    return page;
}

static void make_dead(fixture *f, const char *payload, char id[static OW_ID_MAX]) {
    f->reason = "refused";
    new_execution_msg wanted = job(payload);
    snprintf(id, OW_ID_MAX, "%s", enqueue(f, &wanted));
    wait_for_state(f, id, "dead");
}

static void the_end_is_told(void **state) {
    fixture *f = *state;
    destination_msg to = OVERWORLD__EVENTS__V1__DESTINATION__INIT;
    to.virtual_server = TEXT("chat");
    to.function = TEXT("told");
    new_execution_msg wanted = job("{\"a\":1}");
    wanted.on_success = &to;
    wanted.on_failure = &to;
    execution_msg *done = wait_for_state(f, enqueue(f, &wanted), "done");
    execution_msg *told = wait_for_state(f, done->destination_execution_id, "done");
    assert_string_equal(told->function, "told");
    assert_int_equal(told->depth, 1);
    assert_string_equal(told->request_id, done->request_id);
    const char *text = (const char *)told->payload.data;
    assert_non_null(strstr(text, "\"state\":\"done\""));
    assert_non_null(strstr(text, "\"body\":{\"a\":1}"));
    assert_non_null(
        strstr(text, "\"response\":{\"contentType\":\"application/json\",\"body\":true}"));
    f->reason = "refused";
    execution_msg *dead = wait_for_state(f, enqueue(f, &wanted), "dead");
    told = wait_for_state(f, dead->destination_execution_id, "dead");
    assert_non_null(strstr((const char *)told->payload.data, "\"reason\":\"refused\""));
    // A chain ends somewhere.
    wanted.depth = 8;
    dead = wait_for_state(f, enqueue(f, &wanted), "dead");
    assert_string_equal(dead->destination_execution_id, "");
    assert_string_equal(dead->destination_reason, "chain_too_deep");
}

static void a_dead_one_is_mended_and_set_going(void **state) {
    fixture *f = *state;
    char id[OW_ID_MAX];
    make_dead(f, "broken", id);
    assert_int_equal(list_dead(f, "refused")->n_executions, 1);
    assert_int_equal(list_dead(f, "crashed")->n_executions, 0);
    execution_msg *dead = get(f, id, &viewer);
    edit_request edit = OVERWORLD__EVENTS__V1__EDIT_EXECUTION_REQUEST__INIT;
    edit.execution_id = TEXT(id);
    edit.etag = dead->etag;
    edit.payload = (ProtobufCBinaryData){6, (uint8_t *)TEXT("mended")};
    assert_null(ask(f, "EditExecution", &edit, &viewer));
    execution_msg *edited = ask(f, "EditExecution", &edit, &developer);
    assert_non_null(edited);
    assert_null(ask(f, "EditExecution", &edit, &developer));
    assert_string_equal(f->stage.err.reason, "stale_etag");
    f->reason = "";
    redrive_request redrive = OVERWORLD__EVENTS__V1__REDRIVE_EXECUTIONS_REQUEST__INIT;
    char *ids[] = {id};
    redrive.execution_ids = ids;
    redrive.n_execution_ids = 1;
    redrive_response *driven = ask(f, "RedriveExecutions", &redrive, &developer);
    assert_int_equal(driven->count, 1);
    execution_msg *done = wait_for_state(f, id, "done");
    assert_string_equal(f->seen[f->count - 1].payload, "mended");
    assert_int_equal(done->n_attempts, 1);
    assert_int_equal(done->attempt, 1);
    assert_null(ask(f, "RedriveExecutions", &redrive, &developer));
    assert_string_equal(f->stage.err.reason, "wrong_state");
}

static void all_are_set_going_at_a_rate(void **state) {
    fixture *f = *state;
    char id[OW_ID_MAX];
    for (int i = 0; i < 5; i++) {
        make_dead(f, "1", id);
    }
    f->reason = "";
    redrive_request redrive = OVERWORLD__EVENTS__V1__REDRIVE_EXECUTIONS_REQUEST__INIT;
    redrive.all = true;
    redrive.per_second = 1;
    redrive_response *driven = ask(f, "RedriveExecutions", &redrive, &developer);
    assert_int_equal(driven->count, 5);
    assert_false(driven->more);
    wait_for_runs(f, 6);
    assert_int_equal(f->count, 6);
    ow_clock_advance(f->stage.clock, 2 * 1000000);
    wait_for_runs(f, 8);
    assert_in_range(f->count, 8, 9); // the clock goes on by itself, too
    ow_clock_advance(f->stage.clock, 10 * 1000000);
    wait_for_runs(f, 10);
}

static queue_stats_response *stats(fixture *f, bool points) {
    queue_stats_request request = OVERWORLD__EVENTS__V1__GET_QUEUE_STATS_REQUEST__INIT;
    request.points = points;
    return ask(f, "GetQueueStats", &request, &viewer);
}

static bool so_many_are_dead(void *self) {
    fixture *f = self;
    return stats(f, false)->dead >= f->wanted;
}

// Those that do not fit stand before one that does: the search goes on where it stopped.
static void what_fits_is_found_behind_many_that_do_not(void **state) {
    fixture *f = *state;
    char id[OW_ID_MAX];
    make_dead(f, "1", id);
    enqueue_request many = OVERWORLD__EVENTS__V1__ENQUEUE_REQUEST__INIT;
    new_execution_msg other = job("2");
    other.function = TEXT("other");
    new_execution_msg *list[500];
    for (int i = 0; i < 500; i++) {
        list[i] = &other;
    }
    many.executions = list;
    many.n_executions = 500;
    f->quiet = true;
    for (int i = 0; i < 3; i++) {
        assert_non_null(stage_call(&f->stage, QUEUE, "Enqueue", &many, &platform));
    }
    f->wanted = 1501;
    stage_until(&f->stage, so_many_are_dead, f);
    discard_request discard = OVERWORLD__EVENTS__V1__DISCARD_EXECUTIONS_REQUEST__INIT;
    execution_filter filter = OVERWORLD__EVENTS__V1__EXECUTION_FILTER__INIT;
    filter.function = TEXT("moderate");
    discard.filter = &filter;
    discard.all = true;
    discard.reason = TEXT("of a test");
    int count = 0;
    int asked = 0;
    discard_response *reply;
    do {
        reply = ask(f, "DiscardExecutions", &discard, &developer);
        assert_non_null(reply);
        count += reply->count;
        discard.page_token = reply->next_page_token;
        asked++;
    } while (reply->more);
    assert_int_equal(count, 1);
    assert_in_range(asked, 2, 4);
    assert_string_equal(get(f, id, &viewer)->state, "discarded");
    discard.page_token = TEXT("nonsense");
    assert_null(ask(f, "DiscardExecutions", &discard, &developer));
}

static void dead_ones_are_thrown_away_with_a_reason(void **state) {
    fixture *f = *state;
    char id[OW_ID_MAX];
    make_dead(f, "1", id);
    discard_request discard = OVERWORLD__EVENTS__V1__DISCARD_EXECUTIONS_REQUEST__INIT;
    discard.all = true;
    assert_null(ask(f, "DiscardExecutions", &discard, &developer));
    discard.reason = TEXT("of a version that is gone");
    discard_response *gone = ask(f, "DiscardExecutions", &discard, &developer);
    assert_int_equal(gone->count, 1);
    execution_msg *found = get(f, id, &viewer);
    assert_string_equal(found->state, "discarded");
    assert_string_equal(found->reason, "of a version that is gone");
    assert_int_equal(list_dead(f, "")->n_executions, 0);
}

static void a_past_one_runs_again(void **state) {
    fixture *f = *state;
    new_execution_msg wanted = job("first");
    char id[OW_ID_MAX];
    snprintf(id, sizeof id, "%s", enqueue(f, &wanted));
    wait_for_state(f, id, "done");
    rerun_request rerun = OVERWORLD__EVENTS__V1__RERUN_EXECUTION_REQUEST__INIT;
    rerun.execution_id = TEXT(id);
    rerun.request_key = TEXT("k");
    rerun_response *again = ask(f, "RerunExecution", &rerun, &developer);
    assert_non_null(again);
    wait_for_state(f, again->execution_id, "done");
    assert_string_equal(f->seen[1].payload, "first");
    assert_string_equal(f->seen[1].principal, "plr_alice");
    assert_string_equal(f->seen[1].source, "manual");
    rerun_response *same = ask(f, "RerunExecution", &rerun, &developer);
    assert_string_equal(same->execution_id, again->execution_id);
    rerun.request_key = TEXT("");
    rerun.other_payload = true;
    rerun.payload = (ProtobufCBinaryData){6, (uint8_t *)TEXT("second")};
    wait_for_state(
        f, ((rerun_response *)ask(f, "RerunExecution", &rerun, &developer))->execution_id, "done");
    assert_string_equal(f->seen[2].payload, "second");
    assert_int_equal(f->count, 3);
}

static void pages_go_on(void **state) {
    fixture *f = *state;
    for (int i = 0; i < 7; i++) {
        new_execution_msg wanted = job("1");
        enqueue(f, &wanted);
    }
    list_executions_request request = OVERWORLD__EVENTS__V1__LIST_EXECUTIONS_REQUEST__INIT;
    request.page_size = 3;
    char last[OW_ID_MAX] = "exf_";
    int seen = 0;
    do {
        list_executions_response *page = ask(f, "ListExecutions", &request, &viewer);
        for (size_t i = 0; i < page->n_executions; i++, seen++) {
            assert_true(strcmp(page->executions[i]->execution_id, last) < 0);
            snprintf(last, sizeof last, "%s", page->executions[i]->execution_id);
        }
        request.page_token = page->next_page_token;
    } while (request.page_token[0] != 0);
    assert_int_equal(seen, 7);
}

static void the_numbers_of_the_queue_are_told(void **state) {
    fixture *f = *state;
    char id[OW_ID_MAX];
    assert_int_equal(stats(f, false)->n_points, 0);
    make_dead(f, "1", id);
    f->reason = "";
    new_execution_msg wanted = job("1");
    wait_for_state(f, enqueue(f, &wanted), "done");
    ow_clock_advance(f->stage.clock, 2 * MINUTE);
    f->hold = true;
    wanted.ordering_key = TEXT("room");
    enqueue(f, &wanted);
    enqueue(f, &wanted); // held behind the first
    wait_for_runs(f, 3);
    queue_stats_response *now = stats(f, true);
    assert_int_equal(now->running, 1);
    assert_int_equal(now->waiting, 1);
    assert_int_equal(now->dead, 1);
    assert_false(now->truncated);
    assert_int_equal(now->n_points, 60);
    int64_t done = 0;
    int64_t dead = 0;
    for (int i = 0; i < 59; i++) {
        done += now->points[i]->done;
        dead += now->points[i]->dead;
        assert_int_equal(now->points[i]->waiting, 0);
    }
    assert_int_equal(done, 1);
    assert_int_equal(dead, 1);
    assert_int_equal(now->points[59]->waiting, 2);
    assert_int_equal(now->points[59]->done, 0);
    assert_true(now->points[59]->time->seconds - now->points[0]->time->seconds == 59 * 60);
    // What is late is told, what has time is not.
    assert_null(now->oldest_due);
    stage_caller stranger = viewer;
    stranger.title = "ttl_2";
    queue_stats_request request = OVERWORLD__EVENTS__V1__GET_QUEUE_STATS_REQUEST__INIT;
    request.points = true;
    queue_stats_response *others = ask(f, "GetQueueStats", &request, &stranger);
    assert_int_equal(others->waiting + others->running + others->dead, 0);
    for (int i = 0; i < 60; i++) {
        assert_int_equal(others->points[i]->done, 0);
    }
}

static int64_t deleted(const fixture *f) {
    return (int64_t)ow_counter_value(
        ow_metrics_counter(f->stage.metrics, "overworld_events_deleted_total", "", NULL));
}

static void old_ones_are_deleted(void **state) {
    fixture *f = *state;
    char id[OW_ID_MAX], dead[OW_ID_MAX];
    make_dead(f, "1", dead);
    f->reason = "";
    new_execution_msg wanted = job("1");
    snprintf(id, sizeof id, "%s", enqueue(f, &wanted));
    wait_for_state(f, id, "done");
    ow_clock_advance(f->stage.clock, 25 * 60 * MINUTE);
    while (deleted(f) < 1) {
        assert_non_null(get(f, dead, &viewer));
    }
    assert_null(get(f, id, &viewer));
    ow_clock_advance(f->stage.clock, 14 * 24 * 60 * MINUTE);
    while (deleted(f) < 2) {
        list_dead(f, "");
    }
    assert_null(get(f, dead, &viewer));
}

// Young ones too, when there are more bytes than may be kept: the oldest first, and no more than need be.
static void too_large_ones_are_deleted(void **state) {
    enum { COUNT = 7, SIZE = 200 << 10 };
    fixture *f = *state;
    char ids[COUNT][OW_ID_MAX];
    char *large = calloc(1, SIZE + 1);
    memset(large, 'x', SIZE);
    new_execution_msg wanted = job(large);
    for (int i = 0; i < COUNT; i++) {
        snprintf(ids[i], OW_ID_MAX, "%s", enqueue(f, &wanted));
        wait_for_state(f, ids[i], "done");
    }
    while (deleted(f) < 2) {
        ow_clock_advance(f->stage.clock, MINUTE);
        list_dead(f, "");
    }
    assert_null(get(f, ids[0], &viewer));
    assert_null(get(f, ids[1], &viewer));
    assert_non_null(get(f, ids[COUNT - 1], &viewer));
    assert_int_equal(deleted(f), 2);
    free(large);
}

int main(int argc, char **argv) {
    channel = argc > 1 && strcmp(argv[1], "packed") == 0 ? OW_CHANNEL_PACKED : OW_CHANNEL_LOCAL;
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(what_is_accepted_runs_and_is_seen),
        CASE(a_large_payload_comes_whole),
        CASE(the_same_key_is_the_same_execution),
        CASE(a_failure_is_tried_again_and_given_up),
        cmocka_unit_test_setup_teardown(titles_share_the_queue, set_up_small, tear_down),
        cmocka_unit_test_setup_teardown(a_chain_ends_in_a_full_queue, set_up_small, tear_down),
        CASE(a_refusal_is_final),
        CASE(throttling_is_no_attempt),
        CASE(what_is_due_later_runs_later),
        CASE(one_of_a_key_runs_after_the_other),
        CASE(no_more_of_a_subscription_run_than_it_says),
        CASE(others_do_not_see_it),
        CASE(bad_ones_are_refused_whole),
        CASE(a_restart_goes_on),
        CASE(one_that_waits_can_be_cancelled),
        CASE(one_that_runs_is_killed),
        CASE(the_end_is_told),
        CASE(a_dead_one_is_mended_and_set_going),
        CASE(all_are_set_going_at_a_rate),
        CASE(what_fits_is_found_behind_many_that_do_not),
        CASE(dead_ones_are_thrown_away_with_a_reason),
        CASE(a_past_one_runs_again),
        CASE(pages_go_on),
        CASE(the_numbers_of_the_queue_are_told),
        CASE(old_ones_are_deleted),
        cmocka_unit_test_setup_teardown(too_large_ones_are_deleted, set_up_narrow, tear_down),
    };
    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
