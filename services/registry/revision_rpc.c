// GetRevision: a row of the store, and what lies in its bundle.

#include "services/registry/internal.h"
#include "services/registry/registry_logic.h"

#include <stdlib.h>
#include <string.h>

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

ow_code revision_files(ow_run *run) {
    const registry *r = run->self;
    const get_revision_response *reply = run->reply;
    ow_archive_map map = {0};
    char *path = blobs_path(&r->blobs, reply->revision->bundle_sha256);
    if (path == NULL) {
        return no_memory(run->err);
    }
    ow_code code = ow_archive_map_open(path, &map, run->err);
    if (code == OW_OK) {
        code = list_files(run, &map);
    }
    ow_archive_map_close(&map);
    free(path);
    return code;
}
