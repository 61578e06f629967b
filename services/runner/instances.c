#include <string.h>

#include "services/runner/internal.h"

enum { INSTANCES_MAX = 1000 };

static const char *state_of(const struct instance *instance) {
    static const char *const names[] = {
        [INSTANCE_STARTING] = "starting",
        [INSTANCE_READY] = "idle",
        [INSTANCE_FINISHING] = "finishing",
        [INSTANCE_DYING] = "dying",
    };
    bool busy = instance->state == INSTANCE_READY && !instance_idle(instance);
    return busy ? "busy" : names[instance->state];
}

// Copied: the pool may be gone before the reply is sent.
static instance_msg *describe(ow_arena *arena, const struct pool_entry *entry,
                              const struct instance *instance) {
    const struct pool *pool = &entry->pool;
    instance_msg *made = ow_arena_alloc(arena, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    overworld__runner__v1__instance__init(made);
    made->virtual_server = ow_arena_strdup_in(arena, entry->virtual_server);
    made->function = ow_arena_strdup_in(arena, entry->function);
    made->revision_id = ow_arena_strdup_in(arena, entry->revision_id);
    made->version = entry->version;
    made->state = (char *)(uintptr_t)state_of(instance);
    made->memory_bytes = (int64_t)instance->resident_bytes;
    made->memory_limit_bytes = (int64_t)pool->settings.memory_bytes;
    made->age_us = pool->scheduler->now_us - instance->spawned_us;
    made->init_us = instance->init_us;
    made->calls = (int64_t)instance->completed;
    bool whole =
        made->virtual_server != NULL && made->function != NULL && made->revision_id != NULL;
    return whole ? made : NULL;
}

static bool is_asked_for(const ow_run *run, const struct pool_entry *entry) {
    const instances_request *request = run->request;
    return strcmp(entry->title_id, run->call->principal->title) == 0 &&
           (request->virtual_server[0] == '\0' ||
            strcmp(entry->virtual_server, request->virtual_server) == 0) &&
           (request->function[0] == '\0' || strcmp(entry->function, request->function) == 0);
}

static bool add_entry(const ow_run *run, const struct pool_entry *entry) {
    instances_response *reply = run->reply;
    for (const struct instance *at = entry->pool.instances; at != NULL; at = at->next) {
        if (reply->n_instances == INSTANCES_MAX) {
            reply->truncated = true;
            return true;
        }
        instance_msg *made = describe(run->call->arena, entry, at);
        if (made == NULL) {
            return false;
        }
        reply->instances[reply->n_instances++] = made;
    }
    return true;
}

ow_code instances_step(ow_run *run) {
    struct runner *runner = run->self;
    instances_response *reply = run->reply;
    if (run->call->principal->title[0] == '\0') {
        return ow_fail(run->err, OW_FAILED_PRECONDITION, "title_needed",
                       "there are several titles: name one in Overworld-Title");
    }
    runner_tick(runner);
    reply->quota = (int32_t)runner->config->quota;
    reply->title_memory_bytes = runner->config->title_memory;
    reply->instances = ow_arena_calloc(run->call->arena, INSTANCES_MAX, sizeof *reply->instances);
    bool whole = reply->instances != NULL;
    for (struct pool *at = runner->scheduler.pools; at != NULL && whole; at = at->next) {
        whole = !is_asked_for(run, entry_of(at)) || add_entry(run, entry_of(at));
    }
    return whole ? OW_OK
                 : ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "memory", "the answer is too large");
}
