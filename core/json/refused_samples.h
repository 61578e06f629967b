#pragma once

// Texts that RFC 8259 does not allow, and those it leaves in doubt that we refuse (NUL, lone surrogates,
// byte order marks). For tests of every door that takes JSON: each must be answered with invalid_json.

#include <stddef.h>

typedef struct ow_json_sample {
    const char *text; // may hold NULs
    size_t size;
} ow_json_sample;

extern const ow_json_sample ow_json_refused[];
extern const size_t ow_json_refused_count;
