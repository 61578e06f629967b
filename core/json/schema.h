#pragma once

// A bounded part of JSON Schema (2020-12, https://json-schema.org): enough to say what an event's data
// look like, nothing whose cost grows faster than the text. A schema is `true`, `false` or an object of
//
//   type                     a name or a list of names: null boolean object array number integer string
//   const, enum              compared by value; enum has at most 256
//   properties, required     at most 256 each
//   additionalProperties     a schema
//   minProperties, maxProperties
//   items                    a schema; minItems, maxItems
//   minLength, maxLength     in characters (code points)
//   minimum, maximum, exclusiveMinimum, exclusiveMaximum
//
// and of what only people read: $schema $comment title description default examples. Every other
// keyword ($ref, pattern, allOf ...) is refused when the schema is declared, so that nobody relies on
// one that does nothing. Numbers are compared as doubles. Any thread.

#include "core/error/error.h"
#include "core/json/tree.h"

// Whether this is such a schema. Codes: invalid_argument "bad_schema" (the message names the place as
// a JSON Pointer and what is wrong).
ow_code ow_json_schema_check(const ow_json *schema, ow_err *err);

// Whether `value` is what a schema (which was checked) describes. Codes: invalid_argument
// "schema_violation" (the message names the first place that is not, and the keyword).
ow_code ow_json_schema_validate(const ow_json *schema, const ow_json *value, ow_err *err);

// Equal by value: members in any order, numbers as doubles.
bool ow_json_equal(const ow_json *a, const ow_json *b);
