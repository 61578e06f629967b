#pragma once

// JSON as a tree, for the few places that need one (manifests, configuration documents); what only
// passes through is checked with core/json/check.h and left as it is. Names are case-sensitive.

#include "core/error/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ow_json ow_json;

typedef enum ow_json_kind {
    OW_JSON_NULL,
    OW_JSON_BOOL,
    OW_JSON_NUMBER,
    OW_JSON_STRING,
    OW_JSON_ARRAY,
    OW_JSON_OBJECT,
} ow_json_kind;

// Checks (ow_json_check) and reads a text. Heap; ow_json_free on the outermost value frees all.
// Codes: those of ow_json_check; resource_exhausted "out_of_memory".
ow_code ow_json_parse(const char *text, size_t size, int max_depth, ow_json **ret_json,
                      ow_err *err);
ow_json *ow_json_free(ow_json *json);

// Everything below is borrowed and lives as long as the outermost value. `json` may be NULL.

// OW_JSON_NULL for NULL.
ow_json_kind ow_json_kind_of(const ow_json *json);

// The member of an object by name (the first, when it occurs twice); NULL when there is none.
const ow_json *ow_json_get(const ow_json *object, const char *name);

// Members or elements in order: the first one and the one after `json`; NULL at the end.
const ow_json *ow_json_first(const ow_json *container);
const ow_json *ow_json_next(const ow_json *json);
size_t ow_json_count(const ow_json *container);

// The name of a member of an object; NULL for elements.
const char *ow_json_name_of(const ow_json *member);

// The text of a string; NULL for any other kind.
const char *ow_json_string(const ow_json *json);

// True when it is a bool; `ret_value` then has it.
bool ow_json_as_bool(const ow_json *json, bool *ret_value);

// True when it is a number; `ret_value` then has it.
bool ow_json_as_double(const ow_json *json, double *ret_value);

// True when it is a number that is an integer within +-2^53: what a tree keeps exactly.
bool ow_json_as_int(const ow_json *json, int64_t *ret_value);
