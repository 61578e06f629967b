#pragma once

// The zygotes of the runtimes: started beside everything else, started again when they end.

#include "core/loop/loop.h"
#include "runtimes/host/host.h"

#include <stdbool.h>

struct runtimes;

struct runtime {
    const char *name; // as virtual servers name it: "c"
    const char *binary;
    struct runtimes *all;
    ow_host_zygote *zygote; // NULL: none
    ow_host_zygote_status status;
    bool refused; // this machine cannot contain functions as well as is required
    char why_not[320];
    unsigned failures; // in a row
    int64_t started_us;
    ow_timer restart;
};

#define RUNTIMES_COUNT 1

struct runtimes {
    struct runtime each[RUNTIMES_COUNT];
    ow_loop *loop;
    ow_host *host;
    const char *binary_folder;
    // A runtime became ready, or went: pools may go on.
    void (*changed)(void *self, struct runtime *runtime);
    void *self;
    ow_host_sandbox_level least; // functions run at this level or above
    bool stopping;
};

// Fills it in and starts every zygote; a missing binary is tried again later.
void runtimes_start(struct runtimes *runtimes);

// No new zygotes from here on.
void runtimes_stop(struct runtimes *runtimes);

// The one of that name; NULL.
struct runtime *runtimes_find(struct runtimes *runtimes, const char *name);

// For the host's zygote event.
void runtimes_on_zygote(struct runtimes *runtimes, ow_host_zygote *zygote,
                        const ow_host_zygote_status *status);

// May it run functions now? OW_UNAVAILABLE while its zygote is not ready, OW_FAILED_PRECONDITION
// sandbox_refused when this machine cannot contain them as well as `least` wants.
ow_code runtime_check(const struct runtime *runtime, ow_err *err);

const char *sandbox_level_name(ow_host_sandbox_level level);
