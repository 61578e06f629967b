#pragma once

// The disk side of blobs: jobs for the CPU pool, and the list of what is in the cache.

#include "services/runner/blobs.h"

#include <stdbool.h>

#define BLOB_PATH_MAX 1024

// A job owns all that it needs; whoever began it may be gone when it ends.
struct blob_job {
    ow_pool_job job;
    char folder[BLOB_PATH_MAX];
    char sha256[BLOB_HEX];
    uint8_t *bytes; // to be stored (owned); NULL: to be read
    size_t size;
    int fd; // the result; -1 when there is none
    ow_err err;
    void *owner; // NULL: nobody waits for it any more
};

// Reads a blob from the cache. err.code not_found: it is not there (or was spoilt and is removed).
void blob_file_load(void *job);

// Verifies bytes, writes them to the cache (a full disk is no failure), makes the memfd.
// err.code data_loss: they are not what the hash says.
void blob_file_store(void *job);

// True for 64 lower-case hexadecimal digits: what may be used as a file name.
bool blob_name_valid(const char *sha256);

struct blob_cached {
    char sha256[BLOB_HEX];
    int64_t size;
    int64_t used; // ascends
};

// What is in the folder, by last use.
struct blob_cache {
    struct blob_cached *items;
    size_t count, capacity;
    int64_t bytes, max_bytes;
    int64_t uses;
    char folder[BLOB_PATH_MAX];
};

// Makes the folder, reads it, removes what is no blob. Codes: internal.
ow_code blob_cache_open(struct blob_cache *cache, const char *folder, int64_t max_bytes,
                        ow_err *err);
void blob_cache_close(struct blob_cache *cache);

// A blob was used or has come; removes others from disk while there are too many bytes.
void blob_cache_use(struct blob_cache *cache, const char *sha256, int64_t size);
