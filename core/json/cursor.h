#pragma once

// Walks over JSON text that ow_json_check has accepted; hence none of this can fail.

#include <stdbool.h>
#include <stddef.h>

typedef struct cursor {
    const char *at;
    const char *end;
} cursor;

// A string as it stands between its quotes.
typedef struct raw_string {
    const char *text;
    size_t size;
    bool escaped; // has backslashes: decode before use
} raw_string;

// Skips white space; returns the byte that follows, '\0' at the end.
char cursor_peek(cursor *at);

// Skips white space and the byte that follows when it is `wanted`; tells whether it was.
bool cursor_take(cursor *at, char wanted);

// Takes the string at the cursor (behind white space).
raw_string cursor_string(cursor *at);

// Takes the number, true, false or null at the cursor.
raw_string cursor_word(cursor *at);

// Skips one value with all that is in it.
void cursor_skip(cursor *at);

// Elements of the array at the cursor; the cursor stays.
size_t cursor_count(const cursor *at);

// Writes what a raw string stands for; `out` has room for raw->size bytes. Returns the length.
size_t raw_string_decode(const raw_string *raw, char *out);
