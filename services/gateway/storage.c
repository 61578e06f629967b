#include "services/gateway/storage.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

static const char *const stores[STORAGE_STORES] = {"identity", "registry", "telemetry",
                                                   "data",     "events",   "timers"};

enum { PATH_ROOM = 4096 };

// Of the files in it, not of those in folders below; -1: there is no such folder.
static int64_t size_of(const char *folder) {
    int64_t sum = 0;
    DIR *opened = opendir(folder);
    if (opened == NULL) {
        return -1;
    }
    const struct dirent *entry;
    // cppcheck-suppress readdirCalled // nobody else has this stream
    while ((entry = readdir(opened)) != NULL) {
        struct stat file;
        if (fstatat(dirfd(opened), entry->d_name, &file, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(file.st_mode)) {
            sum += file.st_size;
        }
    }
    closedir(opened);
    return sum;
}

void storage_measure(const char *data_folder, storage_sizes *ret_sizes) {
    char path[PATH_ROOM];
    struct statvfs disk;
    *ret_sizes = (storage_sizes){0};
    if (statvfs(data_folder, &disk) == 0) {
        ret_sizes->disk_free_bytes = (int64_t)(disk.f_bavail * disk.f_frsize);
        ret_sizes->disk_total_bytes = (int64_t)(disk.f_blocks * disk.f_frsize);
    }
    for (int i = 0; i < STORAGE_STORES; i++) {
        snprintf(path, sizeof path, "%s/%s", data_folder, stores[i]);
        ret_sizes->stores[i] = size_of(path);
    }
}

ow_code storage_fill(const storage_sizes *sizes, ow_arena *arena, gateway_status *reply,
                     ow_err *err) {
    store_status *all = ow_arena_calloc(arena, STORAGE_STORES, sizeof *all);
    reply->stores = ow_arena_calloc(arena, STORAGE_STORES, sizeof *reply->stores);
    if (all == NULL || reply->stores == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for a status");
    }
    reply->disk_free_bytes = sizes->disk_free_bytes;
    reply->disk_total_bytes = sizes->disk_total_bytes;
    for (int i = 0; i < STORAGE_STORES; i++) {
        if (sizes->stores[i] >= 0) {
            store_status *store = &all[reply->n_stores];
            overworld__gateway__v1__store_status__init(store);
            store->name = (char *)(uintptr_t)stores[i];
            store->bytes = sizes->stores[i];
            reply->stores[reply->n_stores++] = store;
        }
    }
    return OW_OK;
}
