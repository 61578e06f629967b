#include "core/rpc/call.h"

#include "core/testing/ow_test.h"

#include <string.h>

static ow_loop *loop;

static int open_loop(void **state) {
    (void)state;
    return ow_loop_new(&loop, NULL) == OW_OK ? 0 : -1;
}

static int close_loop(void **state) {
    (void)state;
    loop = ow_loop_free(loop);
    return 0;
}

static ow_call *root(int64_t timeout_us) {
    ow_call_options options = {.timeout_us = timeout_us};
    ow_call *call = ow_call_new(loop, &options);
    assert_non_null(call);
    return call;
}

// ---- The tree ----

static void a_root_has_an_id_a_trace_and_nobody(void **state) {
    (void)state;
    ow_call *call = root(1000 * 1000);
    assert_true(ow_id_is(call->request_id, ""));
    assert_int_equal(call->principal->kind, OW_NOBODY);
    assert_int_equal(call->hops, 0);
    assert_in_range(ow_call_left_us(call), 0, 1000 * 1000);
    ow_call_free(call);
    call = root(OW_NO_DEADLINE);
    assert_int_equal(ow_call_left_us(call), OW_NO_DEADLINE);
    ow_call_free(call);
}

static void a_child_inherits(void **state) {
    (void)state;
    ow_principal who = {.kind = OW_PLAYER, .id = "plr_1", .title = "ttl_1"};
    ow_call_options options = {.principal = &who, .timeout_us = 1000, .from_outside = true};
    ow_call *call = ow_call_new(loop, &options);
    ow_call *child = ow_call_child(call);
    ow_call *sibling = ow_call_child(call);
    assert_ptr_equal(child->principal, call->principal);
    assert_string_equal(child->principal->id, "plr_1");
    assert_string_equal(child->request_id, call->request_id);
    assert_memory_equal(child->trace.trace_id, call->trace.trace_id, 16);
    assert_memory_not_equal(child->trace.span_id, call->trace.span_id, 8);
    assert_memory_not_equal(child->trace.span_id, sibling->trace.span_id, 8);
    assert_int_equal(child->deadline_us, call->deadline_us);
    assert_int_equal(child->hops, 1);
    assert_true(call->from_outside);
    assert_false(child->from_outside);
    ow_call_free(child);
    ow_call_free(sibling);
    ow_call_free(call);
}

typedef struct listener {
    const char *name;
    char *log;
    ow_call *frees; // what it frees when it is told
} listener;

static void on_cancel(ow_call *call, void *self) {
    listener *l = self;
    assert_true(call->cancelled);
    strncat(l->log, l->name, 2);
    ow_call_free(l->frees);
}

static void listen(ow_call *call, listener *l) {
    call->on_cancel = on_cancel;
    call->on_cancel_self = l;
}

static void cancellation_goes_from_the_leaves_up(void **state) {
    (void)state;
    char log[16] = "";
    ow_call *a = root(1000 * 1000);
    ow_call *b = ow_call_child(a);
    ow_call *c = ow_call_child(b);
    ow_call *d = ow_call_child(a);
    listener on_a = {"a", log, NULL};
    listener on_b = {"b", log, NULL};
    listener on_c = {"c", log, NULL};
    listener on_d = {"d", log, NULL};
    listen(a, &on_a);
    listen(b, &on_b);
    listen(c, &on_c);
    listen(d, &on_d);
    ow_call_cancel(a, OW_CANCELLED);
    assert_string_equal(log, "dcba");
    assert_int_equal(c->err.code, OW_CANCELLED);
    assert_string_equal(c->err.reason, "cancelled");
    ow_call_cancel(a, OW_DEADLINE_EXCEEDED);
    assert_string_equal(log, "dcba");
    assert_int_equal(a->err.code, OW_CANCELLED);
    ow_call *late = ow_call_child(a);
    assert_true(late->cancelled);
    assert_int_equal(late->err.code, OW_CANCELLED);
    ow_call_free(late);
    ow_call_free(c);
    ow_call_free(b);
    ow_call_free(d);
    ow_call_free(a);
}

static void whoever_is_told_may_free_the_calls(void **state) {
    (void)state;
    char log[16] = "";
    ow_call *a = root(1000 * 1000);
    ow_call *b = ow_call_child(a);
    ow_call *c = ow_call_child(a);
    listener on_a = {"a", log, a};
    listener on_b = {"b", log, b};
    listener on_c = {"c", log, c};
    listen(a, &on_a);
    listen(b, &on_b);
    listen(c, &on_c);
    ow_call_cancel(a, OW_CANCELLED);
    assert_string_equal(log, "cba");
}

static void a_part_of_the_tree_may_be_cancelled(void **state) {
    (void)state;
    ow_call *a = root(1000 * 1000);
    ow_call *b = ow_call_child(a);
    ow_call_cancel_for(b, OW_RESOURCE_EXHAUSTED, "slow_consumer");
    assert_false(a->cancelled);
    assert_string_equal(b->err.reason, "slow_consumer");
    ow_call_free(b);
    ow_call_free(a);
}

// ---- Trace ----

static void traceparent_is_read_and_written(void **state) {
    (void)state;
    const char *text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    ow_trace trace;
    char again[OW_TRACEPARENT_MAX];
    assert_true(ow_trace_parse(text, &trace));
    ow_trace_format(again, &trace);
    assert_string_equal(again, text);
    assert_true(
        ow_trace_parse("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", &trace));
}

static void malformed_traceparents_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "00",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-011",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "0g-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    };
    ow_trace trace;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(ow_trace_parse(bad[i], &trace));
    }
}

static void new_traces_and_spans_differ(void **state) {
    (void)state;
    ow_trace a;
    ow_trace b;
    ow_trace_begin(&a);
    ow_trace_begin(&b);
    assert_memory_not_equal(a.trace_id, b.trace_id, 16);
    b = a;
    ow_trace_new_span(&b);
    assert_memory_equal(a.trace_id, b.trace_id, 16);
    assert_memory_not_equal(a.span_id, b.span_id, 8);
}

// ---- The record beside a call ----

static size_t a_record(uint8_t bytes[static OW_CALL_METADATA_MAX]) {
    ow_principal who = {.kind = OW_OPERATOR,
                        .role = OW_ROLE_ADMIN,
                        .every_title = true,
                        .with_api_key = true,
                        .id = "opr_1",
                        .title = "ttl_1"};
    ow_call_options options = {.principal = &who,
                               .client_address = "203.0.113.7",
                               .timeout_us = 1000,
                               .from_outside = true};
    ow_call *call = ow_call_new(loop, &options);
    call->hops = 7;
    size_t size = ow_call_metadata_encode(call, bytes);
    ow_call_free(call);
    return size;
}

static void metadata_comes_back(void **state) {
    (void)state;
    uint8_t bytes[OW_CALL_METADATA_MAX];
    ow_call_metadata metadata;
    assert_int_equal(ow_call_metadata_decode(bytes, a_record(bytes), &metadata, NULL), OW_OK);
    assert_int_equal(metadata.principal.kind, OW_OPERATOR);
    assert_int_equal(metadata.principal.role, OW_ROLE_ADMIN);
    assert_true(metadata.principal.every_title);
    assert_true(metadata.principal.with_api_key);
    assert_string_equal(metadata.principal.id, "opr_1");
    assert_string_equal(metadata.principal.title, "ttl_1");
    assert_int_equal(metadata.hops, 7);
    assert_true(metadata.from_outside);
    ow_call *call = ow_call_from_metadata(loop, &metadata, 1000);
    assert_int_equal(call->hops, 7);
    assert_string_equal(call->request_id, metadata.request_id);
    assert_string_equal(call->client_address, "203.0.113.7");
    ow_call *child = ow_call_child(call);
    assert_string_equal(child->client_address, "203.0.113.7");
    ow_call_free(child);
    ow_call_free(call);
}

static void damaged_metadata_is_refused(void **state) {
    (void)state;
    uint8_t bytes[OW_CALL_METADATA_MAX + 1] = {0};
    size_t size = a_record(bytes);
    ow_call_metadata metadata;
    for (size_t cut = 0; cut < size; cut++) {
        assert_int_equal(ow_call_metadata_decode(bytes, cut, &metadata, NULL), OW_INVALID_ARGUMENT);
    }
    assert_int_equal(ow_call_metadata_decode(bytes, size + 1, &metadata, NULL),
                     OW_INVALID_ARGUMENT);
    // Version, flags, kind, role, length of the id, a byte of the id.
    static const struct {
        size_t at;
        uint8_t value;
    } damage[] = {{0, 2}, {0, 0}, {1, 8}, {2, 5}, {2, 1}, {3, 4}, {30, 40}, {31, ' '}, {31, 0}};
    for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++) {
        uint8_t bad[OW_CALL_METADATA_MAX];
        memcpy(bad, bytes, size);
        bad[damage[i].at] = damage[i].value;
        ow_err err = {0};
        assert_int_equal(ow_call_metadata_decode(bad, size, &metadata, &err), OW_INVALID_ARGUMENT);
        assert_string_equal(err.reason, "bad_metadata");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_root_has_an_id_a_trace_and_nobody),
        cmocka_unit_test(a_child_inherits),
        cmocka_unit_test(cancellation_goes_from_the_leaves_up),
        cmocka_unit_test(whoever_is_told_may_free_the_calls),
        cmocka_unit_test(a_part_of_the_tree_may_be_cancelled),
        cmocka_unit_test(traceparent_is_read_and_written),
        cmocka_unit_test(malformed_traceparents_are_refused),
        cmocka_unit_test(new_traces_and_spans_differ),
        cmocka_unit_test(metadata_comes_back),
        cmocka_unit_test(damaged_metadata_is_refused),
    };
    return cmocka_run_group_tests(tests, open_loop, close_loop);
}
