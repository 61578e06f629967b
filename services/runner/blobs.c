#include "services/runner/blobs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/rpc/call.h"
#include "services/runner/blob_file.h"
#include "services/runner/messages.h"

#define CHUNK_TIMEOUT_US 10000000

// One fetch of one blob; outlives the blobs when they are freed while a call is out.
struct fetch {
    struct entry *entry; // NULL: nobody waits any more
    ow_call *call;       // NULL: none out
    get_blob_chunk_request request;
    char sha256[BLOB_HEX];
    uint8_t *bytes;
    size_t size, received;
};

struct entry {
    struct blob blob; // first: what the outside holds
    struct entry *next;
    struct blobs *blobs;
    struct blob_wait *waits;
    unsigned references;
    struct blob_job *job;
    struct fetch *fetch;
};

struct blobs {
    struct blobs_options options;
    struct blob_cache cache;
    struct entry *entries;
    unsigned busy;
};

ow_code blobs_new(const struct blobs_options *options, struct blobs **ret_blobs, ow_err *err) {
    struct blobs *blobs = calloc(1, sizeof *blobs);
    if (blobs == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for blobs");
    }
    blobs->options = *options;
    ow_code code = blob_cache_open(&blobs->cache, options->folder, options->cache_bytes, err);
    if (code != OW_OK) {
        blobs_free(blobs);
        return code;
    }
    *ret_blobs = blobs;
    return OW_OK;
}

unsigned blobs_busy(const struct blobs *blobs) {
    return blobs->busy;
}

static void free_fetch(struct fetch *fetch) {
    free(fetch->bytes);
    free(fetch);
}

static void free_entry(struct entry *entry) {
    struct entry **at = &entry->blobs->entries;
    while (*at != entry) {
        at = &(*at)->next;
    }
    *at = entry->next;
    if (entry->job != NULL) {
        entry->job->owner = NULL;
    }
    struct fetch *fetch = entry->fetch;
    if (fetch != NULL) {
        fetch->entry = NULL;
        ow_call_cancel(fetch->call, OW_CANCELLED);
    }
    if (entry->blob.fd >= 0) {
        close(entry->blob.fd);
    }
    free(entry);
}

struct blobs *blobs_free(struct blobs *blobs) {
    if (blobs == NULL) {
        return NULL;
    }
    while (blobs->entries != NULL) {
        free_entry(blobs->entries);
    }
    blob_cache_close(&blobs->cache);
    free(blobs);
    return NULL;
}

// Tells all who wait; with a failure the entry goes, so that the next one tries again.
static void settle(struct entry *entry, const ow_err *err) {
    struct blob_wait *wait = entry->waits;
    entry->waits = NULL;
    bool failed = err != NULL;
    entry->references++; // while we tell
    while (wait != NULL) {
        struct blob_wait *next = wait->next;
        wait->next = NULL;
        wait->entry = NULL;
        if (!failed) {
            entry->references++;
        }
        wait->on_blob(wait->self, wait, failed ? NULL : &entry->blob, err);
        wait = next;
    }
    blobs_release(&entry->blob);
}

static void begin_fetch(struct entry *entry);

static void on_job_done(void *self) {
    struct blob_job *job = self;
    struct entry *entry = job->owner;
    if (entry == NULL) {
        if (job->fd >= 0) {
            close(job->fd);
        }
        free(job->bytes);
        free(job);
        return;
    }
    entry->blobs->busy--;
    entry->job = NULL;
    bool absent = job->bytes == NULL && job->err.code == OW_NOT_FOUND;
    entry->blob.fd = job->fd;
    entry->blob.size = job->size;
    ow_err err = job->err;
    free(job->bytes);
    free(job);
    if (entry->blob.fd >= 0) {
        blob_cache_use(&entry->blobs->cache, entry->blob.sha256, (int64_t)entry->blob.size);
        settle(entry, NULL);
    } else if (absent) {
        begin_fetch(entry);
    } else {
        settle(entry, &err);
    }
}

// Takes the bytes over, also when it fails.
static void begin_job(struct entry *entry, uint8_t *bytes, size_t size) {
    struct blobs *blobs = entry->blobs;
    ow_err err = {0};
    struct blob_job *job = calloc(1, sizeof *job);
    if (job == NULL) {
        free(bytes);
        ow_fail(&err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for a blob");
        settle(entry, &err);
        return;
    }
    memcpy(job->folder, blobs->cache.folder, sizeof job->folder);
    memcpy(job->sha256, entry->blob.sha256, sizeof job->sha256);
    job->bytes = bytes;
    job->size = size;
    job->fd = -1;
    job->owner = entry;
    job->job = (ow_pool_job){.work = bytes != NULL ? blob_file_store : blob_file_load,
                             .done = on_job_done,
                             .self = job,
                             .loop = blobs->options.loop};
    if (ow_pool_submit(blobs->options.pool, &job->job, &err) != OW_OK) {
        free(bytes);
        free(job);
        settle(entry, &err);
        return;
    }
    entry->job = job;
    blobs->busy++;
}

static void next_chunk(struct fetch *fetch);

// The fetch is over; `err` NULL: all bytes are here.
static void end_fetch(struct fetch *fetch, const ow_err *err) {
    struct entry *entry = fetch->entry;
    entry->fetch = NULL;
    entry->blobs->busy--;
    uint8_t *bytes = fetch->bytes;
    size_t size = fetch->size;
    fetch->bytes = NULL;
    if (err == NULL) {
        free_fetch(fetch);
        begin_job(entry, bytes, size);
        return;
    }
    free(bytes);
    free_fetch(fetch);
    settle(entry, err);
}

static ow_code take_chunk(struct fetch *fetch, const get_blob_chunk_response *chunk, ow_err *err) {
    if (fetch->bytes == NULL) {
        if (chunk->total_size < 0 || (uint64_t)chunk->total_size > BLOB_SIZE_MAX) {
            return ow_fail(err, OW_OUT_OF_RANGE, "blob_too_large", "blob %s has %lld bytes",
                           fetch->sha256, (long long)chunk->total_size);
        }
        fetch->size = (size_t)chunk->total_size;
        fetch->bytes = malloc(fetch->size + 1);
        if (fetch->bytes == NULL) {
            return ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for a blob");
        }
    }
    size_t left = fetch->size - fetch->received;
    if (chunk->data.len > left || (chunk->data.len == 0 && left > 0)) {
        return ow_fail(err, OW_DATA_LOSS, "wrong_blob", "blob %s comes in wrong pieces",
                       fetch->sha256);
    }
    if (chunk->data.len > 0) {
        memcpy(fetch->bytes + fetch->received, chunk->data.data, chunk->data.len);
        fetch->received += chunk->data.len;
    }
    return OW_OK;
}

static void on_chunk(const get_blob_chunk_response *chunk, void *closure_data) {
    ow_call *call = closure_data;
    struct fetch *fetch = call->user;
    fetch->call = NULL;
    if (fetch->entry == NULL) {
        ow_call_free(call);
        free_fetch(fetch);
        return;
    }
    ow_err err = {0};
    ow_code code = OW_OK;
    if (chunk == NULL) {
        err = call->err;
        code = err.code;
    } else {
        code = take_chunk(fetch, chunk, &err);
    }
    ow_call_free(call);
    if (code != OW_OK) {
        end_fetch(fetch, &err);
    } else if (fetch->received < fetch->size) {
        next_chunk(fetch);
    } else {
        end_fetch(fetch, NULL);
    }
}

static void next_chunk(struct fetch *fetch) {
    struct blobs *blobs = fetch->entry->blobs;
    ow_principal platform = {.kind = OW_PLATFORM};
    ow_call_options options = {.principal = &platform, .timeout_us = CHUNK_TIMEOUT_US};
    ow_call *call = ow_call_new(blobs->options.loop, &options);
    if (call == NULL) {
        ow_err err = {0};
        ow_fail(&err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for a call");
        end_fetch(fetch, &err);
        return;
    }
    call->user = fetch;
    fetch->call = call;
    fetch->request.offset = (int64_t)fetch->received;
    overworld__registry__v1__registry__get_blob_chunk(blobs->options.registry, &fetch->request,
                                                      on_chunk, call);
}

static void begin_fetch(struct entry *entry) {
    struct fetch *fetch = calloc(1, sizeof *fetch);
    if (fetch == NULL) {
        ow_err err = {0};
        ow_fail(&err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for a blob");
        settle(entry, &err);
        return;
    }
    overworld__registry__v1__get_blob_chunk_request__init(&fetch->request);
    memcpy(fetch->sha256, entry->blob.sha256, sizeof fetch->sha256);
    fetch->request.sha256 = fetch->sha256;
    fetch->entry = entry;
    entry->fetch = fetch;
    entry->blobs->busy++;
    next_chunk(fetch);
}

static struct entry *find(struct blobs *blobs, const char *sha256) {
    struct entry *entry = blobs->entries;
    while (entry != NULL && strcmp(entry->blob.sha256, sha256) != 0) {
        entry = entry->next;
    }
    return entry;
}

static struct entry *make_entry(struct blobs *blobs, const char *sha256) {
    struct entry *entry = calloc(1, sizeof *entry);
    if (entry != NULL) {
        entry->blobs = blobs;
        entry->blob.fd = -1;
        memcpy(entry->blob.sha256, sha256, BLOB_HEX);
        entry->next = blobs->entries;
        blobs->entries = entry;
    }
    return entry;
}

void blobs_get(struct blobs *blobs, const char *sha256, struct blob_wait *wait) {
    ow_err err = {0};
    if (!blob_name_valid(sha256)) {
        ow_fail(&err, OW_INVALID_ARGUMENT, "bad_hash", "`%.80s` is no SHA-256", sha256);
        wait->on_blob(wait->self, wait, NULL, &err);
        return;
    }
    struct entry *entry = find(blobs, sha256);
    if (entry != NULL && entry->blob.fd >= 0) {
        entry->references++;
        wait->on_blob(wait->self, wait, &entry->blob, NULL);
        return;
    }
    if (entry == NULL) {
        entry = make_entry(blobs, sha256);
    }
    if (entry == NULL) {
        ow_fail(&err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for a blob");
        wait->on_blob(wait->self, wait, NULL, &err);
        return;
    }
    wait->entry = entry;
    wait->next = entry->waits;
    entry->waits = wait;
    if (entry->job == NULL && entry->fetch == NULL) {
        begin_job(entry, NULL, 0);
    }
}

void blobs_cancel(struct blob_wait *wait) {
    struct entry *entry = wait->entry;
    if (entry == NULL) {
        return;
    }
    struct blob_wait **at = &entry->waits;
    while (*at != wait) {
        at = &(*at)->next;
    }
    *at = wait->next;
    wait->next = NULL;
    wait->entry = NULL; // what was begun goes on: it is in the cache then
}

void blobs_release(const struct blob *blob) {
    struct entry *entry = (struct entry *)(uintptr_t)blob;
    bool under_way = entry->job != NULL || entry->fetch != NULL;
    if (--entry->references == 0 && entry->waits == NULL && !under_way) {
        free_entry(entry);
    }
}
