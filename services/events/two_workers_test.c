// Two workers on one store, each with a runner of its own: they share the work, and when one of them stops or is gone
// the other ends what it had. Nothing is lost, and nothing ends twice.

#include "services/events/events.h"
#include "services/events/internal.h"
#include "tests/stage/stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE (&overworld__events__v1__queue__descriptor)
#define TEXT(literal) ((char *)(uintptr_t)(literal))

enum { EXECUTIONS = 300, AT_A_TIME = 16, WORKERS = 2 };

static const stage_caller platform = {.kind = OW_PLATFORM, .title = "ttl_1"};

// A runner keeps what it gets until the test lets it go.
typedef struct fake_runner {
    struct fixture *f;
    ProtobufCService *service;
    ow_run *held[EXECUTIONS];
    int count, ended;
} fake_runner;

typedef struct fixture {
    stage stage;
    fake_runner runners[WORKERS];
    worker *second;
    int ended[EXECUTIONS]; // how often each ended well
    int wanted;
} fixture;

// ---- The runners ----

static void on_cancel(ow_call *call, void *self) {
    fake_runner *r = self;
    for (int i = 0; i < r->count; i++) {
        if (r->held[i]->call == call) {
            ow_run *run = r->held[i];
            r->held[i] = r->held[--r->count];
            ow_fail(run->err, OW_CANCELLED, "cancelled", "cancelled");
            ow_run_resume(run, OW_CANCELLED);
            return;
        }
    }
}

static ow_code invoke(ow_run *run) {
    fake_runner *r = run->self;
    assert_true(r->count < EXECUTIONS);
    r->held[r->count++] = run;
    run->call->on_cancel = on_cancel;
    run->call->on_cancel_self = r;
    return OW_PENDING;
}

static const ow_method runner_methods[] = {{"Invoke", 0, {{OW_LOOP, invoke}}}, {0}};

// Ends what it has, at most so many.
static void let_go(fake_runner *r, int most) {
    while (r->count > 0 && most-- > 0) {
        ow_run *run = r->held[--r->count];
        const invoke_request *request = run->request;
        char text[16];
        snprintf(text, sizeof text, "%.*s", (int)request->payload.len,
                 (const char *)request->payload.data);
        r->f->ended[strtol(text, NULL, 10)]++;
        r->ended++;
        run->call->on_cancel = NULL;
        ow_run_resume(run, OW_OK);
    }
}

// ---- The second worker ----

static void make_id(void *self, int64_t now_us, char id[static OW_ID_MAX]) {
    events_make_id(self, now_us, id);
}

static void begin_second(fixture *f) {
    events *e = f->stage.self;
    worker_options options = {
        .loop = f->stage.loop,
        .db = e->db,
        .clock = f->stage.clock,
        .metrics = f->stage.metrics,
        .runner = f->runners[1].service,
        .max_running = AT_A_TIME,
        .run_us = e->config.max_run_us,
        .keep_us = e->config.keep_us,
        .keep_dead_us = e->config.keep_dead_us,
        .limits = {.concurrency = e->config.concurrency},
        .make_id = make_id,
        .make_id_self = e,
    };
    f->second = worker_new(&options);
    assert_non_null(f->second);
}

static int set_up(void **state) {
    static const char *const flags[] = {"--events.max_running=16", NULL};
    fixture *f = calloc(1, sizeof *f);
    stage_open(&f->stage, &ow_events_module, OW_CHANNEL_LOCAL, flags);
    for (int i = 0; i < WORKERS; i++) {
        fake_runner *r = &f->runners[i];
        r->f = f;
        // The module's own worker finds the first; the second worker is given the other.
        r->service = (i == 0 ? stage_offer : stage_stand_in)(
            &f->stage, &overworld__runner__v1__runner__descriptor, runner_methods, r);
    }
    stage_start(&f->stage);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    stage_close(&f->stage);
    for (int i = 0; i < WORKERS; i++) {
        ow_service_free(f->runners[i].service);
    }
    free(f);
    return 0;
}

// ---- Turns ----

static void enqueue_all(fixture *f) {
    static new_execution_msg wanted[EXECUTIONS];
    static new_execution_msg *list[EXECUTIONS];
    static char numbers[EXECUTIONS][8];
    enqueue_request request = OVERWORLD__EVENTS__V1__ENQUEUE_REQUEST__INIT;
    for (int i = 0; i < EXECUTIONS; i++) {
        int size = snprintf(numbers[i], sizeof numbers[i], "%d", i);
        overworld__events__v1__new_execution__init(&wanted[i]);
        wanted[i].virtual_server = TEXT("chat");
        wanted[i].function = TEXT("moderate");
        wanted[i].source = TEXT("client");
        wanted[i].payload = (ProtobufCBinaryData){(size_t)size, (uint8_t *)numbers[i]};
        list[i] = &wanted[i];
    }
    request.executions = list;
    request.n_executions = EXECUTIONS;
    assert_non_null(stage_call(&f->stage, QUEUE, "Enqueue", &request, &platform));
}

static bool is_full(void *self) {
    const fixture *f = self;
    return f->runners[f->wanted].count == AT_A_TIME;
}

static void wait_for_work(fixture *f, int index) {
    f->wanted = index;
    stage_until(&f->stage, is_full, f);
}

static int all_ended(const fixture *f) {
    return f->runners[0].ended + f->runners[1].ended;
}

// The first worker ends the rest.
static bool go_on(void *self) {
    fixture *f = self;
    let_go(&f->runners[0], AT_A_TIME);
    return all_ended(f) == EXECUTIONS;
}

// It does not get what the other one has.
static bool go_on_without_it(void *self) {
    fixture *f = self;
    let_go(&f->runners[0], AT_A_TIME);
    return all_ended(f) >= EXECUTIONS - AT_A_TIME;
}

// The same while time passes, as what is tried again is put off.
static bool go_on_later(void *self) {
    fixture *f = self;
    ow_clock_advance(f->stage.clock, SECOND_US / 10);
    return go_on(f);
}

static void expect_each_once(const fixture *f) {
    for (int i = 0; i < EXECUTIONS; i++) {
        if (f->ended[i] != 1) {
            fail_msg("execution %d has ended %d times", i, f->ended[i]);
        }
    }
}

static void share_some(fixture *f) {
    enqueue_all(f);
    // The module takes itself for alone on its store, and what runs at its start for left behind by the dead.
    // Until it has looked for that it claims nothing.
    wait_for_work(f, 0);
    begin_second(f);
    worker_kick(f->second, ow_clock_wall_us(f->stage.clock));
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < WORKERS; k++) {
            wait_for_work(f, k);
            let_go(&f->runners[k], AT_A_TIME / 2 + i);
        }
    }
    wait_for_work(f, 1);
    assert_true(f->runners[0].ended > AT_A_TIME && f->runners[1].ended > AT_A_TIME);
}

// ---- Cases ----

static void one_stops_in_good_order(void **state) {
    fixture *f = *state;
    share_some(f);
    worker_stop(f->second); // what it has is put back, and that is no attempt
    stage_until(&f->stage, go_on, f);
    expect_each_once(f);
    assert_true(worker_drain(f->second));
    worker_free(f->second);
}

static void one_is_gone_without_a_word(void **state) {
    fixture *f = *state;
    const events *e = f->stage.self;
    share_some(f);
    // Its machine burns: what it has is not answered any more, its leases are over some day.
    fake_runner lost = f->runners[1];
    f->runners[1].count = 0;
    stage_until(&f->stage, go_on_without_it, f);
    assert_int_equal(all_ended(f), EXECUTIONS - AT_A_TIME);
    ow_clock_advance(f->stage.clock, e->config.max_run_us + 60 * SECOND_US);
    stage_until(&f->stage, go_on_later, f);
    expect_each_once(f);
    // It comes back and would settle them: its leases are stale, and nothing happens.
    for (int i = 0; i < lost.count; i++) {
        lost.held[i]->call->on_cancel = NULL;
        ow_run_resume(lost.held[i], OW_OK);
    }
    while (!worker_drain(f->second)) {
        assert_int_equal(ow_loop_turn(f->stage.loop, 1000, NULL), OW_OK);
    }
    worker_stop(f->second);
    worker_free(f->second);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_stops_in_good_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_is_gone_without_a_word, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("two_workers", tests, NULL, NULL);
}
