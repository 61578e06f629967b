#pragma once

// The rules of the queue: what becomes of an execution, and when. No I/O, no clock, no memory of their
// own. The store runs them inside its transactions, the simulation (queue_sim_test.c) runs the same ones
// under crashes.

#include "core/id/id.h"

#include <stdbool.h>
#include <stdint.h>

// The numbers stand in the store.
typedef enum execution_state {
    EXECUTION_WAITING = 1, // may be claimed when it is due
    EXECUTION_HELD,        // another of its lane is before it
    EXECUTION_PARKED,      // as many of its subscription run as may
    EXECUTION_RUNNING,     // somebody has the lease
    EXECUTION_DONE,
    EXECUTION_DEAD,      // given up; a person can set it going again
    EXECUTION_DISCARDED, // cancelled, or thrown away by a person
} execution_state;

enum {
    ATTEMPTS_DEFAULT = 3,
    ATTEMPTS_MAX = 20,
    DEPTH_MAX = 8,
    BACKOFF_DOUBLINGS_MAX = 20,
};

#define SECOND_US ((int64_t)1000000)
#define MINUTE_US (60 * SECOND_US)
#define HOUR_US (60 * MINUTE_US)
#define BASE_DEFAULT_US MINUTE_US
#define AGE_DEFAULT_US (6 * HOUR_US)
#define AGE_MAX_US (14 * 24 * HOUR_US)
#define BACKOFF_MAX_US HOUR_US
#define THROTTLE_BASE_US SECOND_US
#define THROTTLE_MAX_US (5 * MINUTE_US)

typedef struct retry_policy {
    int64_t max_attempts, base_us, max_age_us;
} retry_policy;

// What the rules look at and change.
typedef struct queue_item {
    execution_state state;
    int64_t due_us;
    int64_t since_us;             // its age counts from here: accepted and due, or set going again
    int64_t started_us, ended_us; // 0: not yet
    int64_t attempt;              // that runs or has run
    int64_t throttles;            // runs that were put off since, which are no attempts
    int64_t epoch;                // one more with each lease; whoever has an older one has none
    int64_t lease_until_us;
    retry_policy retry;
} queue_item;

// What a failed run means, by its reason.
typedef enum failure_kind {
    FAILURE_AGAIN,     // may go better the next time
    FAILURE_FOR_GOOD,  // would fail each time
    FAILURE_THROTTLED, // did not run: the platform has no room now
    FAILURE_LOST, // nobody knows how it ended: the platform's own fault, so not put off for long
} failure_kind;

// Fills what is 0 in; false when a value is out of bounds.
bool retry_policy_complete(retry_policy *retry);

// ---- Steps. Each changes the item or, when it answers STEP_NOT, leaves it as it is. ----

typedef enum queue_step {
    STEP_NOT, // not in this state, not with this lease
    STEP_DONE,
    STEP_AGAIN, // waits for another attempt
    STEP_DEAD,
    STEP_DISCARDED,
    STEP_RUNS,
} queue_step;

// A worker takes it for `lease_us`: STEP_RUNS; STEP_DEAD when it is too old ("expired").
queue_step queue_claim(queue_item *item, int64_t now_us, int64_t lease_us);

typedef struct run_result {
    const char *reason;     // "": it went well
    int64_t retry_after_us; // not before that, 0: no such wish
    uint64_t random;        // for the back-off
} run_result;

// The run under lease `epoch` has ended. STEP_NOT: the lease was lost, nothing may be settled.
queue_step queue_settle(queue_item *item, int64_t epoch, int64_t now_us, const run_result *result);

// The lease is over and nobody settled: like a failed run. `orphan`: whoever had it is known to be gone.
queue_step queue_lapse(queue_item *item, int64_t now_us, bool orphan, uint64_t random);

// A person or the caller ends it, waiting or running; a dead one is thrown away.
queue_step queue_cancel(queue_item *item, int64_t now_us);
queue_step queue_discard(queue_item *item, int64_t now_us);

// A dead one begins anew at `due_us`.
queue_step queue_redrive(queue_item *item, int64_t due_us);

// Behind another of its lane, or at the limit of its subscription; and back.
queue_step queue_put_aside(queue_item *item, execution_state aside);
queue_step queue_release(queue_item *item);

static inline bool state_is_settled(execution_state state) {
    return state >= EXECUTION_DONE;
}

// "waiting", "running", "done", "dead", "discarded".
const char *execution_state_name(execution_state state);

// An execution's id that sorts behind `last` ("" at first): `fresh`, or the next one when the clock
// stands or went back.
void execution_id_after(char id[static OW_ID_MAX], const char *last, const char *fresh);
