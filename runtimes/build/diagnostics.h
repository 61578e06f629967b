#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "runtimes/build/build.h"

// What gcc, as and ld print, line by line ("file:line:column: severity: message"), into
// diagnostics. Lines that are none are skipped. Undefined symbols arrive as the linker's warnings;
// they become errors, except those of the SDK, which the runtime provides. Returns how many were
// written; `*ret_truncated` when there were more than `max`.
size_t diagnostics_parse(const char *text, size_t length, ow_build_diagnostic *to, size_t max,
                         bool *ret_truncated);
