#pragma once

// Triggers: what a manifest declares, and which of it is in force. No I/O, any thread.

#include "core/arena/arena.h"
#include "core/error/error.h"
#include "core/json/tree.h"

#include "overworld/api/triggers.pb-c.h"

#include <stdint.h>

enum {
    OW_TRIGGERS_A_FUNCTION_MAX = 10,
    OW_TRIGGERS_BYTES_MAX = 512 * 1024, // of all that a manifest declares
    OW_FALLBACK_FILE_MAX = 1 << 20,
};

typedef Overworld__Api__ApplyTriggersRequest apply_triggers_request;
typedef Overworld__Api__ApplyTriggersResponse apply_triggers_response;
typedef Overworld__Api__Triggers triggers_msg;

// The lists "timers", "subscriptions", "webhooks" and "routes" of a manifest, NULL where it has none.
typedef struct ow_trigger_lists {
    const ow_json *timers, *subscriptions, *webhooks, *routes;
} ow_trigger_lists;

// As a message in the arena; NULL when there are none. Each is as proto/overworld/api/triggers.proto has it, in
// proto3 JSON. Codes: invalid_argument "bad_manifest" (the message names the place), resource_exhausted.
ow_code ow_triggers_read(const ow_trigger_lists *lists, ow_arena *arena,
                         triggers_msg **ret_triggers, ow_err *err);

// Do they name functions that are there, and no two of a kind the same name and alias? `has_function` is
// asked with `self`. Codes: invalid_argument "bad_manifest".
typedef bool (*ow_triggers_has)(void *self, const char *function);
ow_code ow_triggers_check(const triggers_msg *triggers, size_t function_count,
                          ow_triggers_has has_function, void *self, ow_err *err);

// Are the files that stand in for functions there, and small enough? `size_of` answers -1 for what is no data file.
// Codes: invalid_argument "bad_manifest".
typedef int64_t (*ow_triggers_size)(void *self, const char *path);
ow_code ow_triggers_check_files(const triggers_msg *triggers, ow_triggers_size size_of, void *self,
                                ow_err *err);

// Adds to `all` those of `declared` that name `alias`. False: arena full.
bool ow_triggers_add(triggers_msg *all, const triggers_msg *declared, const char *alias,
                     ow_arena *arena);
