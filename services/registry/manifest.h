#pragma once

// virtualserver.json: what a bundle says about itself. Read strictly: a key that is not known is an
// error with a suggestion, a value out of bounds names what is allowed. Shared with the command
// line, which needs the patterns to know what to pack.
//
//     {
//       "name": "chat",                      1-60 characters, [A-Za-z][A-Za-z0-9_-]*
//       "runtime": "c",
//       "functions": {                       1-50
//         "moderate": {
//           "source": "chat.c",              optional: a file of the bundle that must be there
//           "entry": "moderate",             C symbol; default the name, '-' read as '_'
//           "exposure": "client",            client | server | internal (default)
//           "timeout_ms": 3000,              1-900000, default 3000
//           "memory_mb": 128,                64-3072, default 128
//           "log_payload": false
//         }
//       },
//       "files": ["words.txt", "maps/*.bin"], data files; * and ? do not match '/'
//       "env": {"MODE": "strict"},           4 KB in all
//       "fetch": {                           where functions may send requests; default nowhere
//         "hosts": ["api.example.com", "*.example.org"],   1-64
//         "networks": ["10.1.0.0/16"],       addresses allowed though not public, if the server's
//                                            configuration allows them as well; default none
//         "plain": false                     also without TLS, likewise
//       },
//       "timers": [{"name": "trim", "function": "trim", "cron": "0 4 * * *"}],
//       "subscriptions": [], "webhooks": [], "routes": []
//                                            see proto/overworld/api/triggers.proto; 10 a function
//     }

#include "services/registry/triggers.h"

#include "core/archive/archive.h"
#include "core/arena/arena.h"
#include "core/error/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OW_MANIFEST_FILE "virtualserver.json"
#define OW_MANIFEST_NAME_MAX 60
#define OW_MANIFEST_FUNCTIONS_MAX 50
#define OW_MANIFEST_PATTERNS_MAX 64
#define OW_MANIFEST_DATA_FILES_MAX 512
#define OW_MANIFEST_FETCH_MAX 64 // hosts, networks
#define OW_MANIFEST_ENV_MAX 4096 // bytes: names, values, and two more for each

typedef struct ow_manifest_function {
    const char *name;
    const char *entry;
    const char *source;   // NULL: not said
    const char *exposure; // "client", "server", "internal"
    int32_t timeout_ms;
    int32_t memory_mb;
    bool log_payload;
} ow_manifest_function;

typedef struct ow_manifest_env {
    const char *name;
    const char *value;
} ow_manifest_env;

typedef struct ow_manifest {
    const char *name;
    const char *runtime;
    ow_manifest_function *functions; // sorted by name
    size_t function_count;
    const char **patterns; // in the order of the file
    size_t pattern_count;
    ow_manifest_env *env; // sorted by name
    size_t env_count;
    const char **fetch_hosts; // in the order of the file
    size_t fetch_host_count;
    const char **fetch_networks;
    size_t fetch_network_count;
    bool fetch_plain;
    triggers_msg *triggers; // NULL: none
} ow_manifest;

// True for 1-60 characters [A-Za-z][A-Za-z0-9_-]*. NULL is none.
bool ow_manifest_is_name(const char *name);

// Reads a manifest; everything lives in `arena`. Codes: invalid_argument "bad_manifest" (the
// message names the key and what would be right), resource_exhausted.
ow_code ow_manifest_read(const char *text, size_t size, ow_arena *arena, ow_manifest *ret_manifest,
                         ow_err *err);

// True when `pattern` names `path` as a whole.
bool ow_manifest_pattern_matches(const char *pattern, const char *path);

// True for what the compiler sees: .c and .h files.
bool ow_manifest_is_source(const char *path);

// True for the manifest's data files: named by a pattern, no source and not the manifest itself.
bool ow_manifest_is_data(const ow_manifest *manifest, const char *path);

// Does the archive have what the manifest promises: sources, data files within their number, each
// pattern at least one? Codes: invalid_argument "bad_manifest".
ow_code ow_manifest_check_files(const ow_manifest *manifest, const ow_archive *archive,
                                ow_err *err);
