/* The one file that asks the operating system. Another system gets a branch here. */
#if !defined(_WIN32)
#define _POSIX_C_SOURCE 200809L
#endif

#include "sdk/c/platform.h"

#include <time.h>

static int64_t wall_s(void *self) {
    (void)self;
    return (int64_t)time(NULL);
}

#if defined(_WIN32)

#include <windows.h>

#include <bcrypt.h>

static int64_t monotonic_ms(void *self) {
    (void)self;
    return (int64_t)GetTickCount64();
}

static bool random_bytes(void *self, void *ret_bytes, size_t size) {
    (void)self;
    return BCryptGenRandom(NULL, ret_bytes, (ULONG)size, BCRYPT_USE_SYSTEM_PREFERRED_RNG) == 0;
}

#else

#include <stdio.h>

static int64_t monotonic_ms(void *self) {
    (void)self;
    struct timespec now = {0, 0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool random_bytes(void *self, void *ret_bytes, size_t size) {
    (void)self;
    FILE *source = fopen("/dev/urandom", "rb");
    if (source == NULL) {
        return false;
    }
    bool ok = fread(ret_bytes, 1, size, source) == size;
    fclose(source);
    return ok;
}

#endif

const sdk_platform sdk_platform_system = {
    .wall_s = wall_s,
    .monotonic_ms = monotonic_ms,
    .random = random_bytes,
};
