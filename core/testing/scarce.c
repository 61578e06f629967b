#include "core/testing/scarce.h"

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED
#endif

#ifdef IS_SANITIZED

bool ow_scarce_is_possible(void) {
    return false;
}

void ow_scarce_begin(long nth, bool from_then_on) {
    (void)nth;
    (void)from_then_on;
}

bool ow_scarce_end(void) {
    return false;
}

bool ow_scarce_has_failed(void) {
    return false;
}

long ow_scarce_blocks(void) {
    return 0;
}

#else

#define FREED 0xdd

// glibc's own, which ours stand in front of.
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *block);

static struct {
    long blocks;
    long left; // allocations until one fails; 0: none does
    bool from_then_on, has_failed;
} memory;

bool ow_scarce_is_possible(void) {
    return true;
}

void ow_scarce_begin(long nth, bool from_then_on) {
    memory.left = nth;
    memory.from_then_on = from_then_on;
    memory.has_failed = false;
}

bool ow_scarce_end(void) {
    memory.left = 0;
    return memory.has_failed;
}

bool ow_scarce_has_failed(void) {
    return memory.has_failed;
}

long ow_scarce_blocks(void) {
    return memory.blocks;
}

static bool is_out(void) {
    if (memory.left == 0 || --memory.left > 0) {
        return false;
    }
    memory.left = memory.from_then_on;
    memory.has_failed = true;
    errno = ENOMEM;
    return true;
}

static void *count(void *block) {
    memory.blocks += block != NULL;
    return block;
}

void *malloc(size_t size) {
    return is_out() ? NULL : count(__libc_malloc(size));
}

void *calloc(size_t items, size_t size) {
    return is_out() ? NULL : count(__libc_calloc(items, size));
}

void *realloc(void *block, size_t size) {
    if (block == NULL) {
        return malloc(size);
    }
    if (size == 0) {
        free(block);
        return NULL;
    }
    return is_out() ? NULL : __libc_realloc(block, size);
}

void *memalign(size_t alignment, size_t size) {
    return is_out() ? NULL : count(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size) {
    return memalign(alignment, size);
}

int posix_memalign(void **ret_block, size_t alignment, size_t size) {
    void *block = memalign(alignment, size);
    if (block == NULL) {
        return ENOMEM;
    }
    *ret_block = block;
    return 0;
}

void free(void *block) {
    if (block == NULL) {
        return;
    }
    int kept = errno;
    memory.blocks--;
    // Whoever still reads it shall not find what was there.
    memset(block, FREED, malloc_usable_size(block));
    __libc_free(block);
    errno = kept;
}

#endif
