#pragma once

// Arena: many allocations with one lifetime. One arena per call, message or configuration load.
//
// Lifetime rules:
//  1. Everything allocated from an arena lives until ow_arena_reset or ow_arena_free.
//  2. An arena is used by one thread at a time.
//  3. An arena has its maximum from birth. Going over it, or running out of memory, yields NULL;
//     callers whose sizes come from outside must handle that, others may rely on the maximum.

#include <stdarg.h>
#include <stddef.h>

typedef struct ow_arena ow_arena;

// A new arena that will hold at most `max_bytes` (payload of all its blocks). The first block is
// small and later ones grow, so an unused arena is cheap; up to 64 first blocks (2 KB each) stay with the
// thread that freed them. NULL when out of memory. Heap; the caller frees it with ow_arena_free.
ow_arena *ow_arena_new(size_t max_bytes);

// Frees the arena and everything in it. Accepts NULL; returns NULL.
ow_arena *ow_arena_free(ow_arena *arena);

// Forgets everything allocated so far, keeps the first block for reuse.
void ow_arena_reset(ow_arena *arena);

// `size` bytes, aligned for any type, not zeroed (calloc: zeroed). size 0 gives a valid pointer.
// NULL when the maximum is reached.
void *ow_arena_alloc(ow_arena *arena, size_t size) __attribute__((malloc, alloc_size(2)));
void *ow_arena_calloc(ow_arena *arena, size_t count, size_t size);

// Copies of text or bytes in the arena, always followed by a NUL that is not counted. NULL when the
// maximum is reached; ow_arena_strdup_in(arena, NULL) is NULL.
char *ow_arena_strdup_in(ow_arena *arena, const char *text);
void *ow_arena_memdup_in(ow_arena *arena, const void *bytes, size_t size);
char *ow_arena_printf_in(ow_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Bytes handed out so far.
size_t ow_arena_used(const ow_arena *arena);
