#pragma once

// PEM files: certificates, and private keys, which others must not be able to read.

#include "core/error/error.h"

#include <stdbool.h>

// The text of a file of at most 64 KB; malloc'ed, NUL-terminated; ow_pem_wipe. With `is_key` a file
// that others than its user and group can read, or its group write, is refused. Blocks. Codes:
// failed_precondition "bad_pem" (not there, empty, too long), "unsafe_secret" (its mode; the message
// says how to mend it), internal.
ow_code ow_pem_load(const char *path, bool is_key, char **ret_text, ow_err *err);

// Overwrites and frees a text. Accepts NULL; returns NULL.
char *ow_pem_wipe(char *text);
