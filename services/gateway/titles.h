#pragma once

// The titles by id and by name, for callers whose token names none.

#include "core/error/error.h"

#include <stddef.h>

typedef struct titles titles;

// Heap. NULL when out of memory.
titles *titles_new(void);
titles *titles_free(titles *all);

// Adds a title or renames it. What cannot be kept for want of memory is found later, when it is
// sent again.
void titles_put(titles *all, const char *id, const char *name);

size_t titles_count(const titles *all);

// The id of the title that `wanted` names (an id or a name); of the only one when `wanted` is NULL.
// Borrowed until the next titles_put. Codes: not_found "no_title", invalid_argument "which_title"
// (there are several and none was named).
ow_code titles_resolve(const titles *all, const char *wanted, const char **ret_id, ow_err *err);
