#pragma once

// What all pools of a runner share: the port to the instances, the limits, the list of pools that
// have something to do. Rules only: no processes, no descriptors, no clock reads. Time is given.
//
// Everything here and in pool.h and instance.h belongs to one loop thread. All of it but pool_run and
// scheduler_run may be called from `answered`.

#include "core/error/error.h"
#include "core/id/id.h"
#include "runtimes/host/host.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct instance;
struct pool;
struct scheduler;

#define NEVER_US INT64_MAX

// Each look at an instance's memory opens a file of /proc, some 3 us: so many a round of maintenance at most.
#define SCHEDULER_LOOKS_MAX 64

// A request from the moment it was accepted to its answer. Lives in its call's arena; the pool
// links it and never frees it.
struct request {
    struct request *next, *previous; // place in the queue
    struct pool *pool;
    struct instance *instance; // holds it now; NULL: queued
    uint64_t id;               // ascends in the order of arrival, unique in this process
    int64_t enqueued_us;
    int64_t submitted_us; // first given to an instance
    int64_t deadline_us;  // the caller's
    size_t bytes;
    const char *request_id;
    char invocation_id[OW_ID_MAX];
};

// How a request ended.
struct verdict {
    const char *reason;             // "" = answered by the function
    const char *message;            // for people
    const ow_host_completion *done; // the function answered; else NULL
    const ow_host_exit *exit;       // its instance died; else NULL
    int64_t queued_us;
    int64_t instance_us;
    int64_t init_us; // > 0: the first request of its instance
    uint64_t peak_bytes;
    int retry_after_s;
};

// What scheduling needs of instances; the real one is runtimes/host's, tests have a fake.
struct instance_port {
    // Starts an instance for `instance->pool` with `instance` as its user.
    ow_code (*spawn)(void *self, struct instance *instance, ow_host_instance **ret_handle,
                     ow_err *err);
    ow_code (*submit)(ow_host_instance *handle, const ow_host_request *request, ow_err *err);
    bool (*running)(const ow_host_instance *handle, uint64_t *ret_id, uint64_t *ret_started_ns);
    unsigned (*reclaim)(ow_host_instance *handle, uint64_t *ret_ids, unsigned max);
    void (*kill)(ow_host_instance *handle);
    uint64_t (*resident)(const ow_host_instance *handle);
};

// What scheduling tells its owner.
struct scheduler_events {
    // The final word on a request; called exactly once. The request is in no queue any more.
    void (*answered)(void *self, struct request *request, const struct verdict *verdict);
    // Fills in everything but id and deadline, which are set.
    void (*describe)(void *self, const struct request *request, ow_host_request *description);
    // An instance has loaded, or (exit != NULL) could not be loaded.
    void (*started)(void *self, struct instance *instance, const ow_host_ready *ready,
                    const ow_host_exit *exit);
    // An instance is about to be freed: what it still waits for will not be needed.
    void (*gone)(void *self, struct instance *instance, const ow_host_exit *exit);
};

struct scheduler_limits {
    unsigned quota;         // instances of one pool
    unsigned min_instances; // kept when idle
    unsigned instances;     // of all pools
    unsigned queue_requests;
    size_t queue_bytes;
    uint64_t title_memory; // sum of the limits of a title's instances
    int64_t idle_us;
    int64_t init_us;
    unsigned cores;
};

// The memory of a title, shared by its pools.
struct title_account {
    uint64_t reserved;
};

struct scheduler {
    const struct instance_port *port;
    void *port_self;
    const struct scheduler_events *events;
    void *events_self;
    struct scheduler_limits limits;
    struct pool *pools;   // all, newest first
    struct pool *active;  // those that pool_run is to look at
    struct pool *turn;    // ... the rest of those of this turn
    struct pool *current; // ... and the one it looks at now
    unsigned instances;
    unsigned looks_left;   // at the memory of instances, in this round of maintenance
    unsigned looks_wanted; // in it so far, whether there was one left or not
    uint64_t pause;        // rounds between two looks at an instance, so that each has its turn
    uint64_t round;        // of maintenance, from 1 on
    uint64_t last_request_id;
    int64_t now_us;   // the loop's time: set by the owner whenever it enters here
    int64_t clock_us; // ow_clock's monotonic time, likewise: idle times are measured in it
};

void scheduler_init(struct scheduler *scheduler, const struct scheduler_limits *limits);

// Begins a round of maintenance: whoever calls pool_maintain for each pool does so before.
void scheduler_begin_round(struct scheduler *scheduler);

// Ends one idle instance to make room: of `account`'s title, or any when NULL; never one of `for_pool`.
// The one that was idle longest. False: there is none.
bool scheduler_make_room(struct scheduler *scheduler, const struct title_account *account,
                         const struct pool *for_pool);

// Runs the pools that have something to do, once a turn; calls `checked` for each of them when its
// check_us may have moved. Returns how many there were.
unsigned scheduler_run(struct scheduler *scheduler, void (*checked)(struct pool *pool));
