// The rules of one pool, one by one, with instances that do what the test says.

#include "services/runner/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/testing/ow_test.h"
#include "services/runner/fake_instances.h"
#include "services/runner/instance.h"

#define REQUESTS 64

struct job {
    struct request request; // first: cast back
    int answers;
    char reason[OW_REASON_MAX];
    int retry_after_s;
    int64_t init_us;
};

struct fixture {
    struct scheduler scheduler;
    struct fake_host host;
    struct title_account account;
    struct pool pool;
    struct job jobs[REQUESTS];
    unsigned failed_starts;
};

static void on_answered(void *self, struct request *request, const struct verdict *verdict) {
    (void)self;
    struct job *job = (struct job *)request;
    job->answers++;
    snprintf(job->reason, sizeof job->reason, "%s", verdict->reason);
    job->retry_after_s = verdict->retry_after_s;
    job->init_us = verdict->init_us;
}

static void on_describe(void *self, const struct request *request, ow_host_request *description) {
    (void)self;
    (void)request;
    description->source = "client";
}

static void on_started(void *self, struct instance *instance, const ow_host_ready *ready,
                       const ow_host_exit *exit) {
    struct fixture *f = self;
    (void)instance;
    (void)ready;
    f->failed_starts += exit != NULL;
}

static void on_gone(void *self, struct instance *instance, const ow_host_exit *exit) {
    (void)self;
    (void)instance;
    (void)exit;
}

static const struct scheduler_events events = {
    .answered = on_answered,
    .describe = on_describe,
    .started = on_started,
    .gone = on_gone,
};

static const struct scheduler_limits limits = {
    .quota = 4,
    .instances = 100,
    .queue_requests = 20,
    .queue_bytes = 10000,
    .title_memory = (uint64_t)1 << 40,
    .idle_us = 60000000,
    .init_us = 10000000,
    .cores = 2,
};

static const struct pool_settings settings = {
    .timeout_us = 3000000, .memory_bytes = 128u << 20, .quota = 4};

static void checked(struct pool *pool) {
    (void)pool;
}

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    scheduler_init(&f->scheduler, &limits);
    f->scheduler.now_us = 1000000;
    f->scheduler.clock_us = 1000000;
    f->scheduler.events = &events;
    f->scheduler.events_self = f;
    fake_host_init(&f->host, &f->scheduler);
    pool_init(&f->pool, &f->scheduler, &f->account, &settings);
    pool_set_startable(&f->pool, true);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    pool_abandon(&f->pool, "overloaded", "the test ends");
    for (unsigned i = 0; i < FAKE_INSTANCES_MAX; i++) {
        if (f->host.instances[i].instance != NULL) {
            fake_exit(&f->host.instances[i], OW_HOST_END_KILLED);
        }
    }
    assert_int_equal(f->pool.count, 0);
    assert_int_equal(f->pool.waiting, 0);
    assert_int_equal(f->scheduler.instances, 0);
    assert_int_equal(f->account.reserved, 0);
    pool_deinit(&f->pool);
    free(f);
    return 0;
}

static struct job *enqueue(struct fixture *f, unsigned index) {
    struct job *job = &f->jobs[index];
    memset(job, 0, sizeof *job);
    job->request.deadline_us = f->scheduler.now_us + 13000000;
    job->request.bytes = 100;
    job->request.request_id = "req_1";
    assert_true(pool_enqueue(&f->pool, &job->request));
    return job;
}

static void run(struct fixture *f) {
    scheduler_run(&f->scheduler, checked);
}

static void maintain(struct fixture *f) {
    scheduler_begin_round(&f->scheduler);
    pool_maintain(&f->pool);
}

static void pass(struct fixture *f, int64_t us) {
    f->scheduler.now_us += us;
    f->scheduler.clock_us += us;
    pool_touch(&f->pool);
    run(f);
}

static struct fake_instance *nth(struct fixture *f, unsigned index) {
    return &f->host.instances[index];
}

// One instance that has answered one call in `took_us`.
static struct fake_instance *warm(struct fixture *f, int64_t took_us) {
    struct job *job = enqueue(f, REQUESTS - 1);
    run(f);
    struct fake_instance *fake = nth(f, 0);
    fake_load(fake);
    run(f);
    assert_true(fake_start_next(fake));
    f->scheduler.now_us += took_us;
    assert_true(fake_complete(fake));
    assert_int_equal(job->answers, 1);
    run(f);
    return fake;
}

static void starts_one_instance_for_many_waiting(void **state) {
    struct fixture *f = *state;
    for (unsigned i = 0; i < 10; i++) {
        enqueue(f, i);
    }
    run(f);
    pass(f, 2000);
    assert_int_equal(f->host.spawned, 1);
    assert_int_equal(f->pool.starting, 1);
}

static void first_reply_carries_the_init_time(void **state) {
    struct fixture *f = *state;
    struct fake_instance *fake = warm(f, 50);
    assert_true(f->jobs[REQUESTS - 1].init_us > 0);
    struct job *second = enqueue(f, 0);
    run(f);
    fake_start_next(fake);
    fake_complete(fake);
    assert_string_equal(second->reason, "");
    assert_int_equal(second->init_us, 0);
}

static void gives_a_fast_function_a_handful(void **state) {
    struct fixture *f = *state;
    struct fake_instance *fake = warm(f, 10);
    for (unsigned i = 0; i < OW_HOST_DEPTH_MAX + 4; i++) {
        enqueue(f, i);
    }
    run(f);
    assert_int_equal(fake->count, OW_HOST_DEPTH_MAX);
    assert_int_equal(f->pool.waiting, 4);
    assert_int_equal(f->host.spawned, 1);
}

static void gives_a_slow_function_one_each(void **state) {
    struct fixture *f = *state;
    struct fake_instance *fake = warm(f, 5000);
    for (unsigned i = 0; i < 3; i++) {
        enqueue(f, i);
    }
    run(f);
    assert_int_equal(fake->count, 1);
    assert_int_equal(f->host.spawned, 1);
    fake_start_next(fake);
    pass(f, 1500);
    assert_int_equal(f->host.spawned, 2);
}

static void grows_to_the_quota_and_no_further(void **state) {
    struct fixture *f = *state;
    struct fake_instance *fake = warm(f, 5000);
    for (unsigned i = 0; i < 20; i++) {
        enqueue(f, i);
    }
    run(f);
    fake_start_next(fake);
    for (int round = 0; round < 10; round++) {
        pass(f, 2000);
        for (unsigned i = 0; i < 4; i++) {
            if (nth(f, i)->instance != NULL && !nth(f, i)->loaded) {
                fake_load(nth(f, i));
            }
        }
    }
    assert_int_equal(f->host.spawned, 4);
    assert_int_equal(f->pool.count, 4);
}

static void complete_one(struct fixture *f, struct fake_instance *fake, int64_t took_us) {
    enqueue(f, REQUESTS - 1);
    run(f);
    assert_true(fake_start_next(fake));
    f->scheduler.now_us += took_us;
    assert_true(fake_complete(fake));
    run(f);
}

static void one_lost_core_does_not_make_a_function_slow(void **state) {
    struct fixture *f = *state;
    struct fake_instance *fake = warm(f, 10);
    complete_one(f, fake, 30000);
    for (unsigned i = 0; i < 8; i++) {
        enqueue(f, i);
    }
    run(f);
    assert_int_equal(fake->count, 8);
}

static void a_function_that_became_slow_is_seen_to_be(void **state) {
    struct fixture *f = *state;
    struct fake_instance *fake = warm(f, 10);
    for (int i = 0; i < 10; i++) {
        complete_one(f, fake, 30000);
    }
    for (unsigned i = 0; i < 8; i++) {
        enqueue(f, i);
    }
    run(f);
    assert_int_equal(fake->count, 1);
}

// Four instances from the time when it was slow; now a call takes so long. How many are awake for 20 calls.
static unsigned awake_of_four(void **state, int64_t mean_us) {
    struct fixture *f = *state;
    grows_to_the_quota_and_no_further(state);
    for (int round = 0; round < 30; round++) {
        for (unsigned i = 0; i < 4; i++) {
            while (fake_start_next(nth(f, i)) || nth(f, i)->count > 0) {
                assert_true(fake_complete(nth(f, i)));
            }
        }
        run(f);
    }
    for (int i = 0; i < 100; i++) {
        pool_on_call_time(&f->pool, mean_us);
    }
    for (unsigned i = 0; i < 20; i++) {
        enqueue(f, i);
    }
    run(f);
    unsigned awake = 0;
    for (unsigned i = 0; i < 4; i++) {
        awake += nth(f, i)->count > 0;
    }
    return awake;
}

static void a_fast_function_wakes_no_more_than_the_cores(void **state) {
    struct fixture *f = *state;
    assert_int_equal(awake_of_four(state, 80), 2);
    assert_int_equal(f->pool.waiting, 0);
}

static void a_very_fast_function_wakes_no_more_than_can_be_fed(void **state) {
    struct fixture *f = *state;
    assert_int_equal(awake_of_four(state, 5), 1);
    assert_int_equal(f->pool.waiting, 20 - OW_HOST_DEPTH_MAX);
}

static void refuses_more_than_the_queue_holds(void **state) {
    struct fixture *f = *state;
    for (unsigned i = 0; i < 20; i++) {
        enqueue(f, i);
    }
    struct job *job = &f->jobs[20];
    job->request.deadline_us = f->scheduler.now_us + 1000;
    assert_false(pool_enqueue(&f->pool, &job->request));
    pool_cancel(&f->pool, &f->jobs[0].request, "cancelled");
    job->request.bytes = 10000;
    assert_false(pool_enqueue(&f->pool, &job->request));
}

static void crash_fails_only_what_had_started(void **state) {
    struct fixture *f = *state;
    struct fake_instance *fake = warm(f, 10);
    for (unsigned i = 0; i < 5; i++) {
        enqueue(f, i);
    }
    run(f);
    fake_start_next(fake);
    fake_exit(fake, OW_HOST_END_CRASHED);
    assert_string_equal(f->jobs[0].reason, "crashed");
    for (unsigned i = 1; i < 5; i++) {
        assert_int_equal(f->jobs[i].answers, 0);
    }
    assert_int_equal(f->pool.waiting, 4);
    assert_ptr_equal(f->pool.first, &f->jobs[1].request);
    run(f);
    assert_int_equal(f->pool.starting, 1);
}

static void timeout_kills_and_answers_at_once(void **state) {
    struct fixture *f = *state;
    struct fake_instance *fake = warm(f, 10);
    struct job *first = enqueue(f, 0);
    struct job *second = enqueue(f, 1);
    run(f);
    fake_start_next(fake);
    pass(f, 2999999);
    assert_int_equal(first->answers, 0);
    pass(f, 2);
    assert_string_equal(first->reason, "timeout");
    assert_true(fake->killed);
    assert_int_equal(second->answers, 0);
    assert_true(f->pool.check_us > f->scheduler.now_us);
}

// A function can write into its region that it has not begun; that buys it no time.
static void a_call_that_never_starts_costs_the_instance(void **state) {
    struct fixture *f = *state;
    struct fake_instance *fake = warm(f, 10);
    struct job *job = enqueue(f, 0);
    run(f);
    assert_int_equal(fake->count, 1);
    pass(f, settings.timeout_us + 1);
    assert_false(fake->killed);
    pass(f, STILL_US);
    assert_true(fake->killed);
    assert_int_equal(job->answers, 0);
    struct fake_instance *other = nth(f, 1);
    fake_load(other);
    run(f);
    assert_true(fake_start_next(other));
    assert_true(fake_complete(other));
    assert_int_equal(job->answers, 1);
    assert_string_equal(job->reason, "");
}

static void work_between_two_looks_is_no_standstill(void **state) {
    struct fixture *f = *state;
    struct fake_instance *fake = warm(f, 10);
    enqueue(f, 0);
    run(f);
    pass(f, settings.timeout_us + 1); // nothing runs at this look ...
    assert_true(fake_start_next(fake));
    assert_true(fake_complete(fake));
    enqueue(f, 1);
    run(f);
    pass(f, STILL_US); // ... nor at this one
    assert_false(fake->killed);
}

static void waiting_ends_with_the_callers_deadline(void **state) {
    struct fixture *f = *state;
    struct fake_instance *fake = warm(f, 5000);
    enqueue(f, 0);
    struct job *job = enqueue(f, 1);
    job->request.deadline_us = f->scheduler.now_us + 500;
    f->pool.limits_us = job->request.deadline_us;
    run(f);
    fake_start_next(fake);
    assert_true(f->pool.check_us <= job->request.deadline_us);
    pass(f, 600);
    assert_string_equal(job->reason, "timeout");
    assert_int_equal(f->jobs[0].answers, 0);
}

static void init_limit_fails_those_who_waited(void **state) {
    struct fixture *f = *state;
    struct job *job = enqueue(f, 0);
    run(f);
    assert_true(f->pool.check_us <= f->scheduler.now_us + limits.init_us);
    pass(f, limits.init_us + 1);
    assert_true(nth(f, 0)->killed);
    struct job *later = enqueue(f, 1);
    fake_exit(nth(f, 0), OW_HOST_END_KILLED);
    assert_string_equal(job->reason, "init_failed");
    assert_int_equal(f->failed_starts, 1);
    assert_int_equal(later->answers, 0);
}

static void three_failed_starts_back_off(void **state) {
    struct fixture *f = *state;
    for (unsigned i = 0; i < 3; i++) {
        struct job *job = enqueue(f, i);
        run(f);
        fake_fail_init(nth(f, 0));
        assert_string_equal(job->reason, "init_failed");
    }
    struct job *next = enqueue(f, 3);
    run(f);
    assert_string_equal(next->reason, "init_failed");
    assert_true(next->retry_after_s >= 1);
    assert_int_equal(f->host.spawned, 3);
    pass(f, 1100000);
    enqueue(f, 4);
    run(f);
    assert_int_equal(f->host.spawned, 4);
}

static void quick_crashes_back_off_and_the_rest_waits(void **state) {
    struct fixture *f = *state;
    for (unsigned i = 0; i < 3; i++) {
        enqueue(f, i);
        run(f);
        fake_load(nth(f, 0));
        run(f);
        fake_start_next(nth(f, 0));
        fake_exit(nth(f, 0), OW_HOST_END_CRASHED);
        assert_string_equal(f->jobs[i].reason, "crashed");
    }
    struct job *next = enqueue(f, 3);
    run(f);
    assert_int_equal(next->answers, 0);
    assert_int_equal(f->host.spawned, 3);
    assert_true(f->pool.check_us <= f->pool.backoff.until_us);
    pass(f, 1100000);
    assert_int_equal(f->host.spawned, 4);
}

static void idle_ones_end_after_a_while(void **state) {
    struct fixture *f = *state;
    struct fake_instance *fake = warm(f, 10);
    f->scheduler.clock_us += limits.idle_us - 1;
    maintain(f);
    assert_false(fake->killed);
    f->scheduler.clock_us += 2;
    maintain(f);
    assert_true(fake->killed);
}

static void too_much_memory_kills_the_running_call(void **state) {
    struct fixture *f = *state;
    struct fake_instance *fake = warm(f, 10);
    struct job *first = enqueue(f, 0);
    struct job *second = enqueue(f, 1);
    run(f);
    fake_start_next(fake);
    f->host.resident = 200u << 20;
    maintain(f);
    assert_string_equal(first->reason, "memory");
    assert_int_equal(second->answers, 0);
    assert_true(fake->killed);
}

static void memory_is_noted_as_it_is_looked_at(void **state) {
    struct fixture *f = *state;
    warm(f, 10);
    f->host.resident = 5u << 20;
    f->scheduler.clock_us++;
    maintain(f); // idle, and not looked at since
    assert_int_equal(f->pool.instances->resident_bytes, 5u << 20);
    f->host.resident = 6u << 20;
    f->scheduler.clock_us++;
    maintain(f); // what is idle is looked at once
    assert_int_equal(f->pool.instances->resident_bytes, 5u << 20);
    enqueue(f, 0);
    run(f);
    maintain(f);
    assert_int_equal(f->pool.instances->resident_bytes, 6u << 20);
}

// So many others wanted a look in the round before.
static void maintain_beside(struct fixture *f, unsigned others) {
    f->scheduler.looks_wanted += others;
    maintain(f);
}

// A runner of a thousand busy instances does not open a thousand files each tenth of a second.
static void of_many_instances_each_has_its_turn(void **state) {
    struct fixture *f = *state;
    warm(f, 10);
    enqueue(f, 0);
    run(f);
    f->host.resident = 5u << 20;
    maintain(f);
    f->host.resident = 6u << 20;
    maintain_beside(f, 2 * SCHEDULER_LOOKS_MAX);
    maintain_beside(f, 2 * SCHEDULER_LOOKS_MAX);
    assert_int_equal(f->pool.instances->resident_bytes, 5u << 20);
    maintain_beside(f, 2 * SCHEDULER_LOOKS_MAX);
    assert_int_equal(f->pool.instances->resident_bytes, 6u << 20);
    f->host.resident = 7u << 20;
    scheduler_begin_round(&f->scheduler);
    f->scheduler.looks_left = 0; // others had them
    pool_maintain(&f->pool);
    assert_int_equal(f->pool.instances->resident_bytes, 6u << 20);
    maintain(f);
    assert_int_equal(f->pool.instances->resident_bytes, 7u << 20);
}

// Those that do nothing take no turns from one that works.
static void a_busy_one_among_many_idle_is_always_looked_at(void **state) {
    struct fixture *f = *state;
    warm(f, 10);
    enqueue(f, 0);
    run(f);
    f->scheduler.instances += 1000;
    for (uint64_t mb = 5; mb < 10; mb++) {
        f->host.resident = mb << 20;
        maintain(f);
        assert_int_equal(f->pool.instances->resident_bytes, mb << 20);
    }
    f->host.resident = 10u << 20;
    maintain_beside(f, SCHEDULER_LOOKS_MAX - 1); // there is one for each
    assert_int_equal(f->pool.instances->resident_bytes, 10u << 20);
    f->scheduler.instances -= 1000;
}

static void prefetched_work_goes_to_an_idle_one(void **state) {
    struct fixture *f = *state;
    struct fake_instance *slow = warm(f, 10);
    for (unsigned i = 0; i < 3; i++) {
        enqueue(f, i);
    }
    run(f);
    assert_int_equal(slow->count, 3);
    fake_start_next(slow);
    pass(f, STUCK_ALONE_US + 1);
    assert_int_equal(slow->count, 1);
    assert_int_equal(f->host.spawned, 2);
    fake_load(nth(f, 1));
    run(f);
    assert_int_equal(nth(f, 1)->count, 2);
    assert_int_equal(slow->count, 1);
}

// A call outlasts the patience, ends, and its caller leaves before the result was looked at.
static void a_result_for_nobody_frees_the_instance(void **state) {
    struct fixture *f = *state;
    struct fake_instance *fake = warm(f, 10);
    struct job *left = enqueue(f, 0);
    enqueue(f, 1);
    run(f);
    fake_start_next(fake);
    pass(f, STUCK_ALONE_US + 1000);
    assert_true(fake->instance->stuck);
    assert_int_equal(f->pool.waiting, 1);
    instance_forget(fake->instance, &left->request);
    instance_on_completed(fake->instance, &(ow_host_completion){.id = left->request.id});
    run(f);
    assert_int_equal(f->pool.waiting, 0);
}

static void cancel_takes_back_or_kills(void **state) {
    struct fixture *f = *state;
    struct fake_instance *fake = warm(f, 10);
    for (unsigned i = 0; i < 3; i++) {
        enqueue(f, i);
    }
    run(f);
    fake_start_next(fake);
    pool_cancel(&f->pool, &f->jobs[2].request, "cancelled");
    assert_string_equal(f->jobs[2].reason, "cancelled");
    assert_false(fake->killed);
    pool_cancel(&f->pool, &f->jobs[0].request, "cancelled");
    assert_string_equal(f->jobs[0].reason, "cancelled");
    assert_true(fake->killed);
    assert_int_equal(f->jobs[1].answers, 0);
    assert_int_equal(f->pool.waiting, 1);
}

static void retired_ones_finish_and_pass_their_quota_on(void **state) {
    struct fixture *f = *state;
    struct fake_instance *fake = warm(f, 5000);
    enqueue(f, 0);
    run(f);
    fake_start_next(fake);
    pool_retire(&f->pool);
    assert_false(fake->killed);

    struct pool younger;
    pool_init(&younger, &f->scheduler, &f->account, &settings);
    younger.elder_instances = &f->pool.count;
    younger.settings.quota = 1;
    pool_set_startable(&younger, true);
    struct job *job = &f->jobs[1];
    job->request.deadline_us = f->scheduler.now_us + 1000000;
    assert_true(pool_enqueue(&younger, &job->request));
    run(f);
    assert_int_equal(younger.count, 1); // one always, so that nobody waits for the old calls

    fake_complete(fake);
    assert_string_equal(f->jobs[0].reason, "");
    assert_true(fake->killed);
    pool_cancel(&younger, &job->request, "cancelled");
    fake_exit(nth(f, 1), OW_HOST_END_CRASHED);
    pool_deinit(&younger);
}

static void memory_of_a_title_is_bounded(void **state) {
    struct fixture *f = *state;
    f->scheduler.limits.title_memory = settings.memory_bytes;
    struct fake_instance *fake = warm(f, 5000);
    struct pool other;
    pool_init(&other, &f->scheduler, &f->account, &settings);
    pool_set_startable(&other, true);
    struct job *job = &f->jobs[0];
    job->request.deadline_us = f->scheduler.now_us + 1000000;
    assert_true(pool_enqueue(&other, &job->request));
    run(f);
    assert_int_equal(other.count, 0);
    assert_true(fake->killed); // it was idle: made room
    fake_exit(fake, OW_HOST_END_KILLED);
    f->scheduler.now_us = other.check_us;
    pool_touch(&other);
    run(f);
    assert_int_equal(other.count, 1);
    pool_cancel(&other, &job->request, "cancelled");
    fake_exit(nth(f, 0), OW_HOST_END_CRASHED);
    pool_deinit(&other);
}

static void waits_for_a_zygote(void **state) {
    struct fixture *f = *state;
    f->host.no_zygote = true;
    struct job *job = enqueue(f, 0);
    run(f);
    assert_int_equal(job->answers, 0);
    assert_true(f->pool.check_us < f->scheduler.now_us + 1000000);
    f->host.no_zygote = false;
    pass(f, 100000);
    assert_int_equal(f->host.spawned, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        CASE(starts_one_instance_for_many_waiting),
        CASE(first_reply_carries_the_init_time),
        CASE(gives_a_fast_function_a_handful),
        CASE(gives_a_slow_function_one_each),
        CASE(grows_to_the_quota_and_no_further),
        CASE(one_lost_core_does_not_make_a_function_slow),
        CASE(a_function_that_became_slow_is_seen_to_be),
        CASE(a_fast_function_wakes_no_more_than_the_cores),
        CASE(a_very_fast_function_wakes_no_more_than_can_be_fed),
        CASE(refuses_more_than_the_queue_holds),
        CASE(crash_fails_only_what_had_started),
        CASE(timeout_kills_and_answers_at_once),
        CASE(a_call_that_never_starts_costs_the_instance),
        CASE(work_between_two_looks_is_no_standstill),
        CASE(waiting_ends_with_the_callers_deadline),
        CASE(init_limit_fails_those_who_waited),
        CASE(three_failed_starts_back_off),
        CASE(quick_crashes_back_off_and_the_rest_waits),
        CASE(idle_ones_end_after_a_while),
        CASE(too_much_memory_kills_the_running_call),
        CASE(memory_is_noted_as_it_is_looked_at),
        CASE(of_many_instances_each_has_its_turn),
        CASE(a_busy_one_among_many_idle_is_always_looked_at),
        CASE(prefetched_work_goes_to_an_idle_one),
        CASE(a_result_for_nobody_frees_the_instance),
        CASE(cancel_takes_back_or_kills),
        CASE(retired_ones_finish_and_pass_their_quota_on),
        CASE(memory_of_a_title_is_bounded),
        CASE(waits_for_a_zygote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
