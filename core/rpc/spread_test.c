// Calls of a service with several copies: who gets them, and what all of them answer.

#include "core/rpc/directory.h"
#include "core/testing/ow_test.h"

#include "overworld/runner/v1/runner.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUNNER (&overworld__runner__v1__runner__descriptor)

typedef Overworld__Runner__V1__InvokeRequest invoke_request;
typedef Overworld__Runner__V1__InvokeResponse invoke_response;
typedef Overworld__Runner__V1__GetRunnerStatusRequest status_request;
typedef Overworld__Runner__V1__GetRunnerStatusResponse status_response;

enum { COPIES = 3, KEYS = 300 };

typedef struct fake_copy {
    ProtobufCService base; // first
    bool connected;
    int calls;
} fake_copy;

typedef struct fixture {
    ow_loop *loop;
    ow_directory *directory;
    ow_connector connector;
    fake_copy copies[COPIES];
    int status; // its answers
} fixture;

// ---- A service whose answers count ----

static void answer(ProtobufCService *base, unsigned method, const ProtobufCMessage *request,
                   ProtobufCClosure closure, void *closure_data) {
    fake_copy *c = (fake_copy *)base;
    ow_call *call = closure_data;
    (void)request;
    c->calls++;
    if (!c->connected) {
        ow_fail(&call->err, OW_UNAVAILABLE, "unreachable", "gone");
        closure(NULL, call);
    } else if (method == 0) {
        invoke_response reply = OVERWORLD__RUNNER__V1__INVOKE_RESPONSE__INIT;
        closure(&reply.base, call);
    } else {
        status_response reply = OVERWORLD__RUNNER__V1__GET_RUNNER_STATUS_RESPONSE__INIT;
        reply.instances = 5;
        closure(&reply.base, call);
    }
}

static ProtobufCService *connect_copy(void *self, const ProtobufCServiceDescriptor *descriptor,
                                      const char *copy, ow_err *err) {
    fixture *f = self;
    (void)err;
    assert_ptr_equal(descriptor, RUNNER);
    return &f->copies[copy[0] - 'a'].base;
}

static bool is_connected(void *self, ProtobufCService *service) {
    (void)self;
    return ((fake_copy *)service)->connected;
}

static bool write_key(const ow_call *call, unsigned method, const ProtobufCMessage *request,
                      char *key, size_t room) {
    (void)call;
    snprintf(key, room, "%s", method == 0 ? ((const invoke_request *)request)->function : "");
    return method == 0;
}

static bool add(unsigned method, ProtobufCMessage *sum, ProtobufCMessage *part, ow_arena *arena) {
    (void)method;
    (void)arena;
    ((status_response *)sum)->instances += ((status_response *)part)->instances;
    return true;
}

static const ow_spread_rules rules = {.key = write_key, .add = add};

// ---- Fixture ----

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    ow_err err;
    assert_non_null(f);
    *state = f;
    assert_ow_ok(ow_loop_new(&f->loop, &err), &err);
    f->connector = (ow_connector){.connect = connect_copy, .is_connected = is_connected, .self = f};
    for (int i = 0; i < COPIES; i++) {
        f->copies[i] =
            (fake_copy){.base = {.descriptor = RUNNER, .invoke = answer}, .connected = true};
    }
    ow_directory_options options = {.loop = f->loop, .connector = &f->connector};
    assert_ow_ok(ow_directory_new(&options, &f->directory, &err), &err);
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    ow_directory_free(f->directory);
    ow_loop_free(f->loop);
    free(f);
    return 0;
}

static void spread_over(fixture *f, const char *names, const char *here) {
    ow_err err;
    ow_spread spread = {RUNNER, &rules, names, here};
    assert_ow_ok(ow_directory_spread(f->directory, &spread, &err), &err);
}

static void keep_status(const ProtobufCMessage *reply, void *closure_data) {
    fixture *f = ((ow_call *)closure_data)->user;
    f->status = reply != NULL ? ((const status_response *)reply)->instances : -1;
}

static void ignore(const ProtobufCMessage *reply, void *closure_data) {
    (void)reply;
    (void)closure_data;
}

static ow_err call(fixture *f, unsigned method, const ProtobufCMessage *request) {
    ow_call_options options = {.timeout_us = 1000000};
    ow_call *call = ow_call_new(f->loop, &options);
    ProtobufCService *service = ow_directory_get(f->directory, RUNNER);
    assert_non_null(call);
    call->user = f;
    service->invoke(service, method, request, method == 0 ? ignore : keep_status, call);
    ow_err err = call->err;
    ow_call_free(call);
    return err;
}

// The copy that got it.
static int owner_of(fixture *f, int key) {
    char name[16];
    int before[COPIES];
    invoke_request request = OVERWORLD__RUNNER__V1__INVOKE_REQUEST__INIT;
    snprintf(name, sizeof name, "f%d", key);
    request.function = name;
    for (int i = 0; i < COPIES; i++) {
        before[i] = f->copies[i].calls;
    }
    call(f, 0, &request.base);
    for (int i = 0; i < COPIES; i++) {
        if (f->copies[i].calls > before[i]) {
            return i;
        }
    }
    return -1;
}

// ---- Tests ----

static void only_the_keys_of_who_goes_move(void **state) {
    fixture *f = *state;
    int owners[KEYS];
    int share[COPIES] = {0};
    spread_over(f, "a,b,c", "");
    for (int i = 0; i < KEYS; i++) {
        owners[i] = owner_of(f, i);
        share[owners[i]]++;
        assert_int_equal(owner_of(f, i), owners[i]);
    }
    for (int i = 0; i < COPIES; i++) {
        assert_in_range(share[i], KEYS / 5, KEYS / 2);
    }
    f->copies[1].connected = false;
    for (int i = 0; i < KEYS; i++) {
        int owner = owner_of(f, i);
        assert_int_not_equal(owner, 1);
        assert_true(owners[i] == 1 || owner == owners[i]);
    }
    f->copies[1].connected = true;
    for (int i = 0; i < KEYS; i++) {
        assert_int_equal(owner_of(f, i), owners[i]);
    }
    // With nobody there a key's own copy is waited for.
    for (int i = 0; i < COPIES; i++) {
        f->copies[i].connected = false;
    }
    for (int i = 0; i < KEYS; i++) {
        assert_int_equal(owner_of(f, i), owners[i]);
    }
}

static void asks_all_and_adds_up(void **state) {
    fixture *f = *state;
    unsigned method = 0;
    status_request request = OVERWORLD__RUNNER__V1__GET_RUNNER_STATUS_REQUEST__INIT;
    while (strcmp(RUNNER->methods[method].name, "GetRunnerStatus") != 0) {
        method++;
    }
    spread_over(f, "a b c", "");
    assert_int_equal(call(f, method, &request.base).code, OW_OK);
    assert_int_equal(f->status, 15);
    f->copies[2].connected = false;
    assert_int_equal(call(f, method, &request.base).code, OW_OK);
    assert_int_equal(f->status, 10);
    f->copies[0].connected = f->copies[1].connected = false;
    assert_string_equal(call(f, method, &request.base).reason, "unreachable");
    assert_int_equal(f->status, -1);
}

static void the_copy_here_is_called_here(void **state) {
    fixture *f = *state;
    ow_err err;
    fake_copy here = {.base = {.descriptor = RUNNER, .invoke = answer}, .connected = true};
    spread_over(f, "a,b,c", "b");
    assert_ow_ok(ow_directory_offer(f->directory, &here.base, &err), &err);
    int elsewhere = 0;
    for (int i = 0; i < KEYS; i++) {
        elsewhere += owner_of(f, i) >= 0;
    }
    assert_int_equal(f->copies[1].calls, 0);
    assert_int_equal(here.calls, KEYS - elsewhere);
    assert_in_range(here.calls, KEYS / 5, KEYS / 2);
    // Who comes from another process has chosen already.
    ProtobufCService *door = ow_directory_get_here(f->directory, RUNNER);
    ow_call_options options = {.timeout_us = 1000000};
    invoke_request request = OVERWORLD__RUNNER__V1__INVOKE_REQUEST__INIT;
    for (int i = 0; i < KEYS; i++) {
        ow_call *one = ow_call_new(f->loop, &options);
        door->invoke(door, 0, &request.base, ignore, one);
        ow_call_free(one);
    }
    assert_int_equal(here.calls, 2 * KEYS - elsewhere);
    ow_directory_withdraw(f->directory, &here.base);
}

static void refuses_bad_names(void **state) {
    fixture *f = *state;
    static const struct {
        const char *names, *here;
    } bad[] = {
        {"", ""},
        {"a,a", ""},
        {"a,b/c", ""},
        {"a,b", "c"},
        {"a-name-that-is-far-too-long-for-a-copy", ""},
        {"1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", ""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ow_err err;
        ow_spread spread = {RUNNER, &rules, bad[i].names, bad[i].here};
        assert_int_equal(ow_directory_spread(f->directory, &spread, &err), OW_INVALID_ARGUMENT);
        assert_string_equal(err.reason, "bad_copies");
    }
}

int main(void) {
#define CASE(name) OW_TEST_WITH(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(only_the_keys_of_who_goes_move),
        CASE(asks_all_and_adds_up),
        CASE(the_copy_here_is_called_here),
        CASE(refuses_bad_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
