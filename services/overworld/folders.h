#pragma once

// The folders of one process.

#include "core/error/error.h"

#include <limits.h>

typedef struct folders {
    char data[PATH_MAX];     // absolute, mode 0700
    char run[PATH_MAX];      // <data>/run, mode 0700
    char binaries[PATH_MAX]; // absolute
} folders;

// Makes the data folder and its run folder when they are missing. `binaries` NULL or "": where this
// executable stands. Codes: failed_precondition "unsafe_folder" (others may write to it, or it is
// somebody else's), internal.
ow_code folders_open(const char *data, const char *binaries, folders *ret_folders, ow_err *err);
