#include "services/runner/blob_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/crypto/hash.h"
#include "runtimes/host/host.h"

#define ITEMS_MAX 10000

bool blob_name_valid(const char *sha256) {
    return strlen(sha256) == BLOB_HEX - 1 && strspn(sha256, "0123456789abcdef") == BLOB_HEX - 1;
}

static void path_of(char *path, size_t size, const char *folder, const char *sha256,
                    const char *suffix) {
    snprintf(path, size, "%s/%s%s", folder, sha256, suffix);
}

static bool is_what_it_says(const struct blob_job *job, const void *bytes, size_t size) {
    uint8_t digest[OW_SHA256_SIZE];
    char hex[BLOB_HEX];
    ow_sha256(bytes, size, digest);
    ow_hex_encode(digest, sizeof digest, hex);
    return strcmp(hex, job->sha256) == 0;
}

static void make_fd(struct blob_job *job, const void *bytes, size_t size) {
    if (ow_host_memfd("blob", bytes, size, &job->fd, &job->err) == OW_OK) {
        job->size = size;
    }
}

static void load_open(struct blob_job *job, int file, const char *path) {
    struct stat about;
    if (fstat(file, &about) != 0 || about.st_size < 0 || (size_t)about.st_size > BLOB_SIZE_MAX) {
        ow_fail(&job->err, OW_NOT_FOUND, "no_blob", "%s cannot be used", path);
        return;
    }
    size_t size = (size_t)about.st_size;
    void *bytes = size > 0 ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0) : NULL;
    if (bytes == MAP_FAILED) {
        ow_fail_errno(&job->err, errno, "mapping %s", path);
        return;
    }
    if (is_what_it_says(job, size > 0 ? bytes : "", size)) {
        make_fd(job, size > 0 ? bytes : "", size);
        (void)futimens(file, NULL); // last used: survives a restart
    } else {
        (void)unlink(path);
        ow_fail(&job->err, OW_NOT_FOUND, "no_blob", "%s was spoilt", path);
    }
    if (size > 0) {
        munmap(bytes, size);
    }
}

void blob_file_load(void *self) {
    struct blob_job *job = self;
    char path[BLOB_PATH_MAX + BLOB_HEX + 8];
    path_of(path, sizeof path, job->folder, job->sha256, "");
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0) {
        ow_fail(&job->err, OW_NOT_FOUND, "no_blob", "%s is not there", path);
        return;
    }
    load_open(job, file, path);
    close(file);
}

static bool write_all(int file, const uint8_t *bytes, size_t size) {
    while (size > 0) {
        ssize_t wrote = write(file, bytes, size);
        if (wrote < 0 && errno != EINTR) {
            return false;
        }
        bytes += wrote > 0 ? wrote : 0;
        size -= wrote > 0 ? (size_t)wrote : 0;
    }
    return true;
}

// A cache: what cannot be kept is fetched again next time.
static void keep(const struct blob_job *job) {
    char path[BLOB_PATH_MAX + BLOB_HEX + 8];
    char draft[BLOB_PATH_MAX + BLOB_HEX + 8];
    path_of(path, sizeof path, job->folder, job->sha256, "");
    path_of(draft, sizeof draft, job->folder, job->sha256, ".part");
    int file = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0) {
        return;
    }
    bool whole = write_all(file, job->bytes, job->size);
    close(file);
    if (!whole || rename(draft, path) != 0) {
        (void)unlink(draft);
    }
}

void blob_file_store(void *self) {
    struct blob_job *job = self;
    if (!is_what_it_says(job, job->bytes, job->size)) {
        ow_fail(&job->err, OW_DATA_LOSS, "wrong_blob", "what came is not blob %s", job->sha256);
        return;
    }
    make_fd(job, job->bytes, job->size);
    keep(job);
}

static int by_use(const void *a, const void *b) {
    const struct blob_cached *left = a;
    const struct blob_cached *right = b;
    return (left->used > right->used) - (left->used < right->used);
}

static bool add(struct blob_cache *cache, const char *sha256, int64_t size, int64_t used) {
    if (cache->count == cache->capacity) {
        size_t capacity = cache->capacity == 0 ? 64 : cache->capacity * 2;
        struct blob_cached *items = realloc(cache->items, capacity * sizeof *items);
        if (items == NULL) {
            return false;
        }
        cache->items = items;
        cache->capacity = capacity;
    }
    struct blob_cached *item = &cache->items[cache->count++];
    memcpy(item->sha256, sha256, BLOB_HEX);
    item->size = size;
    item->used = used;
    cache->bytes += size;
    return true;
}

static void drop(struct blob_cache *cache, size_t index) {
    char path[BLOB_PATH_MAX + BLOB_HEX + 8];
    path_of(path, sizeof path, cache->folder, cache->items[index].sha256, "");
    (void)unlink(path);
    cache->bytes -= cache->items[index].size;
    cache->items[index] = cache->items[--cache->count];
}

static void shrink(struct blob_cache *cache) {
    while (cache->count > 1 && (cache->bytes > cache->max_bytes || cache->count > ITEMS_MAX)) {
        size_t oldest = 0;
        for (size_t i = 1; i < cache->count; i++) {
            oldest = cache->items[i].used < cache->items[oldest].used ? i : oldest;
        }
        drop(cache, oldest);
    }
}

static void scan(struct blob_cache *cache, DIR *folder) {
    const struct dirent *item = NULL;
    while ((item = readdir(folder)) != NULL) {
        struct stat about;
        bool known = fstatat(dirfd(folder), item->d_name, &about, AT_SYMLINK_NOFOLLOW) == 0 &&
                     S_ISREG(about.st_mode);
        if (known && blob_name_valid(item->d_name)) {
            (void)add(cache, item->d_name, about.st_size, about.st_mtim.tv_sec);
        } else if (known) {
            (void)unlinkat(dirfd(folder), item->d_name, 0);
        }
    }
    if (cache->count > 0) {
        qsort(cache->items, cache->count, sizeof *cache->items, by_use);
    }
    for (size_t i = 0; i < cache->count; i++) {
        cache->items[i].used = ++cache->uses;
    }
}

ow_code blob_cache_open(struct blob_cache *cache, const char *folder, int64_t max_bytes,
                        ow_err *err) {
    *cache = (struct blob_cache){.max_bytes = max_bytes};
    if ((size_t)snprintf(cache->folder, sizeof cache->folder, "%s", folder) >=
        sizeof cache->folder) {
        return ow_fail(err, OW_INTERNAL, "path_too_long", "%s is too long", folder);
    }
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        return ow_fail_errno(err, errno, "making %s", folder);
    }
    DIR *open_folder = opendir(folder);
    if (open_folder == NULL) {
        return ow_fail_errno(err, errno, "reading %s", folder);
    }
    scan(cache, open_folder);
    closedir(open_folder);
    shrink(cache);
    return OW_OK;
}

void blob_cache_close(struct blob_cache *cache) {
    free(cache->items);
    cache->items = NULL;
    cache->count = 0;
}

void blob_cache_use(struct blob_cache *cache, const char *sha256, int64_t size) {
    int64_t now = ++cache->uses;
    for (size_t i = 0; i < cache->count; i++) {
        if (strcmp(cache->items[i].sha256, sha256) == 0) {
            cache->items[i].used = now;
            return;
        }
    }
    (void)add(cache, sha256, size, now);
    shrink(cache);
}
