#pragma once

// Configuration as tables: one table a module. A table says type, default, bounds and meaning of
// each key; from the tables come the values, `--help-config`, `--check-config`, the sample file and
// docs/config.md.
//
// Keys are written "<module>.<name>". Order of precedence: flag (--gateway.public_port=0),
// environment (OVERWORLD_GATEWAY_PUBLIC_PORT), file, default. Unknown keys are refused, so are
// environment variables that begin like those of a module and name no key of it.
//
// The file: lines of `module.name = value`, a key at most once; '#' starts a comment, at the
// beginning of a line or after a blank; blank lines are skipped.

#include "core/error/error.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef enum ow_config_type {
    OW_CONFIG_INT,      // int64_t
    OW_CONFIG_BOOL,     // bool; true/false
    OW_CONFIG_STRING,   // char *, owned by the config
    OW_CONFIG_SIZE,     // int64_t bytes; "64KB", "6MB", "1GB" (powers of 1024)
    OW_CONFIG_DURATION, // int64_t microseconds; "500us", "250ms", "3s", "5m", "1h", "7d"
    OW_CONFIG_CHOICE,   // int64_t index into `choices`
} ow_config_type;

typedef struct ow_config_key {
    const char *name; // without the module
    ow_config_type type;
    size_t offset;              // where the value goes in the module's struct
    const char *default_value;  // as it would be written in the file
    int64_t min, max;           // for INT, SIZE, DURATION; both 0: no bounds
    const char *const *choices; // NULL-terminated, for CHOICE
    const char *doc;            // one or two sentences
} ow_config_key;

typedef struct ow_config_table {
    const char *module;
    const ow_config_key *keys; // ends with name == NULL
    size_t values_size;        // sizeof the module's struct
} ow_config_table;

typedef struct ow_config ow_config;

// Reads everything: `tables` ends with module == NULL and must outlive the config. `file` may be
// NULL. `flags` are the command line's "--module.name=value" arguments (a later one wins),
// `environment` a NULL-ended list as in environ(7), or NULL. Heap; ow_config_free. Codes:
// invalid_argument "bad_config" (the message names file and line, key, value and what would be
// allowed), not_found "no_config" (no such file), internal.
ow_code ow_config_load(const ow_config_table *tables, const char *file, const char *const *flags,
                       size_t flag_count, char *const *environment, ow_config **ret_config,
                       ow_err *err);
ow_config *ow_config_free(ow_config *config);

// The filled struct of a module; borrowed, lives as long as the config. NULL for an unknown module.
const void *ow_config_of(const ow_config *config, const char *module);

// Writes the sample file: every key with its doc, bounds and default, commented out. Also what
// --help-config shows.
void ow_config_print_sample(const ow_config_table *tables, FILE *out);

// Writes the effective values as a file that gives the same again, one line a key, and where each
// came from as a comment.
void ow_config_print_effective(const ow_config *config, FILE *out);
