#pragma once

// Walks over the members or elements of a JSON text without a tree, for whoever passes values on
// exactly as they were written (a tree rounds large numbers). Only for texts that ow_json_check has
// accepted; hence nothing here fails on what it reads. Any thread; texts are borrowed.

#include "core/arena/arena.h"
#include "core/json/tree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// One value as it stands in the text, without the white space around it.
typedef struct ow_json_slice {
    const char *text;
    size_t size;
} ow_json_slice;

// In place; the members are the walk's own.
typedef struct ow_json_walk {
    const char *at;
    const char *end;
    bool is_object;
} ow_json_walk;

// Starts with the object or array that `text` is; false when it is neither.
bool ow_json_walk_begin(ow_json_walk *walk, const char *text, size_t size);

// The next value; false behind the last. `ret_name` (may be NULL) is the member's name with its
// quotes, empty in an array.
bool ow_json_walk_next(ow_json_walk *walk, ow_json_slice *ret_name, ow_json_slice *ret_value);

ow_json_kind ow_json_slice_kind(const ow_json_slice *slice);

// What a string (quotes included) stands for, with a NUL behind it; NULL when it is no string or the
// arena is full. `ret_size` may be NULL.
char *ow_json_slice_string_in(ow_arena *arena, const ow_json_slice *slice, size_t *ret_size);

// The bytes that a base64 string stands for (either alphabet); false when it is none or the arena is
// full.
bool ow_json_slice_base64_in(ow_arena *arena, const ow_json_slice *slice, uint8_t **ret_bytes,
                             size_t *ret_size);
