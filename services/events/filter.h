#pragma once

// What a subscription asks of an event: a pattern for its type, and groups of conditions on its data, one
// of which must hold whole. No I/O; any thread.
//
//   eq, ne           the value is there and is (not) this one: any JSON
//   lt, le, gt, ge   a number against a number, a text against a text (by bytes)
//   in               one of a list of values
//   prefix, suffix   of a text
//   exists           true: there is a value (null is one); false: there is none
//
// Where nothing is, only {exists, false} holds. A 64-bit number travels as text: a condition with a number
// takes "123" for 123.

#include "core/error/error.h"
#include "core/json/tree.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    FILTER_GROUPS_MAX = 16,
    FILTER_CONDITIONS_MAX = 64, // of all groups
    CONDITION_VALUE_MAX = 4096, // bytes of its JSON
    EVENT_TYPE_MAX = 128,
    PATTERN_STARS_MAX = 4,
};

// ---- Types ----

// "player.created": 1 to 128 letters, digits, '.', '_' and '-'.
bool event_type_is_name(const char *name);
// The same with up to four '*', each for any characters or none.
bool event_type_is_pattern(const char *pattern);
bool event_type_matches(const char *pattern, const char *type);

// ---- Conditions ----

typedef struct filter filter;

// Heap. NULL: out of memory. Without conditions it lets everything through.
filter *filter_new(void);
filter *filter_free(filter *filter);

// How many conditions it has.
size_t filter_size(const filter *filter);

// Adds a condition to a group (counted from 0, ascending). `value`: JSON text; "" for exists is true.
// Codes: invalid_argument "bad_condition", "bad_pointer", "invalid_json"; resource_exhausted "memory".
ow_code filter_add(filter *filter, size_t group, const char *pointer, const char *operator,
                   const char * value, ow_err *err);

// `data` NULL: the event has none, or none that is JSON.
bool filter_matches(const filter *filter, const ow_json *data);

// For people: the first condition of each group that does not hold, "" when the filter matches. Cut at
// `room`.
void filter_explain(const filter *filter, const ow_json *data, char *text, size_t room);
