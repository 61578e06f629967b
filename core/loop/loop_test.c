#include "core/loop/loop.h"

#include "core/testing/ow_test.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

typedef struct fixture {
    ow_loop *loop;
    int calls;
    int order[16];
} fixture;

static int setup(void **state) {
    fixture *f = calloc(1, sizeof *f);
    assert_int_equal(ow_loop_new(&f->loop, NULL), OW_OK);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    fixture *f = *state;
    assert_null(ow_loop_free(f->loop));
    free(f);
    return 0;
}

static void turn(fixture *f, int64_t max_sleep_us) {
    assert_int_equal(ow_loop_turn(f->loop, max_sleep_us, NULL), OW_OK);
}

static void count_call(void *self) {
    ((fixture *)self)->calls++;
}

// --- descriptors ---

typedef struct pair {
    fixture *f;
    ow_watch watch;
    struct pair *other;
    uint32_t seen;
} pair;

static void unwatch_both(void *self, uint32_t events) {
    pair *p = self;
    p->seen = events;
    p->f->calls++;
    ow_loop_unwatch(p->f->loop, &p->other->watch);
    ow_loop_unwatch(p->f->loop, &p->watch);
}

static void a_watch_removed_in_the_same_batch_is_not_called(void **state) {
    fixture *f = *state;
    pair a = {.f = f};
    pair b = {.f = f, .other = &a};
    a.other = &b;
    a.watch = (ow_watch){.on_ready = unwatch_both, .self = &a};
    b.watch = (ow_watch){.on_ready = unwatch_both, .self = &b};
    int fds[2] = {eventfd(1, 0), eventfd(1, 0)};
    assert_int_equal(ow_loop_watch(f->loop, &a.watch, fds[0], EPOLLIN, NULL), OW_OK);
    assert_int_equal(ow_loop_watch(f->loop, &b.watch, fds[1], EPOLLIN, NULL), OW_OK);
    turn(f, 1000000);
    turn(f, 0);
    assert_int_equal(f->calls, 1);
    assert_int_equal(a.seen | b.seen, EPOLLIN);
    ow_loop_unwatch(f->loop, &a.watch);
    close(fds[0]);
    close(fds[1]);
}

static void note_events(void *self, uint32_t events) {
    pair *p = self;
    p->seen = events;
    p->f->calls++;
}

static void a_watch_can_change_its_events(void **state) {
    fixture *f = *state;
    pair a = {.f = f};
    a.watch = (ow_watch){.on_ready = note_events, .self = &a};
    int fd = eventfd(1, 0);
    assert_int_equal(ow_loop_watch(f->loop, &a.watch, fd, 0, NULL), OW_OK);
    turn(f, 0);
    assert_int_equal(f->calls, 0);
    assert_int_equal(ow_loop_rewatch(f->loop, &a.watch, EPOLLIN | EPOLLOUT, NULL), OW_OK);
    turn(f, 0);
    assert_int_equal(a.seen, EPOLLIN | EPOLLOUT);
    ow_loop_unwatch(f->loop, &a.watch);
    close(fd);
    ow_err err;
    assert_int_equal(ow_loop_watch(f->loop, &a.watch, -1, EPOLLIN, &err), OW_INTERNAL);
    assert_false(a.watch.watched);
}

// --- timers ---

typedef struct ringer {
    ow_timer timer;
    fixture *f;
    int64_t fired_us;
} ringer;

static void ring(void *self) {
    ringer *a = self;
    a->f->calls++;
    a->fired_us = ow_loop_now_us(a->f->loop);
}

static void timers_wake_the_loop_in_time(void **state) {
    fixture *f = *state;
    ringer a = {.f = f, .timer = {.on_due = ring, .self = &a}};
    int64_t due = ow_loop_now_us(f->loop) + 3000;
    assert_int_equal(ow_loop_timer_set(f->loop, &a.timer, due), OW_OK);
    while (f->calls == 0) {
        turn(f, -1);
    }
    assert_true(a.fired_us >= due);
    assert_int_equal(a.timer.index, 0);
    ow_loop_timer_cancel(f->loop, &a.timer);
}

typedef struct ordered {
    ow_timer timer;
    int64_t *last_us;
    int *left;
} ordered;

static void check_order(void *self) {
    ordered *o = self;
    assert_true(o->timer.due_us >= *o->last_us);
    *o->last_us = o->timer.due_us;
    --*o->left;
}

static void many_timers_fire_in_order(void **state) {
    fixture *f = *state;
    enum { COUNT = 20000 };
    ordered *timers = calloc(COUNT, sizeof *timers);
    int64_t last = 0;
    int left = 0;
    srandom(7);
    for (int i = 0; i < COUNT; i++) {
        timers[i] = (ordered){.last_us = &last, .left = &left};
        timers[i].timer = (ow_timer){.on_due = check_order, .self = &timers[i]};
        ow_loop_timer_set(f->loop, &timers[i].timer, random() % 1000000 + 1);
    }
    for (int i = 0; i < COUNT; i += 2) {
        ow_loop_timer_set(f->loop, &timers[i].timer, random() % 1000000 + 1);
    }
    for (int i = 0; i < COUNT; i += 3) {
        ow_loop_timer_cancel(f->loop, &timers[i].timer);
    }
    for (int i = 0; i < COUNT; i++) {
        left += timers[i].timer.index != 0;
    }
    assert_int_equal(left, COUNT - (COUNT + 2) / 3);
    turn(f, 0);
    assert_int_equal(left, 0);
    free(timers);
}

static void ring_again_at_once(void *self) {
    ringer *a = self;
    a->f->calls++;
    ow_loop_timer_set(a->f->loop, &a->timer, 0);
}

static void a_timer_cannot_keep_a_turn_for_itself(void **state) {
    fixture *f = *state;
    ringer a = {.f = f, .timer = {.on_due = ring_again_at_once, .self = &a}};
    ow_loop_timer_set(f->loop, &a.timer, 0);
    turn(f, 0);
    assert_int_equal(f->calls, 1);
    turn(f, -1);
    assert_int_equal(f->calls, 2);
    ow_loop_timer_cancel(f->loop, &a.timer);
}

// --- hooks ---

typedef struct hooked {
    ow_turn_hook hook;
    fixture *f;
    int number;
    int64_t sleep_us;
    struct hooked *removes;
} hooked;

static int64_t note_turn(void *self) {
    hooked *h = self;
    h->f->order[h->f->calls++] = h->number;
    if (h->removes != NULL) {
        ow_loop_hook_remove(h->f->loop, OW_TURN_SERVE, &h->removes->hook);
        h->removes = NULL;
    }
    return h->sleep_us;
}

static hooked new_hook(fixture *f, int number) {
    return (hooked){.f = f, .number = number, .sleep_us = -1};
}

static void hook_up(hooked *h, ow_turn_phase phase) {
    h->hook = (ow_turn_hook){.on_turn = note_turn, .self = h};
    ow_loop_hook_add(h->f->loop, phase, &h->hook);
}

static void hooks_run_by_phase_and_can_be_removed(void **state) {
    fixture *f = *state;
    hooked a = new_hook(f, 1);
    hooked b = new_hook(f, 2);
    hooked c = new_hook(f, 3);
    hooked d = new_hook(f, 4);
    hook_up(&d, OW_TURN_FLUSH);
    hook_up(&a, OW_TURN_SERVE);
    hook_up(&b, OW_TURN_SERVE);
    hook_up(&c, OW_TURN_SERVE);
    a.removes = &b;
    turn(f, -1);
    assert_int_equal(f->calls, 3);
    assert_int_equal(f->order[0], 1);
    assert_int_equal(f->order[1], 3);
    assert_int_equal(f->order[2], 4);
    c.removes = &c;
    turn(f, 0);
    assert_int_equal(f->calls, 6);
    hook_up(&b, OW_TURN_SERVE);
    turn(f, -1);
    assert_int_equal(f->calls, 9);
    assert_int_equal(f->order[7], 2);
    ow_loop_hook_remove(f->loop, OW_TURN_SERVE, &c.hook);
}

static void a_hook_limits_the_sleep(void **state) {
    fixture *f = *state;
    hooked a = new_hook(f, 1);
    a.sleep_us = 0;
    hook_up(&a, OW_TURN_COMPLETE);
    turn(f, -1);
    turn(f, -1);
    a.sleep_us = 500;
    turn(f, -1);
    turn(f, -1);
    assert_int_equal(f->calls, 4);
}

// --- other threads ---

enum { POSTERS = 4, POSTS = 5000 };

typedef struct letter {
    ow_message message;
    struct poster *from;
    int number;
} letter;

typedef struct poster {
    ow_loop *loop;
    letter *letters;
    int next; // loop thread
    int *arrived;
} poster;

static void arrive(void *self) {
    letter *l = self;
    assert_int_equal(l->number, l->from->next++);
    if (++*l->from->arrived == POSTERS * POSTS) {
        ow_loop_stop(l->from->loop);
    }
}

static void *post_all(void *arg) {
    poster *p = arg;
    for (int i = 0; i < POSTS; i++) {
        p->letters[i] = (letter){.from = p, .number = i};
        p->letters[i].message = (ow_message){.on_message = arrive, .self = &p->letters[i]};
        ow_loop_post(p->loop, &p->letters[i].message);
    }
    return NULL;
}

static void messages_arrive_once_and_in_order(void **state) {
    fixture *f = *state;
    poster posters[POSTERS];
    pthread_t threads[POSTERS];
    int arrived = 0;
    for (int i = 0; i < POSTERS; i++) {
        posters[i] = (poster){.loop = f->loop, .arrived = &arrived};
        posters[i].letters = calloc(POSTS, sizeof(letter));
        assert_int_equal(pthread_create(&threads[i], NULL, post_all, &posters[i]), 0);
    }
    assert_int_equal(ow_loop_run(f->loop, NULL), OW_OK);
    for (int i = 0; i < POSTERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(posters[i].next, POSTS);
        free(posters[i].letters);
    }
}

// One message at a time, each answered by another thread: every sleep must end by a wake-up.
typedef struct ping {
    ow_message message;
    ow_loop *here, *there;
    int *left;
} ping;

static void bounce(void *self) {
    ping *p = self;
    if (--*p->left <= 0) {
        ow_loop_stop(p->here);
        ow_loop_stop(p->there);
        return;
    }
    ow_loop *next = p->there;
    p->there = p->here;
    p->here = next;
    ow_loop_post(next, &p->message);
}

static void *run_loop(void *arg) {
    assert_int_equal(ow_loop_run(arg, NULL), OW_OK);
    return NULL;
}

static void no_wake_up_is_lost(void **state) {
    fixture *f = *state;
    ow_loop *other;
    assert_int_equal(ow_loop_new(&other, NULL), OW_OK);
    int left = 20000;
    ping p = {.here = f->loop, .there = other, .left = &left};
    p.message = (ow_message){.on_message = bounce, .self = &p};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_loop, other), 0);
    ow_loop_post(f->loop, &p.message);
    assert_int_equal(ow_loop_run(f->loop, NULL), OW_OK);
    pthread_join(thread, NULL);
    assert_int_equal(left, 0);
    ow_loop_free(other);
}

static void post_again(void *self) {
    letter *l = self;
    ow_loop *loop = l->from->loop;
    if (++*l->from->arrived < 3) {
        ow_loop_post(loop, &l->message);
    } else {
        ow_loop_stop(loop);
    }
}

static void the_loop_may_post_to_itself(void **state) {
    fixture *f = *state;
    int arrived = 0;
    poster p = {.loop = f->loop, .arrived = &arrived};
    letter l = {.from = &p};
    l.message = (ow_message){.on_message = post_again, .self = &l};
    ow_loop_post(f->loop, &l.message);
    assert_int_equal(ow_loop_run(f->loop, NULL), OW_OK);
    assert_int_equal(arrived, 3);
}

static void a_stop_before_the_run_counts(void **state) {
    fixture *f = *state;
    ow_message message = {.on_message = count_call, .self = f};
    ow_loop_post(f->loop, &message);
    ow_loop_stop(f->loop);
    assert_int_equal(ow_loop_run(f->loop, NULL), OW_OK);
    assert_int_equal(f->calls, 0);
    turn(f, -1);
    assert_int_equal(f->calls, 1);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_watch_removed_in_the_same_batch_is_not_called),
        CASE(a_watch_can_change_its_events),
        CASE(timers_wake_the_loop_in_time),
        CASE(many_timers_fire_in_order),
        CASE(a_timer_cannot_keep_a_turn_for_itself),
        CASE(hooks_run_by_phase_and_can_be_removed),
        CASE(a_hook_limits_the_sleep),
        CASE(messages_arrive_once_and_in_order),
        CASE(no_wake_up_is_lost),
        CASE(the_loop_may_post_to_itself),
        CASE(a_stop_before_the_run_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
