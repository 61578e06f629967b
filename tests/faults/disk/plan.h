#pragma once

// What a process that runs with the shim (faults.so, LD_PRELOAD) shall suffer. The test maps a file with
// this struct, names it in the environment variable OVERWORLD_FAULT_PLAN and changes it at any time.
//
// Only calls on regular files and names below `root` count, of the kinds asked for, in all threads.

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>

#define FAULT_PLAN_VARIABLE "OVERWORLD_FAULT_PLAN"

typedef enum fault_mode {
    FAULT_NONE,  // counts alone
    FAULT_POWER, // call number `at` ends the process, and with it whatever was not synced
    FAULT_ERROR, // calls from number `at` on fail with `error`, `fails` of them
} fault_mode;

typedef enum fault_kind {
    FAULT_WRITE = 1, // write, pwrite
    FAULT_SYNC = 2,  // fsync, fdatasync
    FAULT_SIZE = 4,  // ftruncate, fallocate
    FAULT_NAME = 8,  // open that makes a file, rename, unlink, mkdir
    FAULT_ALL = 15,
} fault_kind;

typedef struct fault_plan {
    char root[PATH_MAX];
    char stash[PATH_MAX]; // FAULT_POWER: an empty folder of the same file system, outside of root
    atomic_int mode;
    atomic_int kinds; // an or of fault_kind
    atomic_int error; // an errno
    atomic_int fails;
    atomic_long at;    // from 1
    atomic_long seen;  // calls so far
    atomic_int struck; // how often the plan came true
    atomic_uint seed;  // of what survives a power loss
    atomic_bool lies;  // FAULT_POWER: a sync is answered and not done
} fault_plan;
