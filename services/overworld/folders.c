#include "services/overworld/folders.h"

#include "core/folder/folder.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Like mkdir -p; what is missing gets mode 0700.
static bool make_folders(const char *path) {
    char part[PATH_MAX];
    size_t length = strnlen(path, sizeof part);
    if (length == sizeof part) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(part, path, length + 1);
    for (size_t i = 1; i <= length; i++) {
        if (part[i] != '/' && part[i] != '\0') {
            continue;
        }
        char end = part[i];
        part[i] = '\0';
        if (mkdir(part, 0700) == 0) {
            ow_folder_sync_parent(part, NULL);
        } else if (errno != EEXIST) {
            return false;
        }
        part[i] = end;
    }
    return true;
}

static ow_code check_folder(const char *path, ow_err *err) {
    struct stat status;
    if (stat(path, &status) != 0) {
        return ow_fail_errno(err, errno, "cannot read the data folder %s", path);
    }
    if (!S_ISDIR(status.st_mode)) {
        return ow_fail(err, OW_FAILED_PRECONDITION, "unsafe_folder", "%s is not a folder", path);
    }
    if (status.st_uid != geteuid()) {
        return ow_fail(err, OW_FAILED_PRECONDITION, "unsafe_folder",
                       "the data folder %s belongs to user %u, not to us (%u)", path, status.st_uid,
                       geteuid());
    }
    if ((status.st_mode & 022) != 0) {
        return ow_fail(err, OW_FAILED_PRECONDITION, "unsafe_folder",
                       "others may write to the data folder %s (mode %03o); run: chmod 700 %s",
                       path, status.st_mode & 0777, path);
    }
    return OW_OK;
}

static ow_code open_data(const char *data, folders *folders, ow_err *err) {
    if (!make_folders(data) || realpath(data, folders->data) == NULL) {
        return ow_fail_errno(err, errno, "cannot make the data folder %s", data);
    }
    ow_code code = check_folder(folders->data, err);
    if (code != OW_OK) {
        return code;
    }
    // Others may not even look: it holds keys and players' data.
    if (chmod(folders->data, 0700) != 0) {
        return ow_fail_errno(err, errno, "cannot close %s to others", folders->data);
    }
    int length = snprintf(folders->run, sizeof folders->run, "%s/run", folders->data);
    if ((size_t)length >= sizeof folders->run || !make_folders(folders->run)) {
        return ow_fail_errno(err, errno, "cannot make %s", folders->run);
    }
    return check_folder(folders->run, err);
}

static ow_code find_binaries(const char *binaries, folders *folders, ow_err *err) {
    bool given = binaries != NULL && binaries[0] != '\0';
    if (realpath(given ? binaries : "/proc/self/exe", folders->binaries) == NULL) {
        return ow_fail_errno(err, errno, "cannot find the folder of the runtimes%s%s",
                             given ? ", " : "", given ? binaries : "");
    }
    char *slash = strrchr(folders->binaries, '/');
    if (!given && slash != NULL) {
        slash[slash == folders->binaries] = '\0';
    }
    return OW_OK;
}

ow_code folders_open(const char *data, const char *binaries, folders *ret_folders, ow_err *err) {
    ow_code code = open_data(data, ret_folders, err);
    return code == OW_OK ? find_binaries(binaries, ret_folders, err) : code;
}
