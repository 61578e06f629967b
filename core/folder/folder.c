#include "core/folder/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// A full disk is an answer, everything else a fault.
static ow_code fail(ow_err *err, int errnum, const char *what, const char *path) {
    if (errnum == ENOSPC || errnum == EDQUOT) {
        return ow_fail(err, OW_UNAVAILABLE, "disk_full", "no space left for %s", path);
    }
    return ow_fail_errno(err, errnum, "cannot %s %s", what, path);
}

ow_code ow_folder_sync(const char *path, ow_err *err) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    int failure = errno;
    if (fd >= 0) {
        close(fd);
    }
    return synced ? OW_OK : fail(err, failure, "sync", path);
}

ow_code ow_folder_sync_parent(const char *path, ow_err *err) {
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int length = slash == NULL ? snprintf(parent, sizeof parent, ".")
                               : snprintf(parent, sizeof parent, "%.*s",
                                          slash == path ? 1 : (int)(slash - path), path);
    if (length < 0 || (size_t)length >= sizeof parent) {
        return ow_fail_errno(err, ENAMETOOLONG, "cannot sync the folder of %s", path);
    }
    return ow_folder_sync(parent, err);
}

ow_code ow_folder_make(const char *path, ow_err *err) {
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return fail(err, errno, "make", path);
    }
    return ow_folder_sync_parent(path, err);
}
