#pragma once

// The loop: one thread that waits for file descriptors, timers and messages of other threads, and
// runs what they ask for, one after the other. Nothing that runs on a loop may block.
//
// One turn: epoll_wait → the time is read once → descriptors → messages → timers → turn hooks in
// the order of their phase. Hooks exist so that work collected during a turn is done once: an HTTP
// server sends all replies and reads all requests in one go, the runner fills each instance's
// region once.
//
// Lifetime rules:
//  1. Watches, timers, messages and hooks are embedded in the owner's struct; the loop never
//     allocates or frees them.
//  2. They may be removed at any time on the loop's thread, also from within their own callback.
//  3. A posted message belongs to the loop until its callback starts.
//  4. Only ow_loop_post, ow_loop_wake and ow_loop_stop may be called from other threads.

#include "core/error/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ow_loop ow_loop;

// `events` are EPOLLIN, EPOLLOUT, EPOLLRDHUP ... as reported.
typedef struct ow_watch {
    void (*on_ready)(void *self, uint32_t events);
    void *self;
    int fd;       // the watched one
    bool watched; // the loop's own; false at birth
} ow_watch;

typedef struct ow_timer {
    void (*on_due)(void *self);
    void *self;
    int64_t due_us;
    size_t index; // the loop's own: place in the heap + 1; 0: not set
} ow_timer;

typedef struct ow_message {
    void (*on_message)(void *self);
    void *self;
    struct ow_message *next; // the loop's own
} ow_message;

typedef enum ow_turn_phase {
    OW_TURN_COMPLETE, // hand finished work to those who wait for it
    OW_TURN_SERVE,    // servers: send replies, read requests
    OW_TURN_DISPATCH, // give collected work to instances, threads, peers
    OW_TURN_FLUSH,    // records, statistics
    OW_TURN_PHASES,
} ow_turn_phase;

// `on_turn` returns how long the loop may sleep for its sake, in microseconds: 0 = run another turn
// at once, -1 = no limit.
typedef struct ow_turn_hook {
    int64_t (*on_turn)(void *self);
    void *self;
    struct ow_turn_hook *next; // the loop's own
} ow_turn_hook;

// A new loop; timers are in real monotonic microseconds (ow_loop_now_us). Heap; freed by
// ow_loop_free on the thread that ran it, after everything was removed. Codes: internal.
ow_code ow_loop_new(ow_loop **ret_loop, ow_err *err);
ow_loop *ow_loop_free(ow_loop *loop);

// Runs turns until ow_loop_stop, also one that came before. Returns OW_OK, or internal when the
// kernel fails us.
ow_code ow_loop_run(ow_loop *loop, ow_err *err);

// One turn that sleeps at most `max_sleep_us` (-1: no limit). For tests, and for callers with a loop
// of their own; not from within a callback of the loop.
ow_code ow_loop_turn(ow_loop *loop, int64_t max_sleep_us, ow_err *err);

// Lets ow_loop_run return after the current turn. Any thread; async-signal-safe.
void ow_loop_stop(ow_loop *loop);

// Monotonic microseconds as of the start of the current turn (real time). Between turns: of the
// last one, so read it after a long start with care.
int64_t ow_loop_now_us(const ow_loop *loop);

// Watches `fd` for `events` (level-triggered unless EPOLLET is among them). The fd stays the
// caller's. Codes: internal.
ow_code ow_loop_watch(ow_loop *loop, ow_watch *watch, int fd, uint32_t events, ow_err *err);
ow_code ow_loop_rewatch(ow_loop *loop, ow_watch *watch, uint32_t events, ow_err *err);
// Must be called before the fd is closed. Does nothing for a watch that is not watched.
void ow_loop_unwatch(ow_loop *loop, ow_watch *watch);

// Sets (or moves) a timer to a time of ow_loop_now_us's clock; 100,000 timers are cheap. A time that
// has passed is due in this turn, or in the next one when the turn's timers are running already.
// Timers of the same microsecond fire in no particular order.
// Codes: resource_exhausted when out of memory.
ow_code ow_loop_timer_set(ow_loop *loop, ow_timer *timer, int64_t due_us);
void ow_loop_timer_cancel(ow_loop *loop, ow_timer *timer);

// Runs message->on_message on the loop's thread, in the order of posting for each posting thread.
// Any thread, the loop's own included; then it runs later in this turn or in the next one.
void ow_loop_post(ow_loop *loop, ow_message *message);

// Makes the loop run another turn soon. Any thread.
void ow_loop_wake(ow_loop *loop);

// Adds a hook behind those of the same phase; removed hooks are not called again.
void ow_loop_hook_add(ow_loop *loop, ow_turn_phase phase, ow_turn_hook *hook);
void ow_loop_hook_remove(ow_loop *loop, ow_turn_phase phase, ow_turn_hook *hook);
