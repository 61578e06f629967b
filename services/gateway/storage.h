#pragma once

// How much the data folder holds and how much room there is.

#include "services/gateway/messages.h"

#include "core/arena/arena.h"
#include "core/error/error.h"

enum { STORAGE_STORES = 6 };

typedef struct storage_sizes {
    int64_t disk_free_bytes, disk_total_bytes; // both 0: not known
    int64_t stores[STORAGE_STORES];            // bytes; -1: there is no such store here
} storage_sizes;

// Reads the disk, and waits for it: not on a loop. Any thread.
void storage_measure(const char *data_folder, storage_sizes *ret_sizes);

// Fills in the disk, and the size of each store that is in the folder. What cannot be read is left out.
// Codes: resource_exhausted "memory".
ow_code storage_fill(const storage_sizes *sizes, ow_arena *arena, gateway_status *reply,
                     ow_err *err);
