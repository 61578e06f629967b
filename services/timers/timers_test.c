// Timers as their callers see them: real store, steered clock, a queue that does what the test says. Run
// with "packed" the calls are encoded and deferred.

#include "services/timers/claim.h"
#include "services/timers/fake_platform.h"
#include "services/timers/fake_queue.h"
#include "services/timers/internal.h"
#include "services/timers/timers.h"
#include "tests/stage/stage.h"

#include "core/metrics/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMERS (&overworld__timers__v1__timers__descriptor)
#define TEXT(literal) ((char *)(uintptr_t)(literal))

static ow_channel_kind channel;

static const stage_caller platform = {.kind = OW_PLATFORM, .title = "ttl_1"};
static const stage_caller developer = {
    .kind = OW_OPERATOR, .role = OW_ROLE_DEVELOPER, .id = "opr_1", .title = "ttl_1"};
static const stage_caller stranger = {
    .kind = OW_OPERATOR, .role = OW_ROLE_DEVELOPER, .id = "opr_2", .title = "ttl_2"};

typedef struct fixture {
    stage stage;
    fake_queue queue;
    fake_queue *other; // of a second claimant
    fake_platform platform;
    timer_spec spec;
    Google__Protobuf__Duration interval, window;
    int wanted; // executions, or calls of the queue
    const char *timer_id, *state;
    int slots;
    int64_t first_us;
    const list_timers_response *all;
} fixture;

static int set_up(void **state) {
    static const char *const flags[] = {"--timers.max_history=100", NULL};
    fixture *f = calloc(1, sizeof *f);
    stage_open(&f->stage, &ow_timers_module, channel, flags);
    fake_queue_offer(&f->queue, f->stage.directory, f->stage.api, f->stage.loop);
    fake_platform_offer(&f->platform, f->stage.directory, f->stage.api, f->stage.loop);
    stage_start(&f->stage);
    overworld__api__timer__init(&f->spec);
    google__protobuf__duration__init(&f->interval);
    google__protobuf__duration__init(&f->window);
    f->interval.seconds = 10;
    f->spec.name = TEXT("tick");
    f->spec.function = TEXT("on_tick");
    f->spec.every = &f->interval;
    f->spec.payload = TEXT("hello");
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    fake_queue_withdraw(&f->queue, f->stage.directory);
    fake_platform_withdraw(&f->platform, f->stage.directory);
    stage_close(&f->stage);
    free(f);
    return 0;
}

static void *call(fixture *f, const char *method, const void *request) {
    return stage_call(&f->stage, TIMERS, method, request, &developer);
}

static void *must_call(fixture *f, const char *method, const void *request) {
    void *reply = call(f, method, request);
    if (reply == NULL) {
        fail_msg("%s: %s: %s", method, f->stage.err.reason, f->stage.err.message);
    }
    return reply;
}

static void expect_failure(fixture *f, const char *method, const void *request, ow_code code,
                           const char *reason) {
    assert_null(call(f, method, request));
    assert_string_equal(f->stage.err.reason, reason);
    assert_int_equal(f->stage.err.code, code);
}

static timer_msg *create(fixture *f, const char *name) {
    create_timer_request request = OVERWORLD__TIMERS__V1__CREATE_TIMER_REQUEST__INIT;
    request.virtual_server = TEXT("chat");
    request.spec = &f->spec;
    f->spec.name = TEXT(name);
    return must_call(f, "CreateTimer", &request);
}

static timer_msg *get(fixture *f, const char *timer_id) {
    get_timer_request request = OVERWORLD__TIMERS__V1__GET_TIMER_REQUEST__INIT;
    request.timer_id = TEXT(timer_id);
    return must_call(f, "GetTimer", &request);
}

static list_slots_response *history(fixture *f, const char *timer_id, const char *state) {
    list_slots_request request = OVERWORLD__TIMERS__V1__LIST_SLOTS_REQUEST__INIT;
    request.timer_id = TEXT(timer_id);
    request.state = TEXT(state);
    request.page_size = 200;
    return must_call(f, "ListSlots", &request);
}

static void advance(fixture *f, int64_t by_us) {
    ow_clock_advance(f->stage.clock, by_us);
}

static bool has_executions(void *self) {
    const fixture *f = self;
    return f->queue.count >= f->wanted;
}

static bool was_called(void *self) {
    const fixture *f = self;
    return f->queue.calls >= f->wanted;
}

static bool has_slots(void *self) {
    fixture *f = self;
    return history(f, f->timer_id, f->state)->n_slots >= (size_t)f->slots;
}

static void await_executions(fixture *f, int count) {
    f->wanted = count;
    stage_until(&f->stage, has_executions, f);
}

static void await_slots(fixture *f, const char *timer_id, const char *state, int count) {
    f->timer_id = timer_id;
    f->state = state;
    f->slots = count;
    stage_until(&f->stage, has_slots, f);
}

static void turn(fixture *f, int turns) {
    for (int i = 0; i < turns; i++) {
        assert_int_equal(ow_loop_turn(f->stage.loop, 2000, NULL), OW_OK);
    }
}

static apply_response *apply(fixture *f, int64_t number, timer_spec **timers, size_t count) {
    apply_request request = OVERWORLD__API__APPLY_TRIGGERS_REQUEST__INIT;
    Overworld__Api__Triggers triggers = OVERWORLD__API__TRIGGERS__INIT;
    request.virtual_server = TEXT("chat");
    request.deployment = number;
    request.triggers = &triggers;
    triggers.timers = timers;
    triggers.n_timers = count;
    apply_response *reply = stage_call(&f->stage, TIMERS, "ApplyTriggers", &request, &platform);
    assert_non_null(reply);
    return reply;
}

// Many at once, named by their numbers, in one write.
static void declare(fixture *f, int count) {
    timer_spec *specs = calloc((size_t)count, sizeof *specs);
    timer_spec **list = calloc((size_t)count, sizeof *list);
    char(*names)[20] = calloc((size_t)count, sizeof *names);
    for (int i = 0; i < count; i++) {
        snprintf(names[i], sizeof names[i], "tick-%d", i);
        specs[i] = f->spec;
        specs[i].name = names[i];
        list[i] = &specs[i];
    }
    assert_int_equal(apply(f, 1, list, (size_t)count)->n_problems, 0);
    free(names);
    free(list);
    free(specs);
}

// ---- Firing ----

static void fires_each_slot_once(void **state) {
    fixture *f = *state;
    const timer_msg *timer = create(f, "tick");
    int64_t first = us_of_time(timer->next_due);
    assert_int_equal(first - us_of_time(timer->created_at), 10 * SECOND_US);
    for (int i = 0; i < 5; i++) {
        advance(f, 10 * SECOND_US);
        await_executions(f, i + 1);
        assert_int_equal(f->queue.executions[i].due_us, first + i * 10 * SECOND_US);
    }
    await_slots(f, timer->timer_id, "fired", 5);
    const fake_execution *x = &f->queue.executions[0];
    assert_string_equal(x->title, "ttl_1");
    assert_string_equal(x->source, "timer");
    assert_string_equal(x->qualifier, "$DEFAULT");
    assert_string_equal(x->function, "on_tick");
    assert_non_null(strstr(x->payload, "\"TriggerName\":\"tick\""));
    assert_non_null(strstr(x->payload, "\"Message\":\"hello\""));
    // Each is a request of its own.
    assert_string_not_equal(x->request_id, f->queue.executions[1].request_id);
    const slot_msg *last = history(f, timer->timer_id, "")->slots[0];
    assert_string_equal(last->execution_id, f->queue.executions[4].id);
    assert_int_equal(us_of_time(last->due), first + 40 * SECOND_US);
    timer = get(f, timer->timer_id);
    assert_int_equal(us_of_time(timer->next_due), first + 50 * SECOND_US);
    assert_int_equal(us_of_time(timer->last_due), first + 40 * SECOND_US);
    assert_string_equal(timer->last_execution_id, f->queue.executions[4].id);
}

static void many_at_once(void **state) {
    fixture *f = *state;
    enum { COUNT = 700 }; // more than one round takes
    char name[20];
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "tick-%d", i);
        create(f, name);
    }
    advance(f, 11 * SECOND_US);
    await_executions(f, COUNT);
    turn(f, 20);
    assert_int_equal(f->queue.count, COUNT);
    assert_int_equal(f->queue.repeats, 0);
}

static void catches_up_as_asked(void **state) {
    fixture *f = *state;
    const timer_msg *skip = create(f, "skip");
    f->spec.catch_up = TEXT("once");
    const timer_msg *once = create(f, "once");
    f->spec.catch_up = TEXT("all");
    f->window.seconds = 300;
    f->spec.catch_up_window = &f->window;
    const timer_msg *all = create(f, "all");
    advance(f, 605 * SECOND_US); // slots 1 to 60; from 55 on they are not too late
    await_slots(f, skip->timer_id, "fired", 6);
    await_slots(f, once->timer_id, "fired", 7);
    await_slots(f, all->timer_id, "fired", 30);
    const slot_msg *missed = history(f, skip->timer_id, "missed")->slots[0];
    assert_int_equal(missed->count, 54);
    assert_string_equal(missed->reason, "late");
    assert_int_equal(us_of_time(missed->last_due) - us_of_time(missed->due), 530 * SECOND_US);
    assert_int_equal(history(f, once->timer_id, "missed")->slots[0]->count, 53);
    assert_int_equal(history(f, all->timer_id, "missed")->slots[0]->count, 30);
}

static bool was_told(void *self) {
    const fixture *f = self;
    return f->platform.count >= f->wanted;
}

static void tells_of_missed_slots(void **state) {
    fixture *f = *state;
    const timer_msg *timer = create(f, "tick");
    advance(f, 605 * SECOND_US);
    f->wanted = 1;
    stage_until(&f->stage, was_told, f);
    const fake_event *event = &f->platform.taken[0];
    assert_string_equal(event->type, "timer.missed");
    assert_string_equal(event->title, "ttl_1");
    assert_non_null(strstr(event->data, timer->timer_id));
    assert_non_null(strstr(event->data, "\"name\":\"tick\""));
    assert_non_null(strstr(event->data, "\"count\":54"));
    assert_non_null(strstr(event->data, "\"reason\":\"late\""));
    // One that the queue would not have for hours is missed, too, and no entry is told twice.
    f->queue.fails = OW_UNAVAILABLE;
    int calls = f->queue.calls;
    advance(f, 20 * SECOND_US);
    f->wanted = calls + 1;
    stage_until(&f->stage, was_called, f);
    advance(f, 7 * HOUR_US);
    await_slots(f, timer->timer_id, "missed", 2);
    f->queue.fails = OW_OK;
    advance(f, 20 * SECOND_US);
    f->wanted = (int)history(f, timer->timer_id, "missed")->n_slots;
    stage_until(&f->stage, was_told, f);
    turn(f, 20);
    assert_int_equal(f->platform.count, history(f, timer->timer_id, "missed")->n_slots);
    assert_non_null(strstr(f->platform.taken[1].data, "\"reason\":\"not_now\""));
}

static void overlaps_as_asked(void **state) {
    fixture *f = *state;
    f->queue.state = "running";
    f->spec.overlap = TEXT("skip");
    const timer_msg *skip = create(f, "skip");
    advance(f, 10 * SECOND_US);
    await_slots(f, skip->timer_id, "fired", 1);
    advance(f, 10 * SECOND_US);
    await_slots(f, skip->timer_id, "skipped", 1);
    assert_int_equal(f->queue.count, 1);
    assert_string_equal(history(f, skip->timer_id, "skipped")->slots[0]->reason, "overlap");
    f->queue.executions[0].state = "done";
    advance(f, 10 * SECOND_US);
    await_slots(f, skip->timer_id, "fired", 2);
    f->spec.overlap = TEXT("queue");
    const timer_msg *queue = create(f, "queue");
    advance(f, 10 * SECOND_US);
    await_slots(f, queue->timer_id, "fired", 1);
    assert_string_equal(f->queue.executions[f->queue.count - 1].ordering, queue->timer_id);
}

// ---- When things break ----

static void waits_for_the_queue(void **state) {
    fixture *f = *state;
    f->queue.fails = OW_UNAVAILABLE;
    const timer_msg *timer = create(f, "tick");
    advance(f, 10 * SECOND_US);
    f->wanted = 1;
    stage_until(&f->stage, was_called, f);
    await_slots(f, timer->timer_id, "claimed", 1);
    // Nothing new is claimed meanwhile; what gets late meets the timer's rule.
    advance(f, 590 * SECOND_US);
    f->wanted = 3;
    stage_until(&f->stage, was_called, f);
    assert_int_equal(history(f, timer->timer_id, "")->n_slots, 1);
    f->queue.fails = OW_OK;
    advance(f, 2 * SECOND_US);
    await_slots(f, timer->timer_id, "fired", 1 + 6);
    assert_int_equal(history(f, timer->timer_id, "missed")->slots[0]->count, 53);
    assert_int_equal(f->queue.repeats, 0);
}

static void a_lost_answer_doubles_nothing(void **state) {
    fixture *f = *state;
    f->queue.loses_answers = true;
    const timer_msg *timer = create(f, "tick");
    advance(f, 10 * SECOND_US);
    await_executions(f, 1);
    f->queue.loses_answers = false;
    advance(f, 2 * SECOND_US);
    await_slots(f, timer->timer_id, "fired", 1);
    assert_int_equal(f->queue.count, 1);
    assert_true(f->queue.repeats >= 1);
    assert_string_equal(history(f, timer->timer_id, "")->slots[0]->execution_id, "exe_1");
}

static void a_refusal_is_told(void **state) {
    fixture *f = *state;
    f->queue.fails = OW_INVALID_ARGUMENT;
    const timer_msg *timer = create(f, "tick");
    advance(f, 10 * SECOND_US);
    await_slots(f, timer->timer_id, "failed", 1);
    assert_string_equal(history(f, timer->timer_id, "failed")->slots[0]->reason, "not_now");
}

static void claims_outlive_the_process(void **state) {
    fixture *f = *state;
    f->queue.fails = OW_UNAVAILABLE;
    const timer_msg *timer = create(f, "tick");
    advance(f, 10 * SECOND_US);
    await_slots(f, timer->timer_id, "claimed", 1);
    stage_restart(&f->stage);
    f->queue.fails = OW_OK;
    advance(f, 20 * SECOND_US); // beyond any lease
    await_slots(f, timer->timer_id, "fired", 3);
    assert_int_equal(f->queue.count, 3);
    assert_int_equal(f->queue.repeats, 0);
}

static int all_executions(const fixture *f) {
    const fake_queue *other = f->other;
    for (int i = 0; i < f->queue.count; i++) {
        for (int k = 0; k < other->count; k++) {
            assert_string_not_equal(f->queue.executions[i].key, other->executions[k].key);
        }
    }
    assert_int_equal(f->queue.repeats + other->repeats, 0);
    return f->queue.count + other->count;
}

static bool all_have_come(void *self) {
    const fixture *f = self;
    return all_executions(f) >= f->wanted;
}

static void await_all(fixture *f, int count) {
    f->wanted = count;
    stage_until(&f->stage, all_have_come, f);
    turn(f, 10);
    assert_int_equal(all_executions(f), count);
}

static bool other_was_called(void *self) {
    const fixture *f = self;
    return f->other->calls >= f->wanted;
}

// Each with a queue of its own, so that it is seen who fired what.
static void two_claimants_share_the_slots(void **state) {
    fixture *f = *state;
    enum { COUNT = 300 }; // more than two rounds take
    fake_queue *other = calloc(1, sizeof *other);
    const timers *t = f->stage.self;
    f->other = other;
    fake_queue_make(other, f->stage.api, f->stage.loop);
    declare(f, COUNT);
    firing_options options = {.loop = f->stage.loop,
                              .db = t->db,
                              .clock = f->stage.clock,
                              .queue = other->service,
                              .zones = t->zones,
                              .metrics = f->stage.metrics,
                              .missed_after_us = t->config.missed_after_us,
                              .history_us = t->config.history_us,
                              .history_max = COUNT * 100};
    firing *second = firing_new(&options);
    for (int slots = 1; slots <= 3; slots++) {
        advance(f, 10 * SECOND_US);
        await_all(f, slots * COUNT);
    }
    assert_true(f->queue.count > COUNT / 4 && other->count > COUNT / 4);
    // The second one has claimed slots that it cannot pass on, and is gone: the first one takes them up.
    other->fails = OW_UNAVAILABLE;
    int calls = other->calls;
    advance(f, 10 * SECOND_US);
    f->wanted = calls + 1;
    stage_until(&f->stage, other_was_called, f);
    firing_stop(second);
    turn(f, 20);
    advance(f, LEASE_US + SECOND_US);
    await_all(f, 5 * COUNT);
    firing_free(second);
    ow_service_free(other->service);
    free(other);
    f->other = NULL;
}

static bool has_begun_anew(void *self) {
    fixture *f = self;
    int64_t in_us = us_of_time(get(f, f->timer_id)->next_due) - ow_clock_wall_us(f->stage.clock);
    return in_us > 0 && in_us <= f->interval.seconds * SECOND_US;
}

// Until the next slot comes within one interval from now, wherever the clock was set to.
static void await_schedule(fixture *f, const char *timer_id) {
    f->timer_id = timer_id;
    stage_until(&f->stage, has_begun_anew, f);
}

// However the wall clock is set, no slot comes twice, and none is lost without an entry.
static void clock_steps(void **state) {
    fixture *f = *state;
    static const int64_t steps[] = {HOUR_US, -HOUR_US, DAY_US, -DAY_US, -HOUR_US, HOUR_US};
    f->interval.seconds = 300;
    const timer_msg *every = create(f, "every");
    f->spec.every = NULL;
    f->spec.cron = TEXT("*/5 * * * *");
    const timer_msg *cron = create(f, "cron");
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        int before = f->queue.count;
        ow_clock_step_wall(f->stage.clock, steps[i]);
        await_schedule(f, every->timer_id);
        advance(f, 301 * SECOND_US);
        // The interval goes on at once, whichever way the clock went.
        await_executions(f, before + 1);
        turn(f, 10);
    }
    for (int i = 0; i < f->queue.count; i++) {
        for (int k = 0; k < i; k++) {
            assert_string_not_equal(f->queue.executions[i].key, f->queue.executions[k].key);
        }
    }
    // Of the cron timer: fired and missed slots follow each other without a hole.
    list_slots_response *h = history(f, cron->timer_id, "");
    assert_true(h->n_slots > 2);
    for (size_t i = 1; i < h->n_slots; i++) {
        int64_t gap = us_of_time(h->slots[i - 1]->due) - us_of_time(h->slots[i]->last_due);
        assert_int_equal(gap, 300 * SECOND_US);
    }
    assert_true(history(f, every->timer_id, "fired")->n_slots >= 6);
}

// ---- Changing ----

static void pauses_and_resumes(void **state) {
    fixture *f = *state;
    const timer_msg *timer = create(f, "tick");
    pause_timer_request pause = OVERWORLD__TIMERS__V1__PAUSE_TIMER_REQUEST__INIT;
    resume_timer_request resume = OVERWORLD__TIMERS__V1__RESUME_TIMER_REQUEST__INIT;
    pause.timer_id = resume.timer_id = timer->timer_id;
    pause.reason = TEXT("too loud");
    const timer_msg *paused = must_call(f, "PauseTimer", &pause);
    assert_string_equal(paused->state, "paused");
    assert_string_equal(paused->pause_reason, "too loud");
    assert_string_equal(paused->paused_by, "opr_1");
    assert_null(paused->next_due);
    advance(f, HOUR_US);
    turn(f, 10);
    const timer_msg *resumed = must_call(f, "ResumeTimer", &resume);
    assert_string_equal(resumed->state, "active");
    turn(f, 10);
    assert_int_equal(f->queue.count, 0);
    assert_int_equal(history(f, timer->timer_id, "")->n_slots, 0); // nothing was missed
    advance(f, 10 * SECOND_US);
    await_executions(f, 1);
    pause.etag = timer->etag;
    expect_failure(f, "PauseTimer", &pause, OW_ABORTED, "stale_etag");
}

static void updates_and_deletes(void **state) {
    fixture *f = *state;
    const timer_msg *timer = create(f, "tick");
    update_timer_request update = OVERWORLD__TIMERS__V1__UPDATE_TIMER_REQUEST__INIT;
    delete_timer_request remove = OVERWORLD__TIMERS__V1__DELETE_TIMER_REQUEST__INIT;
    get_timer_request get_it = OVERWORLD__TIMERS__V1__GET_TIMER_REQUEST__INIT;
    update.timer_id = remove.timer_id = get_it.timer_id = timer->timer_id;
    f->interval.seconds = 60;
    update.spec = &f->spec;
    update.etag = timer->etag;
    const timer_msg *updated = must_call(f, "UpdateTimer", &update);
    assert_int_equal(updated->spec->every->seconds, 60);
    assert_int_equal(us_of_time(updated->next_due) - us_of_time(updated->updated_at),
                     60 * SECOND_US);
    expect_failure(f, "UpdateTimer", &update, OW_ABORTED, "stale_etag");
    update.etag = TEXT("");
    f->spec.name = TEXT("tock");
    expect_failure(f, "UpdateTimer", &update, OW_INVALID_ARGUMENT, "bad_timer");
    assert_null(stage_call(&f->stage, TIMERS, "GetTimer", &get_it, &stranger));
    assert_string_equal(f->stage.err.reason, "no_timer");
    must_call(f, "DeleteTimer", &remove);
    expect_failure(f, "GetTimer", &get_it, OW_NOT_FOUND, "no_timer");
    advance(f, HOUR_US);
    turn(f, 10);
    assert_int_equal(f->queue.count, 0);
}

static void says_what_is_not_there(void **state) {
    fixture *f = *state;
    create_timer_request request = OVERWORLD__TIMERS__V1__CREATE_TIMER_REQUEST__INIT;
    request.virtual_server = TEXT("chat");
    request.spec = &f->spec;
    assert_string_equal(create(f, "whole")->warning, "");
    f->spec.alias = TEXT("live");
    assert_string_equal(create(f, "live")->warning, "");
    f->spec.alias = TEXT("later");
    assert_non_null(strstr(create(f, "later")->warning, "no alias later"));
    f->spec.alias = TEXT("");
    f->spec.function = TEXT("to_come");
    assert_non_null(strstr(create(f, "function")->warning, "no function to_come"));
    f->platform.registry_fails = OW_UNAVAILABLE;
    assert_non_null(strstr(create(f, "unknown")->warning, "not known"));
    f->platform.registry_fails = OW_OK;
    request.virtual_server = TEXT("chatt");
    expect_failure(f, "CreateTimer", &request, OW_NOT_FOUND, "no_virtual_server");
}

static void creates_once(void **state) {
    fixture *f = *state;
    create_timer_request request = OVERWORLD__TIMERS__V1__CREATE_TIMER_REQUEST__INIT;
    request.virtual_server = TEXT("chat");
    request.spec = &f->spec;
    request.request_key = TEXT("key-1");
    const timer_msg *first = must_call(f, "CreateTimer", &request);
    const timer_msg *again = must_call(f, "CreateTimer", &request);
    assert_string_equal(first->timer_id, again->timer_id);
    request.request_key = TEXT("");
    expect_failure(f, "CreateTimer", &request, OW_ALREADY_EXISTS, "timer_exists");
    f->spec.every = NULL;
    f->spec.cron = TEXT("nonsense");
    expect_failure(f, "CreateTimer", &request, OW_INVALID_ARGUMENT, "bad_cron");
    Google__Protobuf__Timestamp past = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    past.seconds = 1000;
    f->spec.cron = TEXT("");
    f->spec.at = &past;
    f->spec.name = TEXT("past");
    expect_failure(f, "CreateTimer", &request, OW_INVALID_ARGUMENT, "in_the_past");
}

static void runs_by_hand(void **state) {
    fixture *f = *state;
    const timer_msg *timer = create(f, "tick");
    run_timer_request run = OVERWORLD__TIMERS__V1__RUN_TIMER_REQUEST__INIT;
    run.timer_id = timer->timer_id;
    run.request_key = TEXT("now-1");
    const slot_msg *slot = must_call(f, "RunTimer", &run);
    assert_string_equal(slot->state, "fired");
    assert_string_equal(slot->kind, "manual");
    assert_string_equal(slot->execution_id, "exe_1");
    assert_string_equal(f->queue.executions[0].source, "manual");
    slot = must_call(f, "RunTimer", &run);
    assert_string_equal(slot->execution_id, "exe_1");
    assert_int_equal(f->queue.count, 1);
    // The queue is away: accepted, and done when it is back.
    f->queue.fails = OW_UNAVAILABLE;
    run.request_key = TEXT("");
    slot = must_call(f, "RunTimer", &run);
    assert_string_equal(slot->state, "claimed");
    f->queue.fails = OW_OK;
    advance(f, 2 * SECOND_US);
    await_slots(f, timer->timer_id, "fired", 2);
    assert_int_equal(us_of_time(get(f, timer->timer_id)->next_due), us_of_time(timer->next_due));
}

static void lists_by_pages(void **state) {
    fixture *f = *state;
    char name[20];
    for (int i = 0; i < 25; i++) {
        snprintf(name, sizeof name, "t%02d", i);
        f->interval.seconds = 100 - i;
        create(f, name);
    }
    list_timers_request request = OVERWORLD__TIMERS__V1__LIST_TIMERS_REQUEST__INIT;
    request.page_size = 10;
    int seen = 0;
    for (int soonest = 0; soonest < 2; soonest++, seen = 0) {
        request.soonest = soonest == 1;
        request.page_token = TEXT("");
        do {
            const list_timers_response *page = must_call(f, "ListTimers", &request);
            for (size_t i = 0; i < page->n_timers; i++, seen++) {
                snprintf(name, sizeof name, "t%02d", soonest == 1 ? 24 - seen : seen);
                assert_string_equal(page->timers[i]->spec->name, name);
            }
            request.page_token = page->next_page_token;
        } while (request.page_token[0] != 0);
        assert_int_equal(seen, 25);
    }
    request.soonest = false;
    request.name = TEXT("t03");
    const list_timers_response *one = must_call(f, "ListTimers", &request);
    assert_int_equal(one->n_timers, 1);
    request.name = TEXT("");
    static const struct {
        const char *part;
        size_t count;
    } parts[] = {{"T1", 10}, {"04", 1}, {"t", 10}, {"%", 0}, {"_", 0}, {"t!", 0}, {"t_4", 0}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        request.name_contains = TEXT(parts[i].part);
        const list_timers_response *page = must_call(f, "ListTimers", &request);
        assert_int_equal(page->n_timers, parts[i].count);
    }
    request.name_contains = TEXT("1234567890123456789012345678901234567890123456789012345678901");
    expect_failure(f, "ListTimers", &request, OW_INVALID_ARGUMENT, "bad_filter");
    request.name_contains = TEXT("");
    request.state = TEXT("paused");
    assert_int_equal(((list_timers_response *)must_call(f, "ListTimers", &request))->n_timers, 0);
    request.page_token = TEXT("nonsense");
    expect_failure(f, "ListTimers", &request, OW_INVALID_ARGUMENT, "bad_page_token");
}

static void shows_what_is_to_come(void **state) {
    fixture *f = *state;
    preview_request request = OVERWORLD__TIMERS__V1__PREVIEW_TIMER_REQUEST__INIT;
    Google__Protobuf__Timestamp after = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    after.seconds = 1743289200; // 29 March 2025, 23:00 UTC
    f->spec.every = NULL;
    f->spec.cron = TEXT("30 2 * * *");
    f->spec.time_zone = TEXT("Europe/Berlin");
    request.spec = &f->spec;
    request.count = 2;
    request.after = &after;
    const preview_response *reply = must_call(f, "PreviewTimer", &request);
    assert_int_equal(reply->n_occurrences, 2);
    assert_string_equal(reply->occurrences[0]->local, "2025-03-30T03:00:00+02:00");
    assert_string_equal(reply->occurrences[1]->local, "2025-03-31T02:30:00+02:00");
    f->spec.cron = TEXT("0 0 30 2 *");
    reply = must_call(f, "PreviewTimer", &request);
    assert_int_equal(reply->n_occurrences, 0);
    request.timer_id = TEXT("tmr_x");
    expect_failure(f, "PreviewTimer", &request, OW_INVALID_ARGUMENT, "bad_preview");
}

// ---- The manifest's ----

static list_timers_response *all_timers(fixture *f) {
    list_timers_request request = OVERWORLD__TIMERS__V1__LIST_TIMERS_REQUEST__INIT;
    return must_call(f, "ListTimers", &request);
}

static void applies_what_is_declared(void **state) {
    fixture *f = *state;
    timer_spec a = f->spec;
    timer_spec b = f->spec;
    timer_spec bad = f->spec;
    timer_spec *both[] = {&a, &b, &bad};
    a.name = TEXT("a");
    b.name = TEXT("b");
    b.disabled = true;
    bad.name = TEXT("bad");
    bad.time_zone = TEXT("Nowhere");
    apply_response *reply = apply(f, 7, both, 3);
    assert_int_equal(reply->deployment, 7);
    assert_int_equal(reply->n_problems, 1);
    assert_string_equal(reply->problems[0]->name, "bad");
    assert_string_equal(reply->problems[0]->reason, "bad_zone");
    list_timers_response *list = all_timers(f);
    assert_int_equal(list->n_timers, 2);
    assert_true(list->timers[0]->declared);
    assert_string_equal(list->timers[1]->state, "paused");
    // They are not changed by hand, but paused.
    delete_timer_request remove = OVERWORLD__TIMERS__V1__DELETE_TIMER_REQUEST__INIT;
    pause_timer_request pause = OVERWORLD__TIMERS__V1__PAUSE_TIMER_REQUEST__INIT;
    remove.timer_id = pause.timer_id = list->timers[0]->timer_id;
    pause.reason = TEXT("not today");
    expect_failure(f, "DeleteTimer", &remove, OW_FAILED_PRECONDITION, "declared");
    must_call(f, "PauseTimer", &pause);
    // An older number changes nothing, nor does the same.
    assert_int_equal(apply(f, 6, NULL, 0)->deployment, 7);
    assert_int_equal(apply(f, 7, NULL, 0)->deployment, 7);
    assert_int_equal(all_timers(f)->n_timers, 2);
    // Away and back: the pause has outlived it.
    assert_int_equal(apply(f, 8, NULL, 0)->deployment, 8);
    assert_int_equal(all_timers(f)->n_timers, 0);
    b.disabled = false;
    apply(f, 9, both, 2);
    list = all_timers(f);
    assert_int_equal(list->n_timers, 2);
    assert_string_equal(list->timers[0]->timer_id, remove.timer_id);
    assert_string_equal(list->timers[0]->pause_reason, "not today");
    assert_string_equal(list->timers[1]->state, "active");
}

static void hand_made_timers_stay(void **state) {
    fixture *f = *state;
    timer_spec a = f->spec;
    timer_spec *one[] = {&a};
    create(f, "mine");
    a.name = TEXT("mine");
    apply_response *reply = apply(f, 1, one, 1);
    assert_int_equal(reply->n_problems, 1);
    assert_string_equal(reply->problems[0]->reason, "name_taken");
    apply(f, 2, NULL, 0);
    assert_int_equal(all_timers(f)->n_timers, 1);
    apply_request gone = OVERWORLD__API__APPLY_TRIGGERS_REQUEST__INIT;
    gone.virtual_server = TEXT("chat");
    gone.deployment = 3;
    gone.removed = true;
    assert_non_null(stage_call(&f->stage, TIMERS, "ApplyTriggers", &gone, &platform));
    assert_int_equal(all_timers(f)->n_timers, 0);
}

static bool first_slot_is_gone(void *self) {
    fixture *f = self;
    const list_slots_response *h = history(f, f->timer_id, "");
    return us_of_time(h->slots[h->n_slots - 1]->due) > f->first_us;
}

static void drops_old_history(void **state) {
    fixture *f = *state;
    const timer_msg *timer = create(f, "tick");
    advance(f, 10 * SECOND_US);
    await_slots(f, timer->timer_id, "fired", 1);
    f->first_us = us_of_time(history(f, timer->timer_id, "")->slots[0]->due);
    advance(f, 4 * DAY_US);
    await_slots(f, timer->timer_id, "missed", 1);
    advance(f, 11 * MINUTE_US);
    stage_until(&f->stage, first_slot_is_gone, f);
}

static size_t kept(fixture *f) {
    size_t kept = 0;
    for (size_t i = 0; i < f->all->n_timers; i++) {
        kept += history(f, f->all->timers[i]->timer_id, "")->n_slots;
    }
    return kept;
}

static bool so_much_is_kept(void *self) {
    return kept(self) == 99; // and one of the other title
}

static const char *create_elsewhere(fixture *f) {
    create_timer_request request = OVERWORLD__TIMERS__V1__CREATE_TIMER_REQUEST__INIT;
    request.virtual_server = TEXT("chat");
    request.spec = &f->spec;
    const timer_msg *made = stage_call(&f->stage, TIMERS, "CreateTimer", &request, &stranger);
    assert_non_null(made);
    return made->timer_id;
}

static void keeps_so_much_history(void **state) {
    fixture *f = *state;
    enum { COUNT = 150 };
    f->interval.seconds = (int64_t)6 * 3600;
    const char *quiet = create_elsewhere(f); // older than all others: it would go first
    advance(f, 10 * SECOND_US);
    declare(f, COUNT);
    const timer_msg *last = create(f, "last");
    advance(f, 6 * HOUR_US + SECOND_US);
    await_executions(f, COUNT + 2);
    await_slots(f, last->timer_id, "fired", 1);
    list_timers_request request = OVERWORLD__TIMERS__V1__LIST_TIMERS_REQUEST__INIT;
    request.page_size = 200;
    f->all = must_call(f, "ListTimers", &request);
    advance(f, 11 * MINUTE_US);
    turn(f, 50);
    assert_int_equal(kept(f), COUNT + 1); // too many, but young
    advance(f, HOUR_US);
    stage_until(&f->stage, so_much_is_kept, f);
    list_slots_request slots = OVERWORLD__TIMERS__V1__LIST_SLOTS_REQUEST__INIT;
    slots.timer_id = TEXT(quiet);
    const list_slots_response *others =
        stage_call(&f->stage, TIMERS, "ListSlots", &slots, &stranger);
    assert_non_null(others);
    assert_int_equal(others->n_slots, 1);
}

int main(int argc, char **argv) {
    channel = argc > 1 && strcmp(argv[1], "packed") == 0 ? OW_CHANNEL_PACKED : OW_CHANNEL_LOCAL;
    const struct CMUnitTest tests[] = {
        OW_TEST_WITH(fires_each_slot_once, set_up, tear_down),
        OW_TEST_WITH(many_at_once, set_up, tear_down),
        OW_TEST_WITH(catches_up_as_asked, set_up, tear_down),
        OW_TEST_WITH(tells_of_missed_slots, set_up, tear_down),
        OW_TEST_WITH(overlaps_as_asked, set_up, tear_down),
        OW_TEST_WITH(waits_for_the_queue, set_up, tear_down),
        OW_TEST_WITH(a_lost_answer_doubles_nothing, set_up, tear_down),
        OW_TEST_WITH(a_refusal_is_told, set_up, tear_down),
        OW_TEST_WITH(claims_outlive_the_process, set_up, tear_down),
        OW_TEST_WITH(two_claimants_share_the_slots, set_up, tear_down),
        OW_TEST_WITH(clock_steps, set_up, tear_down),
        OW_TEST_WITH(pauses_and_resumes, set_up, tear_down),
        OW_TEST_WITH(updates_and_deletes, set_up, tear_down),
        OW_TEST_WITH(says_what_is_not_there, set_up, tear_down),
        OW_TEST_WITH(creates_once, set_up, tear_down),
        OW_TEST_WITH(runs_by_hand, set_up, tear_down),
        OW_TEST_WITH(lists_by_pages, set_up, tear_down),
        OW_TEST_WITH(shows_what_is_to_come, set_up, tear_down),
        OW_TEST_WITH(applies_what_is_declared, set_up, tear_down),
        OW_TEST_WITH(hand_made_timers_stay, set_up, tear_down),
        OW_TEST_WITH(drops_old_history, set_up, tear_down),
        OW_TEST_WITH(keeps_so_much_history, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
