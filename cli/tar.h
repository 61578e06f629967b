#pragma once

// Archives of any size, as they pass: POSIX ustar, with GNU's form of sizes from 8 GB on. Standard tar
// reads them. Names have at most TAR_NAME_MAX bytes.

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { TAR_NAME_MAX = 99, TAR_BLOCK = 512 };

// The head of a file (mode 0600); its bytes follow, then tar_pad. False: errno says why.
bool tar_put_head(FILE *out, const char *name, int64_t size);
// Fills the last block of a file of that size.
bool tar_pad(FILE *out, int64_t size);
bool tar_put_end(FILE *out);

typedef enum tar_found { TAR_FILE, TAR_END, TAR_BROKEN } tar_found;

// Reads the next head; the file's bytes follow, then tar_skip_pad. Regular files only.
tar_found tar_next(FILE *in, char ret_name[TAR_NAME_MAX + 1], int64_t *ret_size);
bool tar_skip_pad(FILE *in, int64_t size);
