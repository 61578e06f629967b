#pragma once

// A file that comes piece by piece. Pure.

#include "overworld/registry/v1/registry.pb-c.h"

#include "core/arena/arena.h"

#include <stdbool.h>
#include <stdint.h>

// Zeroed it is ready.
typedef struct pieces {
    uint8_t *bytes; // of the arena; NULL: none came yet
    int64_t size;   // bytes so far
    int64_t total;  // as the first piece said: that is what there is room for
} pieces;

// Takes the next piece (copied). False: out of memory, or it does not fit what the first one said; nothing is
// changed by it then.
bool pieces_add(pieces *to, ow_arena *arena, const Overworld__Registry__V1__GetFileResponse *piece);
