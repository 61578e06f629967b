#pragma once

// Remembers which blobs were held against their hash and found whole, so that who reads one piece after another does
// not hash all of it for each. What is remembered counts as long as the file is the one that was read: inode, size and
// both its times. Of the last blobs alone (WHOLE_BLOBS_MAX). Guarded by a lock of its own: any thread.

#include "core/crypto/hash.h"

#include <stdbool.h>
#include <sys/stat.h>

enum { WHOLE_BLOBS_MAX = 64 };

typedef struct whole_blobs whole_blobs;

// NULL when out of memory. whole_blobs_free takes NULL and returns it.
whole_blobs *whole_blobs_new(void);
whole_blobs *whole_blobs_free(whole_blobs *w);

// Was a file that looked so found whole under that hash?
bool whole_blobs_has(whole_blobs *w, const char *sha256, const struct stat *info);

// It was. `info`: from before it was read.
void whole_blobs_add(whole_blobs *w, const char *sha256, const struct stat *info);
