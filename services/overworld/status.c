#include "services/overworld/status.h"

#include "core/metrics/metrics.h"
#include "core/module/module.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static void reply(ow_http_request *request, int status, const char *text) {
    const ow_http_header_line type = {"Content-Type", "text/plain; charset=utf-8"};
    ow_http_answer answer = {
        .status = status,
        .headers = &type,
        .header_count = 1,
        .body = text,
        .size = strlen(text),
    };
    ow_http_reply(request, &answer);
}

static void show_health(status_page *page, ow_http_request *request) {
    (void)page;
    reply(request, 200, "ok\n");
}

static void show_readiness(status_page *page, ow_http_request *request) {
    const char *name;
    const char *why_not;
    char text[160];
    if (ow_modules_ready(page->modules, &name, &why_not)) {
        reply(request, 200, "ready\n");
        return;
    }
    snprintf(text, sizeof text, "%s: %s\n", name, why_not);
    reply(request, 503, text);
}

static void show_metrics(status_page *page, ow_http_request *request) {
    size_t size;
    char *text = ow_metrics_text(page->metrics, &size);
    if (text == NULL) {
        reply(request, 503, "no memory\n");
        return;
    }
    const ow_http_header_line type = {"Content-Type", "text/plain; version=0.0.4; charset=utf-8"};
    ow_http_answer answer = {
        .status = 200,
        .headers = &type,
        .header_count = 1,
        .body = text,
        .size = size,
        .free_body = free,
    };
    ow_http_reply(request, &answer);
}

static void on_head(void *self, ow_http_request *request) {
    static const struct {
        const char *path;
        void (*show)(status_page *page, ow_http_request *request);
    } pages[] = {
        {"/healthz", show_health}, {"/readyz", show_readiness}, {"/metrics", show_metrics}};
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        if (strcmp(ow_http_path(request), pages[i].path) == 0) {
            pages[i].show(self, request);
            return;
        }
    }
    reply(request, 404, "there are /healthz, /readyz and /metrics\n");
}

// on_head always replies, so no request gets any further.
static void on_body(void *self, ow_http_request *request) {
    (void)self;
    (void)request;
}

static void on_reject(void *self, ow_http_request *request, const ow_http_rejection *why) {
    (void)self;
    reply(request, why->status, why->message);
}

static void on_gone(void *self, ow_http_request *request) {
    (void)self;
    (void)request;
}

ow_code status_open(status_page *page, struct ow_loop *loop, struct ow_modules *modules,
                    struct ow_metrics *metrics, const char *path, ow_err *err) {
    *page = (status_page){.budget = {.max = 1 << 20}, .modules = modules, .metrics = metrics};
    char address[sizeof "unix:" + sizeof((struct sockaddr_un){0}.sun_path)];
    if ((size_t)snprintf(address, sizeof address, "unix:%s", path) >= sizeof address - 1) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "path_too_long",
                       "%.160s is too long for a socket: take a data folder with a shorter path",
                       path);
    }
    ow_http_options options = {
        .loop = loop,
        .address = address,
        .handler = {.on_head = on_head,
                    .on_body = on_body,
                    .on_reject = on_reject,
                    .on_gone = on_gone,
                    .self = page},
        .budget = &page->budget,
        .max_connections = 16,
        .body_limit = 0,
        .idle_timeout_us = 30000000,
        .header_timeout_us = 5000000,
    };
    return ow_http_server_open(&options, &page->server, err);
}

void status_close(status_page *page) {
    page->server = ow_http_server_close(page->server);
}
