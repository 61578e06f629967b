#pragma once

// Instances without processes, for tests of the scheduling rules: what a test says happens.

#include "services/runner/instance.h"
#include "services/runner/pool.h"
#include "services/runner/scheduler.h"

#define FAKE_INSTANCES_MAX 128

enum fake_slot_state { FAKE_QUEUED, FAKE_STARTED };

struct fake_slot {
    uint64_t id;
    enum fake_slot_state state;
    int64_t started_us;
};

struct fake_instance {
    struct instance *instance; // NULL: free
    bool loaded, killed;
    struct fake_slot slots[OW_HOST_DEPTH_MAX]; // in order
    unsigned count;
};

struct fake_host {
    struct scheduler *scheduler;
    struct fake_instance instances[FAKE_INSTANCES_MAX];
    unsigned spawned, killed, alive;
    uint64_t resident; // what every instance reports
    bool refuse_spawn, no_zygote;
};

// Sets the scheduler's port to this host.
void fake_host_init(struct fake_host *host, struct scheduler *scheduler);

// What the instance does by itself. Each delivers the host's event at once.
void fake_load(struct fake_instance *fake);
void fake_fail_init(struct fake_instance *fake);
bool fake_start_next(struct fake_instance *fake); // the oldest queued one; false: none
bool fake_complete(struct fake_instance *fake);   // the started one; false: none
void fake_exit(struct fake_instance *fake, ow_host_end end);
