// What several runners say together.

#include "services/runner/spread.h"

#include "core/testing/ow_test.h"
#include "services/runner/messages.h"

#include <string.h>

#define TEXT(literal) ((char *)(uintptr_t)(literal))

static unsigned method_of(const char *name) {
    unsigned method = 0;
    while (strcmp(overworld__runner__v1__runner__descriptor.methods[method].name, name) != 0) {
        method++;
    }
    return method;
}

static function_stats side(const char *function, int64_t version, reason_count **reasons,
                           size_t count, int64_t *durations) {
    function_stats s = OVERWORLD__RUNNER__V1__FUNCTION_STATS__INIT;
    s.function = TEXT(function);
    s.revision_id = TEXT("rev_1");
    s.alias = TEXT("live");
    s.version = version;
    s.reasons = reasons;
    s.n_reasons = count;
    s.durations = durations;
    s.n_durations = 2;
    return s;
}

static reason_count reason(const char *name, int64_t count) {
    reason_count r = OVERWORLD__RUNNER__V1__REASON_COUNT__INIT;
    r.reason = TEXT(name);
    r.count = count;
    return r;
}

static void adds_up_what_functions_did(void **state) {
    (void)state;
    ow_arena *arena = ow_arena_new(1 << 20);
    reason_count counts[] = {reason("ok", 7), reason("ok", 2), reason("timeout", 1)};
    reason_count *of_a[] = {&counts[0]};
    reason_count *of_b[] = {&counts[1], &counts[2]};
    int64_t times_a[] = {7, 0};
    int64_t times_b[] = {1, 2};
    int64_t times_c[] = {0, 0};
    function_stats one = side("greet", 3, of_a, 1, times_a);
    function_stats same = side("greet", 3, of_b, 2, times_b);
    function_stats other = side("greet", 4, NULL, 0, times_c);
    function_stats *list_a[] = {&one};
    function_stats *list_b[] = {&other, &same};
    stats_response a = OVERWORLD__RUNNER__V1__GET_FUNCTION_STATS_RESPONSE__INIT;
    stats_response b = OVERWORLD__RUNNER__V1__GET_FUNCTION_STATS_RESPONSE__INIT;
    a.stats = list_a;
    a.n_stats = 1;
    b.stats = list_b;
    b.n_stats = 2;
    assert_true(ow_runner_spread.add(method_of("GetFunctionStats"), &a.base, &b.base, arena));
    assert_int_equal(a.n_stats, 2);
    assert_int_equal(a.stats[0]->n_reasons, 2);
    assert_int_equal(a.stats[0]->reasons[0]->count, 9);
    assert_string_equal(a.stats[0]->reasons[1]->reason, "timeout");
    assert_int_equal(a.stats[0]->durations[0], 8);
    assert_int_equal(a.stats[0]->durations[1], 2);
    assert_int_equal(a.stats[1]->version, 4);
    ow_arena_free(arena);
}

static status_response status_of(const char *level, runtime_status **runtimes, pool_status **pools,
                                 size_t count) {
    status_response s = OVERWORLD__RUNNER__V1__GET_RUNNER_STATUS_RESPONSE__INIT;
    s.sandbox_level = TEXT(level);
    s.runtimes = runtimes;
    s.n_runtimes = 1;
    s.pools = pools;
    s.n_pools = count;
    s.instances = 2;
    s.instance_memory_bytes = 100;
    return s;
}

static void the_status_is_that_of_the_weakest(void **state) {
    (void)state;
    ow_arena *arena = ow_arena_new(1 << 20);
    runtime_status good = OVERWORLD__RUNNER__V1__RUNTIME_STATUS__INIT;
    good.ready = true;
    good.toolchain = TEXT("gcc-12");
    runtime_status bad = good;
    bad.ready = false;
    bad.why_not = TEXT("it ended");
    bad.toolchain = TEXT("gcc-13");
    pool_status pool = OVERWORLD__RUNNER__V1__POOL_STATUS__INIT;
    runtime_status *of_a[] = {&good};
    runtime_status *of_b[] = {&bad};
    pool_status *pools[] = {&pool, &pool};
    status_response a = status_of("full", of_a, pools, 1);
    status_response b = status_of("seccomp", of_b, pools, 2);
    b.routes_stale = true;
    assert_true(ow_runner_spread.add(method_of("GetRunnerStatus"), &a.base, &b.base, arena));
    assert_string_equal(a.sandbox_level, "seccomp");
    assert_true(a.routes_stale);
    assert_int_equal(a.instances, 4);
    assert_int_equal(a.instance_memory_bytes, 200);
    assert_int_equal(a.n_pools, 3);
    assert_false(a.runtimes[0]->ready);
    assert_string_equal(a.runtimes[0]->why_not, "it ended");
    assert_string_equal(a.runtimes[0]->toolchain, "");
    status_response c = status_of("unknown", of_a, pools, 0);
    assert_true(ow_runner_spread.add(method_of("GetRunnerStatus"), &c.base, &b.base, arena));
    assert_string_equal(c.sandbox_level, "seccomp");
    ow_arena_free(arena);
}

static void the_instances_of_all_are_listed(void **state) {
    (void)state;
    ow_arena *arena = ow_arena_new(1 << 20);
    instance_msg one = OVERWORLD__RUNNER__V1__INSTANCE__INIT;
    instance_msg *list[] = {&one, &one};
    instances_response a = OVERWORLD__RUNNER__V1__LIST_INSTANCES_RESPONSE__INIT;
    a.instances = list;
    a.n_instances = 1;
    instances_response b = a;
    b.n_instances = 2;
    b.truncated = true;
    assert_true(ow_runner_spread.add(method_of("ListInstances"), &a.base, &b.base, arena));
    assert_int_equal(a.n_instances, 3);
    assert_true(a.truncated);
    ow_arena_free(arena);
}

static void a_function_is_one_key_whatever_its_revision(void **state) {
    (void)state;
    char first[OW_SPREAD_KEY_MAX];
    char second[OW_SPREAD_KEY_MAX];
    ow_principal who = {.kind = OW_PLAYER, .title = "ttl_1"};
    ow_call call = {.principal = &who};
    invoke_request request = OVERWORLD__RUNNER__V1__INVOKE_REQUEST__INIT;
    request.virtual_server = TEXT("chat");
    request.function = TEXT("greet");
    request.revision_id = TEXT("rev_1");
    unsigned invoke = method_of("Invoke");
    assert_true(ow_runner_spread.key(&call, invoke, &request.base, first, sizeof first));
    request.revision_id = TEXT("");
    assert_true(ow_runner_spread.key(&call, invoke, &request.base, second, sizeof second));
    assert_string_equal(first, second);
    assert_string_equal(first, "ttl_1/chat/greet");
    status_request all = OVERWORLD__RUNNER__V1__GET_RUNNER_STATUS_REQUEST__INIT;
    unsigned status = method_of("GetRunnerStatus");
    assert_false(ow_runner_spread.key(&call, status, &all.base, first, sizeof first));
}

static void every_method_has_a_rule(void **state) {
    (void)state;
    for (unsigned i = 0; i < overworld__runner__v1__runner__descriptor.n_methods; i++) {
        assert_true(ow_runner_spread.knows(i));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(adds_up_what_functions_did),
        OW_TEST(the_status_is_that_of_the_weakest),
        OW_TEST(the_instances_of_all_are_listed),
        OW_TEST(a_function_is_one_key_whatever_its_revision),
        OW_TEST(every_method_has_a_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
