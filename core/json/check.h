#pragma once

// Is this text JSON? The strict door in front of everything that reads or passes on JSON.

#include "core/error/error.h"

#include <stdbool.h>
#include <stddef.h>

// The nesting that every door accepts.
#define OW_JSON_MAX_DEPTH 64

// Checks that `text` is exactly one JSON value as RFC 8259 defines it, with white space around it
// and nothing else: UTF-8 without overlong forms and surrogates, escaped surrogates only in pairs,
// numbers by the grammar, at most `max_depth` (1..64) arrays and objects inside each other. On top
// of the RFC it refuses NUL, also as "\u0000", because C would read less than was checked. Names
// that occur twice in an object are let through. Reads every byte once, allocates nothing. Any
// thread. Codes: invalid_argument "invalid_json" (the message names the byte, counted from 0, and
// what is wrong with it).
ow_code ow_json_check(const char *text, size_t size, int max_depth, ow_err *err);

// True when `text` is valid UTF-8 (RFC 3629) without NUL. Any thread.
bool ow_utf8_check(const char *text, size_t size);
