#include "services/registry/uploads.h"

#include "services/registry/messages.h"
#include "services/registry/registry_logic.h"

#include "core/archive/archive.h"

#include <stdlib.h>
#include <string.h>

// An upload that nobody continued for so long gives its place away.
#define IDLE_US ((int64_t)60 * 1000 * 1000)

typedef struct upload {
    char sha256[OW_SHA256_HEX_SIZE]; // "": free
    int64_t size;                    // written so far
    int64_t touched_us;
    bool writing;
} upload;

struct uploads {
    ow_loop *loop;
    ow_pool *pool;
    const ow_clock *clock;
    const blobs *blobs;
    upload list[UPLOADS_MAX];
};

uploads *uploads_new(ow_loop *loop, ow_pool *pool, const ow_clock *clock, const blobs *b) {
    uploads *u = calloc(1, sizeof *u);
    if (u != NULL) {
        *u = (uploads){.loop = loop, .pool = pool, .clock = clock, .blobs = b};
    }
    return u;
}

uploads *uploads_free(uploads *u) {
    free(u);
    return NULL;
}

bool uploads_busy(const uploads *u) {
    for (int i = 0; i < UPLOADS_MAX; i++) {
        if (u->list[i].writing) {
            return true;
        }
    }
    return false;
}

static upload *find(uploads *u, const char *sha256) {
    for (int i = 0; i < UPLOADS_MAX; i++) {
        if (strcmp(u->list[i].sha256, sha256) == 0) {
            return &u->list[i];
        }
    }
    return NULL;
}

// A free place, or that of the upload that was left alone the longest.
static upload *free_place(uploads *u) {
    upload *oldest = NULL;
    for (int i = 0; i < UPLOADS_MAX; i++) {
        upload *at = &u->list[i];
        if (at->sha256[0] == 0) {
            return at;
        }
        if (!at->writing && (oldest == NULL || at->touched_us < oldest->touched_us)) {
            oldest = at;
        }
    }
    int64_t now_us = ow_clock_mono_us(u->clock);
    return oldest != NULL && now_us - oldest->touched_us > IDLE_US ? oldest : NULL;
}

// `ret_evicted` gets the hash of an upload that had to give its place away.
static ow_code begin(uploads *u, const put_chunk_request *request, upload **ret_upload,
                     char ret_evicted[static OW_SHA256_HEX_SIZE], ow_err *err) {
    upload *at = find(u, request->sha256);
    if (at == NULL && request->offset > 0) {
        return ow_fail(err, OW_FAILED_PRECONDITION, "no_upload",
                       "no upload of this bundle is under way: begin at offset 0");
    }
    if (at == NULL) {
        at = free_place(u);
        if (at == NULL) {
            return ow_fail(err, OW_RESOURCE_EXHAUSTED, "too_many_uploads",
                           "%d bundles are being uploaded: try again soon", UPLOADS_MAX);
        }
        memcpy(ret_evicted, at->sha256, sizeof at->sha256);
        *at = (upload){0};
        memcpy(at->sha256, request->sha256, OW_SHA256_HEX_SIZE);
    }
    if (at->writing) {
        return ow_fail(err, OW_ABORTED, "upload_busy",
                       "another upload of the same bundle is under way: try again");
    }
    if (request->offset > at->size) {
        return ow_fail(err, OW_FAILED_PRECONDITION, "bad_offset",
                       "%lld bytes of this bundle have come in so far", (long long)at->size);
    }
    *ret_upload = at;
    return OW_OK;
}

static ow_code check(const put_chunk_request *request, ow_err *err) {
    if (!is_sha256(request->sha256)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_hash",
                       "sha256 has 64 lower-case hexadecimal digits");
    }
    int64_t size = (int64_t)request->data.len;
    if (request->total_size < 1 || request->total_size > (int64_t)OW_ARCHIVE_SIZE_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "archive_too_large", "a bundle has at most %zu MB",
                       OW_ARCHIVE_SIZE_MAX >> 20);
    }
    if (request->data.len > BLOB_CHUNK_MAX || request->offset < 0 ||
        request->offset > request->total_size - size) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_chunk",
                       "a piece has at most 1 MB and lies inside total_size");
    }
    if (request->last && request->offset + size != request->total_size) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_chunk",
                       "the last piece must end at total_size");
    }
    return OW_OK;
}

// On a pool thread.
static void write_piece(void *self) {
    upload_piece *piece = self;
    const put_chunk_request *request = piece->run->request;
    const blobs *b = piece->owner->blobs;
    if (piece->evicted[0] != 0) {
        blobs_incoming_remove(b, piece->evicted);
    }
    if (blobs_has(b, request->sha256)) {
        piece->complete = true;
        piece->code = OW_OK;
        return;
    }
    piece->code = blobs_incoming_write(b, request->sha256, request->offset, request->data.data,
                                       request->data.len, &piece->err);
    if (piece->code == OW_OK && request->last) {
        piece->code = blobs_incoming_finish(b, request->sha256, request->total_size, &piece->err);
        piece->complete = piece->code == OW_OK;
    }
}

static void piece_written(void *self) {
    upload_piece *piece = self;
    upload *at = piece->upload;
    const put_chunk_request *request = piece->run->request;
    put_chunk_response *reply = piece->run->reply;
    at->writing = false;
    at->touched_us = ow_clock_mono_us(piece->owner->clock);
    int64_t end = request->offset + (int64_t)request->data.len;
    if (piece->code == OW_OK && end > at->size) {
        at->size = end;
    }
    if (piece->complete || (request->last && piece->code != OW_OK)) {
        *at = (upload){0};
    }
    reply->complete = piece->complete;
    if (piece->code != OW_OK) {
        *piece->run->err = piece->err;
    }
    ow_run_resume(piece->run, piece->code);
}

ow_code uploads_put(uploads *u, ow_run *run) {
    upload_piece *piece = run->state;
    const put_chunk_request *request = run->request;
    ow_code code = check(request, run->err);
    if (code == OW_OK) {
        code = begin(u, request, &piece->upload, piece->evicted, run->err);
    }
    if (code != OW_OK) {
        return code;
    }
    piece->owner = u;
    piece->run = run;
    piece->job =
        (ow_pool_job){.work = write_piece, .done = piece_written, .self = piece, .loop = u->loop};
    code = ow_pool_submit(u->pool, &piece->job, run->err);
    if (code != OW_OK) {
        return code;
    }
    piece->upload->writing = true;
    return OW_PENDING;
}
