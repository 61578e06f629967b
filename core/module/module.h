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
    // Begins to stop: close listeners, refuse new work, finish what runs. Then `drained` is asked
    // each turn until it says true or the deadline of main has passed. Either may be NULL. Loop
    // thread.
    void (*drain)(void *self);
    bool (*drained)(void *self);
    // Reads again what may change while it runs, without waiting for that to be noticed. May be NULL.
    // Loop thread.
    void (*reload)(void *self);
    // Ends what still runs, stops threads, closes stores. Never fails. Called when `start` was
    // called, also when that failed half-way, and before any module is freed: the loop turns a few
    // times in between, so that what was just ended can still be told.
    void (*stop)(void *self);
    // Frees what init built, started or not.
    void (*free)(void *self);
} ow_module;

#define OW_MODULES_MAX 32

// Checks the table (unique names, known needs, no cycle) and chooses: `targets` is "all" or a comma
// list of names. `table` must outlive it. Codes: invalid_argument "unknown_target" (names it and
// what there is), internal "bad_module_table" (names the culprit).
ow_code ow_modules_new(const ow_module *table, size_t count, const char *targets,
                       ow_modules **ret_modules, ow_err *err);
// After ow_modules_deinit. Accepts NULL; returns NULL.
ow_modules *ow_modules_free(ow_modules *modules);

bool ow_modules_chosen(const ow_modules *modules, const char *name);

// init of all in the order of their needs, then start in the same order. Ends with the first that
// fails, and the message names it; then call ow_modules_stop and _deinit. Codes: those of the
// modules.
ow_code ow_modules_start(ow_modules *modules, ow_module_env *env, const ow_config *config,
                         ow_err *err);

// The module's `self` of a chosen, initialised module; NULL otherwise.
void *ow_modules_self(const ow_modules *modules, const char *name);

// True when every chosen module is ready; else names the first that is not and why. Loop thread.
bool ow_modules_ready(const ow_modules *modules, const char **ret_name, const char **ret_why_not);

// Asks every module that has started to reload. Loop thread.
void ow_modules_reload(ow_modules *modules);

// Drains one module after the other in reverse order of start, so that each can still use those it
// needs. Call it each turn until it returns true. Afterwards no module is ready.
bool ow_modules_drain(ow_modules *modules);

// Stops all in reverse order of start. May come without or in the middle of a drain.
void ow_modules_stop(ow_modules *modules);
// Frees what the modules built, in reverse order. After ow_modules_stop and a few turns of the loop.
void ow_modules_deinit(ow_modules *modules);
