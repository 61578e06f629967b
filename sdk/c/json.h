/* JSON as the SDK needs it: answers are read in place, requests are objects of strings. */
#ifndef OVERWORLD_SDK_JSON_H
#define OVERWORLD_SDK_JSON_H

#include <stdbool.h>
#include <stddef.h>

/* A value as it stands in its text, borrowed and checked. `at` is NULL when there is none; every
 * function takes that and answers the same. */
typedef struct sdk_json {
    const char *at;
    size_t size;
} sdk_json;

/* The one value of a text. None when that is not JSON (RFC 8259, at most 64 levels deep). */
sdk_json sdk_json_parse(const void *text, size_t size);

/* The first member of that name, which needs no escapes. None: no such member, or not an object. */
sdk_json sdk_json_member(sdk_json object, const char *name);

/* The element after `previous`, the first one after none. None: no more, or not an array. */
sdk_json sdk_json_element(sdk_json array, sdk_json previous);

/* Decodes a string of text without NUL and lone surrogates into `ret_text`, cut between two characters
 * where there is no room. False, and "": it is not one. */
bool sdk_json_text(sdk_json value, char *ret_text, size_t room);

/* The same, allocated whole. NULL: it is not one, or out of memory. */
char *sdk_json_text_dup(sdk_json value);

bool sdk_json_is_true(sdk_json value);

typedef struct sdk_json_field {
    const char *name, *text; /* text NULL: left out */
    bool is_value; /* the text is JSON itself, "true" for instance, and stands without quotes */
} sdk_json_field;

/* {"name":"text",...}, allocated. NULL when out of memory. */
char *sdk_json_object(const sdk_json_field *fields, size_t count);

#endif
