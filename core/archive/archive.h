#pragma once

// Archives with exactly one form for the same files, so that an archive's hash is its content's.
//
// The form is POSIX ustar (IEEE Std 1003.1-1988, "ustar Interchange Format"), uncompressed: regular
// files only, sorted by the bytes of their path, mode 0644, user, group and time 0, no names of
// users, two zero blocks at the end and nothing after them. Paths longer than 100 bytes are split
// at the first '/' that lets the rest fit. `tar --format=ustar --sort=name --mode=0644
// --owner=0 --group=0 --numeric-owner --mtime=@0 -b1` writes the same bytes for short paths.
//
// Reading accepts this form alone: whatever differs from what the writer would have written is
// refused, which leaves no room for links, absolute paths, "..", duplicates or hidden data.

#include "core/arena/arena.h"
#include "core/error/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OW_ARCHIVE_PATH_MAX 200                        // bytes
#define OW_ARCHIVE_FILES_MAX 2000                      // entries
#define OW_ARCHIVE_SIZE_MAX ((size_t)50 * 1024 * 1024) // bytes, the archive as a whole

typedef struct ow_archive_file {
    const char *path; // relative, '/' between parts
    const uint8_t *bytes;
    size_t size;
} ow_archive_file;

typedef struct ow_archive {
    const ow_archive_file *files; // sorted by path
    size_t count;
} ow_archive;

// OW_OK when `path` may stand in an archive: 1 to OW_ARCHIVE_PATH_MAX bytes of UTF-8 without
// control characters and backslashes, relative, no empty part, no "." and no "..". Codes:
// invalid_argument "bad_path".
ow_code ow_archive_check_path(const char *path, ow_err *err);

// Makes the archive of these files (in any order; not changed). The bytes are the caller's, freed
// with free(3). Codes: invalid_argument "bad_path", "duplicate_path" (also when a path is used as
// file and as folder), "archive_too_large", "too_many_files"; resource_exhausted.
ow_code ow_archive_write(const ow_archive_file *files, size_t count, uint8_t **ret_bytes,
                         size_t *ret_size, ow_err *err);

// Reads and checks an archive. The file table and the paths live in `arena`; the contents are
// borrowed from `bytes`. Codes: invalid_argument "bad_archive", "bad_path", "duplicate_path",
// "archive_too_large", "too_many_files" (the messages name the entry); resource_exhausted.
ow_code ow_archive_read(const uint8_t *bytes, size_t size, ow_arena *arena, ow_archive *ret_archive,
                        ow_err *err);

// The file of that path; NULL when there is none. Borrowed.
const ow_archive_file *ow_archive_find(const ow_archive *archive, const char *path);

// A file mapped for reading.
typedef struct ow_archive_map {
    const uint8_t *bytes; // NULL when closed
    size_t size;
} ow_archive_map;

// Maps a file of at most OW_ARCHIVE_SIZE_MAX bytes that nobody changes any more. Codes: not_found
// "no_file", invalid_argument "archive_too_large" or "bad_archive" (empty), internal.
ow_code ow_archive_map_open(const char *file, ow_archive_map *ret_map, ow_err *err);
void ow_archive_map_close(ow_archive_map *map);
