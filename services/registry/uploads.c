#include "services/registry/uploads.h"

#include "services/registry/messages.h"
#include "services/registry/registry_logic.h"

#include "core/archive/archive.h"

#include <stdlib.h>
#include <string.h>

// An upload that nobody continued for so long gives its place away when another one needs it: its sender is
// gone, or begins anew.
#define IDLE_US ((int64_t)5 * 1000 * 1000)

enum { WAITING_MAX = 16 };

typedef struct upload {
    char sha256[OW_SHA256_HEX_SIZE]; // "": free
    int64_t size;                    // written so far
    int64_t touched_us;
    bool writing;
    upload_piece *waiting; // for their turn, in order: several may send the same bundle at a time
    int waiting_count;
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

static ow_code begin_new(uploads *u, upload_piece *piece, ow_err *err) {
    const put_chunk_request *request = piece->run->request;
    upload *at = free_place(u);
    if (at == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "too_many_uploads",
                       "%d bundles are being uploaded: try again soon", UPLOADS_MAX);
    }
    memcpy(piece->evicted, at->sha256, sizeof at->sha256);
    *at = (upload){0};
    memcpy(at->sha256, request->sha256, OW_SHA256_HEX_SIZE);
    piece->upload = at;
    return OW_OK;
}

// Finds the piece's upload. It stays NULL for a later piece of a bundle that is not on its way: another
// sender may have finished it, which the disk knows.
static ow_code begin(uploads *u, upload_piece *piece, ow_err *err) {
    const put_chunk_request *request = piece->run->request;
    piece->upload = find(u, request->sha256);
    if (piece->upload == NULL) {
        return request->offset > 0 ? OW_OK : begin_new(u, piece, err);
    }
    if (!piece->upload->writing && request->offset > piece->upload->size) {
        return ow_fail(err, OW_FAILED_PRECONDITION, "bad_offset",
                       "%lld bytes of this bundle have come in so far",
                       (long long)piece->upload->size);
    }
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

// Is it there already? Asked where an upload begins: what is damaged is not read again at each piece of what
// replaces it.
static bool is_there(upload_piece *piece) {
    const put_chunk_request *request = piece->run->request;
    bool begins = request->offset == 0 || piece->upload == NULL;
    return begins && blobs_touch(piece->owner->blobs, request->sha256, NULL) == OW_OK;
}

static ow_code no_upload(upload_piece *piece) {
    return ow_fail(&piece->err, OW_FAILED_PRECONDITION, "no_upload",
                   "no upload of this bundle is under way: begin at offset 0");
}

// On a pool thread.
static void write_piece(void *self) {
    upload_piece *piece = self;
    const put_chunk_request *request = piece->run->request;
    const blobs *b = piece->owner->blobs;
    if (piece->evicted[0] != 0) {
        blobs_incoming_remove(b, piece->evicted);
    }
    if (is_there(piece)) {
        piece->complete = true;
        piece->code = OW_OK;
        return;
    }
    if (piece->upload == NULL) {
        piece->code = no_upload(piece);
        return;
    }
    piece->code = blobs_incoming_write(b, request->sha256, request->offset, request->data.data,
                                       request->data.len, &piece->err);
    if (piece->code == OW_OK && request->last) {
        piece->code = blobs_incoming_finish(b, request->sha256, request->total_size, &piece->err);
        piece->complete = piece->code == OW_OK;
    }
}

static void start_piece(upload_piece *piece);

// What waited behind a piece goes on: with the next one, or, when the upload is over, each anew.
static void next_pieces(upload_piece *waiting) {
    while (waiting != NULL) {
        upload_piece *piece = waiting;
        waiting = piece->next;
        piece->next = NULL;
        start_piece(piece);
    }
}

// Takes note of what became of a piece; what is to go on now.
static upload_piece *settle(upload *at, const upload_piece *piece) {
    const put_chunk_request *request = piece->run->request;
    int64_t end = request->offset + (int64_t)request->data.len;
    upload_piece *waiting = at->waiting;
    at->writing = false;
    at->waiting = NULL;
    at->waiting_count = 0;
    at->touched_us = ow_clock_mono_us(piece->owner->clock);
    if (piece->code == OW_OK && end > at->size) {
        at->size = end;
    }
    if (piece->complete || (request->last && piece->code != OW_OK)) {
        *at = (upload){0};
    }
    return waiting;
}

static void piece_written(void *self) {
    upload_piece *piece = self;
    put_chunk_response *reply = piece->run->reply;
    upload_piece *waiting = piece->upload != NULL ? settle(piece->upload, piece) : NULL;
    reply->complete = piece->complete;
    if (piece->code != OW_OK) {
        *piece->run->err = piece->err;
    }
    ow_run_resume(piece->run, piece->code);
    next_pieces(waiting);
}

static ow_code submit(upload_piece *piece, ow_err *err) {
    piece->job = (ow_pool_job){
        .work = write_piece, .done = piece_written, .self = piece, .loop = piece->owner->loop};
    ow_code code = ow_pool_submit(piece->owner->pool, &piece->job, err);
    if (code == OW_OK && piece->upload != NULL) {
        piece->upload->writing = true;
    }
    return code;
}

static ow_code wait_for_turn(upload_piece *piece, ow_err *err) {
    upload *at = piece->upload;
    if (at->waiting_count == WAITING_MAX) {
        return ow_fail(err, OW_ABORTED, "upload_busy", "%d others send the same bundle: try again",
                       WAITING_MAX);
    }
    upload_piece **end = &at->waiting;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = piece;
    at->waiting_count++;
    return OW_OK;
}

// Writes a piece now or in its turn.
static ow_code take(upload_piece *piece, ow_err *err) {
    ow_code code = begin(piece->owner, piece, err);
    if (code != OW_OK) {
        return code;
    }
    return piece->upload != NULL && piece->upload->writing ? wait_for_turn(piece, err)
                                                           : submit(piece, err);
}

static void start_piece(upload_piece *piece) {
    ow_code code = take(piece, piece->run->err);
    if (code != OW_OK) {
        ow_run_resume(piece->run, code);
    }
}

ow_code uploads_put(uploads *u, ow_run *run) {
    upload_piece *piece = run->state;
    ow_code code = check(run->request, run->err);
    if (code != OW_OK) {
        return code;
    }
    piece->owner = u;
    piece->run = run;
    code = take(piece, run->err);
    return code == OW_OK ? OW_PENDING : code;
}
