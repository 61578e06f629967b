#include "core/backup/listing.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FOLDER_DEPTH_MAX = 6 };

typedef struct walk {
    listing *files;
    const char *data_folder;
    int depth;
} walk;

void listing_deinit(listing *l) {
    for (size_t i = 0; i < l->count; i++) {
        free(l->entries[i].name);
    }
    free(l->entries);
    *l = (listing){0};
}

ow_code listing_add(listing *l, const char *name, int64_t size, ow_err *err) {
    if (l->count == LISTING_FILES_MAX) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "too_many_files",
                       "more than %d files: stop the server and copy its data folder",
                       LISTING_FILES_MAX);
    }
    if (l->count == l->room) {
        size_t room = l->room * 2 + 64;
        listing_entry *entries = realloc(l->entries, room * sizeof *entries);
        if (entries == NULL) {
            return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for a backup");
        }
        l->entries = entries;
        l->room = room;
    }
    char *copy = strdup(name);
    if (copy == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for a backup");
    }
    l->entries[l->count++] = (listing_entry){copy, size};
    return OW_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const listing_entry *)a)->name, ((const listing_entry *)b)->name);
}

void listing_sort(listing *l) {
    qsort(l->entries, l->count, sizeof l->entries[0], by_name);
}

bool listing_has(const listing *l, const char *name) {
    listing_entry wanted = {.name = (char *)name};
    return l->count > 0 && bsearch(&wanted, l->entries, l->count, sizeof wanted, by_name) != NULL;
}

static ow_code walk_name(walk *w, const char *name, ow_err *err);

static ow_code walk_folder(walk *w, const char *path, const char *name, ow_err *err) {
    DIR *folder = w->depth < FOLDER_DEPTH_MAX ? opendir(path) : NULL;
    if (folder == NULL) {
        return ow_fail_errno(err, w->depth < FOLDER_DEPTH_MAX ? errno : ELOOP, "list %s", path);
    }
    ow_code code = OW_OK;
    w->depth++;
    for (struct dirent *entry; code == OW_OK && (entry = readdir(folder)) != NULL;) {
        char inner[LISTING_NAME_MAX];
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, "incoming") == 0) {
            continue;
        }
        int length = snprintf(inner, sizeof inner, "%s/%s", name, entry->d_name);
        code = (size_t)length < sizeof inner
                   ? walk_name(w, inner, err)
                   : ow_fail_errno(err, ENAMETOOLONG, "save %s/%s", path, entry->d_name);
    }
    w->depth--;
    closedir(folder);
    return code;
}

static ow_code walk_name(walk *w, const char *name, ow_err *err) {
    char path[LISTING_PATH_MAX];
    struct stat st;
    int length = snprintf(path, sizeof path, "%s/%s", w->data_folder, name);
    if ((size_t)length >= sizeof path) {
        return ow_fail_errno(err, ENAMETOOLONG, "save %s", name);
    }
    if (lstat(path, &st) != 0) {
        return errno == ENOENT ? OW_OK : ow_fail_errno(err, errno, "look at %s", path);
    }
    if (S_ISDIR(st.st_mode)) {
        return walk_folder(w, path, name, err);
    }
    return S_ISREG(st.st_mode) ? listing_add(w->files, name, st.st_size, err) : OW_OK;
}

ow_code listing_walk(listing *l, const char *data_folder, const char *name, ow_err *err) {
    walk w = {.files = l, .data_folder = data_folder};
    return walk_name(&w, name, err);
}
