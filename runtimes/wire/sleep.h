#pragma once

// How an instance sleeps until something is submitted, and how the host ends that: in steps, so that a test
// can put a host's step between any two of an instance's.
//
//     instance: while (ow_sleep_declare(region, passed)) { ow_sleep_wait(region, NULL); }
//               ow_sleep_end(region);
//     host:     publish; ow_sleep_wake(region);

#include "runtimes/wire/region.h"

#include <time.h>

// Instance: says that it is about to sleep, then looks whether there is more than the `passed` requests that it
// knows of. False: there is. To be said anew each time round: the host takes it back with every wake-up, and a
// late one may be for a request that has been served already.
static inline bool ow_sleep_declare(ow_region *region, uint32_t passed) {
    atomic_store(&region->sleeping, 1);
    return atomic_load(&region->submit_head) == passed;
}

// Instance: sleeps as long as what it declared stands; at once over when that was taken back before it began.
// `limit` (NULL: none): for tests. 0, or an errno: EAGAIN (it never began), EINTR, ETIMEDOUT.
int ow_sleep_wait(ow_region *region, const struct timespec *limit);

// Instance: is awake.
static inline void ow_sleep_end(ow_region *region) {
    atomic_store(&region->sleeping, 0);
}

// Host: takes back what the instance declared, if it did, and wakes it.
void ow_sleep_wake(ow_region *region);
