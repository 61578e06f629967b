// The copy of a database that is in use: https://www.sqlite.org/backup.html

#include "core/db_sqlite/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static ow_code make_file(const char *path, ow_err *err) {
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == ENOSPC || errno == EDQUOT)) {
        return ow_fail(err, OW_UNAVAILABLE, "disk_full", "no space left for %s", path);
    }
    if (fd < 0) {
        return ow_fail_errno(err, errno, "make %s", path);
    }
    close(fd);
    return OW_OK;
}

// `target` says what went wrong also where the source did.
static ow_code copy_failed(int result, sqlite3 *target, const char *path, ow_err *err) {
    switch (result & 0xff) {
    case SQLITE_FULL:
        return ow_fail(err, OW_UNAVAILABLE, "disk_full", "no space left for %s", path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ow_fail(err, OW_DATA_LOSS, "store_corrupt", "%s", sqlite3_errmsg(target));
    default:
        return ow_fail(err, OW_INTERNAL, "store_io", "cannot copy to %s: %s (sqlite %d)", path,
                       sqlite3_errmsg(target), result);
    }
}

// A page that the disk has changed is copied like any other, and would be found when the copy is needed.
static ow_code check_copy(sqlite3 *copy, const char *path, ow_err *err) {
    sqlite3_stmt *check = NULL;
    int result = sqlite3_prepare_v2(copy, "PRAGMA integrity_check(1)", -1, &check, NULL);
    result = result == SQLITE_OK ? sqlite3_step(check) : result;
    const char *found = result == SQLITE_ROW ? (const char *)sqlite3_column_text(check, 0) : NULL;
    ow_code code = OW_OK;
    if (found == NULL) {
        code = copy_failed(result, copy, path, err);
    } else if (strcmp(found, "ok") != 0) {
        code = ow_fail(err, OW_DATA_LOSS, "store_corrupt", "the store is damaged: %s", found);
    }
    sqlite3_finalize(check);
    return code;
}

// Behind the end of the source's transaction: the log could not begin anew as long as it takes.
static ow_code check_aside(ow_db_link *link, sqlite3 *copy, const char *path, ow_err *err) {
    link_rollback(link);
    ow_code code = check_copy(copy, path, err);
    return code == OW_OK ? link_begin(link, err) : code;
}

static ow_code copy_pages(ow_db_link *link, const char *path, ow_err *err) {
    sqlite3 *target = NULL;
    int result =
        sqlite3_open_v2(path, &target, SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE, NULL);
    sqlite3_backup *backup =
        result == SQLITE_OK ? sqlite3_backup_init(target, "main", link->db, "main") : NULL;
    if (backup != NULL) {
        // In one go, inside the source's read transaction: nothing can change under it.
        result = sqlite3_backup_step(backup, -1);
        int finished = sqlite3_backup_finish(backup);
        result = result == SQLITE_DONE ? finished : result;
    } else if (result == SQLITE_OK) {
        result = sqlite3_extended_errcode(target);
    }
    ow_code code = result == SQLITE_OK ? check_aside(link, target, path, err)
                                       : copy_failed(result, target, path, err);
    sqlite3_close(target);
    return code;
}

ow_code link_copy(ow_db_link *link, const char *path, ow_err *err) {
    ow_code code = make_file(path, err);
    if (code != OW_OK) {
        return code;
    }
    code = copy_pages(link, path, err);
    if (code != OW_OK) {
        unlink(path);
    }
    return code;
}
