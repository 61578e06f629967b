#include "services/runner/runtimes.h"

#include <stdio.h>
#include <string.h>

#include "core/log/log.h"

#define FIRST_DELAY_US 100000
#define DELAY_DOUBLINGS 7 // up to 12.8 s
#define STEADY_US 10000000

static const struct {
    const char *name, *binary;
} known[RUNTIMES_COUNT] = {
    {"c", "ow-rt-c"},
};

const char *sandbox_level_name(ow_host_sandbox_level level) {
    static const char *const names[] = {
        [OW_HOST_SANDBOX_REFUSED] = "refused",
        [OW_HOST_SANDBOX_SECCOMP] = "seccomp",
        [OW_HOST_SANDBOX_LANDLOCK] = "landlock",
        [OW_HOST_SANDBOX_FULL] = "full",
    };
    return level <= OW_HOST_SANDBOX_FULL ? names[level] : "refused";
}

static void start_later(struct runtime *runtime) {
    struct runtimes *all = runtime->all;
    unsigned doublings = runtime->failures < DELAY_DOUBLINGS ? runtime->failures : DELAY_DOUBLINGS;
    runtime->failures++;
    int64_t delay_us = (int64_t)FIRST_DELAY_US << doublings;
    if (!all->stopping) {
        (void)ow_loop_timer_set(all->loop, &runtime->restart, ow_loop_now_us(all->loop) + delay_us);
    }
}

static void start(struct runtime *runtime) {
    struct runtimes *all = runtime->all;
    char path[1024];
    ow_err err = {0};
    snprintf(path, sizeof path, "%s/%s", all->binary_folder, runtime->binary);
    runtime->started_us = ow_loop_now_us(all->loop);
    runtime->status = (ow_host_zygote_status){0};
    runtime->refused = false;
    snprintf(runtime->why_not, sizeof runtime->why_not, "it is starting");
    if (ow_host_zygote_start(all->host, path, &runtime->zygote, &err) != OW_OK) {
        runtime->zygote = NULL;
        snprintf(runtime->why_not, sizeof runtime->why_not, "%.180s", err.message);
        ow_log(OW_LOG_WARN, "runtime cannot start", "runtime=%s why=\"%s\"", runtime->name,
               err.message);
        start_later(runtime);
    }
}

static void on_restart(void *self) {
    start(self);
}

void runtimes_start(struct runtimes *runtimes) {
    for (int i = 0; i < RUNTIMES_COUNT; i++) {
        struct runtime *runtime = &runtimes->each[i];
        *runtime = (struct runtime){
            .name = known[i].name,
            .binary = known[i].binary,
            .all = runtimes,
            .restart = {.on_due = on_restart, .self = runtime},
        };
        start(runtime);
    }
}

void runtimes_stop(struct runtimes *runtimes) {
    runtimes->stopping = true;
    for (int i = 0; i < RUNTIMES_COUNT; i++) {
        ow_loop_timer_cancel(runtimes->loop, &runtimes->each[i].restart);
    }
}

struct runtime *runtimes_find(struct runtimes *runtimes, const char *name) {
    for (int i = 0; i < RUNTIMES_COUNT; i++) {
        if (strcmp(runtimes->each[i].name, name) == 0) {
            return &runtimes->each[i];
        }
    }
    return NULL;
}

static void on_ready(struct runtime *runtime, const ow_host_zygote_status *status) {
    const struct runtimes *all = runtime->all;
    runtime->status = *status;
    runtime->why_not[0] = '\0';
    runtime->refused = status->level == OW_HOST_SANDBOX_REFUSED || status->level < all->least;
    if (runtime->refused) {
        // Without seccomp no setting helps.
        const char *advice = status->level == OW_HOST_SANDBOX_REFUSED
                                 ? ""
                                 : "; runner.sandbox = best_effort would run them all the same";
        snprintf(runtime->why_not, sizeof runtime->why_not, "functions are refused: %.160s%s",
                 status->text, advice);
        ow_log(OW_LOG_WARN, "functions are refused", "runtime=%s sandbox=%s least=%s",
               runtime->name, sandbox_level_name(status->level), sandbox_level_name(all->least));
    }
    ow_log(OW_LOG_INFO, "runtime ready", "runtime=%s sandbox=%s detail=\"%s\"", runtime->name,
           sandbox_level_name(status->level), status->text);
}

static void on_gone(struct runtime *runtime) {
    struct runtimes *all = runtime->all;
    if (ow_loop_now_us(all->loop) - runtime->started_us > STEADY_US) {
        runtime->failures = 0;
    }
    runtime->zygote = NULL;
    runtime->status = (ow_host_zygote_status){0};
    runtime->refused = false;
    snprintf(runtime->why_not, sizeof runtime->why_not, "its zygote ended, it is being restarted");
    if (!all->stopping) {
        ow_log(OW_LOG_WARN, "runtime ended", "runtime=%s", runtime->name);
    }
    start_later(runtime);
}

void runtimes_on_zygote(struct runtimes *runtimes, ow_host_zygote *zygote,
                        const ow_host_zygote_status *status) {
    for (int i = 0; i < RUNTIMES_COUNT; i++) {
        struct runtime *runtime = &runtimes->each[i];
        if (runtime->zygote != zygote) {
            continue;
        }
        if (status->gone) {
            on_gone(runtime);
        } else if (status->ready) {
            on_ready(runtime, status);
        }
        runtimes->changed(runtimes->self, runtime);
        return;
    }
}

ow_code runtime_check(const struct runtime *runtime, ow_err *err) {
    if (runtime == NULL) {
        return ow_fail(err, OW_FAILED_PRECONDITION, "no_runtime",
                       "this runner does not have the virtual server's runtime");
    }
    if (runtime->zygote == NULL || !runtime->status.ready) {
        return ow_fail(err, OW_UNAVAILABLE, "zygote_gone", "runtime %s: %s", runtime->name,
                       runtime->why_not);
    }
    if (runtime->refused) {
        return ow_fail(err, OW_FAILED_PRECONDITION, "sandbox_refused", "%s", runtime->why_not);
    }
    return OW_OK;
}
