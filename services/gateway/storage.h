#pragma once

// How much the data folder holds and how much room there is. Reads the disk: some tens of µs.

#include "services/gateway/messages.h"

#include "core/arena/arena.h"
#include "core/error/error.h"

// Fills in the disk, and the size of each store that is in the folder. What cannot be read is left out.
// Codes: resource_exhausted "memory".
ow_code storage_fill(const char *data_folder, ow_arena *arena, gateway_status *reply, ow_err *err);
