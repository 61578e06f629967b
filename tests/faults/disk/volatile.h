#pragma once

// A disk with a volatile cache in front, as far as one process changes it: remembers what durable
// storage holds of each file and folder, and can go back to it.
//
// The model is what POSIX promises and no more. The content and the size of a file are durable up to
// its last sync; of later writes any part may survive, in units of a sector. Names are durable by a
// sync of their folder; of later changes of names any number of the earliest may survive.
//
// Every function is called with the shim's lock held, with errno free to change.

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

// Before these bytes are overwritten or the size changes. `path` as of now.
void volatile_before_write(const struct stat *st, const char *path, off_t offset, size_t size);
void volatile_before_resize(const struct stat *st, const char *path, off_t size);
// Instead of a sync.
void volatile_sync(const struct stat *st, const char *path);

// After a name was made (a file or a folder).
void volatile_made(const char *path);
// Before a name goes; `stash` is a folder that keeps it.
void volatile_before_unlink(const char *path, const char *stash);
// Around a rename: the first may keep what stands at `to`.
void volatile_before_rename(const char *to, const char *stash);
void volatile_renamed(const char *from, const char *to);

// Power is lost: the files become what was durable, and, chosen by `seed`, more.
void volatile_lose(unsigned seed, const char *stash);
