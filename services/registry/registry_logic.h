#pragma once

// The registry's rules: no I/O, any thread.

#include "services/registry/manifest.h"
#include "services/registry/messages.h"

#include "core/crypto/hash.h"

#define LATEST "$LATEST"
#define DEFAULT_ALIAS "$DEFAULT"

enum {
    PAGE_MAX = 200,
    PAGE_DEFAULT = 50,
    TITLE_NAME_MAX = 60,
    DESCRIPTION_MAX = 500,
    SECRET_VALUE_MAX = 4096,
};

// Hex SHA-256 of bytes.
void sha256_hex(const void *bytes, size_t size, char ret_hex[static OW_SHA256_HEX_SIZE]);

// True for 64 lower-case hex digits.
bool is_sha256(const char *text);

// The number of rows for a page_size: 0 is the default. Codes: invalid_argument "bad_page_size".
ow_code page_limit(int32_t page_size, int *ret_limit, ow_err *err);

// Checks of what comes from outside. Codes: invalid_argument "bad_name", "bad_description".
ow_code check_title_name(const char *name, ow_err *err);
ow_code check_server_name(const char *name, ow_err *err);
ow_code check_description(const char *description, ow_err *err);

// What names are looked for by. Codes: invalid_argument "bad_filter".
ow_code check_name_filter(const char *part, ow_err *err);

// Whether `part` is in the name, in either case of ASCII letters; "" is in all.
bool name_has(const char *name, const char *part);

// Codes: invalid_argument "bad_name", "bad_value".
ow_code check_secret_name(const char *name, ow_err *err);
ow_code check_secret_value(const void *bytes, size_t size, ow_err *err);

// What the compiler makes of a bundle depends on: runtime, entry symbols, paths and bytes of its
// sources. False when out of memory.
bool source_key(const ow_manifest *manifest, const ow_archive *archive,
                char ret_hex[static OW_SHA256_HEX_SIZE]);

// Everything of a revision but its code: functions, environment, data files with their hashes. NULL
// when the arena is full.
route_revision_msg *revision_of(const ow_manifest *manifest, const ow_archive *archive,
                                ow_arena *arena);

// The id of a revision: one state of code and configuration of one title's virtual server. `r` has
// its code hash set; revision_id and version do not count. False when the arena is full.
bool revision_hash(const char *title, const char *server, const route_revision_msg *r,
                   ow_arena *arena, char ret_hex[static OW_SHA256_HEX_SIZE]);

// The entry symbols of all functions, separated by commas, each once. NULL: arena full.
char *entry_list(const ow_manifest *manifest, ow_arena *arena);
