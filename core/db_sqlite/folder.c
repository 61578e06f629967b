#include "core/db_sqlite/internal.h"

#include "core/folder/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum {
    INDEX_SEGMENT_BYTES =
        32 * 1024, // https://www.sqlite.org/walformat.html#the_wal_index_file_format
    INDEX_SEGMENT_PAGES = 4096,
    LOG_PAGE_BYTES = 4096,
};

static ow_code make_path(char *path, const ow_db_options *options, const char *suffix,
                         ow_err *err) {
    int length = snprintf(path, PATH_LENGTH_MAX, "%s/%s%s", options->folder, options->name, suffix);
    if (length < 0 || length >= PATH_LENGTH_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_folder", "the path of %s is too long",
                       options->folder);
    }
    return OW_OK;
}

static ow_code fail_in_use(int fd, const char *path, ow_err *err) {
    char pid[24] = "";
    ssize_t size = pread(fd, pid, sizeof pid - 1, 0);
    pid[size > 0 ? size : 0] = '\0';
    pid[strcspn(pid, "\n")] = '\0';
    return ow_fail(err, OW_FAILED_PRECONDITION, "store_in_use",
                   "%s is held by another process (pid %s); on SQLite a service runs once", path,
                   pid[0] != '\0' ? pid : "unknown");
}

// The lock is on a file of its own: closing any descriptor of the database file would drop the
// locks SQLite holds on it.
static ow_code lock(sqlite_driver *driver, const char *path, ow_err *err) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return ow_fail_errno(err, errno, "open %s", path);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        ow_code code = errno == EWOULDBLOCK ? fail_in_use(fd, path, err)
                                            : ow_fail_errno(err, errno, "lock %s", path);
        close(fd);
        return code;
    }
    // For whoever finds it locked; that nothing fits on a full disk is no reason to fail.
    char pid[24];
    int length = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) == 0) {
        ssize_t written = pwrite(fd, pid, (size_t)length, 0);
        (void)written;
    }
    driver->lock_fd = fd;
    return OW_OK;
}

// SQLite would make it 0644; the WAL and its index inherit the mode.
static ow_code make_private_file(const char *path, ow_err *err) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return ow_fail_errno(err, errno, "open %s", path);
    }
    close(fd);
    return OW_OK;
}

ow_code folder_open(sqlite_driver *driver, const ow_db_options *options, ow_err *err) {
    char lock_path[PATH_LENGTH_MAX];
    ow_code code = make_path(driver->path, options, ".db", err);
    if (code == OW_OK) {
        code = make_path(lock_path, options, ".lock", err);
    }
    if (code != OW_OK) {
        return code;
    }
    code = ow_folder_make(options->folder, err);
    if (code == OW_OK) {
        code = lock(driver, lock_path, err);
    }
    if (code == OW_OK) {
        code = make_private_file(driver->path, err);
        if (code == OW_OK) {
            // SQLite syncs what it writes and the name of its log, not the name that we made.
            code = ow_folder_sync(options->folder, err);
        }
        if (code != OW_OK) {
            folder_close(driver);
        }
    }
    return code;
}

void folder_reserve_index(sqlite_driver *driver) {
    char path[PATH_LENGTH_MAX + 8];
    snprintf(path, sizeof path, "%s-shm", driver->path);
    // Kept open: closing it would drop the locks that SQLite has on the same file.
    driver->index_fd = open(path, O_RDWR | O_CLOEXEC);
    if (driver->index_fd < 0) {
        return;
    }
    int64_t segments = driver->max_wal_bytes / LOG_PAGE_BYTES / INDEX_SEGMENT_PAGES + 4;
    posix_fallocate(driver->index_fd, 0, segments * INDEX_SEGMENT_BYTES);
}

void folder_close(sqlite_driver *driver) {
    if (driver->index_fd >= 0) {
        close(driver->index_fd);
        driver->index_fd = -1;
    }
    if (driver->lock_fd >= 0) {
        close(driver->lock_fd);
        driver->lock_fd = -1;
    }
}
