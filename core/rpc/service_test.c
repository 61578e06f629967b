// What core/rpc does beyond the conformance suite of channels (tests/conformance/rpc): mistakes in a
// table of methods, the directory, counters, the pool.

#include "core/rpc/directory.h"
#include "core/rpc/pool.h"

#include "core/testing/ow_test.h"
#include "overworld/gateway/v1/gateway.pb-c.h"
#include "proto/descriptors.h"

#include <string.h>
#include <unistd.h>

typedef Overworld__Gateway__V1__GetStatusRequest status_request;
typedef Overworld__Gateway__V1__GetStatusResponse status_response;

static ow_loop *loop;
static ow_api *api;

static int open_all(void **state) {
    (void)state;
    return ow_loop_new(&loop, NULL) == OW_OK &&
                   ow_api_open(ow_descriptors, ow_descriptors_size, &api, NULL) == OW_OK
               ? 0
               : -1;
}

static int close_all(void **state) {
    (void)state;
    api = ow_api_free(api);
    loop = ow_loop_free(loop);
    return 0;
}

static ow_code answers(ow_run *run) {
    status_response *response = run->reply;
    response->uptime_s = 5;
    return OW_OK;
}

static ow_code fails_without_a_word(ow_run *run) {
    (void)run;
    return OW_ABORTED;
}

static ow_code lives_with_an_error(ow_run *run) {
    ow_fail(run->err, OW_NOT_FOUND, "never_mind", "not needed");
    return answers(run);
}

// Its other method.
#define OTHER                                                                                      \
    {                                                                                              \
        "PurgeRoutes", 0, {                                                                        \
            { OW_LOOP, answers }                                                                   \
        }                                                                                          \
    }

static ow_code make(const ow_method *methods, ProtobufCService **ret_service, ow_err *err) {
    ow_service_options options = {
        .descriptor = &overworld__gateway__v1__gateway__descriptor,
        .methods = methods,
        .api = api,
        .loop = loop,
    };
    return ow_service_new(&options, ret_service, err);
}

static void assert_bad(const ow_method *methods, const char *says) {
    ow_err err = {0};
    ProtobufCService *service = NULL;
    assert_int_equal(make(methods, &service, &err), OW_INTERNAL);
    assert_non_null(strstr(err.message, says));
    assert_null(service);
}

static void mistakes_in_the_table_are_found_at_start(void **state) {
    (void)state;
    assert_bad((ow_method[]){{0}}, "is missing");
    assert_bad((ow_method[]){{"GetStatus", 0, {{OW_LOOP, answers}}},
                             {"GetStatus", 0, {{OW_LOOP, answers}}},
                             OTHER,
                             {0}},
               "twice");
    assert_bad((ow_method[]){{"GetStatus", 0, {{OW_LOOP, answers}}},
                             {"GetState", 0, {{OW_LOOP, answers}}},
                             OTHER,
                             {0}},
               "no method");
    assert_bad((ow_method[]){{"GetStatus", 0, {{0}}}, OTHER, {0}}, "no steps");
    assert_bad(
        (ow_method[]){{"GetStatus", 0, {{OW_LOOP, answers}, {OW_READ, answers}}}, OTHER, {0}},
        "database");
    assert_bad((ow_method[]){{"GetStatus", 0, {{OW_WRITE, answers}}}, OTHER, {0}}, "database");
    assert_bad((ow_method[]){{"GetStatus", 0, {{OW_POOL, answers}}}, OTHER, {0}}, "pool");
}

static void keep(const ProtobufCMessage *message, void *closure_data) {
    ow_call *call = closure_data;
    const status_response *response = (const status_response *)message;
    *(int64_t *)call->user = response == NULL ? -1 : response->uptime_s;
}

// Returns the error; the reply's uptime, or -1, in *ret_uptime.
static ow_err call_service(ProtobufCService *service, int64_t *ret_uptime) {
    ow_principal platform = {.kind = OW_OPERATOR, .role = OW_ROLE_VIEWER};
    ow_call_options options = {.principal = &platform, .timeout_us = 1000 * 1000};
    ow_call *call = ow_call_new(loop, &options);
    assert_non_null(call);
    const status_request request = OVERWORLD__GATEWAY__V1__GET_STATUS_REQUEST__INIT;
    *ret_uptime = -2;
    call->user = ret_uptime;
    service->invoke(service, 0, &request.base, keep, call);
    ow_err err = call->err;
    ow_call_free(call);
    return err;
}

static void counts_and_reports_how_calls_end(void **state) {
    (void)state;
    static const struct {
        ow_code (*step)(ow_run *run);
        ow_code code;
        const char *reason;
        int64_t uptime;
    } cases[] = {
        {answers, OW_OK, "", 5},
        {fails_without_a_word, OW_ABORTED, "unspecified", -1},
        {lives_with_an_error, OW_OK, "", 5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ow_method methods[] = {{"GetStatus", 0, {{OW_LOOP, cases[i].step}}}, OTHER, {0}};
        ProtobufCService *service;
        ow_err err = {0};
        assert_int_equal(make(methods, &service, &err), OW_OK);
        int64_t uptime;
        err = call_service(service, &uptime);
        assert_int_equal(err.code, cases[i].code);
        assert_string_equal(err.reason, cases[i].reason);
        assert_int_equal(uptime, cases[i].uptime);
        ow_method_stats stats;
        ow_service_stats(service, 0, &stats);
        assert_string_equal(stats.name, "GetStatus");
        assert_int_equal(stats.calls, 1);
        assert_int_equal(stats.failed, cases[i].code != OW_OK);
        assert_int_equal(ow_service_running(service), 0);
        ow_service_free(service);
    }
}

// ---- Directory ----

typedef struct fake_elsewhere {
    ProtobufCService *service;
    int asked;
} fake_elsewhere;

static ProtobufCService *connect_fake(void *self, const ProtobufCServiceDescriptor *descriptor,
                                      const char *copy, ow_err *err) {
    fake_elsewhere *fake = self;
    assert_null(copy);
    fake->asked++;
    if (fake->service == NULL) {
        ow_fail(err, OW_UNAVAILABLE, "unreachable", "%s is not there", descriptor->name);
    }
    return fake->service;
}

static const ow_method good_methods[] = {{"GetStatus", 0, {{OW_LOOP, answers}}}, OTHER, {0}};

static void a_service_here_may_come_and_go(void **state) {
    (void)state;
    ow_directory *directory;
    ow_directory_options options = {.loop = loop, .api = api};
    ProtobufCService *service;
    ow_err err = {0};
    int64_t uptime;
    assert_int_equal(make(good_methods, &service, &err), OW_OK);
    assert_int_equal(ow_directory_new(&options, &directory, &err), OW_OK);
    ProtobufCService *front = ow_directory_get(directory, service->descriptor);
    assert_string_equal(call_service(front, &uptime).reason, "not_running");
    assert_int_equal(uptime, -1);
    assert_int_equal(ow_directory_offer(directory, service, &err), OW_OK);
    assert_int_equal(ow_directory_offer(directory, service, &err), OW_ALREADY_EXISTS);
    assert_ptr_equal(ow_directory_get(directory, service->descriptor), front);
    assert_int_equal(call_service(front, &uptime).code, OW_OK);
    assert_int_equal(uptime, 5);
    ow_directory_withdraw(directory, service);
    assert_int_equal(call_service(front, &uptime).code, OW_UNAVAILABLE);
    ow_directory_free(directory);
    ow_service_free(service);
}

static void what_is_elsewhere_goes_through_the_connector(void **state) {
    (void)state;
    fake_elsewhere fake = {0};
    ow_connector connector = {.connect = connect_fake, .self = &fake};
    ow_directory_options options = {.loop = loop, .api = api, .connector = &connector};
    ow_directory *directory;
    ProtobufCService *service;
    ow_err err = {0};
    int64_t uptime;
    assert_int_equal(make(good_methods, &service, &err), OW_OK);
    assert_int_equal(ow_directory_new(&options, &directory, &err), OW_OK);
    ProtobufCService *front = ow_directory_get(directory, service->descriptor);
    assert_int_equal(fake.asked, 0); // not before somebody calls
    assert_string_equal(call_service(front, &uptime).reason, "unreachable");
    fake.service = service;
    assert_int_equal(call_service(front, &uptime).code, OW_OK);
    assert_int_equal(call_service(front, &uptime).code, OW_OK);
    assert_int_equal(fake.asked, 2);
    ow_directory_expect_here(directory, service->descriptor);
    assert_string_equal(call_service(front, &uptime).reason, "not_running");
    ow_directory_free(directory);
    ow_service_free(service);
}

// ---- Pool ----

typedef struct work {
    ow_pool_job job;
    int *done;
    int release; // read end of a pipe that the work waits for; -1: none
} work;

static void do_work(void *self) {
    work *w = self;
    char byte;
    if (w->release >= 0) {
        assert_int_equal(read(w->release, &byte, 1), 1);
    }
}

static void work_done(void *self) {
    work *w = self;
    ++*w->done;
}

static void the_pool_is_bounded_and_loses_nothing(void **state) {
    (void)state;
    enum { JOBS = 4 };
    int gate[2];
    int done = 0;
    ow_pool *pool;
    ow_err err = {0};
    work jobs[JOBS];
    assert_int_equal(pipe(gate), 0);
    assert_int_equal(ow_pool_new(1, 2, &pool, &err), OW_OK);
    int taken = 0;
    int refused = 0;
    // The thread may or may not have taken the first one when the queue is looked at.
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (work){.done = &done, .release = gate[0]};
        jobs[i].job =
            (ow_pool_job){.work = do_work, .done = work_done, .self = &jobs[i], .loop = loop};
        if (ow_pool_submit(pool, &jobs[i].job, &err) == OW_OK) {
            taken++;
        } else {
            assert_string_equal(err.reason, "overloaded");
            refused++;
        }
    }
    assert_true(taken >= 2 && refused >= 1);
    assert_int_equal(write(gate[1], "....", 4), 4);
    ow_pool_free(pool);
    for (int i = 0; i < 100 && done < taken; i++) {
        assert_int_equal(ow_loop_turn(loop, 10 * 1000, &err), OW_OK);
    }
    assert_int_equal(done, taken);
    close(gate[0]);
    close(gate[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_in_the_table_are_found_at_start),
        cmocka_unit_test(counts_and_reports_how_calls_end),
        cmocka_unit_test(a_service_here_may_come_and_go),
        cmocka_unit_test(what_is_elsewhere_goes_through_the_connector),
        cmocka_unit_test(the_pool_is_bounded_and_loses_nothing),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
