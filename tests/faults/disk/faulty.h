#pragma once

// For tests: the plan in memory shared with the process that suffers, and the environment it needs.

#include "tests/faults/disk/plan.h"

typedef struct faulty {
    fault_plan *plan;
    char folder[96]; // of the test's own: `root` and `stash` are below it
    char file[128];
    char preload[PATH_MAX + 16]; // "LD_PRELOAD=..."
    char variable[160];          // "OVERWORLD_FAULT_PLAN=..."
    const char *environment[3];
} faulty;

// Makes <folder>/root and <folder>/stash below /tmp, and a plan that does nothing. Fails the test.
void faulty_init(faulty *f);
void faulty_deinit(faulty *f); // removes the folder

// Empties both folders and the counters. The plan says nothing afterwards.
void faulty_renew(faulty *f);

// The next process: power is lost at call `at`, what survives is drawn by `seed`.
void faulty_lose_power(faulty *f, long at, unsigned seed);
// The next process: call `at` of the kinds and the `fails` - 1 behind it fail.
void faulty_fail(faulty *f, int kinds, long at, int error, int fails);
// No more of it.
void faulty_rest(faulty *f);
