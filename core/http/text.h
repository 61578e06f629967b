#pragma once

// Reading what clients write in request lines and headers. Any thread; nothing is allocated.

#include <stdbool.h>
#include <stddef.h>

// Decodes the value of a query parameter ("%24DEFAULT" → "$DEFAULT", '+' is a blank) into `value`,
// NUL-terminated. Returns its length; -1 when the parameter is not there; -2 when it is malformed,
// contains NUL or does not fit into `room`.
long ow_http_query_find(const char *query, const char *name, char *value, size_t room);

// Decodes percent-encoding ('+' stays itself when `plus_is_blank` is false). Same results as above
// without -1.
long ow_http_percent_decode(const char *text, size_t size, bool plus_is_blank, char *value,
                            size_t room);

// True when a Content-Type names this media type, whatever its letters' case and parameters.
bool ow_http_is_media_type(const char *content_type, const char *media_type);

// True when a text can be the value of a header that we send: 1 to `max` characters of printable
// ASCII.
bool ow_http_is_header_value(const char *text, size_t max);

// Reads a plain decimal number of at most 18 digits; -1 when it is none.
long long ow_http_parse_number(const char *text);
