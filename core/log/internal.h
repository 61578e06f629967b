#pragma once

// One line of the log under construction: bounded, always well-formed, one write(2).

#include "core/log/log.h"

#include <stdarg.h>
#include <stddef.h>

enum { LINE_MAX_BYTES = 4096 };

typedef struct line {
    ow_log_format format;
    bool cut; // something did not fit
    size_t used;
    char bytes[LINE_MAX_BYTES];
} line;

// A field's value before it is quoted.
typedef struct value {
    bool is_number; // exactly one numeric conversion: JSON needs no quotes
    bool cut;
    size_t used;
    char bytes[LINE_MAX_BYTES];
} value;

void line_begin(line *line, ow_log_format format);
void line_add(line *line, const char *key, size_t key_length, const value *value);
void line_end(line *line);

// Empties a value, and appends text to it.
void value_begin(value *value);
void value_add(value *value, const char *text, size_t length);

// The fields of ow_log: `at` walks through the format, `args` through the arguments.
typedef struct field_reader {
    const char *at;
    va_list args;
} field_reader;

// Reads the next "key=value" of the format. False at its end.
bool field_next(field_reader *reader, const char **ret_key, size_t *ret_key_length, value *value);
