#include "services/runner/fake_instances.h"

#include <string.h>

static struct fake_instance *fake_of_handle(const ow_host_instance *handle) {
    return (struct fake_instance *)(uintptr_t)handle;
}

static ow_code fake_spawn(void *self, struct instance *instance, ow_host_instance **ret_handle,
                          ow_err *err) {
    struct fake_host *host = self;
    if (host->no_zygote) {
        return ow_fail(err, OW_UNAVAILABLE, "zygote_gone", "no zygote");
    }
    for (unsigned i = 0; i < FAKE_INSTANCES_MAX && !host->refuse_spawn; i++) {
        struct fake_instance *fake = &host->instances[i];
        if (fake->instance == NULL) {
            memset(fake, 0, sizeof *fake);
            fake->instance = instance;
            host->spawned++;
            host->alive++;
            *ret_handle = (ow_host_instance *)(void *)fake;
            return OW_OK;
        }
    }
    return ow_fail(err, OW_INVALID_ARGUMENT, "refused", "spawn was refused");
}

static ow_code fake_submit(ow_host_instance *handle, const ow_host_request *request, ow_err *err) {
    struct fake_instance *fake = fake_of_handle(handle);
    if (fake->killed) {
        return ow_fail(err, OW_UNAVAILABLE, "instance_gone", "killed");
    }
    if (fake->count == OW_HOST_DEPTH_MAX) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_slot", "full");
    }
    fake->slots[fake->count++] = (struct fake_slot){.id = request->id, .state = FAKE_QUEUED};
    return OW_OK;
}

static bool fake_running(const ow_host_instance *handle, uint64_t *ret_id,
                         uint64_t *ret_started_ns) {
    const struct fake_instance *fake = fake_of_handle(handle);
    if (fake->count == 0 || fake->slots[0].state != FAKE_STARTED) {
        return false;
    }
    *ret_id = fake->slots[0].id;
    *ret_started_ns = (uint64_t)fake->slots[0].started_us * 1000;
    return true;
}

static unsigned fake_reclaim(ow_host_instance *handle, uint64_t *ret_ids, unsigned max) {
    struct fake_instance *fake = fake_of_handle(handle);
    unsigned taken = 0;
    while (taken < max && fake->count > 0 && fake->slots[fake->count - 1].state == FAKE_QUEUED) {
        ret_ids[taken++] = fake->slots[--fake->count].id;
    }
    return taken;
}

static void fake_kill(ow_host_instance *handle) {
    fake_of_handle(handle)->killed = true;
}

static uint64_t fake_resident(const ow_host_instance *handle) {
    const struct instance *instance = fake_of_handle(handle)->instance;
    const struct fake_host *host = instance->pool->scheduler->port_self;
    return host->resident;
}

static const struct instance_port fake_port = {
    .spawn = fake_spawn,
    .submit = fake_submit,
    .running = fake_running,
    .reclaim = fake_reclaim,
    .kill = fake_kill,
    .resident = fake_resident,
};

void fake_host_init(struct fake_host *host, struct scheduler *scheduler) {
    memset(host, 0, sizeof *host);
    host->scheduler = scheduler;
    scheduler->port = &fake_port;
    scheduler->port_self = host;
}

void fake_load(struct fake_instance *fake) {
    fake->loaded = true;
    ow_host_ready ready = {.init_ns = 1000000};
    instance_on_ready(fake->instance, &ready);
}

bool fake_start_next(struct fake_instance *fake) {
    bool free = fake->loaded && !fake->killed && fake->count > 0;
    if (!free || fake->slots[0].state != FAKE_QUEUED) {
        return false;
    }
    fake->slots[0].state = FAKE_STARTED;
    fake->slots[0].started_us = fake->instance->pool->scheduler->now_us;
    return true;
}

bool fake_complete(struct fake_instance *fake) {
    if (fake->killed || fake->count == 0 || fake->slots[0].state != FAKE_STARTED) {
        return false;
    }
    ow_host_completion done = {
        .id = fake->slots[0].id,
        .outcome = OW_HOST_OK,
        .started_ns = (uint64_t)fake->slots[0].started_us * 1000,
        .finished_ns = (uint64_t)fake->instance->pool->scheduler->now_us * 1000,
        .message = "",
        .content_type = "application/json",
    };
    fake->count--;
    memmove(fake->slots, fake->slots + 1, fake->count * sizeof fake->slots[0]);
    instance_on_completed(fake->instance, &done);
    return true;
}

static void leave(struct fake_instance *fake, ow_host_end end, const char *reason) {
    struct instance *instance = fake->instance;
    struct fake_host *host = instance->pool->scheduler->port_self;
    ow_host_exit exit = {.end = end, .reason = reason};
    strncat(exit.message, "it ended", sizeof exit.message - 1);
    for (unsigned i = 0; i < fake->count; i++) {
        if (fake->slots[i].state == FAKE_STARTED) {
            exit.started[exit.started_count++] = fake->slots[i].id;
        } else {
            exit.queued[exit.queued_count++] = fake->slots[i].id;
        }
    }
    host->alive--;
    host->killed += fake->killed;
    fake->instance = NULL;
    instance_on_exited(instance, &exit);
}

void fake_exit(struct fake_instance *fake, ow_host_end end) {
    leave(fake, fake->killed ? OW_HOST_END_KILLED : end, "crashed");
}

void fake_fail_init(struct fake_instance *fake) {
    leave(fake, fake->killed ? OW_HOST_END_KILLED : OW_HOST_END_INIT, "init_failed");
}
