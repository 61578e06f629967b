#pragma once

// Where an alias leads: the rules of targets, weights and rollbacks. No I/O, any thread.

#include "services/registry/messages.h"

#include "core/error/error.h"

#include <stdbool.h>
#include <stdint.h>

#define SPLIT_BY_KEY "key"
#define SPLIT_RANDOM "random"

// One target, or two published versions of which the second is the higher: the order in which they
// were given does not matter.
typedef struct alias_aim {
    const char *target;    // "$LATEST" or a version number as text
    const char *second;    // "": one target
    int64_t second_weight; // of OW_SPLIT_WHOLE
} alias_aim;

// Reads the targets of a request (one or two); texts are borrowed from it. Codes: invalid_argument
// "bad_targets".
ow_code read_targets(alias_target_msg *const *targets, size_t count, alias_aim *ret_aim,
                     ow_err *err);

// What gets all the traffic; NULL in a split.
const char *settled_on(const alias_aim *aim);

bool same_aim(const alias_aim *a, const alias_aim *b);

// What a rollback from `next` goes to, when an alias whose previous was `previous` moves there from
// `now`: steps of a walk do not count, only what had all the traffic.
const char *previous_after(const alias_aim *now, const alias_aim *next, const char *previous);

// "3", or "3=9000 4=1000". NULL: arena full.
char *describe_aim(const alias_aim *aim, ow_arena *arena);

// Codes: invalid_argument "bad_name", "bad_split", "bad_visibility".
ow_code check_alias_name(const char *name, ow_err *err);
ow_code check_split(const char *split, ow_err *err);           // "" is right
ow_code check_visibility(const char *visibility, ow_err *err); // likewise
