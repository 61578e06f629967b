/* What the SDK needs of the machine, as a table so that tests bring their own clock. */
#ifndef OVERWORLD_SDK_PLATFORM_H
#define OVERWORLD_SDK_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sdk_platform {
    int64_t (*wall_s)(void *self);       /* since the epoch, UTC */
    int64_t (*monotonic_ms)(void *self); /* never goes back */
    bool (*random)(void *self, void *ret_bytes,
                   size_t size); /* for secrets; false: there is none */
    void *self;
} sdk_platform;

extern const sdk_platform sdk_platform_system;

#endif
