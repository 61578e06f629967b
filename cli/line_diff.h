#pragma once

// What is different between two texts, line by line, as `diff -u` shows it.

#include "core/arena/arena.h"

#include <stddef.h>

typedef struct line_text {
    const char *bytes; // not NUL-terminated
    size_t size;
} line_text;

// The hunks with three lines around each, in the arena; "" when both are the same. NULL: one of them is no text,
// or memory is short. Where more than a few thousand lines differ, all of them are given as deleted and added.
const char *line_diff_in(ow_arena *arena, const line_text *before, const line_text *after);
