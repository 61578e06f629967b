#include "core/arena/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WATCHED
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WATCHED
#endif

enum {
    ALIGNMENT = 16,
    FIRST_BLOCK = 2048,
    LARGEST_REGULAR_BLOCK = 64 * 1024,
#ifdef WATCHED
    SPARE_MAX = 0, // a block that is used again would hide a use after its end
#else
    SPARE_MAX = 64,
#endif
};

typedef struct block {
    struct block *next;
    size_t size; // payload bytes
    size_t used;
    size_t pad; // keeps the payload 16-aligned
    unsigned char payload[];
} block;

struct ow_arena {
    block *current; // newest first
    size_t max;
    size_t reserved; // payload of all blocks
    size_t used;
    size_t next_size;
};

// First blocks that were freed in this thread. They are too large for the lists that malloc keeps for a
// thread, and each one given back to the heap's end has it tidy up all that is small and free.
typedef struct spare_blocks {
    block *first;
    unsigned count;
} spare_blocks;

static spare_blocks *spares(void) {
    static _Thread_local spare_blocks of_thread;
    return &of_thread;
}

static block *block_new(size_t size) {
    spare_blocks *spare = spares();
    if (size != FIRST_BLOCK || spare->first == NULL) {
        return malloc(sizeof(block) + size);
    }
    block *b = spare->first;
    spare->first = b->next;
    spare->count--;
    return b;
}

static void block_free(block *b) {
    spare_blocks *spare = spares();
    if (b->size != FIRST_BLOCK || spare->count >= SPARE_MAX) {
        free(b);
        return;
    }
    b->next = spare->first;
    spare->first = b;
    spare->count++;
}

ow_arena *ow_arena_new(size_t max_bytes) {
    ow_arena *arena = calloc(1, sizeof *arena);
    if (arena != NULL) {
        arena->max = max_bytes;
        arena->next_size = FIRST_BLOCK;
    }
    return arena;
}

ow_arena *ow_arena_free(ow_arena *arena) {
    if (arena == NULL) {
        return NULL;
    }
    for (block *b = arena->current; b != NULL;) {
        block *next = b->next;
        block_free(b);
        b = next;
    }
    free(arena);
    return NULL;
}

void ow_arena_reset(ow_arena *arena) {
    block *b = arena->current;
    while (b != NULL && b->next != NULL) {
        block *next = b->next;
        block_free(b);
        b = next;
    }
    arena->current = b;
    arena->used = 0;
    arena->reserved = b != NULL ? b->size : 0;
    arena->next_size = FIRST_BLOCK;
    if (b != NULL) {
        b->used = 0;
    }
}

static block *grow(ow_arena *arena, size_t need) {
    size_t size = arena->next_size;
    if (size < need) {
        size = need;
    }
    if (size > arena->max - arena->reserved) {
        size = arena->max - arena->reserved;
    }
    if (size < need) {
        return NULL;
    }
    block *b = block_new(size);
    if (b == NULL) {
        return NULL;
    }
    b->next = arena->current;
    b->size = size;
    b->used = 0;
    arena->current = b;
    arena->reserved += size;
    if (arena->next_size < LARGEST_REGULAR_BLOCK) {
        arena->next_size *= 2;
    }
    return b;
}

void *ow_arena_alloc(ow_arena *arena, size_t size) {
    if (size > SIZE_MAX - ALIGNMENT) {
        return NULL;
    }
    size_t need = size == 0 ? ALIGNMENT : (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    block *b = arena->current;
    if (b == NULL || b->size - b->used < need) {
        b = grow(arena, need);
        if (b == NULL) {
            return NULL;
        }
    }
    void *memory = b->payload + b->used;
    b->used += need;
    arena->used += need;
    return memory;
}

void *ow_arena_calloc(ow_arena *arena, size_t count, size_t size) {
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        return NULL;
    }
    void *memory = ow_arena_alloc(arena, total);
    if (memory != NULL) {
        memset(memory, 0, total);
    }
    return memory;
}

void *ow_arena_memdup_in(ow_arena *arena, const void *bytes, size_t size) {
    if (size == SIZE_MAX) {
        return NULL;
    }
    unsigned char *copy = ow_arena_alloc(arena, size + 1);
    if (copy == NULL) {
        return NULL;
    }
    if (size > 0) {
        memcpy(copy, bytes, size);
    }
    copy[size] = 0;
    return copy;
}

char *ow_arena_strdup_in(ow_arena *arena, const char *text) {
    return text == NULL ? NULL : ow_arena_memdup_in(arena, text, strlen(text));
}

char *ow_arena_printf_in(ow_arena *arena, const char *format, ...) {
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = length < 0 ? NULL : ow_arena_alloc(arena, (size_t)length + 1);
    if (text != NULL) {
        vsnprintf(text, (size_t)length + 1, format, again);
    }
    va_end(again);
    return text;
}

size_t ow_arena_used(const ow_arena *arena) {
    return arena->used;
}
