#include "core/archive/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static ow_code map_fd(int fd, const char *file, ow_archive_map *ret_map, ow_err *err) {
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return ow_fail_errno(err, errno, "cannot stat %s", file);
    }
    if (!S_ISREG(info.st_mode) || info.st_size == 0) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_archive", "%s is not an archive", file);
    }
    if ((uint64_t)info.st_size > OW_ARCHIVE_SIZE_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "archive_too_large", "%s is larger than %zu MB",
                       file, OW_ARCHIVE_SIZE_MAX >> 20);
    }
    void *bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED) {
        return ow_fail_errno(err, errno, "cannot map %s", file);
    }
    *ret_map = (ow_archive_map){.bytes = bytes, .size = (size_t)info.st_size};
    return OW_OK;
}

ow_code ow_archive_map_open(const char *file, ow_archive_map *ret_map, ow_err *err) {
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        return ow_fail(err, OW_NOT_FOUND, "no_file", "there is no file %s", file);
    }
    if (fd < 0) {
        return ow_fail_errno(err, errno, "cannot open %s", file);
    }
    ow_code code = map_fd(fd, file, ret_map, err);
    close(fd);
    return code;
}

void ow_archive_map_close(ow_archive_map *map) {
    if (map->bytes != NULL) {
        munmap((void *)(uintptr_t)map->bytes, map->size);
    }
    *map = (ow_archive_map){0};
}
