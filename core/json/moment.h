#pragma once

// Points in time as JSON writes them (RFC 3339): "2026-11-27T11:00:00.5Z". Any thread.

#include <stdbool.h>
#include <stdint.h>

#define OW_MOMENT_MAX 64 // with NUL

// Microseconds UTC of a text with any offset, years 1 to 9999; false when it is none. What is finer
// than a microsecond is cut off.
bool ow_moment_parse(const char *text, int64_t *ret_us);

// Writes it in UTC; false when the time is out of range.
bool ow_moment_print(int64_t us, char text[static OW_MOMENT_MAX]);
