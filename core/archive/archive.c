#include "core/archive/archive.h"

#include "core/json/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK = 512,
    NAME_MAX_BYTES = 100,
    PREFIX_MAX_BYTES = 155,
};

// Fields as in the standard; numbers are octal digits with a NUL (checksum: NUL and blank).
typedef struct header {
    char name[100];
    char mode[8];
    char uid[8];
    char gid[8];
    char size[12];
    char mtime[12];
    char checksum[8];
    char type;
    char link[100];
    char magic[6];
    char version[2];
    char user[32];
    char group[32];
    char major[8];
    char minor[8];
    char prefix[155];
    char pad[12];
} header;

_Static_assert(sizeof(header) == BLOCK, "a ustar header fills one block");

static size_t padded(size_t size) {
    return (size + BLOCK - 1) / BLOCK * BLOCK;
}

static bool is_path_text(const char *path, size_t length) {
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)path[i];
        if (c < 0x20 || c == 0x7F || c == '\\') {
            return false;
        }
    }
    return ow_utf8_check(path, length);
}

static bool is_part(const char *part, size_t length) {
    bool only_dots = (length == 1 && part[0] == '.') || (length == 2 && memcmp(part, "..", 2) == 0);
    return length > 0 && !only_dots;
}

// How many bytes of `path` go to the prefix field (0: none, the '/' behind it is not written).
// False when the path cannot be split.
static bool split_path(const char *path, size_t length, size_t *ret_prefix) {
    if (length <= NAME_MAX_BYTES) {
        *ret_prefix = 0;
        return true;
    }
    const char *slash = strchr(path + (length - NAME_MAX_BYTES - 1), '/');
    if (slash == NULL || slash - path > PREFIX_MAX_BYTES) {
        return false;
    }
    *ret_prefix = (size_t)(slash - path);
    return true;
}

ow_code ow_archive_check_path(const char *path, ow_err *err) {
    size_t length = strnlen(path, OW_ARCHIVE_PATH_MAX + 1);
    if (length == 0 || length > OW_ARCHIVE_PATH_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_path",
                       "a path has 1 to %d bytes: \"%.60s%s\"", OW_ARCHIVE_PATH_MAX, path,
                       length > 60 ? "..." : "");
    }
    if (!is_path_text(path, length)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_path",
                       "a path is UTF-8 without control characters and backslashes");
    }
    const char *part = path;
    for (;;) {
        const char *end = strchr(part, '/');
        size_t part_length = end != NULL ? (size_t)(end - part) : strlen(part);
        if (!is_part(part, part_length)) {
            return ow_fail(err, OW_INVALID_ARGUMENT, "bad_path",
                           "a path is relative, without empty parts, \".\" and \"..\": \"%s\"",
                           path);
        }
        if (end == NULL) {
            break;
        }
        part = end + 1;
    }
    size_t prefix;
    if (!split_path(path, length, &prefix)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_path",
                       "the last part of a path has at most %d bytes: \"%s\"", NAME_MAX_BYTES,
                       path);
    }
    return OW_OK;
}

static unsigned checksum_of(const header *h) {
    const unsigned char *bytes = (const unsigned char *)h;
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof *h; i++) {
        bool in_checksum =
            i >= offsetof(header, checksum) && i < offsetof(header, checksum) + sizeof h->checksum;
        sum += in_checksum ? ' ' : bytes[i];
    }
    return sum;
}

// The one header of a file. The path has been checked.
static void make_header(header *h, const char *path, size_t size) {
    memset(h, 0, sizeof *h);
    size_t length = strlen(path);
    size_t prefix = 0;
    split_path(path, length, &prefix);
    memcpy(h->prefix, path, prefix);
    size_t skip = prefix == 0 ? 0 : prefix + 1;
    memcpy(h->name, path + skip, length - skip);
    memcpy(h->mode, "0000644", 8);
    memcpy(h->uid, "0000000", 8);
    memcpy(h->gid, "0000000", 8);
    snprintf(h->size, sizeof h->size, "%011zo", size);
    memcpy(h->mtime, "00000000000", 12);
    h->type = '0';
    memcpy(h->magic, "ustar", 6);
    memcpy(h->version, "00", 2);
    memcpy(h->major, "0000000", 8);
    memcpy(h->minor, "0000000", 8);
    snprintf(h->checksum, sizeof h->checksum, "%06o", checksum_of(h) & 0777777);
    h->checksum[7] = ' ';
}

static int by_path(const void *left, const void *right) {
    const ow_archive_file *a = left;
    const ow_archive_file *b = right;
    return strcmp(a->path, b->path);
}

const ow_archive_file *ow_archive_find(const ow_archive *archive, const char *path) {
    ow_archive_file key = {.path = path};
    return archive->count == 0 ? NULL
                               : bsearch(&key, archive->files, archive->count, sizeof key, by_path);
}

// Files are sorted: refuses equal paths, and a path that is also a folder of another.
static ow_code check_conflicts(const ow_archive *archive, ow_err *err) {
    for (size_t i = 0; i < archive->count; i++) {
        const char *path = archive->files[i].path;
        if (i > 0 && strcmp(archive->files[i - 1].path, path) == 0) {
            return ow_fail(err, OW_INVALID_ARGUMENT, "duplicate_path", "\"%s\" is there twice",
                           path);
        }
        char folder[OW_ARCHIVE_PATH_MAX + 1];
        for (const char *end = strchr(path, '/'); end != NULL; end = strchr(end + 1, '/')) {
            memcpy(folder, path, (size_t)(end - path));
            folder[end - path] = 0;
            if (ow_archive_find(archive, folder) != NULL) {
                return ow_fail(err, OW_INVALID_ARGUMENT, "duplicate_path",
                               "\"%s\" is both a file and a folder", folder);
            }
        }
    }
    return OW_OK;
}

static ow_code too_large(ow_err *err) {
    return ow_fail(err, OW_INVALID_ARGUMENT, "archive_too_large", "an archive has at most %zu MB",
                   OW_ARCHIVE_SIZE_MAX >> 20);
}

static ow_code too_many(ow_err *err) {
    return ow_fail(err, OW_INVALID_ARGUMENT, "too_many_files", "an archive has at most %d files",
                   OW_ARCHIVE_FILES_MAX);
}

// The size of the whole archive, after every check of the files (sorted).
static ow_code measure(const ow_archive *archive, size_t *ret_size, ow_err *err) {
    size_t size = 2 * BLOCK;
    for (size_t i = 0; i < archive->count; i++) {
        ow_code code = ow_archive_check_path(archive->files[i].path, err);
        if (code != OW_OK) {
            return code;
        }
        if (archive->files[i].size > OW_ARCHIVE_SIZE_MAX) {
            return too_large(err);
        }
        size += BLOCK + padded(archive->files[i].size);
        if (size > OW_ARCHIVE_SIZE_MAX) {
            return too_large(err);
        }
    }
    *ret_size = size;
    return check_conflicts(archive, err);
}

static ow_code write_sorted(const ow_archive *archive, uint8_t **ret_bytes, size_t *ret_size,
                            ow_err *err) {
    size_t size = 0;
    ow_code code = measure(archive, &size, err);
    if (code != OW_OK) {
        return code;
    }
    uint8_t *bytes = calloc(1, size);
    if (bytes == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for an archive");
    }
    uint8_t *at = bytes;
    for (size_t i = 0; i < archive->count; i++) {
        const ow_archive_file *file = &archive->files[i];
        header h;
        make_header(&h, file->path, file->size);
        memcpy(at, &h, sizeof h);
        at += sizeof h;
        if (file->size > 0) {
            memcpy(at, file->bytes, file->size);
        }
        at += padded(file->size);
    }
    *ret_bytes = bytes;
    *ret_size = size;
    return OW_OK;
}

ow_code ow_archive_write(const ow_archive_file *files, size_t count, uint8_t **ret_bytes,
                         size_t *ret_size, ow_err *err) {
    if (count > OW_ARCHIVE_FILES_MAX) {
        return too_many(err);
    }
    ow_archive_file *sorted = calloc(count + 1, sizeof *sorted);
    if (sorted == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for an archive");
    }
    if (count > 0) {
        memcpy(sorted, files, count * sizeof *sorted);
        qsort(sorted, count, sizeof *sorted, by_path);
    }
    ow_archive archive = {.files = sorted, .count = count};
    ow_code code = write_sorted(&archive, ret_bytes, ret_size, err);
    free(sorted);
    return code;
}

static bool is_zero(const uint8_t *bytes, size_t size) {
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

// The path of a header: prefix, '/', name. False when it is too long for us.
static bool join_path(const header *h, char path[static OW_ARCHIVE_PATH_MAX + 1]) {
    size_t prefix = strnlen(h->prefix, sizeof h->prefix);
    size_t name = strnlen(h->name, sizeof h->name);
    size_t length = prefix + (prefix > 0 ? 1 : 0) + name;
    if (length > OW_ARCHIVE_PATH_MAX) {
        return false;
    }
    memcpy(path, h->prefix, prefix);
    if (prefix > 0) {
        path[prefix] = '/';
    }
    memcpy(path + length - name, h->name, name);
    path[length] = 0;
    return true;
}

static bool parse_size(const header *h, size_t *ret_size) {
    size_t size = 0;
    for (int i = 0; i < 11; i++) {
        char c = h->size[i];
        if (c < '0' || c > '7') {
            return false;
        }
        size = size * 8 + (size_t)(c - '0');
    }
    *ret_size = size;
    return h->size[11] == 0;
}

// Why a header is not the one that the writer would have made.
static ow_code refuse_header(const header *h, const char *path, ow_err *err) {
    static const struct {
        char type;
        const char *what;
    } types[] = {
        {'1', "a hard link"},     {'2', "a symbolic link"}, {'3', "a device"},
        {'4', "a device"},        {'5', "a folder"},        {'6', "a pipe"},
        {'x', "a pax header"},    {'g', "a pax header"},    {'L', "a GNU long name"},
        {'K', "a GNU long name"},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (h->type == types[i].type) {
            return ow_fail(err, OW_INVALID_ARGUMENT, "bad_archive",
                           "\"%s\" is %s: only regular files may be in the archive", path,
                           types[i].what);
        }
    }
    char sum[8];
    snprintf(sum, sizeof sum, "%06o", checksum_of(h) & 0777777);
    if (memcmp(h->checksum, sum, 6) != 0) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_archive",
                       "the checksum of \"%s\" is wrong: the archive is damaged", path);
    }
    return ow_fail(err, OW_INVALID_ARGUMENT, "bad_archive",
                   "\"%s\" is not in the one form that is accepted (ustar, mode 0644, user, group "
                   "and time 0)",
                   path);
}

typedef struct reader {
    const uint8_t *bytes;
    size_t size;
    size_t at;
    ow_arena *arena;
    ow_archive_file *files;
    size_t count, room;
} reader;

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for the archive's table");
}

static ow_code add_file(reader *r, const ow_archive_file *file, ow_err *err) {
    if (r->count == OW_ARCHIVE_FILES_MAX) {
        return too_many(err);
    }
    if (r->count > 0 && strcmp(r->files[r->count - 1].path, file->path) > 0) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_archive",
                       "\"%s\" stands behind \"%s\": the files must be sorted by path", file->path,
                       r->files[r->count - 1].path);
    }
    if (r->count == r->room) {
        size_t room = r->room == 0 ? 32 : r->room * 2;
        ow_archive_file *grown = ow_arena_calloc(r->arena, room, sizeof *grown);
        if (grown == NULL) {
            return no_memory(err);
        }
        if (r->count > 0) {
            memcpy(grown, r->files, r->count * sizeof *grown);
        }
        r->files = grown;
        r->room = room;
    }
    r->files[r->count] = *file;
    r->files[r->count].path = ow_arena_strdup_in(r->arena, file->path);
    if (r->files[r->count].path == NULL) {
        return no_memory(err);
    }
    r->count++;
    return OW_OK;
}

static ow_code read_file(reader *r, ow_err *err) {
    header h;
    memcpy(&h, r->bytes + r->at, sizeof h);
    char path[OW_ARCHIVE_PATH_MAX + 1];
    if (!join_path(&h, path)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_path", "a path has at most %d bytes",
                       OW_ARCHIVE_PATH_MAX);
    }
    ow_code code = ow_archive_check_path(path, err);
    if (code != OW_OK) {
        return code;
    }
    size_t size = 0;
    if (!parse_size(&h, &size)) {
        return refuse_header(&h, path, err);
    }
    header expected;
    make_header(&expected, path, size);
    if (memcmp(&h, &expected, sizeof h) != 0) {
        return refuse_header(&h, path, err);
    }
    r->at += sizeof h;
    if (size > r->size - r->at || padded(size) > r->size - r->at) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_archive", "the archive ends inside \"%s\"",
                       path);
    }
    const uint8_t *content = r->bytes + r->at;
    if (!is_zero(content + size, padded(size) - size)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_archive",
                       "there are bytes hidden behind the end of \"%s\"", path);
    }
    r->at += padded(size);
    return add_file(r, &(ow_archive_file){.path = path, .bytes = content, .size = size}, err);
}

ow_code ow_archive_read(const uint8_t *bytes, size_t size, ow_arena *arena, ow_archive *ret_archive,
                        ow_err *err) {
    if (size > OW_ARCHIVE_SIZE_MAX) {
        return too_large(err);
    }
    reader r = {.bytes = bytes, .size = size, .arena = arena};
    while (size - r.at >= BLOCK && !is_zero(bytes + r.at, BLOCK)) {
        ow_code code = read_file(&r, err);
        if (code != OW_OK) {
            return code;
        }
    }
    if (size - r.at != (size_t)2 * BLOCK || !is_zero(bytes + r.at, (size_t)2 * BLOCK)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_archive",
                       "an archive ends with two zero blocks and nothing behind them");
    }
    ow_archive archive = {.files = r.files, .count = r.count};
    ow_code code = check_conflicts(&archive, err);
    if (code == OW_OK) {
        *ret_archive = archive;
    }
    return code;
}
