#include "runtimes/build/key.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/crypto/hash.h"

#define DEPTH_MAX 16
#define FOLDERS_MAX 20000

// What confine.c shows the compiler, as far as a build reads it. A package that is installed or
// removed changes its folders' times, so of the large trees most files need no look of their own.
static const struct {
    const char *path;
    bool required;
    int files_to_depth; // of a folder: files down to here are looked at themselves
} parts[] = {
    {"/usr/bin/gcc", true, 0},
    {"/usr/bin/as", true, 0},
    {"/usr/bin/ld", true, 0},
    {"/usr/lib/gcc", true, 3}, // machine, version, cc1 and collect2
    {"/usr/libexec/gcc", false, 3},
    {"/usr/include/cjson", false, 1},
    {"/usr/include", false, 1},
    {"/usr/lib/x86_64-linux-gnu/crti.o", false, 0},
    {"/usr/lib/x86_64-linux-gnu/libc.so", false, 0},
    {"/usr/lib/x86_64-linux-gnu/libc.so.6", false, 0},
    {"/usr/lib/x86_64-linux-gnu/libm.so", false, 0},
    {"/usr/lib/x86_64-linux-gnu/libm.so.6", false, 0},
    {"/usr/lib/x86_64-linux-gnu/libcjson.so", false, 0},
    {"/usr/lib/aarch64-linux-gnu/crti.o", false, 0},
    {"/usr/lib/aarch64-linux-gnu/libc.so", false, 0},
    {"/usr/lib/aarch64-linux-gnu/libc.so.6", false, 0},
    {"/usr/lib/aarch64-linux-gnu/libm.so", false, 0},
    {"/usr/lib/aarch64-linux-gnu/libm.so.6", false, 0},
    {"/usr/lib/aarch64-linux-gnu/libcjson.so", false, 0},
};

typedef struct reader {
    ow_sha256_stream *hash;
    int folders;
    bool failed; // something is there and cannot be looked at
} reader;

static void add_file(reader *to, const char *path, const struct stat *info) {
    char line[PATH_MAX + 96];
    // A folder's size is its file system's affair.
    int length = snprintf(line, sizeof line, "%s %" PRIdMAX " %" PRIdMAX ".%09ld\n", path,
                          S_ISDIR(info->st_mode) ? (intmax_t)0 : (intmax_t)info->st_size,
                          (intmax_t)info->st_mtim.tv_sec, info->st_mtim.tv_nsec);
    to->failed = to->failed || length < 0 || (size_t)length >= sizeof line;
    ow_sha256_stream_add(to->hash, line, strnlen(line, sizeof line));
}

static void add_folder(reader *to, const char *path, const struct stat *info, int depth,
                       int files_to_depth);

static void add_entry(reader *to, const char *folder, const struct dirent *entry, int depth,
                      int files_to_depth) {
    bool link_or_file = entry->d_type == DT_LNK || entry->d_type == DT_REG;
    if (entry->d_name[0] == '.' || (link_or_file && depth > files_to_depth)) {
        return;
    }
    char path[PATH_MAX];
    struct stat info;
    int length = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    if (length < 0 || (size_t)length >= sizeof path || lstat(path, &info) != 0) {
        to->failed = true;
    } else if (S_ISDIR(info.st_mode)) {
        add_folder(to, path, &info, depth + 1, files_to_depth);
    } else if (depth <= files_to_depth) {
        add_file(to, path, &info);
    }
}

static void add_folder(reader *to, const char *path, const struct stat *info, int depth,
                       int files_to_depth) {
    add_file(to, path, info);
    struct dirent **entries = NULL;
    bool within = depth <= DEPTH_MAX && ++to->folders <= FOLDERS_MAX;
    int count = within ? scandir(path, &entries, NULL, alphasort) : -1;
    to->failed = to->failed || count < 0;
    for (int i = 0; i < count; i++) {
        if (!to->failed) {
            add_entry(to, path, entries[i], depth, files_to_depth);
        }
        free(entries[i]);
    }
    free(entries);
}

static ow_code add_part(reader *to, const char *root, size_t part, ow_err *err) {
    char path[PATH_MAX];
    char real[PATH_MAX];
    struct stat info;
    snprintf(path, sizeof path, "%s%s", root, parts[part].path);
    if (realpath(path, real) == NULL || stat(real, &info) != 0) {
        return parts[part].required ? ow_fail(err, OW_FAILED_PRECONDITION, "no_compiler",
                                              "there is no %s", parts[part].path)
                                    : OW_OK;
    }
    if (S_ISDIR(info.st_mode)) {
        add_folder(to, real, &info, 1, parts[part].files_to_depth);
    } else {
        add_file(to, real, &info);
    }
    return to->failed ? ow_fail(err, OW_INTERNAL, "unreadable", "cannot look at all of %s", path)
                      : OW_OK;
}

// The compiler's flags and the SDK are in the builder itself.
static ow_code add_binary(reader *to, const char *binary, ow_err *err) {
    int fd = open(binary, O_RDONLY | O_CLOEXEC);
    char buffer[16384];
    ssize_t got = fd >= 0 ? 1 : -1;
    while (got > 0 && (got = read(fd, buffer, sizeof buffer)) > 0) {
        ow_sha256_stream_add(to->hash, buffer, (size_t)got);
    }
    ow_code code = got < 0 ? ow_fail_errno(err, errno, "reading %s", binary) : OW_OK;
    if (fd >= 0) {
        close(fd);
    }
    return code;
}

ow_code toolchain_key(const char *root, const char *binary, char ret_key[static OW_BUILD_KEY_SIZE],
                      ow_err *err) {
    reader reader = {.hash = ow_sha256_stream_new()};
    if (reader.hash == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for a key");
    }
    ow_code code = add_binary(&reader, binary, err);
    for (size_t i = 0; code == OW_OK && i < sizeof parts / sizeof *parts; i++) {
        code = add_part(&reader, root, i, err);
    }
    uint8_t digest[OW_SHA256_SIZE];
    ow_sha256_stream_finish(reader.hash, digest);
    ow_sha256_stream_free(reader.hash);
    if (code == OW_OK) {
        ow_hex_encode(digest, sizeof digest, ret_key);
    }
    return code;
}

ow_code ow_build_key(const char *binary, char ret_key[static OW_BUILD_KEY_SIZE], ow_err *err) {
    return toolchain_key("", binary, ret_key, err);
}
