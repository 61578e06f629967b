#pragma once

// Content-addressed files: <folder>/<first two digits>/<hex SHA-256>, written once, never changed,
// and <folder>/incoming, where they come into being. Everything here does file I/O and belongs on a
// pool thread, except where it says otherwise. A blob that is there came whole and is on disk; whoever uses it
// holds it against its hash, because disks change bits. What nothing refers to is removed by sweep.h; a blob's
// file time says when somebody last meant to refer to it.

#include "core/crypto/hash.h"
#include "core/error/error.h"

#include "services/registry/whole_blobs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOB_CHUNK_MAX ((size_t)1 << 20)

typedef struct blobs {
    char *folder;
    whole_blobs *whole;
} blobs;

// Makes the folders under `data_folder` and empties incoming. In place; blobs_deinit.
ow_code blobs_init(blobs *b, const char *data_folder, ow_err *err);
void blobs_deinit(blobs *b);

// The path of a blob, malloc'ed by asprintf: the caller frees it. NULL when out of memory. No I/O.
char *blobs_path(const blobs *b, const char *sha256);

// Whether it is there and still what its hash says: reads all of it, unless that was done and the file is the same.
// Codes: not_found "no_blob"; data_loss "blob_damaged": its hash differs, or it was cut while it was read; what else
// says nothing about the blob (no memory, no free descriptor, a disk that does not answer).
ow_code blobs_check(const blobs *b, const char *sha256, ow_err *err);

// The same, and makes it young: before anything refers to it. Who keeps what comes anew writes it unless this says
// OW_OK: that takes the place of what the disk has changed.
ow_code blobs_touch(const blobs *b, const char *sha256, ow_err *err);

// The blobs of one of the 256 folders that nobody touched for so long. `on_blob` false: out of memory.
typedef struct blob_visit {
    int folder;
    int64_t least_age_s;
    bool (*on_blob)(void *self, const char *sha256);
    void *self;
} blob_visit;

ow_code blobs_visit_old(const blobs *b, const blob_visit *visit, ow_err *err);

// Removes a blob unless somebody has touched it since; true when it is gone.
bool blobs_remove_old(const blobs *b, const char *sha256, int64_t least_age_s);

// Stores bytes under their hash.
ow_code blobs_put(const blobs *b, const void *bytes, size_t size,
                  char ret_sha256[static OW_SHA256_HEX_SIZE], ow_err *err);

typedef struct blob_piece {
    int64_t offset;
    uint8_t *buffer;
    size_t room;   // of the buffer
    size_t size;   // what was read
    int64_t total; // size of the blob
} blob_piece;

// Reads a piece: offset, buffer and room are given. Codes: not_found "no_blob", invalid_argument
// "bad_offset" (beyond the end).
ow_code blobs_read(const blobs *b, const char *sha256, blob_piece *piece, ow_err *err);

// Writes a piece of a blob on its way in. One caller at a time for each hash.
ow_code blobs_incoming_write(const blobs *b, const char *sha256, int64_t offset, const void *bytes,
                             size_t size, ow_err *err);

// Checks what came in against its hash and makes it a blob; removes it when it is something else.
// Codes: invalid_argument "hash_mismatch".
ow_code blobs_incoming_finish(const blobs *b, const char *sha256, int64_t total_size, ow_err *err);

void blobs_incoming_remove(const blobs *b, const char *sha256);
