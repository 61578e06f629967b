#pragma once

// Shared by the files of this package.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The end of the well-formed multi-byte UTF-8 sequence that starts at `at` (a byte >= 0x80); NULL
// when there is none before `end`.
const unsigned char *utf8_sequence_end(const unsigned char *at, const unsigned char *end);

// The end of the JSON number that starts at `at`; NULL when there is none.
const unsigned char *number_end(const unsigned char *at, const unsigned char *end);

// The value of four hexadecimal digits; -1 when they are none.
int hex4(const unsigned char *digits);

// Writes a Unicode scalar value as UTF-8 to `out` (room for 4); returns the length.
size_t utf8_put(char *out, uint32_t scalar);

// ---- numbers.c: the text of a JSON number, as number_end delimits it ----

// The exact integer that the number stands for ("12", "1.2e1", "120e-1"); false when it is not an
// integer or does not fit.
bool number_to_int64(const char *text, size_t size, int64_t *ret_value);
bool number_to_uint64(const char *text, size_t size, uint64_t *ret_value);

// The nearest double; false when it is out of range or longer than 1,024 characters.
bool number_to_double(const char *text, size_t size, double *ret_value);

// Shortest decimal that reads back as the same value; NUL-terminated. Finite values only.
#define NUMBER_TEXT_MAX 32
size_t number_from_double(char text[static NUMBER_TEXT_MAX], double value);
size_t number_from_float(char text[static NUMBER_TEXT_MAX], float value);

// ---- base64.c, https://www.rfc-editor.org/rfc/rfc4648 ----

// Reads standard or URL alphabet, with or without padding; `out` has room for size / 4 * 3 + 3.
// False when it is malformed.
bool base64_decode(const char *text, size_t size, uint8_t *out, size_t *ret_size);

// Writes the standard alphabet with padding; `out` has room for (size + 2) / 3 * 4. Returns the
// length; no NUL.
size_t base64_encode(const uint8_t *bytes, size_t size, char *out);

// ---- times.c: google.protobuf.Timestamp and Duration in JSON ----
// Source: https://protobuf.dev/programming-guides/json/

#define TIME_TEXT_MAX 64
bool timestamp_parse(const char *text, size_t size, int64_t *ret_seconds, int32_t *ret_nanos);
bool duration_parse(const char *text, size_t size, int64_t *ret_seconds, int32_t *ret_nanos);

// False when the values are out of the type's range. NUL-terminated.
bool timestamp_print(char text[static TIME_TEXT_MAX], int64_t seconds, int32_t nanos);
bool duration_print(char text[static TIME_TEXT_MAX], int64_t seconds, int32_t nanos);
