// GetRevision, GetFile: a row of the store, and what lies in its bundle.

#include "services/registry/internal.h"
#include "services/registry/registry_logic.h"

#include <stdlib.h>
#include <string.h>

enum { FILE_PIECE_MAX = 1 << 20 };

ow_code revision_read(ow_run *run) {
    static const change none = {.now_us = 0};
    const get_revision_request *request = run->request;
    get_revision_response *reply = run->reply;
    tx t = tx_of(run, &none);
    ow_code code = store_title_resolve(&t);
    return code == OW_OK ? store_revision_named(&t, request->virtual_server, request->version,
                                                &reply->revision)
                         : code;
}

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for the list of files");
}

static ow_code list_files(ow_run *run, const ow_archive_map *map) {
    get_revision_response *reply = run->reply;
    ow_arena *arena = run->call->arena;
    ow_archive archive;
    ow_code code = ow_archive_read(map->bytes, map->size, arena, &archive, run->err);
    if (code != OW_OK) {
        return code;
    }
    reply->files = ow_arena_calloc(arena, archive.count, sizeof *reply->files);
    for (size_t i = 0; reply->files != NULL && i < archive.count; i++) {
        const ow_archive_file *file = &archive.files[i];
        bundle_file_msg *message = MESSAGE_IN(arena, bundle_file);
        char hex[OW_SHA256_HEX_SIZE];
        sha256_hex(file->bytes, file->size, hex);
        if (message == NULL) {
            return no_memory(run->err);
        }
        // The map is closed before the reply is sent.
        message->path = ow_arena_strdup_in(arena, file->path);
        message->sha256 = ow_arena_strdup_in(arena, hex);
        message->size = (int64_t)file->size;
        if (message->path == NULL || message->sha256 == NULL) {
            return no_memory(run->err);
        }
        reply->files[reply->n_files++] = message;
    }
    return reply->files != NULL ? OW_OK : no_memory(run->err);
}

// Does something with the bundle of that hash.
static ow_code with_bundle(ow_run *run, const char *sha256,
                           ow_code (*look)(ow_run *run, const ow_archive_map *map)) {
    const registry *r = run->self;
    ow_archive_map map = {0};
    char *path = blobs_path(&r->blobs, sha256);
    if (path == NULL) {
        return no_memory(run->err);
    }
    ow_code code = blobs_check(&r->blobs, sha256, run->err);
    code = code == OW_OK ? ow_archive_map_open(path, &map, run->err) : code;
    if (code == OW_OK) {
        code = look(run, &map);
    }
    ow_archive_map_close(&map);
    free(path);
    return code;
}

ow_code revision_files(ow_run *run) {
    const get_revision_response *reply = run->reply;
    return with_bundle(run, reply->revision->bundle_sha256, list_files);
}

// ---- GetFile ----

ow_code file_find(ow_run *run) {
    static const change none = {.now_us = 0};
    const get_file_request *request = run->request;
    file_reading *state = run->state;
    tx t = tx_of(run, &none);
    ow_code code = store_title_resolve(&t);
    return code == OW_OK ? store_revision_named(&t, request->virtual_server, request->version,
                                                &state->revision)
                         : code;
}

static ow_code copy_piece(ow_run *run, const ow_archive_file *file) {
    const get_file_request *request = run->request;
    get_file_response *reply = run->reply;
    if (request->offset < 0 || (uint64_t)request->offset > file->size) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_offset", "the file has %zu bytes",
                       file->size);
    }
    size_t left = file->size - (size_t)request->offset;
    size_t size = left < FILE_PIECE_MAX ? left : FILE_PIECE_MAX;
    uint8_t *copy = ow_arena_alloc(run->call->arena, size + 1);
    if (copy == NULL) {
        return no_memory(run->err);
    }
    memcpy(copy, file->bytes + request->offset, size);
    reply->data = (ProtobufCBinaryData){.data = copy, .len = size};
    reply->total_size = (int64_t)file->size;
    return OW_OK;
}

static ow_code find_piece(ow_run *run, const ow_archive_map *map) {
    const get_file_request *request = run->request;
    ow_archive archive;
    ow_code code = ow_archive_read(map->bytes, map->size, run->call->arena, &archive, run->err);
    const ow_archive_file *file = code == OW_OK ? ow_archive_find(&archive, request->path) : NULL;
    if (code == OW_OK && file == NULL) {
        return ow_fail(run->err, OW_NOT_FOUND, "no_file", "the version has no file %.100s",
                       request->path);
    }
    return code == OW_OK ? copy_piece(run, file) : code;
}

ow_code file_read(ow_run *run) {
    const file_reading *state = run->state;
    get_file_response *reply = run->reply;
    reply->revision_id = state->revision->revision_id;
    return with_bundle(run, state->revision->bundle_sha256, find_piece);
}
