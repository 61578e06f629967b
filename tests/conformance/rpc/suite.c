#include "tests/conformance/rpc/suite.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef Overworld__Probe__V1__EchoRequest echo_request;
typedef Overworld__Probe__V1__EchoReply echo_reply;
typedef Overworld__Probe__V1__FailRequest fail_request;
typedef Overworld__Probe__V1__LookRequest look_request;
typedef Overworld__Probe__V1__LookReply look_reply;
typedef Overworld__Probe__V1__WaitRequest wait_request;
typedef Overworld__Probe__V1__DescendRequest descend_request;
typedef Overworld__Probe__V1__DescendReply descend_reply;
typedef Overworld__Probe__V1__CountRequest count_request;
typedef Overworld__Probe__V1__CountReply count_reply;
typedef Overworld__Probe__V1__TickRequest tick_request;
typedef Overworld__Probe__V1__SeenRequest seen_request;
typedef Overworld__Probe__V1__SeenReply seen_reply;
typedef Overworld__Probe__V1__StepsRequest steps_request;
typedef Overworld__Probe__V1__StepsReply steps_reply;

enum { PATIENCE_US = 20 * 1000 * 1000 };

static const echo_request an_echo_request = OVERWORLD__PROBE__V1__ECHO_REQUEST__INIT;
static const fail_request a_fail_request = OVERWORLD__PROBE__V1__FAIL_REQUEST__INIT;
static const look_request a_look_request = OVERWORLD__PROBE__V1__LOOK_REQUEST__INIT;
static const wait_request a_wait_request = OVERWORLD__PROBE__V1__WAIT_REQUEST__INIT;
static const descend_request a_descend_request = OVERWORLD__PROBE__V1__DESCEND_REQUEST__INIT;
static const count_request a_count_request = OVERWORLD__PROBE__V1__COUNT_REQUEST__INIT;
static const tick_request a_tick_request = OVERWORLD__PROBE__V1__TICK_REQUEST__INIT;
static const seen_request a_seen_request = OVERWORLD__PROBE__V1__SEEN_REQUEST__INIT;
static const steps_request a_steps_request = OVERWORLD__PROBE__V1__STEPS_REQUEST__INIT;

void make_folder(char path[static FOLDER_MAX]) {
    snprintf(path, FOLDER_MAX, "/tmp/ow_rpc_XXXXXX");
    assert_non_null(mkdtemp(path));
}

void remove_folder(const char *path) {
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        unlinkat(dirfd(folder), entry->d_name, 0);
    }
    closedir(folder);
    assert_int_equal(rmdir(path), 0);
}

// ---- Calling ----

static ow_call *call_as(rig *r, const ow_principal *who, bool from_outside, int64_t timeout_us) {
    ow_call_options options = {
        .principal = who,
        .client_address = "2001:db8::7",
        .timeout_us = timeout_us,
        .from_outside = from_outside,
        .arena_max = 48 << 20,
    };
    ow_err err = {0};
    assert_int_equal(ow_loop_turn(r->loop, 0, &err), OW_OK); // so that the loop knows the time
    ow_call *call = ow_call_new(r->loop, &options);
    assert_non_null(call);
    return call;
}

ow_call *suite_call(rig *r) {
    static const ow_principal platform = {.kind = OW_PLATFORM};
    return call_as(r, &platform, false, 5 * 1000 * 1000);
}

static ProtobufCMessage *copy_message(const ProtobufCMessage *message) {
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = malloc(size + 1);
    assert_non_null(bytes);
    protobuf_c_message_pack(message, bytes);
    ProtobufCMessage *copy = protobuf_c_message_unpack(message->descriptor, NULL, size, bytes);
    free(bytes);
    return copy;
}

static void on_message(const ProtobufCMessage *message, void *closure_data) {
    ow_call *call = closure_data;
    outcome *o = call->user;
    bool stream = strcmp(o->method->name, "Count") == 0 || strcmp(o->method->name, "Tick") == 0;
    if (message != NULL) {
        o->messages++;
        if (o->last != NULL) {
            protobuf_c_message_free_unpacked(o->last, NULL);
        }
        o->last = copy_message(message);
        if (o->cancel_after == o->messages) {
            ow_call_cancel(call, OW_CANCELLED);
        }
    }
    if (message == NULL || !stream) {
        o->ends++;
        o->err = call->err;
        o->call = ow_call_free(call);
    }
}

void suite_begin(outcome *o, rig *r, const char *method, const void *request, ow_call *call) {
    const ProtobufCServiceDescriptor *service = r->probe->descriptor;
    int cancel_after = o->cancel_after;
    *o = (outcome){.rig = r, .call = call, .cancel_after = cancel_after};
    o->method = protobuf_c_service_descriptor_get_method_by_name(service, method);
    assert_non_null(o->method);
    call->user = o;
    r->probe->invoke(r->probe, (unsigned)(o->method - service->methods), request, on_message, call);
    if (r->encodes && request != NULL) {
        assert_true(o->ends == 0 || o->err.code != OW_OK); // nothing but a refusal is at once
    }
}

// The time by which a case gives up; the loop's own clock is real.
static int64_t patience_until(rig *r) {
    ow_err err = {0};
    assert_int_equal(ow_loop_turn(r->loop, 0, &err), OW_OK);
    return ow_loop_now_us(r->loop) + PATIENCE_US;
}

static void turn(rig *r, int64_t until) {
    ow_err err = {0};
    assert_int_equal(ow_loop_turn(r->loop, 10 * 1000, &err), OW_OK);
    assert_true(ow_loop_now_us(r->loop) < until);
}

void suite_wait(outcome *o) {
    int64_t until = patience_until(o->rig);
    while (o->ends == 0) {
        turn(o->rig, until);
    }
    assert_int_equal(o->ends, 1);
}

void suite_run_call(outcome *o, rig *r, const char *method, const void *request, ow_call *call) {
    suite_begin(o, r, method, request, call);
    suite_wait(o);
}

void outcome_deinit(outcome *o) {
    if (o->last != NULL) {
        protobuf_c_message_free_unpacked(o->last, NULL);
        o->last = NULL;
    }
}

static void assert_failed(const outcome *o, ow_code code, const char *reason) {
    assert_int_equal(o->err.code, code);
    assert_string_equal(o->err.reason, reason);
}

static seen_reply ask_seen(rig *r) {
    outcome o = {0};
    suite_run_call(&o, r, "Seen", &a_seen_request, suite_call(r));
    assert_int_equal(o.err.code, OW_OK);
    seen_reply seen = *(seen_reply *)o.last;
    outcome_deinit(&o);
    return seen;
}

// Waits until nothing runs at the callee; returns how many cancellations it has seen.
static int settled(rig *r) {
    int64_t until = patience_until(r);
    for (;;) {
        seen_reply seen = ask_seen(r);
        if (seen.running == 0) {
            return seen.cancelled;
        }
        turn(r, until);
    }
}

// ---- Unary ----

static void carries_request_and_reply(void **state) {
    rig *r = *state;
    uint8_t data[] = {0, 1, 2, 0xff};
    echo_request request = an_echo_request;
    request.text = (char *)"h\xc3\xa9llo";
    request.data.data = data;
    request.data.len = sizeof data;
    outcome o = {0};
    suite_run_call(&o, r, "Echo", &request, suite_call(r));
    assert_int_equal(o.err.code, OW_OK);
    echo_reply *reply = (echo_reply *)o.last;
    assert_string_equal(reply->text, "h\xc3\xa9llo");
    assert_int_equal(reply->data.len, sizeof data);
    assert_memory_equal(reply->data.data, data, sizeof data);
    outcome_deinit(&o);
}

static void carries_an_empty_message(void **state) {
    rig *r = *state;
    outcome o = {0};
    suite_run_call(&o, r, "Echo", &an_echo_request, suite_call(r));
    assert_int_equal(o.err.code, OW_OK);
    assert_int_equal(((echo_reply *)o.last)->data.len, 0);
    outcome_deinit(&o);
}

static void carries_errors_with_reason_and_message(void **state) {
    rig *r = *state;
    char long_message[OW_MESSAGE_MAX];
    memset(long_message, 'x', sizeof long_message);
    long_message[sizeof long_message - 1] = '\0';
    for (int code = OW_CANCELLED; code < OW_CODE_COUNT; code++) {
        fail_request request = a_fail_request;
        request.code = code;
        request.reason = (char *)"no_\"such\"";
        request.message = code % 2 == 0 ? (char *)"Spieler gel\xc3\xb6scht: 100 %" : long_message;
        outcome o = {0};
        suite_run_call(&o, r, "Fail", &request, suite_call(r));
        assert_failed(&o, (ow_code)code, request.reason);
        assert_string_equal(o.err.message, request.message);
        assert_int_equal(o.messages, 0);
    }
}

static void carries_principal_request_id_and_trace(void **state) {
    rig *r = *state;
    ow_principal who = {.kind = OW_OPERATOR,
                        .role = OW_ROLE_DEVELOPER,
                        .every_title = true,
                        .id = "opr_1",
                        .title = "ttl_2"};
    ow_call *call = call_as(r, &who, false, 5 * 1000 * 1000);
    char request_id[OW_ID_MAX];
    char trace[OW_TRACEPARENT_MAX];
    memcpy(request_id, call->request_id, sizeof request_id);
    ow_trace_format(trace, &call->trace);
    call->hops = 3;
    outcome o = {0};
    suite_run_call(&o, r, "Look", &a_look_request, call);
    assert_int_equal(o.err.code, OW_OK);
    const look_reply *seen = (look_reply *)o.last;
    assert_int_equal(seen->kind, OW_OPERATOR);
    assert_int_equal(seen->role, OW_ROLE_DEVELOPER);
    assert_string_equal(seen->id, "opr_1");
    assert_string_equal(seen->title, "ttl_2");
    assert_true(seen->every_title);
    assert_string_equal(seen->client_address, "2001:db8::7");
    assert_string_equal(seen->request_id, request_id);
    assert_string_equal(seen->traceparent, trace);
    assert_int_equal(seen->hops, 3);
    assert_false(seen->from_outside);
    assert_in_range(seen->left_us, 1000 * 1000, 5100 * 1000); // gRPC rounds up
    outcome_deinit(&o);
}

static void carries_many_calls_at_once(void **state) {
    enum { CALLS = 200 };
    rig *r = *state;
    outcome outcomes[CALLS] = {0};
    char texts[CALLS][8];
    echo_request requests[CALLS];
    for (int i = 0; i < CALLS; i++) {
        snprintf(texts[i], sizeof texts[i], "%d", i);
        requests[i] = an_echo_request;
        requests[i].text = texts[i];
        suite_begin(&outcomes[i], r, "Echo", &requests[i], suite_call(r));
    }
    for (int i = 0; i < CALLS; i++) {
        suite_wait(&outcomes[i]);
        assert_int_equal(outcomes[i].err.code, OW_OK);
        assert_string_equal(((echo_reply *)outcomes[i].last)->text, texts[i]);
        outcome_deinit(&outcomes[i]);
    }
}

static void carries_large_messages_and_refuses_larger(void **state) {
    rig *r = *state;
    echo_request request = an_echo_request;
    request.data.len = OW_CALL_MESSAGE_MAX - 64;
    request.data.data = calloc(1, 2 * OW_CALL_MESSAGE_MAX);
    assert_non_null(request.data.data);
    request.data.data[request.data.len - 1] = 42;
    outcome o = {0};
    suite_run_call(&o, r, "Echo", &request, suite_call(r));
    assert_int_equal(o.err.code, OW_OK);
    assert_int_equal(((echo_reply *)o.last)->data.len, request.data.len);
    assert_int_equal(((echo_reply *)o.last)->data.data[request.data.len - 1], 42);
    outcome_deinit(&o);
    if (r->encodes) {
        request.data.len = OW_CALL_MESSAGE_MAX + 1;
        suite_run_call(&o, r, "Echo", &request, suite_call(r));
        assert_failed(&o, OW_RESOURCE_EXHAUSTED, "message_too_large");
    }
    free(request.data.data);
}

static void fails_when_the_arena_is_full(void **state) {
    rig *r = *state;
    echo_request request = an_echo_request;
    request.data.len = 1 << 20;
    request.data.data = calloc(1, request.data.len);
    ow_call_options options = {.timeout_us = 5 * 1000 * 1000, .arena_max = 256 << 10};
    outcome o = {0};
    suite_run_call(&o, r, "Echo", &request, ow_call_new(r->loop, &options));
    assert_failed(&o, OW_RESOURCE_EXHAUSTED, "call_too_large");
    free(request.data.data);
}

static void an_arena_of_nothing_is_an_answer(void **state) {
    rig *r = *state;
    ow_call_options options = {.timeout_us = 5 * 1000 * 1000, .arena_max = sizeof(ow_call) + 64};
    ow_call *call = ow_call_new(r->loop, &options);
    assert_non_null(call);
    while (ow_arena_alloc(call->arena, 1) != NULL) {
    }
    outcome o = {0};
    echo_request request = an_echo_request;
    request.text = (char *)"does not fit";
    suite_run_call(&o, r, "Echo", &request, call);
    assert_int_equal(o.err.code, OW_RESOURCE_EXHAUSTED);
}

// ---- Deadline, cancellation, depth ----

static void ends_at_the_deadline(void **state) {
    rig *r = *state;
    int before = settled(r);
    ow_principal platform = {.kind = OW_PLATFORM};
    int64_t begun = ow_loop_now_us(r->loop);
    outcome o = {0};
    suite_run_call(&o, r, "Wait", &a_wait_request, call_as(r, &platform, false, 60 * 1000));
    assert_failed(&o, OW_DEADLINE_EXCEEDED, "timeout");
    assert_true(ow_loop_now_us(r->loop) - begun >= 55 * 1000);
    assert_int_equal(settled(r), before + 1);
}

static void does_not_begin_after_the_deadline(void **state) {
    rig *r = *state;
    int before = settled(r);
    ow_call *call = suite_call(r);
    call->deadline_us = ow_loop_now_us(r->loop) - 1;
    outcome o = {0};
    suite_run_call(&o, r, "Wait", &a_wait_request, call);
    assert_failed(&o, OW_DEADLINE_EXCEEDED, "timeout");
    assert_int_equal(settled(r), before);
}

static void cancels_a_running_call(void **state) {
    rig *r = *state;
    int before = settled(r);
    outcome o = {0};
    suite_begin(&o, r, "Wait", &a_wait_request, suite_call(r));
    int64_t until = patience_until(r);
    while (ask_seen(r).running != 1) {
        turn(r, until);
    }
    ow_call_cancel(o.call, OW_CANCELLED);
    suite_wait(&o);
    assert_failed(&o, OW_CANCELLED, "cancelled");
    assert_int_equal(settled(r), before + 1);
}

static void cancels_before_the_request_arrived(void **state) {
    rig *r = *state;
    outcome o = {0};
    suite_begin(&o, r, "Wait", &a_wait_request, suite_call(r));
    ow_call_cancel(o.call, OW_CANCELLED);
    if (o.ends == 0) {
        ow_call_cancel(o.call, OW_CANCELLED); // once more changes nothing
    }
    suite_wait(&o);
    assert_failed(&o, OW_CANCELLED, "cancelled");
    settled(r);
}

static void a_cancelled_call_begins_nothing(void **state) {
    rig *r = *state;
    ow_call *call = suite_call(r);
    ow_call_cancel(call, OW_CANCELLED);
    outcome o = {0};
    suite_run_call(&o, r, "Echo", &an_echo_request, call);
    assert_failed(&o, OW_CANCELLED, "cancelled");
}

static void cancels_the_calls_within_a_call(void **state) {
    rig *r = *state;
    int before = settled(r);
    descend_request request = a_descend_request;
    request.more = 5;
    request.wait = true;
    outcome o = {0};
    suite_begin(&o, r, "Descend", &request, suite_call(r));
    int64_t until = patience_until(r);
    while (ask_seen(r).running != 6) {
        turn(r, until);
    }
    ow_call_cancel(o.call, OW_CANCELLED);
    suite_wait(&o);
    assert_failed(&o, OW_CANCELLED, "cancelled");
    assert_int_equal(settled(r), before + 1); // only the innermost one listens
}

static void counts_hops_and_stops_at_the_limit(void **state) {
    rig *r = *state;
    descend_request request = a_descend_request;
    request.more = OW_CALL_MAX_HOPS;
    ow_call *call = suite_call(r);
    char trace[OW_TRACEPARENT_MAX];
    ow_trace_format(trace, &call->trace);
    outcome o = {0};
    suite_run_call(&o, r, "Descend", &request, call);
    assert_int_equal(o.err.code, OW_OK);
    const descend_reply *reply = (descend_reply *)o.last;
    assert_int_equal(reply->hops, OW_CALL_MAX_HOPS);
    assert_memory_equal(reply->trace_id, trace + 3, 32);
    outcome_deinit(&o);
    request.more = OW_CALL_MAX_HOPS + 1;
    suite_run_call(&o, r, "Descend", &request, suite_call(r));
    assert_failed(&o, OW_RESOURCE_EXHAUSTED, "too_deep");
}

// ---- Streams ----

static void streams_many_messages_in_order(void **state) {
    rig *r = *state;
    count_request request = a_count_request;
    request.count = 5000;
    request.size = 100;
    outcome o = {0};
    suite_run_call(&o, r, "Count", &request, suite_call(r));
    assert_int_equal(o.err.code, OW_OK);
    assert_int_equal(o.messages, 5000);
    assert_int_equal(((count_reply *)o.last)->number, 5000);
    outcome_deinit(&o);
}

static void an_empty_stream_ends_well(void **state) {
    rig *r = *state;
    outcome o = {0};
    suite_run_call(&o, r, "Count", &a_count_request, suite_call(r));
    assert_int_equal(o.err.code, OW_OK);
    assert_int_equal(o.messages, 0);
}

static void a_stream_may_end_with_an_error(void **state) {
    rig *r = *state;
    count_request request = a_count_request;
    request.count = 3;
    request.fail_code = OW_FAILED_PRECONDITION;
    outcome o = {0};
    suite_run_call(&o, r, "Count", &request, suite_call(r));
    assert_failed(&o, OW_FAILED_PRECONDITION, "counted_out");
    assert_int_equal(o.messages, 3);
    outcome_deinit(&o);
}

static void a_consumer_may_cancel_its_stream(void **state) {
    rig *r = *state;
    int before = settled(r);
    outcome o = {.cancel_after = 4};
    suite_run_call(&o, r, "Tick", &a_tick_request, suite_call(r));
    assert_failed(&o, OW_CANCELLED, "cancelled");
    assert_int_equal(o.messages, 4);
    assert_int_equal(settled(r), before + 1);
    outcome_deinit(&o);
}

static void a_consumer_may_cancel_within_a_burst(void **state) {
    rig *r = *state;
    count_request request = a_count_request;
    request.count = 1000;
    outcome o = {.cancel_after = 2};
    suite_run_call(&o, r, "Count", &request, suite_call(r));
    assert_failed(&o, OW_CANCELLED, "cancelled");
    assert_int_equal(o.messages, 2);
    settled(r);
    outcome_deinit(&o);
}

static void a_stream_ends_at_its_deadline(void **state) {
    rig *r = *state;
    ow_principal platform = {.kind = OW_PLATFORM};
    outcome o = {0};
    suite_run_call(&o, r, "Tick", &a_tick_request, call_as(r, &platform, false, 50 * 1000));
    assert_failed(&o, OW_DEADLINE_EXCEEDED, "timeout");
    settled(r);
    outcome_deinit(&o);
}

static void a_slow_consumer_loses_its_stream(void **state) {
    rig *r = *state;
    int before = ask_seen(r).refused_sends;
    count_request request = a_count_request;
    request.count = 400;
    request.size = 64 << 10;
    outcome o = {0};
    suite_run_call(&o, r, "Count", &request, suite_call(r));
    if (r->encodes) {
        assert_failed(&o, OW_RESOURCE_EXHAUSTED, "slow_consumer");
        assert_int_equal(ask_seen(r).refused_sends, before + 1);
    } else {
        assert_int_equal(o.err.code, OW_OK); // handed over at once, there is no queue
        assert_int_equal(o.messages, 400);
    }
    settled(r);
    outcome_deinit(&o);
}

// ---- Access ----

static const struct {
    const char *method;
    // Outside: nobody, player, server, viewer, developer, admin. Then inside: nobody, player.
    const char passes[9];
} access_table[] = {
    {"ForAnybody", "yyyyyyyy"},    {"ForPlayersAndServers", "-yy----y"},
    {"ForDevelopers", "----yy--"}, {"ForServicesAndAdmins", "-----yyy"},
    {"Echo", "------yy"},
};

static void access_rules_hold(void **state) {
    rig *r = *state;
    static const ow_principal who[] = {
        {.kind = OW_NOBODY},
        {.kind = OW_PLAYER},
        {.kind = OW_SERVER},
        {.kind = OW_OPERATOR, .role = OW_ROLE_VIEWER},
        {.kind = OW_OPERATOR, .role = OW_ROLE_DEVELOPER},
        {.kind = OW_OPERATOR, .role = OW_ROLE_ADMIN},
        {.kind = OW_NOBODY},
        {.kind = OW_PLAYER},
    };
    for (size_t m = 0; m < sizeof access_table / sizeof access_table[0]; m++) {
        for (size_t p = 0; p < sizeof who / sizeof who[0]; p++) {
            outcome o = {0};
            suite_run_call(&o, r, access_table[m].method, &an_echo_request,
                           call_as(r, &who[p], p < 6, 5 * 1000 * 1000));
            if (access_table[m].passes[p] == 'y') {
                assert_int_equal(o.err.code, OW_OK);
            } else if (who[p].kind == OW_NOBODY) {
                assert_failed(&o, OW_UNAUTHENTICATED, "no_token");
            } else {
                assert_failed(&o, OW_PERMISSION_DENIED, "not_allowed");
            }
            outcome_deinit(&o);
        }
    }
}

// ---- Steps ----

static void steps_run_in_their_threads_in_order(void **state) {
    rig *r = *state;
    steps_request request = a_steps_request;
    request.key = (char *)"a";
    request.add = 5;
    for (int i = 1; i <= 3; i++) {
        outcome o = {0};
        suite_run_call(&o, r, "Steps", &request, suite_call(r));
        assert_int_equal(o.err.code, OW_OK);
        const steps_reply *reply = (steps_reply *)o.last;
        assert_int_equal(reply->total, 5 * i); // although every write runs twice
        assert_int_equal(reply->n_threads, 5);
        assert_string_equal(reply->threads[0], "loop1");
        assert_string_equal(reply->threads[1], "pool2");
        assert_string_equal(reply->threads[2], "write3");
        assert_string_equal(reply->threads[3], "read4");
        assert_string_equal(reply->threads[4], "loop5");
        outcome_deinit(&o);
    }
}

static void a_failing_step_ends_the_call(void **state) {
    rig *r = *state;
    static const char *const where[] = {"loop", "pool", "write", "read"};
    for (size_t i = 0; i < sizeof where / sizeof where[0]; i++) {
        steps_request request = a_steps_request;
        request.key = (char *)where[i];
        request.add = 1;
        request.fail_in = (char *)where[i];
        outcome o = {0};
        suite_run_call(&o, r, "Steps", &request, suite_call(r));
        assert_failed(&o, OW_ABORTED, "as_asked");
        request.fail_in = (char *)"";
        suite_run_call(&o, r, "Steps", &request, suite_call(r));
        assert_int_equal(o.err.code, OW_OK);
        // Only a write that was followed by the failure stays.
        assert_int_equal(((steps_reply *)o.last)->total, strcmp(where[i], "read") == 0 ? 2 : 1);
        outcome_deinit(&o);
    }
}

// ---- The callee goes and comes ----

static void without_a_callee_calls_are_unavailable(void **state) {
    rig *r = *state;
    r->stop_callee(r);
    outcome o = {0};
    suite_run_call(&o, r, "Echo", &an_echo_request, suite_call(r));
    assert_int_equal(o.err.code, OW_UNAVAILABLE);
    assert_true(o.err.reason[0] != '\0');
    r->start_callee(r);
    int64_t until = patience_until(r);
    do {
        turn(r, until);
        suite_run_call(&o, r, "Echo", &an_echo_request, suite_call(r));
    } while (o.err.code == OW_UNAVAILABLE);
    assert_int_equal(o.err.code, OW_OK);
    outcome_deinit(&o);
}

int suite_run(const char *name, CMFixtureFunction setup, CMFixtureFunction teardown) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_request_and_reply),
        cmocka_unit_test(carries_an_empty_message),
        cmocka_unit_test(carries_errors_with_reason_and_message),
        cmocka_unit_test(carries_principal_request_id_and_trace),
        cmocka_unit_test(carries_many_calls_at_once),
        cmocka_unit_test(carries_large_messages_and_refuses_larger),
        cmocka_unit_test(fails_when_the_arena_is_full),
        cmocka_unit_test(an_arena_of_nothing_is_an_answer),
        cmocka_unit_test(ends_at_the_deadline),
        cmocka_unit_test(does_not_begin_after_the_deadline),
        cmocka_unit_test(cancels_a_running_call),
        cmocka_unit_test(cancels_before_the_request_arrived),
        cmocka_unit_test(a_cancelled_call_begins_nothing),
        cmocka_unit_test(cancels_the_calls_within_a_call),
        cmocka_unit_test(counts_hops_and_stops_at_the_limit),
        cmocka_unit_test(streams_many_messages_in_order),
        cmocka_unit_test(an_empty_stream_ends_well),
        cmocka_unit_test(a_stream_may_end_with_an_error),
        cmocka_unit_test(a_consumer_may_cancel_its_stream),
        cmocka_unit_test(a_consumer_may_cancel_within_a_burst),
        cmocka_unit_test(a_stream_ends_at_its_deadline),
        cmocka_unit_test(a_slow_consumer_loses_its_stream),
        cmocka_unit_test(access_rules_hold),
        cmocka_unit_test(steps_run_in_their_threads_in_order),
        cmocka_unit_test(a_failing_step_ends_the_call),
        cmocka_unit_test(without_a_callee_calls_are_unavailable),
    };
    return cmocka_run_group_tests_name(name, tests, setup, teardown);
}
