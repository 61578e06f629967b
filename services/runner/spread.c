#include "services/runner/spread.h"

#include "services/runner/messages.h"

#include <stdio.h>
#include <string.h>

// Without the revision: what a function calls, and what queues and alarms call, names none; and the quota of
// an old revision passes to the new one within one runner.
static void key_of_function(const ow_call *call, const ProtobufCMessage *message, char *key,
                            size_t room) {
    const invoke_request *request = (const invoke_request *)message;
    snprintf(key, room, "%s/%.60s/%.60s", call->principal->title, request->virtual_server,
             request->function);
}

static void key_of_build(const ow_call *call, const ProtobufCMessage *message, char *key,
                         size_t room) {
    const build_request *request = (const build_request *)message;
    (void)call;
    snprintf(key, room, "%.64s", request->bundle_sha256);
}

// Two lists as one, in the arena. False: no memory.
static bool join(void ***list, size_t *count, void **more, size_t more_count, ow_arena *arena) {
    void **all = ow_arena_alloc(arena, (*count + more_count + 1) * sizeof *all);
    if (all == NULL) {
        return false;
    }
    if (*count > 0) {
        memcpy(all, *list, *count * sizeof *all);
    }
    if (more_count > 0) {
        memcpy(all + *count, more, more_count * sizeof *all);
    }
    *list = all;
    *count += more_count;
    return true;
}

static bool same_side(const function_stats *a, const function_stats *b) {
    return a->version == b->version && strcmp(a->function, b->function) == 0 &&
           strcmp(a->revision_id, b->revision_id) == 0 && strcmp(a->alias, b->alias) == 0;
}

static bool add_reason(function_stats *sum, reason_count *part, ow_arena *arena) {
    for (size_t i = 0; i < sum->n_reasons; i++) {
        if (strcmp(sum->reasons[i]->reason, part->reason) == 0) {
            sum->reasons[i]->count += part->count;
            return true;
        }
    }
    void *more[] = {part};
    return join((void ***)&sum->reasons, &sum->n_reasons, more, 1, arena);
}

static bool add_side(function_stats *sum, function_stats *part, ow_arena *arena) {
    bool good = true;
    for (size_t i = 0; i < part->n_reasons && good; i++) {
        good = add_reason(sum, part->reasons[i], arena);
    }
    for (size_t i = 0; i < part->n_durations && i < sum->n_durations; i++) {
        sum->durations[i] += part->durations[i];
    }
    return good;
}

// A function moves when a runner comes or goes: then two know of its calls.
static bool add_stats(ProtobufCMessage *sum_message, ProtobufCMessage *part_message,
                      ow_arena *arena) {
    stats_response *sum = (stats_response *)sum_message;
    stats_response *part = (stats_response *)part_message;
    bool good = true;
    size_t known = sum->n_stats;
    for (size_t i = 0; i < part->n_stats && good; i++) {
        function_stats *side = part->stats[i];
        size_t at = 0;
        while (at < known && !same_side(sum->stats[at], side)) {
            at++;
        }
        void *more[] = {side};
        good = at < known ? add_side(sum->stats[at], side, arena)
                          : join((void ***)&sum->stats, &sum->n_stats, more, 1, arena);
    }
    return good;
}

// What holds for all: the weakest sandbox, a runtime that each has.
static void weaken(status_response *sum, const status_response *part) {
    static const char *const levels[] = {"refused", "seccomp", "landlock", "full", "unknown"};
    size_t of_sum = 0;
    size_t of_part = 0;
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        of_sum = strcmp(levels[i], sum->sandbox_level) == 0 ? i : of_sum;
        of_part = strcmp(levels[i], part->sandbox_level) == 0 ? i : of_part;
    }
    if (of_part < of_sum) {
        sum->sandbox_level = part->sandbox_level;
        sum->sandbox_detail = part->sandbox_detail;
    }
    for (size_t i = 0; i < sum->n_runtimes && i < part->n_runtimes; i++) {
        runtime_status *one = sum->runtimes[i];
        const runtime_status *other = part->runtimes[i];
        if (strcmp(one->toolchain, other->toolchain) != 0) {
            one->toolchain = (char *)(uintptr_t) ""; // builds of one are not those of the other
        }
        if (one->ready && !other->ready) {
            one->ready = false;
            one->why_not = other->why_not;
        }
    }
}

static bool add_status(ProtobufCMessage *sum_message, ProtobufCMessage *part_message,
                       ow_arena *arena) {
    status_response *sum = (status_response *)sum_message;
    status_response *part = (status_response *)part_message;
    weaken(sum, part);
    sum->routes_stale = sum->routes_stale || part->routes_stale;
    sum->instances += part->instances;
    sum->instance_memory_bytes += part->instance_memory_bytes;
    return join((void ***)&sum->pools, &sum->n_pools, (void **)part->pools, part->n_pools, arena);
}

static bool add_instances(ProtobufCMessage *sum_message, ProtobufCMessage *part_message,
                          ow_arena *arena) {
    instances_response *sum = (instances_response *)sum_message;
    const instances_response *part = (instances_response *)part_message;
    sum->truncated = sum->truncated || part->truncated;
    return join((void ***)&sum->instances, &sum->n_instances, (void **)part->instances,
                part->n_instances, arena);
}

static void key_of_fetch(const ow_call *call, const ProtobufCMessage *message, char *key,
                         size_t room) {
    const fetch_request *request = (const fetch_request *)message;
    snprintf(key, room, "%s/%.60s/%.60s", call->principal->title, request->virtual_server,
             request->function);
}

typedef struct method_rule {
    const char *name;
    void (*key)(const ow_call *call, const ProtobufCMessage *request, char *key, size_t room);
    bool (*add)(ProtobufCMessage *sum, ProtobufCMessage *part, ow_arena *arena);
} method_rule;

static const method_rule rules[] = {
    {"Invoke", key_of_function, NULL},     {"Build", key_of_build, NULL},
    {"Fetch", key_of_fetch, NULL},         {"GetRunnerStatus", NULL, add_status},
    {"GetFunctionStats", NULL, add_stats}, {"ListInstances", NULL, add_instances},
};

// NULL: there is none. A guess would read the request as another's message.
static const method_rule *rule_of(unsigned method) {
    const char *name = overworld__runner__v1__runner__descriptor.methods[method].name;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (strcmp(rules[i].name, name) == 0) {
            return &rules[i];
        }
    }
    return NULL;
}

static bool knows(unsigned method) {
    return rule_of(method) != NULL;
}

static bool write_key(const ow_call *call, unsigned method, const ProtobufCMessage *request,
                      char *key, size_t room) {
    const method_rule *rule = rule_of(method);
    if (rule == NULL || rule->key == NULL) {
        return false;
    }
    rule->key(call, request, key, room);
    return true;
}

static bool add(unsigned method, ProtobufCMessage *sum, ProtobufCMessage *part, ow_arena *arena) {
    const method_rule *rule = rule_of(method);
    return rule == NULL || rule->add == NULL || rule->add(sum, part, arena);
}

const ow_spread_rules ow_runner_spread = {.knows = knows, .key = write_key, .add = add};
