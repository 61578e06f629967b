#pragma once

// The module manager: which services exist, which this process runs, in which order they start.
//
// A module is an entry of one explicit array (services/overworld/main.c). The manager starts the
// chosen ones in the order of their needs, asks them whether they are ready, and stops them in
// reverse. No registration, no plug-ins.

#include "core/config/config.h"
#include "core/error/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ow_modules ow_modules;
typedef struct ow_module_env ow_module_env; // what main hands to every module; main's own type

typedef struct ow_module {
    const char *name;
    const char *doc;                   // one line for --help
    const char *const *needs_to_start; // names, NULL-ended; may be NULL. Modules of other
                                       // processes are waited for by the channels, not here
    const ow_config_key *config;       // keys of this module; NULL: none
    size_t config_size;

    // Builds the module in memory; no I/O that can wait. `config` is its filled struct.
    ow_code (*init)(ow_module_env *env, const void *config, void **ret_self, ow_err *err);
    // Opens stores, listeners, starts threads. May take a while (migrations); runs on the main
    // thread before the loop.
    ow_code (*start)(void *self, ow_err *err);
    // True when it can serve. `why_not` (static string) for /readyz otherwise. Loop thread.
    bool (*ready)(void *self, const char **why_not);
    // Begins to stop: close listeners, refuse new work, finish what runs. Calls back nothing;
    // the manager polls `drained` each turn until true or the drain deadline. Either may be NULL.
    void (*drain)(void *self);
    bool (*drained)(void *self);
    // Stops threads, closes stores. Never fails.
    void (*stop)(void *self);
    // Frees; accepts half-built.
    void (*free)(void *self);
} ow_module;

// Checks the table (unique names, known needs, no cycle) and chooses: `targets` is "all" or a comma
// list of names. Codes: invalid_argument (unknown target, broken table: names the culprit).
ow_code ow_modules_new(const ow_module *table, size_t count, const char *targets,
                       ow_modules **ret_modules, ow_err *err);
ow_modules *ow_modules_free(ow_modules *modules);

bool ow_modules_chosen(const ow_modules *modules, const char *name);

// init and start in order. On failure everything already started is stopped again.
ow_code ow_modules_start(ow_modules *modules, ow_module_env *env, const ow_config *config,
                         ow_err *err);

// The module's `self` of a chosen, initialised module; NULL otherwise.
void *ow_modules_self(const ow_modules *modules, const char *name);

// True when every chosen module is ready; else names the first that is not and why.
bool ow_modules_ready(const ow_modules *modules, const char **ret_name, const char **ret_why_not);

// Drain begins in reverse order of start; true from ow_modules_drained once all are done.
void ow_modules_drain(ow_modules *modules);
bool ow_modules_drained(const ow_modules *modules);
void ow_modules_stop(ow_modules *modules);
