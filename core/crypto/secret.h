#pragma once

// Secrets in files: one line of text, mode 0600, in a folder that only its owner can write. A file
// that others may read is refused: whoever read it has the secret, so it must be replaced.

#include "core/error/error.h"
#include "core/log/log.h"

#include <stdbool.h>

// Makes a secret of `random_bytes` (16..64) from the kernel, as base64url text. Heap;
// ow_secret_deinit. Codes: internal.
ow_code ow_secret_make(size_t random_bytes, ow_secret *ret_secret, ow_err *err);

// Reads a secret (at most 4 KB, the newline at its end is dropped; NUL-terminated beyond its size).
// Codes: not_found "no_secret", failed_precondition "unsafe_secret" (the mode, the owner or the kind
// of the file is wrong, or it is empty: the message says how to mend it), internal.
ow_code ow_secret_load(const char *path, ow_secret *ret_secret, ow_err *err);

// Writes a secret to a new file, whole and durable or not at all. Codes: already_exists, internal.
ow_code ow_secret_store(const char *path, const ow_secret *secret, ow_err *err);

// Loads the secret, or makes one and stores it when there is no such file; `ret_made` (may be NULL)
// says which. Safe when two processes do it at once: both get the same.
ow_code ow_secret_load_or_make(const char *path, size_t random_bytes, ow_secret *ret_secret,
                               bool *ret_made, ow_err *err);
