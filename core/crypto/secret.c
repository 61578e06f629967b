#include "core/crypto/secret.h"

#include "core/crypto/hash.h"
#include "core/folder/folder.h"
#include "core/id/id.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECRET_FILE_MAX = 4096, RANDOM_MAX = 64 };

ow_code ow_secret_make(size_t random_bytes, ow_secret *ret_secret, ow_err *err) {
    uint8_t random[RANDOM_MAX];
    if (random_bytes < 16 || random_bytes > sizeof random) {
        return ow_fail(err, OW_INTERNAL, "bad_secret_size", "a secret has 16 to 64 random bytes");
    }
    char *text = malloc(OW_BASE64URL_SIZE(RANDOM_MAX));
    if (text == NULL) {
        return ow_fail(err, OW_INTERNAL, "no_memory", "no memory for a secret");
    }
    ow_random_bytes(random, random_bytes);
    ret_secret->size = ow_base64url_encode(random, random_bytes, text);
    ret_secret->bytes = text;
    explicit_bzero(random, sizeof random);
    return OW_OK;
}

static ow_code check_file(int fd, const char *path, ow_err *err) {
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return ow_fail_errno(err, errno, "cannot read %s", path);
    }
    if (!S_ISREG(status.st_mode)) {
        return ow_fail(err, OW_FAILED_PRECONDITION, "unsafe_secret", "%s is not a file", path);
    }
    if ((status.st_mode & 077) != 0) {
        return ow_fail(
            err, OW_FAILED_PRECONDITION, "unsafe_secret",
            "%s has mode %03o, so others may know it: replace the secret, or, if you are "
            "sure that nobody read it, run: chmod 600 %s",
            path, status.st_mode & 0777, path);
    }
    if (status.st_uid != geteuid() && status.st_uid != 0) {
        return ow_fail(err, OW_FAILED_PRECONDITION, "unsafe_secret",
                       "%s belongs to user %u, not to us (%u)", path, status.st_uid, geteuid());
    }
    return OW_OK;
}

static ow_code read_file(int fd, const char *path, ow_secret *ret_secret, ow_err *err) {
    ow_code code = check_file(fd, path, err);
    if (code != OW_OK) {
        return code;
    }
    ow_secret secret = {.bytes = calloc(1, SECRET_FILE_MAX + 1), .size = SECRET_FILE_MAX};
    if (secret.bytes == NULL) {
        return ow_fail(err, OW_INTERNAL, "no_memory", "no memory for a secret");
    }
    ssize_t got = read(fd, secret.bytes, SECRET_FILE_MAX);
    if (got < 0) {
        ow_fail_errno(err, errno, "cannot read %s", path);
        ow_secret_deinit(&secret);
        return OW_INTERNAL;
    }
    size_t size = (size_t)got;
    while (size > 0 && (secret.bytes[size - 1] == '\n' || secret.bytes[size - 1] == '\r')) {
        secret.bytes[--size] = '\0';
    }
    if (size == 0 || size == SECRET_FILE_MAX) {
        ow_secret_deinit(&secret);
        return ow_fail(err, OW_FAILED_PRECONDITION, "unsafe_secret",
                       "%s is empty or too long for a secret: restore it, or remove it to get a "
                       "new one",
                       path);
    }
    secret.size = size;
    *ret_secret = secret;
    return OW_OK;
}

ow_code ow_secret_load(const char *path, ow_secret *ret_secret, ow_err *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT) {
        return ow_fail(err, OW_NOT_FOUND, "no_secret", "there is no file %s", path);
    }
    if (fd < 0 && errno == ELOOP) {
        return ow_fail(err, OW_FAILED_PRECONDITION, "unsafe_secret", "%s is a symbolic link", path);
    }
    if (fd < 0) {
        return ow_fail_errno(err, errno, "cannot open %s", path);
    }
    ow_code code = read_file(fd, path, ret_secret, err);
    close(fd);
    return code;
}

static ow_code write_whole(const char *path, const ow_secret *secret, ow_err *err) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return ow_fail_errno(err, errno, "cannot make %s", path);
    }
    bool written = write(fd, secret->bytes, secret->size) == (ssize_t)secret->size &&
                   write(fd, "\n", 1) == 1 && fsync(fd) == 0;
    int failure = errno;
    close(fd);
    return written ? OW_OK : ow_fail_errno(err, failure, "cannot write %s", path);
}

ow_code ow_secret_store(const char *path, const ow_secret *secret, ow_err *err) {
    char id[OW_ID_MAX];
    char draft[PATH_MAX];
    ow_id_make(id, "", 0);
    if ((size_t)snprintf(draft, sizeof draft, "%s.%s", path, id) >= sizeof draft) {
        return ow_fail(err, OW_INTERNAL, "path_too_long", "the path of the secret is too long");
    }
    ow_code code = write_whole(draft, secret, err);
    // A link appears whole, and never over a file that is there.
    if (code == OW_OK && link(draft, path) != 0) {
        code = errno == EEXIST ? ow_fail(err, OW_ALREADY_EXISTS, "secret_exists",
                                         "there is a file %s already", path)
                               : ow_fail_errno(err, errno, "cannot make %s", path);
    }
    unlink(draft);
    return code == OW_OK ? ow_folder_sync_parent(path, err) : code;
}

ow_code ow_secret_load_or_make(const char *path, size_t random_bytes, ow_secret *ret_secret,
                               bool *ret_made, ow_err *err) {
    bool made = false;
    ow_code code = ow_secret_load(path, ret_secret, err);
    if (code == OW_NOT_FOUND) {
        ow_secret fresh = {0};
        code = ow_secret_make(random_bytes, &fresh, err);
        if (code == OW_OK) {
            code = ow_secret_store(path, &fresh, err);
        }
        made = code == OW_OK;
        ow_secret_deinit(&fresh);
        if (made || code == OW_ALREADY_EXISTS) {
            code = ow_secret_load(path, ret_secret, err);
        }
    }
    if (code == OW_OK && ret_made != NULL) {
        *ret_made = made;
    }
    return code;
}
