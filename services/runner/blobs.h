#pragma once

// Blobs by hash: fetched from registry, kept on disk, handed out as sealed memfds that all who use
// the same blob share. Disk and hashing are done by the CPU pool, the rest on the loop.
//
// The cache on disk is bounded; what was used longest ago goes first. Every blob is verified
// against its hash whenever it is read.

#include "core/error/error.h"
#include "core/loop/loop.h"
#include "core/rpc/pool.h"

#include <protobuf-c/protobuf-c.h>

#include <stddef.h>
#include <stdint.h>

#define BLOB_HEX 65 // SHA-256 in lower-case hex, with NUL
#define BLOB_SIZE_MAX ((size_t)50 << 20)

struct blobs;

struct blob {
    int fd; // sealed memfd; belongs to the blobs
    size_t size;
    char sha256[BLOB_HEX];
};

// One who waits. Embedded in the owner's struct; the blobs link it until it was told.
struct blob_wait {
    // With a blob (one reference is now the owner's, see blobs_release), or NULL and why not.
    void (*on_blob)(void *self, struct blob_wait *wait, const struct blob *blob, const ow_err *err);
    void *self;
    struct blob_wait *next; // private
    void *entry;            // private; NULL: does not wait
};

struct blobs_options {
    ow_loop *loop;
    ow_pool *pool;
    ProtobufCService *registry;
    const char *folder; // made when missing, 0700
    int64_t cache_bytes;
};

// Heap; blobs_free ends what is under way without telling anybody. Codes: internal.
ow_code blobs_new(const struct blobs_options *options, struct blobs **ret_blobs, ow_err *err);
struct blobs *blobs_free(struct blobs *blobs);

// Asks for a blob: `wait` is told now or later, exactly once.
void blobs_get(struct blobs *blobs, const char *sha256, struct blob_wait *wait);

// Waits no longer. Does nothing when it does not wait.
void blobs_cancel(struct blob_wait *wait);

void blobs_release(const struct blob *blob);

// Work on other threads and in other services that has not ended.
unsigned blobs_busy(const struct blobs *blobs);
