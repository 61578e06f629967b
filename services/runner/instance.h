#pragma once

// The life of one instance as a table: state × event → next state and what to do.

#include "services/runner/pool.h"

enum instance_state {
    INSTANCE_STARTING, // spawned, not loaded yet
    INSTANCE_READY,
    INSTANCE_FINISHING, // gets nothing new, ends when what it has is done
    INSTANCE_DYING,     // killed, its exit has not been seen
    INSTANCE_STATES,
};

enum instance_event {
    INSTANCE_LOADED,
    INSTANCE_EMPTIED, // its last request was completed
    INSTANCE_RETIRE,
    INSTANCE_KILL,
    INSTANCE_EVENTS,
};

struct instance {
    struct instance *next, *previous; // in the pool
    struct pool *pool;
    ow_host_instance *handle;
    enum instance_state state;
    struct request *held[OW_HOST_DEPTH_MAX]; // in no order; `count` of them
    unsigned count;
    uint64_t completed;
    uint64_t resident_bytes; // when it was last looked at; 0: not yet
    int64_t looked_us;       // when that was; ow_clock
    uint64_t looked_round;   // ... and in which round of maintenance
    int64_t spawned_us;
    int64_t idle_since_us;  // ow_clock
    int64_t still_since_us; // first look since which it held requests and was in none; 0: it moves
    int64_t init_us;
    bool init_told; // a request has carried init_us
    bool loaded;    // it was ready once
    bool stuck;     // too long in one call to get more; until that call is done
    // Why we killed it (static); NULL: it died by itself. "init_failed" (took too long) and
    // "init_memory" (took too much) are failed starts.
    const char *killed_for;
    char cause[OW_ID_MAX]; // request id of what it was started for
    uint64_t last_arrival; // id of the newest request when it was spawned
    // whose output is still in it after it was killed; "": nobody's
    char killed_request[OW_ID_MAX];
    char killed_invocation[OW_ID_MAX];
    void *user; // the owner's: nested calls
};

// Starts one. Codes: those of the port.
ow_code instance_start(struct pool *pool, ow_err *err);

enum given {
    GIVEN,
    GIVEN_ANSWERED, // it can never be submitted and was answered
    GIVEN_NOT,      // not here and now
};

// Gives it a request that is in no queue.
enum given instance_give(struct instance *instance, struct request *request);

// The host's events.
void instance_on_ready(struct instance *instance, const ow_host_ready *ready);
void instance_on_completed(struct instance *instance, const ow_host_completion *done);
void instance_on_exited(struct instance *instance, const ow_host_exit *exit);

// Ends it when it is idle.
void instance_retire(struct instance *instance);

// Takes back what has not started, then kills. `reason` (static) is kept for the record.
void instance_end(struct instance *instance, const char *reason);

// Kills it for the sake of the request that it is in, which is answered at once; what had not
// started goes back to the queue. False, and nothing but the hand-back was done, when it is not in
// `request` (any more). After true the request may be gone.
bool instance_end_running(struct instance *instance, struct request *request,
                          struct verdict *verdict);

// Takes back what has not started, into the queue.
unsigned instance_take_back(struct instance *instance);

// Removes a request from what it holds, without telling anybody.
void instance_forget(struct instance *instance, struct request *request);

// The request that it is in; NULL: none. `*ret_since_us` when not NULL.
struct request *instance_running(const struct instance *instance, int64_t *ret_since_us);

bool instance_idle(const struct instance *instance);

// True when its end was the function's own doing: nobody killed it, or only because its start
// took too much.
bool instance_died(const struct instance *instance, const ow_host_exit *exit);

// Frees an instance whose process is gone without an exit having been seen: the host was closed.
// Nothing it held is answered.
void instance_discard(struct instance *instance);
