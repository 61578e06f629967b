#pragma once

// A pool: the queue and the instances of one function of one revision, and the rules by which it
// grows, shrinks and hands out work. Pure logic over scheduler.h's port.
//
// The rules:
//  * Work goes to instances that are awake first, a few requests each when the function is fast
//    (mean under FAST_MEAN_US), so that one wake-up carries several; one each otherwise. Of a fast
//    function no more are awake than there are cores, nor than the loop can keep busy, beside those
//    that are stuck in a call.
//  * A new instance starts when nothing is ready, or when the oldest request has waited too long
//    while every instance is busy: after SLOW_WAIT_US, but fast functions beyond one instance a
//    core only after FAST_WAIT_US (more processes than cores make fast functions slower). While
//    some are starting, no more than as many as are ready start beside them.
//  * What an instance holds but has not started comes back when the instance dies, or when it is
//    in one call for STUCK_US while another is idle (STUCK_ALONE_US when none is).
//  * An instance that holds requests and is in none of them when time limits are looked at (after a
//    timeout at the latest), nor STILL_US later, is killed; what it held goes to others. Whether a
//    request has started is what the instance says, and it may lie.
//  * Three deaths in a row without one completed request: no new instance for a while.

#include "services/runner/scheduler.h"

#define FAST_MEAN_US 200
#define SLOW_WAIT_US 1000
#define FAST_WAIT_US 50000
#define STUCK_US 1000
#define STUCK_ALONE_US 5000
#define STILL_US 2000000
#define QUICK_DEATHS 3

struct pool_settings {
    int64_t timeout_us;
    uint64_t memory_bytes;
    uint64_t shared_bytes; // bundle files: resident, but not the function's own
    unsigned quota;
};

struct pool_backoff {
    int deaths; // in a row
    int64_t until_us;
    bool at_init; // the last one died before it was ready
    char reason[OW_REASON_MAX];
    char message[256];
};

struct pool_counts {
    int64_t calls, errors, cold_starts;
};

// The most there was since telemetry was told.
struct pool_peaks {
    unsigned instances, waiting;
};

struct pool {
    struct scheduler *scheduler;
    struct pool *next, *previous; // of all pools
    struct pool *next_active;
    bool active;
    struct title_account *account;
    struct pool_settings settings;
    struct request *first, *last; // the queue, oldest first
    unsigned waiting;
    size_t waiting_bytes;
    struct instance *instances; // most recently used first
    unsigned count;             // all of them, dying ones too
    unsigned starting, ready, busy;
    unsigned held;     // requests in instances
    double mean_us;    // of recent calls; < 0: not known yet
    int64_t limits_us; // no deadline, timeout or init limit ends before (may be too early)
    int64_t check_us;  // pool_run has something to do then at the latest; set by pool_run
    bool startable;    // the code is here
    bool retired;      // a newer revision took over: instances end when they are idle
    const unsigned *elder_instances; // instances of the revision before, still ending; may be NULL
    struct pool_backoff backoff;
    struct pool_counts counts;
    struct pool_peaks peaks, told; // told: of the step before
    int64_t used_us;               // ow_clock: last call
    void *user;
};

// Adds a pool to the scheduler; `pool` and `account` stay the caller's.
void pool_init(struct pool *pool, struct scheduler *scheduler, struct title_account *account,
               const struct pool_settings *settings);

// Takes it out. It must have neither requests nor instances.
void pool_deinit(struct pool *pool);

// True when it may be taken out: empty, and nobody is in the middle of something with it.
bool pool_is_unused(const struct pool *pool);

// Queues a request whose deadline_us, bytes, request_id and invocation_id are set. False: the queue
// is full, nothing was kept.
bool pool_enqueue(struct pool *pool, struct request *request);

// Nobody waits for it any more: out of the queue, or its instance ends if it had started. Answered
// with `reason` before this returns.
void pool_cancel(struct pool *pool, struct request *request, const char *reason);

// Answers everything that waits in the queue with a reason.
void pool_fail_waiting(struct pool *pool, const char *reason, const char *message,
                       int retry_after_s);

// Answers everything, queued or in instances, and kills the instances. For stopping.
void pool_abandon(struct pool *pool, const char *reason, const char *message);

// Something changed: look at the pool in this turn.
void pool_touch(struct pool *pool);

// Time limits, hand-backs, dispatch, growth; then sets check_us.
void pool_run(struct pool *pool);

// Every 100 ms: memory of busy instances, idle ones, in ow_clock's time.
void pool_maintain(struct pool *pool);

// A newer revision took over.
void pool_retire(struct pool *pool);

// The code is here (or gone again).
void pool_set_startable(struct pool *pool, bool startable);

// For instance.c: puts a request back at its place in the order of arrival.
void pool_requeue(struct pool *pool, struct request *request);

// For instance.c: the final word on a request that is in no queue and in no instance.
void pool_answer(struct pool *pool, struct request *request, const struct verdict *verdict);

// For instance.c: what a call took.
void pool_on_call_time(struct pool *pool, int64_t took_us);

// For instance.c, when an instance ended: back-off, and what had waited for its start.
void pool_on_death(struct pool *pool, const struct instance *instance, const ow_host_exit *exit);
