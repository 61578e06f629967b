#pragma once

// The files of a backup: their names below the data folder, and sizes.

#include "core/error/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LISTING_NAME_MAX = 200, LISTING_PATH_MAX = 1024, LISTING_FILES_MAX = 50000 };

typedef struct listing_entry {
    char *name;
    int64_t size;
} listing_entry;

typedef struct listing {
    listing_entry *entries;
    size_t count, room;
} listing;

void listing_deinit(listing *l);

// Codes: resource_exhausted "too_many_files", "out_of_memory"; internal.
ow_code listing_add(listing *l, const char *name, int64_t size, ow_err *err);
// A file, or a folder with what is in it; nothing when it is missing.
ow_code listing_walk(listing *l, const char *data_folder, const char *name, ow_err *err);

// By name; before the first question.
void listing_sort(listing *l);
bool listing_has(const listing *l, const char *name);
