#include "core/module/module.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOWHERE = -1 };

typedef enum state { STATE_NEW, STATE_BUILT, STATE_STARTING, STATE_STARTED } state;

typedef struct entry {
    const ow_module *module;
    state state;
    void *self;
} entry;

struct ow_modules {
    const ow_module *table;
    size_t table_count;
    size_t count;                  // of the chosen ones,
    entry entries[OW_MODULES_MAX]; // in the order of start
    bool draining;
    size_t drain_left; // entries before this one are still to be drained
    bool drain_begun;  // of entries[drain_left - 1]
};

// --- the table ---

static int index_of(const ow_modules *modules, const char *name, size_t length) {
    for (size_t i = 0; i < modules->table_count; i++) {
        const char *candidate = modules->table[i].name;
        if (strncmp(candidate, name, length) == 0 && candidate[length] == '\0') {
            return (int)i;
        }
    }
    return NOWHERE;
}

static ow_code check_names(const ow_modules *modules, ow_err *err) {
    for (size_t i = 0; i < modules->table_count; i++) {
        const ow_module *module = &modules->table[i];
        if (index_of(modules, module->name, strlen(module->name)) != (int)i) {
            return ow_fail(err, OW_INTERNAL, "bad_module_table", "two modules are called %s",
                           module->name);
        }
        const char *const *need = module->needs_to_start;
        for (; need != NULL && *need != NULL; need++) {
            if (index_of(modules, *need, strlen(*need)) == NOWHERE) {
                return ow_fail(err, OW_INTERNAL, "bad_module_table",
                               "module %s needs %s, which there is not", module->name, *need);
            }
        }
    }
    return OW_OK;
}

static bool can_come_next(const ow_modules *modules, size_t index, const bool *placed) {
    const char *const *need = modules->table[index].needs_to_start;
    for (; need != NULL && *need != NULL; need++) {
        if (!placed[index_of(modules, *need, strlen(*need))]) {
            return false;
        }
    }
    return !placed[index];
}

// Orders the whole table, chosen or not: a cycle is a mistake even when nobody runs all of it.
static ow_code order(ow_modules *modules, const bool *chosen, ow_err *err) {
    bool placed[OW_MODULES_MAX] = {false};
    for (size_t n = 0; n < modules->table_count; n++) {
        size_t next = 0;
        while (next < modules->table_count && !can_come_next(modules, next, placed)) {
            next++;
        }
        if (next == modules->table_count) {
            for (next = 0; placed[next];) {
                next++;
            }
            return ow_fail(err, OW_INTERNAL, "bad_module_table",
                           "module %s needs itself, through those that it needs",
                           modules->table[next].name);
        }
        placed[next] = true;
        if (chosen[next]) {
            modules->entries[modules->count++].module = &modules->table[next];
        }
    }
    return OW_OK;
}

static ow_code unknown_target(const ow_modules *modules, const char *name, size_t length,
                              ow_err *err) {
    char known[200] = "";
    size_t used = 0;
    for (size_t i = 0; i < modules->table_count && used < sizeof known; i++) {
        used += (size_t)snprintf(known + used, sizeof known - used, ", %s", modules->table[i].name);
    }
    return ow_fail(err, OW_INVALID_ARGUMENT, "unknown_target",
                   "there is no target \"%.*s\"; there are: all%s", (int)length, name, known);
}

static ow_code choose(const ow_modules *modules, const char *targets, bool *chosen, ow_err *err) {
    bool all = strcmp(targets, "all") == 0;
    for (size_t i = 0; all && i < modules->table_count; i++) {
        chosen[i] = true;
    }
    while (!all) {
        size_t length = strcspn(targets, ",");
        int index = index_of(modules, targets, length);
        if (index == NOWHERE) {
            return unknown_target(modules, targets, length, err);
        }
        chosen[index] = true;
        if (targets[length] == '\0') {
            break;
        }
        targets += length + 1;
    }
    return OW_OK;
}

ow_code ow_modules_new(const ow_module *table, size_t count, const char *targets,
                       ow_modules **ret_modules, ow_err *err) {
    if (count > OW_MODULES_MAX) {
        return ow_fail(err, OW_INTERNAL, "bad_module_table", "more than %d modules",
                       OW_MODULES_MAX);
    }
    ow_modules *modules = calloc(1, sizeof *modules);
    if (modules == NULL) {
        return ow_fail(err, OW_INTERNAL, "no_memory", "no memory for the modules");
    }
    modules->table = table;
    modules->table_count = count;
    bool chosen[OW_MODULES_MAX] = {false};
    ow_code code = check_names(modules, err);
    if (code == OW_OK) {
        code = choose(modules, targets, chosen, err);
    }
    if (code == OW_OK) {
        code = order(modules, chosen, err);
    }
    if (code != OW_OK) {
        ow_modules_free(modules);
        return code;
    }
    *ret_modules = modules;
    return OW_OK;
}

ow_modules *ow_modules_free(ow_modules *modules) {
    free(modules);
    return NULL;
}

static const entry *find(const ow_modules *modules, const char *name) {
    for (size_t i = 0; i < modules->count; i++) {
        if (strcmp(modules->entries[i].module->name, name) == 0) {
            return &modules->entries[i];
        }
    }
    return NULL;
}

bool ow_modules_chosen(const ow_modules *modules, const char *name) {
    return find(modules, name) != NULL;
}

void *ow_modules_self(const ow_modules *modules, const char *name) {
    const entry *entry = find(modules, name);
    return entry == NULL ? NULL : entry->self;
}

// --- the life of the chosen ones ---

static ow_code build_all(ow_modules *modules, ow_module_env *env, const ow_config *config,
                         ow_err *err) {
    for (size_t i = 0; i < modules->count; i++) {
        entry *entry = &modules->entries[i];
        const void *values = ow_config_of(config, entry->module->name);
        ow_code code = entry->module->init(env, values, &entry->self, err);
        if (code != OW_OK) {
            ow_err_context(err, "%s", entry->module->name);
            return code;
        }
        entry->state = STATE_BUILT;
    }
    return OW_OK;
}

static ow_code start_all(ow_modules *modules, ow_err *err) {
    for (size_t i = 0; i < modules->count; i++) {
        entry *entry = &modules->entries[i];
        entry->state = STATE_STARTING;
        ow_code code =
            entry->module->start == NULL ? OW_OK : entry->module->start(entry->self, err);
        if (code != OW_OK) {
            ow_err_context(err, "%s", entry->module->name);
            return code;
        }
        entry->state = STATE_STARTED;
    }
    return OW_OK;
}

ow_code ow_modules_start(ow_modules *modules, ow_module_env *env, const ow_config *config,
                         ow_err *err) {
    ow_code code = build_all(modules, env, config, err);
    return code == OW_OK ? start_all(modules, err) : code;
}

bool ow_modules_ready(const ow_modules *modules, const char **ret_name, const char **ret_why_not) {
    for (size_t i = 0; i < modules->count; i++) {
        const entry *entry = &modules->entries[i];
        const char *why_not = modules->draining               ? "draining"
                              : entry->state != STATE_STARTED ? "starting"
                                                              : NULL;
        if (why_not == NULL && entry->module->ready != NULL) {
            const char *reason = "not ready";
            why_not = entry->module->ready(entry->self, &reason) ? NULL : reason;
        }
        if (why_not != NULL) {
            *ret_name = entry->module->name;
            *ret_why_not = why_not;
            return false;
        }
    }
    return true;
}

void ow_modules_reload(ow_modules *modules) {
    for (size_t i = 0; i < modules->count; i++) {
        const entry *entry = &modules->entries[i];
        if (entry->state == STATE_STARTED && entry->module->reload != NULL) {
            entry->module->reload(entry->self);
        }
    }
}

static bool drain_one(entry *entry, bool begun) {
    if (entry->state != STATE_STARTED) {
        return true;
    }
    if (!begun && entry->module->drain != NULL) {
        entry->module->drain(entry->self);
    }
    return entry->module->drained == NULL || entry->module->drained(entry->self);
}

bool ow_modules_drain(ow_modules *modules) {
    if (!modules->draining) {
        modules->draining = true;
        modules->drain_left = modules->count;
    }
    while (modules->drain_left > 0) {
        bool done = drain_one(&modules->entries[modules->drain_left - 1], modules->drain_begun);
        modules->drain_begun = !done;
        if (!done) {
            return false;
        }
        modules->drain_left--;
    }
    return true;
}

void ow_modules_stop(ow_modules *modules) {
    modules->draining = true;
    modules->drain_left = 0;
    for (size_t i = modules->count; i > 0; i--) {
        entry *entry = &modules->entries[i - 1];
        if (entry->state >= STATE_STARTING) {
            entry->state = STATE_BUILT;
            if (entry->module->stop != NULL) {
                entry->module->stop(entry->self);
            }
        }
    }
}

void ow_modules_deinit(ow_modules *modules) {
    for (size_t i = modules->count; i > 0; i--) {
        entry *entry = &modules->entries[i - 1];
        if (entry->state == STATE_BUILT) {
            entry->state = STATE_NEW;
            entry->module->free(entry->self);
            entry->self = NULL;
        }
    }
}
