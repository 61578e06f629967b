// The allocator and write() as loaded code sees them: thin layers over glibc's own, which the
// dynamic linker finds first because the runtime is the executable. They turn a failed allocation
// into a reported end, and notice output that goes round stdio.

#include <errno.h>
#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtimes/zygote/runtime.h"

// Sanitizers bring their own allocator.
#ifndef __SANITIZE_ADDRESS__

// glibc exports the bodies under these names for exactly this use; no header declares them.
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void __libc_free(void *memory);
extern void *__libc_memalign(size_t alignment, size_t size);

static void *checked(void *memory, size_t size) {
    if (!memory && size > 0) {
        ow_rt_out_of_memory(size);
    }
    return memory;
}

void *malloc(size_t size) {
    return checked(__libc_malloc(size), size);
}

void *calloc(size_t count, size_t size) {
    return checked(__libc_calloc(count, size), count && size ? size : 0);
}

void *realloc(void *old, size_t size) {
    return checked(__libc_realloc(old, size), size);
}

void free(void *memory) {
    __libc_free(memory);
}

void *memalign(size_t alignment, size_t size) {
    return checked(__libc_memalign(alignment, size), size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    return checked(__libc_memalign(alignment, size), size);
}

int posix_memalign(void **ret_memory, size_t alignment, size_t size) {
    if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0) {
        return EINVAL;
    }
    void *memory = checked(__libc_memalign(alignment, size), size);
    if (!memory) {
        return ENOMEM;
    }
    *ret_memory = memory;
    return 0;
}

#endif

ssize_t write(int fd, const void *data, size_t length) {
    if (fd == STDOUT_FILENO || fd == STDERR_FILENO) {
        ow_rt_printed();
    }
    return syscall(SYS_write, fd, data, length);
}
