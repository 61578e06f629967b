#include "core/crypto/pem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEM_MAX (64 * 1024)
#define OPEN_TO_OTHERS 027 // the group may read: it holds those who serve with this key

static ow_code check_file(int fd, const char *path, bool is_key, ow_err *err) {
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return ow_fail_errno(err, errno, "cannot read %s", path);
    }
    if (!S_ISREG(info.st_mode) || info.st_size == 0 || info.st_size > PEM_MAX) {
        return ow_fail(err, OW_FAILED_PRECONDITION, "bad_pem",
                       "%s is empty, longer than 64 KB or no file", path);
    }
    if (is_key && (info.st_mode & OPEN_TO_OTHERS) != 0) {
        return ow_fail(
            err, OW_FAILED_PRECONDITION, "unsafe_secret",
            "%s has mode %03o, so others may know it: replace key and certificate, or, if "
            "you are sure that nobody read it, run: chmod 600 %s",
            path, info.st_mode & 0777, path);
    }
    return OW_OK;
}

static ow_code read_file(int fd, const char *path, char **ret_text, ow_err *err) {
    char *text = calloc(1, PEM_MAX + 1);
    if (text == NULL) {
        return ow_fail(err, OW_INTERNAL, "no_memory", "no memory for %s", path);
    }
    ssize_t size = read(fd, text, PEM_MAX);
    if (size <= 0) {
        int errnum = errno;
        ow_pem_wipe(text);
        return ow_fail(err, OW_FAILED_PRECONDITION, "bad_pem", "%s cannot be read: %s", path,
                       size < 0 ? strerror(errnum) : "it is empty");
    }
    *ret_text = text;
    return OW_OK;
}

ow_code ow_pem_load(const char *path, bool is_key, char **ret_text, ow_err *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return ow_fail(err, OW_FAILED_PRECONDITION, "bad_pem", "%s cannot be read: %s", path,
                       strerror(errno));
    }
    ow_code code = check_file(fd, path, is_key, err);
    code = code == OW_OK ? read_file(fd, path, ret_text, err) : code;
    close(fd);
    return code;
}

char *ow_pem_wipe(char *text) {
    if (text != NULL) {
        explicit_bzero(text, strlen(text));
        free(text);
    }
    return NULL;
}
