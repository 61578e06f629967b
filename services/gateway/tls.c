// The PEM files of the listeners: read before they open, and again when they change.

#include "services/gateway/internal.h"

#include "core/log/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEM_MAX (64 * 1024)
#define LOOK_US 2000000
#define READABLE_BY_OTHERS 027 // the group may read: it holds those who serve with this key

static ow_code check_mode(const char *path, const struct stat *info, ow_err *err) {
    if (!S_ISREG(info->st_mode) || info->st_size == 0 || info->st_size > PEM_MAX) {
        return ow_fail(err, OW_FAILED_PRECONDITION, "bad_tls",
                       "%s is empty, longer than 64 KB or no file", path);
    }
    return OW_OK;
}

static ow_code check_secrecy(const char *path, const struct stat *info, ow_err *err) {
    if ((info->st_mode & READABLE_BY_OTHERS) != 0) {
        return ow_fail(
            err, OW_FAILED_PRECONDITION, "unsafe_secret",
            "%s has mode %03o, so others may know it: replace key and certificate, or, if "
            "you are sure that nobody read it, run: chmod 600 %s",
            path, info->st_mode & 0777, path);
    }
    return OW_OK;
}

// The text of a file; malloc'ed, NUL-terminated.
static ow_code read_pem(const char *path, bool is_key, char **ret_text, ow_err *err) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &info) != 0) {
        int errnum = errno;
        if (fd >= 0) {
            close(fd);
        }
        return ow_fail(err, OW_FAILED_PRECONDITION, "bad_tls", "%s cannot be read: %s", path,
                       strerror(errnum));
    }
    ow_code code = check_mode(path, &info, err);
    code = code == OW_OK && is_key ? check_secrecy(path, &info, err) : code;
    char *text = code == OW_OK ? calloc(1, PEM_MAX + 1) : NULL;
    ssize_t size = text != NULL ? read(fd, text, PEM_MAX) : -1;
    close(fd);
    if (size <= 0) {
        free(text);
        return code != OW_OK
                   ? code
                   : ow_fail(err, OW_FAILED_PRECONDITION, "bad_tls", "%s cannot be read", path);
    }
    *ret_text = text;
    return OW_OK;
}

ow_code tls_files_read(const tls_files *files, ow_http_tls *ret_tls, ow_err *err) {
    char *certificates = NULL;
    char *key = NULL;
    ow_code code = read_pem(files->certificate, false, &certificates, err);
    code = code == OW_OK ? read_pem(files->key, true, &key, err) : code;
    if (code != OW_OK) {
        free(certificates);
        return code;
    }
    *ret_tls = (ow_http_tls){certificates, key};
    return OW_OK;
}

void tls_files_wipe(ow_http_tls *tls) {
    if (tls->key != NULL) {
        explicit_bzero((char *)(uintptr_t)tls->key, PEM_MAX);
    }
    free((char *)(uintptr_t)tls->key);
    free((char *)(uintptr_t)tls->certificates);
    *tls = (ow_http_tls){NULL, NULL};
}

// Tells one state of both files from another.
static uint64_t state_of(const tls_files *files) {
    const char *const paths[] = {files->certificate, files->key};
    uint64_t state = 0;
    for (int i = 0; i < 2; i++) {
        struct stat info;
        if (stat(paths[i], &info) == 0) {
            state = state * 31 + (uint64_t)info.st_ino;
            state = state * 31 + (uint64_t)info.st_mtim.tv_sec;
            state = state * 31 + (uint64_t)info.st_mtim.tv_nsec;
            state = state * 31 + (uint64_t)info.st_mode;
        }
    }
    return state;
}

// A pair that does not fit (the second file is yet to be written) leaves the old one in use.
static void look(listener *at) {
    ow_http_tls tls = {NULL, NULL};
    ow_err err;
    uint64_t state = state_of(at->files);
    if (state == at->files_state) {
        return;
    }
    at->files_state = state;
    ow_code code = tls_files_read(at->files, &tls, &err);
    code = code == OW_OK ? ow_http_server_set_tls(at->server, &tls, &err) : code;
    tls_files_wipe(&tls);
    if (code == OW_OK) {
        ow_log(OW_LOG_INFO, "certificate renewed", "file=%s", at->files->certificate);
    } else {
        ow_log(OW_LOG_WARN, "certificate not renewed, the old one stays", "file=%s error=\"%s\"",
               at->files->certificate, err.message);
    }
}

static void on_due(void *self) {
    gateway *gw = self;
    listener *const all[] = {&gw->public_side, &gw->console_side};
    for (int i = 0; i < 2; i++) {
        if (all[i]->files != NULL && all[i]->server != NULL) {
            look(all[i]);
        }
    }
    ow_loop_timer_set(gw->loop, &gw->tls_timer, ow_loop_now_us(gw->loop) + LOOK_US);
}

ow_code tls_files_check(const tls_files *files, const char *which, ow_err *err) {
    bool has_certificate = files->certificate[0] != '\0';
    if (has_certificate != (files->key[0] != '\0')) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_tls",
                       "gateway.%s_certificate and gateway.%s_key: set both or neither", which,
                       which);
    }
    return OW_OK;
}

void tls_watch(gateway *gw) {
    gw->tls_timer = (ow_timer){.on_due = on_due, .self = gw};
    if (gw->public_side.files != NULL || gw->console_side.files != NULL) {
        ow_loop_timer_set(gw->loop, &gw->tls_timer, ow_loop_now_us(gw->loop) + LOOK_US);
    }
}

void tls_unwatch(gateway *gw) {
    ow_loop_timer_cancel(gw->loop, &gw->tls_timer);
}

void tls_remember(listener *at, const tls_files *files) {
    at->files = files;
    at->files_state = state_of(files);
}
