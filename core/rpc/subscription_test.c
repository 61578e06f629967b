#include "core/rpc/subscription.h"

#include "core/testing/ow_test.h"

#include <string.h>

enum { WAIT_US = 10 * 1000 * 1000 };

// A service with one method that leaves its streams open.
typedef struct source {
    ProtobufCService base;
    ow_loop *loop;
    ow_call *call; // the open stream
    ProtobufCClosure closure;
    int begun, cancelled;
    const ProtobufCMessage *request;
    // The copy's side.
    ow_subscription subscription;
    ow_news answer;
    int taken;
} source;

static const ProtobufCMethodDescriptor methods[] = {{"Other", NULL, NULL}, {"Watch", NULL, NULL}};
static const unsigned by_name[] = {0, 1};
static const ProtobufCServiceDescriptor descriptor = {.magic = PROTOBUF_C__SERVICE_DESCRIPTOR_MAGIC,
                                                      .name = "test.Source",
                                                      .short_name = "Source",
                                                      .c_name = "Source",
                                                      .package = "test",
                                                      .n_methods = 2,
                                                      .methods = methods,
                                                      .method_indices_by_name = by_name};

static void end_stream(source *s) {
    ow_call *call = s->call;
    s->call = NULL;
    s->closure(NULL, call);
}

static void on_cancel(ow_call *call, void *self) {
    source *s = self;
    assert_ptr_equal(call, s->call);
    s->cancelled++;
    end_stream(s);
}

static void invoke(ProtobufCService *base, unsigned method, const ProtobufCMessage *request,
                   ProtobufCClosure closure, void *closure_data) {
    source *s = (source *)base;
    assert_int_equal(method, 1);
    assert_null(s->call);
    s->begun++;
    s->request = request;
    s->closure = closure;
    s->call = closure_data;
    s->call->on_cancel = on_cancel;
    s->call->on_cancel_self = s;
}

static ow_news on_message(void *self, const ProtobufCMessage *message) {
    source *s = self;
    assert_non_null(message);
    s->taken++;
    return s->answer;
}

static void send(source *s, ow_news answer) {
    static const ProtobufCMessage message;
    s->answer = answer;
    s->closure(&message, s->call);
}

static void turn_until_begun(source *s, int count) {
    int64_t deadline = ow_loop_now_us(s->loop) + WAIT_US;
    while (s->begun < count) {
        assert_int_equal(ow_loop_turn(s->loop, 10000, NULL), OW_OK);
        assert_true(ow_loop_now_us(s->loop) < deadline);
    }
}

static void open_source(source *s) {
    static const ProtobufCMessage request;
    *s = (source){.base = {.descriptor = &descriptor, .invoke = invoke}};
    assert_int_equal(ow_loop_new(&s->loop, NULL), OW_OK);
    s->subscription = (ow_subscription){.loop = s->loop,
                                        .name = "test",
                                        .service = &s->base,
                                        .method = "Watch",
                                        .request = &request,
                                        .on_message = on_message,
                                        .self = s};
    ow_subscription_start(&s->subscription);
    assert_int_equal(s->begun, 1);
    assert_ptr_equal(s->request, &request);
    assert_int_equal(s->call->principal->kind, OW_PLATFORM);
}

static void close_source(source *s) {
    ow_subscription_stop(&s->subscription);
    assert_null(s->subscription.call);
    s->loop = ow_loop_free(s->loop);
}

static void a_copy_is_fresh_when_it_is_whole(void **state) {
    (void)state;
    source s;
    open_source(&s);
    assert_false(s.subscription.is_fresh);
    send(&s, OW_NEWS_PART);
    assert_false(s.subscription.is_fresh);
    send(&s, OW_NEWS_WHOLE);
    assert_true(s.subscription.is_fresh);
    send(&s, OW_NEWS_PART);
    assert_true(s.subscription.is_fresh);
    assert_int_equal(s.taken, 3);
    close_source(&s);
    assert_int_equal(s.cancelled, 1);
}

static void an_ended_stream_begins_again(void **state) {
    (void)state;
    source s;
    open_source(&s);
    send(&s, OW_NEWS_WHOLE);
    end_stream(&s);
    assert_false(s.subscription.is_fresh);
    assert_null(s.subscription.call);
    assert_int_equal(s.begun, 1);
    turn_until_begun(&s, 2);
    end_stream(&s);
    turn_until_begun(&s, 3);
    send(&s, OW_NEWS_WHOLE);
    assert_true(s.subscription.is_fresh);
    close_source(&s);
}

static void what_cannot_be_taken_begins_again(void **state) {
    (void)state;
    source s;
    open_source(&s);
    send(&s, OW_NEWS_WHOLE);
    send(&s, OW_NEWS_LOST);
    assert_int_equal(s.cancelled, 1);
    assert_false(s.subscription.is_fresh);
    turn_until_begun(&s, 2);
    close_source(&s);
}

static void a_stopped_one_stays_so(void **state) {
    (void)state;
    source s;
    open_source(&s);
    end_stream(&s);
    ow_subscription_stop(&s.subscription);
    int64_t until = ow_loop_now_us(s.loop) + 200000; // four times the first back-off
    while (ow_loop_now_us(s.loop) < until) {
        assert_int_equal(ow_loop_turn(s.loop, 10000, NULL), OW_OK);
    }
    assert_int_equal(s.begun, 1);
    close_source(&s);
    ow_subscription never = {0};
    ow_subscription_stop(&never);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_is_fresh_when_it_is_whole),
        cmocka_unit_test(an_ended_stream_begins_again),
        cmocka_unit_test(what_cannot_be_taken_begins_again),
        cmocka_unit_test(a_stopped_one_stays_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
