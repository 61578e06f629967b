#include "services/registry/blobs.h"

#include "core/folder/folder.h"
#include "core/id/id.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for a blob");
}

// A full disk is an answer, everything else a fault.
static ow_code io_failed(ow_err *err, int errnum, const char *what, const char *path) {
    if (errnum == ENOSPC || errnum == EDQUOT) {
        return ow_fail(err, OW_UNAVAILABLE, "disk_full", "no space left for %s", path);
    }
    return ow_fail_errno(err, errnum, "cannot %s %s", what, path);
}

static void free_text(char **text) {
    free(*text);
}

static void close_fd(int *fd) {
    if (*fd >= 0) {
        close(*fd);
    }
}

#define OWNED_TEXT __attribute__((cleanup(free_text))) char *
#define OWNED_FD __attribute__((cleanup(close_fd))) int

// Paths are malloc'ed; NULL when out of memory.
static char *join(const char *folder, const char *name) {
    char *text = NULL;
    return asprintf(&text, "%s/%s", folder, name) < 0 ? NULL : text;
}

static char *join_three(const char *folder, const char *below, const char *name) {
    char *text = NULL;
    return asprintf(&text, "%s/%s/%s", folder, below, name) < 0 ? NULL : text;
}

char *blobs_path(const blobs *b, const char *sha256) {
    char two[3] = {sha256[0], sha256[1], 0};
    return join_three(b->folder, two, sha256);
}

static char *incoming_path(const blobs *b, const char *name) {
    return join_three(b->folder, "incoming", name);
}

// What was on its way when the process ended starts again from its first piece.
static ow_code empty_incoming(const blobs *b, ow_err *err) {
    OWNED_TEXT folder = join(b->folder, "incoming");
    if (folder == NULL) {
        return no_memory(err);
    }
    ow_code code = ow_folder_make(folder, err);
    if (code != OW_OK) {
        return code;
    }
    DIR *list = opendir(folder);
    if (list == NULL) {
        return io_failed(err, errno, "list", folder);
    }
    for (struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list)) {
        if (entry->d_name[0] != '.') {
            unlinkat(dirfd(list), entry->d_name, 0);
        }
    }
    closedir(list);
    return OW_OK;
}

ow_code blobs_init(blobs *b, const char *data_folder, ow_err *err) {
    b->folder = join(data_folder, "blobs");
    b->whole = whole_blobs_new();
    if (b->folder == NULL || b->whole == NULL) {
        return no_memory(err);
    }
    ow_code code = ow_folder_make(b->folder, err);
    return code == OW_OK ? empty_incoming(b, err) : code;
}

void blobs_deinit(blobs *b) {
    free(b->folder);
    b->folder = NULL;
    b->whole = whole_blobs_free(b->whole);
}

static ow_code read_at(int fd, const char *path, int64_t offset, uint8_t *buffer, size_t size,
                       ow_err *err) {
    size_t done = 0;
    while (done < size) {
        ssize_t got = pread(fd, buffer + done, size - done, offset + (int64_t)done);
        if (got == 0) {
            return ow_fail(err, OW_DATA_LOSS, "blob_cut", "%s is shorter than it was", path);
        }
        if (got < 0 && errno != EINTR) {
            return io_failed(err, errno, "read", path);
        }
        done += got > 0 ? (size_t)got : 0;
    }
    return OW_OK;
}

static ow_code hash_file(int fd, const char *path, int64_t size,
                         char ret_hex[static OW_SHA256_HEX_SIZE], ow_err *err) {
    ow_sha256_stream *stream = ow_sha256_stream_new();
    uint8_t *buffer = malloc(1 << 16);
    ow_code code = stream != NULL && buffer != NULL ? OW_OK : no_memory(err);
    for (int64_t at = 0; code == OW_OK && at < size;) {
        size_t piece = size - at < 1 << 16 ? (size_t)(size - at) : 1 << 16;
        code = read_at(fd, path, at, buffer, piece, err);
        if (code == OW_OK) {
            ow_sha256_stream_add(stream, buffer, piece);
        }
        at += (int64_t)piece;
    }
    if (code == OW_OK) {
        uint8_t digest[OW_SHA256_SIZE];
        ow_sha256_stream_finish(stream, digest);
        ow_hex_encode(digest, sizeof digest, ret_hex);
    }
    ow_sha256_stream_free(stream);
    free(buffer);
    return code;
}

// A file that was changed in this very tick of the file system's clock may be changed once more without showing it.
static bool is_settled(const struct stat *info) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return info->st_ctim.tv_sec < now.tv_sec ||
           (info->st_ctim.tv_sec == now.tv_sec && info->st_ctim.tv_nsec < now.tv_nsec);
}

static ow_code no_blob(const char *sha256, ow_err *err) {
    return ow_fail(err, OW_NOT_FOUND, "no_blob", "there is no blob %s", sha256);
}

static ow_code check_file(const blobs *b, const char *sha256, int fd, const char *path,
                          ow_err *err) {
    char hex[OW_SHA256_HEX_SIZE];
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return io_failed(err, errno, "look at", path);
    }
    if (whole_blobs_has(b->whole, sha256, &info)) {
        return OW_OK;
    }
    bool settled = is_settled(&info);
    ow_code code = hash_file(fd, path, info.st_size, hex, err);
    if (code == OW_DATA_LOSS || (code == OW_OK && strcmp(hex, sha256) != 0)) {
        return ow_fail(err, OW_DATA_LOSS, "blob_damaged", "the blob %s is damaged", sha256);
    }
    if (code == OW_OK && settled) {
        whole_blobs_add(b->whole, sha256, &info);
    }
    return code;
}

ow_code blobs_check(const blobs *b, const char *sha256, ow_err *err) {
    OWNED_TEXT path = blobs_path(b, sha256);
    if (path == NULL) {
        return no_memory(err);
    }
    OWNED_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? no_blob(sha256, err) : io_failed(err, errno, "open", path);
    }
    return check_file(b, sha256, fd, path, err);
}

ow_code blobs_touch(const blobs *b, const char *sha256, ow_err *err) {
    OWNED_TEXT path = blobs_path(b, sha256);
    if (path == NULL) {
        return no_memory(err);
    }
    // Young first: what is young is not swept while it is read.
    if (utimensat(AT_FDCWD, path, NULL, 0) != 0) {
        return errno == ENOENT ? no_blob(sha256, err) : io_failed(err, errno, "touch", path);
    }
    return blobs_check(b, sha256, err);
}

// From a synced file in incoming to its place, so that it is there after a power cut too.
static ow_code move_in(const blobs *b, const char *from, const char *sha256, ow_err *err) {
    OWNED_TEXT path = blobs_path(b, sha256);
    if (path == NULL) {
        return no_memory(err);
    }
    OWNED_TEXT folder = strndup(path, strlen(path) - strlen(sha256) - 1);
    if (folder == NULL) {
        return no_memory(err);
    }
    ow_code code = ow_folder_make(folder, err);
    if (code == OW_OK && rename(from, path) != 0) {
        code = io_failed(err, errno, "rename", from);
    }
    return code == OW_OK ? ow_folder_sync(folder, err) : code;
}

static ow_code write_at(int fd, const char *path, int64_t offset, const uint8_t *bytes, size_t size,
                        ow_err *err) {
    while (size > 0) {
        ssize_t written = pwrite(fd, bytes, size, offset);
        if (written < 0 && errno != EINTR) {
            return io_failed(err, errno, "write", path);
        }
        if (written > 0) {
            bytes += written;
            size -= (size_t)written;
            offset += written;
        }
    }
    return OW_OK;
}

static ow_code write_new(const char *path, const void *bytes, size_t size, ow_err *err) {
    OWNED_FD fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return io_failed(err, errno, "make", path);
    }
    ow_code code = write_at(fd, path, 0, bytes, size, err);
    if (code == OW_OK && fsync(fd) != 0) {
        code = io_failed(err, errno, "sync", path);
    }
    return code;
}

ow_code blobs_put(const blobs *b, const void *bytes, size_t size,
                  char ret_sha256[static OW_SHA256_HEX_SIZE], ow_err *err) {
    uint8_t digest[OW_SHA256_SIZE];
    ow_sha256(bytes, size, digest);
    ow_hex_encode(digest, sizeof digest, ret_sha256);
    if (blobs_touch(b, ret_sha256, NULL) == OW_OK) {
        return OW_OK;
    }
    char name[OW_ID_MAX];
    ow_id_make(name, "put_", 0);
    OWNED_TEXT path = incoming_path(b, name);
    if (path == NULL) {
        return no_memory(err);
    }
    ow_code code = write_new(path, bytes, size, err);
    if (code == OW_OK) {
        code = move_in(b, path, ret_sha256, err);
    }
    if (code != OW_OK) {
        unlink(path);
    }
    return code;
}

ow_code blobs_read(const blobs *b, const char *sha256, blob_piece *piece, ow_err *err) {
    OWNED_TEXT path = blobs_path(b, sha256);
    if (path == NULL) {
        return no_memory(err);
    }
    OWNED_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        return no_blob(sha256, err);
    }
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0) {
        return io_failed(err, errno, "open", path);
    }
    if (piece->offset < 0 || piece->offset > info.st_size) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_offset", "the blob has %lld bytes",
                       (long long)info.st_size);
    }
    size_t left = (size_t)(info.st_size - piece->offset);
    size_t size = left < piece->room ? left : piece->room;
    ow_code code = read_at(fd, path, piece->offset, piece->buffer, size, err);
    if (code == OW_OK) {
        piece->size = size;
        piece->total = info.st_size;
    }
    return code;
}

ow_code blobs_incoming_write(const blobs *b, const char *sha256, int64_t offset, const void *bytes,
                             size_t size, ow_err *err) {
    OWNED_TEXT path = incoming_path(b, sha256);
    if (path == NULL) {
        return no_memory(err);
    }
    OWNED_FD fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return fd < 0 ? io_failed(err, errno, "make", path)
                  : write_at(fd, path, offset, bytes, size, err);
}

static ow_code check_incoming(const char *path, const char *sha256, int64_t total_size,
                              ow_err *err) {
    OWNED_FD fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || ftruncate(fd, total_size) != 0) {
        return io_failed(err, errno, "open", path);
    }
    char hex[OW_SHA256_HEX_SIZE];
    ow_code code = hash_file(fd, path, total_size, hex, err);
    if (code != OW_OK) {
        return code;
    }
    if (strcmp(hex, sha256) != 0) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "hash_mismatch",
                       "what was uploaded has the hash %s", hex);
    }
    return fsync(fd) == 0 ? OW_OK : io_failed(err, errno, "sync", path);
}

ow_code blobs_incoming_finish(const blobs *b, const char *sha256, int64_t total_size, ow_err *err) {
    OWNED_TEXT path = incoming_path(b, sha256);
    if (path == NULL) {
        return no_memory(err);
    }
    ow_code code = check_incoming(path, sha256, total_size, err);
    if (code == OW_OK) {
        code = move_in(b, path, sha256, err);
    }
    if (code != OW_OK) {
        unlink(path);
    }
    return code;
}

void blobs_incoming_remove(const blobs *b, const char *sha256) {
    OWNED_TEXT path = incoming_path(b, sha256);
    if (path != NULL) {
        unlink(path);
    }
}

// ---- Old blobs ----

// File times are the file system's: not the clock that tests turn.
static bool is_old(const struct stat *info, int64_t least_age_s) {
    return time(NULL) - info->st_mtime >= least_age_s;
}

ow_code blobs_visit_old(const blobs *b, const blob_visit *visit, ow_err *err) {
    char two[3];
    snprintf(two, sizeof two, "%02x", (unsigned)visit->folder & 0xffU);
    OWNED_TEXT folder = join(b->folder, two);
    if (folder == NULL) {
        return no_memory(err);
    }
    DIR *list = opendir(folder);
    if (list == NULL) {
        return errno == ENOENT ? OW_OK : io_failed(err, errno, "list", folder);
    }
    ow_code code = OW_OK;
    struct dirent *entry;
    while (code == OW_OK && (entry = readdir(list)) != NULL) {
        struct stat info;
        if (strlen(entry->d_name) == OW_SHA256_HEX_SIZE - 1 &&
            fstatat(dirfd(list), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            is_old(&info, visit->least_age_s) && !visit->on_blob(visit->self, entry->d_name)) {
            code = no_memory(err);
        }
    }
    closedir(list);
    return code;
}

bool blobs_remove_old(const blobs *b, const char *sha256, int64_t least_age_s) {
    char name[OW_ID_MAX];
    ow_id_make(name, "old_", 0);
    OWNED_TEXT path = blobs_path(b, sha256);
    OWNED_TEXT aside = incoming_path(b, name);
    struct stat info;
    // Out of the way first: who touches it from now on finds that it is gone, who did so before shows.
    if (path == NULL || aside == NULL || rename(path, aside) != 0) {
        return false;
    }
    if (stat(aside, &info) == 0 && !is_old(&info, least_age_s)) {
        rename(aside, path);
        return false;
    }
    return unlink(aside) == 0;
}
