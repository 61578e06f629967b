#pragma once

// System calls by number: the C library's own functions are the ones the shim stands in for.

#include <fcntl.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline int raw_open(int folder, const char *path, int flags, mode_t mode) {
    return (int)syscall(SYS_openat, folder, path, flags, mode);
}

static inline ssize_t raw_write(int fd, const void *bytes, size_t size) {
    return syscall(SYS_write, fd, bytes, size);
}

static inline ssize_t raw_pwrite(int fd, const void *bytes, size_t size, off_t offset) {
    return syscall(SYS_pwrite64, fd, bytes, size, offset);
}

static inline int raw_ftruncate(int fd, off_t size) {
    return (int)syscall(SYS_ftruncate, fd, size);
}

static inline int raw_rename(int from_folder, const char *from, int to_folder, const char *to) {
    return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, 0);
}

static inline int raw_link(int from_folder, const char *from, int to_folder, const char *to) {
    return (int)syscall(SYS_linkat, from_folder, from, to_folder, to, 0);
}

static inline int raw_unlink(int folder, const char *path, int flags) {
    return (int)syscall(SYS_unlinkat, folder, path, flags);
}

static inline int raw_mkdir(int folder, const char *path, mode_t mode) {
    return (int)syscall(SYS_mkdirat, folder, path, mode);
}
