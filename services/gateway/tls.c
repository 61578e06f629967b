// The PEM files of the listeners: read before they open, and again when they change.

#include "services/gateway/internal.h"

#include "core/crypto/pem.h"
#include "core/log/log.h"

#include <sys/stat.h>

#define LOOK_US 2000000

ow_code tls_files_read(const tls_files *files, ow_http_tls *ret_tls, ow_err *err) {
    char *certificates = NULL;
    char *key = NULL;
    ow_code code = ow_pem_load(files->certificate, false, &certificates, err);
    code = code == OW_OK ? ow_pem_load(files->key, true, &key, err) : code;
    if (code != OW_OK) {
        ow_pem_wipe(certificates);
        return code;
    }
    *ret_tls = (ow_http_tls){certificates, key};
    return OW_OK;
}

void tls_files_wipe(ow_http_tls *tls) {
    ow_pem_wipe((char *)(uintptr_t)tls->key);
    ow_pem_wipe((char *)(uintptr_t)tls->certificates);
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

static void look_at_all(gateway *gw, bool even_unchanged) {
    listener *const all[] = {&gw->public_side, &gw->console_side};
    for (int i = 0; i < 2; i++) {
        if (all[i]->files != NULL && all[i]->server != NULL) {
            all[i]->files_state = even_unchanged ? ~state_of(all[i]->files) : all[i]->files_state;
            look(all[i]);
        }
    }
}

void tls_reload(gateway *gw) {
    look_at_all(gw, true);
}

static void on_due(void *self) {
    gateway *gw = self;
    look_at_all(gw, false);
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
