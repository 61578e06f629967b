#include "services/gateway/storage.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

static const char *const stores[] = {"identity", "registry", "telemetry",
                                     "data",     "events",   "timers"};

enum { STORES = sizeof stores / sizeof *stores, PATH_ROOM = 4096, FILES_MAX = 64 };

// Of the files in it, not of those in folders below; -1: there is no such folder.
static int64_t size_of(const char *folder) {
    int64_t sum = 0;
    DIR *opened = opendir(folder);
    if (opened == NULL) {
        return -1;
    }
    const struct dirent *entry;
    // cppcheck-suppress readdirCalled // nobody else has this stream
    for (int i = 0; i < FILES_MAX && (entry = readdir(opened)) != NULL; i++) {
        struct stat file;
        if (fstatat(dirfd(opened), entry->d_name, &file, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(file.st_mode)) {
            sum += file.st_size;
        }
    }
    closedir(opened);
    return sum;
}

static void fill_disk(const char *data_folder, gateway_status *reply) {
    struct statvfs disk;
    if (statvfs(data_folder, &disk) == 0) {
        reply->disk_free_bytes = (int64_t)(disk.f_bavail * disk.f_frsize);
        reply->disk_total_bytes = (int64_t)(disk.f_blocks * disk.f_frsize);
    }
}

ow_code storage_fill(const char *data_folder, ow_arena *arena, gateway_status *reply, ow_err *err) {
    char path[PATH_ROOM];
    store_status *all = ow_arena_calloc(arena, STORES, sizeof *all);
    reply->stores = ow_arena_calloc(arena, STORES, sizeof *reply->stores);
    if (all == NULL || reply->stores == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for a status");
    }
    fill_disk(data_folder, reply);
    for (int i = 0; i < STORES; i++) {
        snprintf(path, sizeof path, "%s/%s", data_folder, stores[i]);
        int64_t bytes = size_of(path);
        if (bytes >= 0) {
            store_status *store = &all[reply->n_stores];
            overworld__gateway__v1__store_status__init(store);
            store->name = (char *)(uintptr_t)stores[i];
            store->bytes = bytes;
            reply->stores[reply->n_stores++] = store;
        }
    }
    return OW_OK;
}
