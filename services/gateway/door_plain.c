// /healthz, /readyz, /metrics, the portal, and what is nowhere.

#include "services/gateway/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT "text/plain; charset=utf-8"

static void reply_text(exchange *x, int status, const char *text) {
    exchange_reply(x, &(exchange_answer){.status = status,
                                         .content_type = TEXT,
                                         .body = text,
                                         .size = strlen(text),
                                         .reason = status == 200 ? "" : "not_ready",
                                         .retry_after_s = status == 503});
}

static void serve_health(exchange *x) {
    reply_text(x, 200, "ok\n");
}

static void serve_readiness(exchange *x) {
    const char *name = "";
    const char *why_not = "";
    char text[160];
    if (ow_modules_ready(x->gw->env->modules, &name, &why_not)) {
        reply_text(x, 200, "ready\n");
        return;
    }
    snprintf(text, sizeof text, "%s: %s\n", name != NULL ? name : "server",
             why_not != NULL ? why_not : "not ready");
    reply_text(x, 503, text);
}

static void serve_metrics(exchange *x) {
    size_t size;
    char *text = ow_metrics_text(x->gw->env->metrics, &size);
    exchange_reply(x, &(exchange_answer){.status = text != NULL ? 200 : 503,
                                         .content_type = "text/plain; version=0.0.4",
                                         .body = text,
                                         .size = text != NULL ? size : 0,
                                         .reason = ""});
    free(text);
}

typedef struct page {
    const char *path;
    bool console_only;
    void (*serve)(exchange *x);
} page;

static const page pages[] = {
    {"/healthz", false, serve_health},
    {"/readyz", false, serve_readiness},
    {"/metrics", true, serve_metrics},
};

static const page *find_page(const exchange *x) {
    const char *path = ow_http_path(x->http);
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        if (strcmp(pages[i].path, path) == 0 && !(pages[i].console_only && x->from->is_public)) {
            return &pages[i];
        }
    }
    return NULL;
}

static void on_head(exchange *x) {
    const page *found = find_page(x);
    const char *http_method = ow_http_method(x->http);
    if (found == NULL && !portal_has(x)) {
        exchange_refuse(x, 404, OW_NOT_FOUND, "not_found", "there is nothing here");
        return;
    }
    x->method_text = found != NULL ? found->path : "portal";
    if (strcmp(http_method, "GET") != 0 && strcmp(http_method, "HEAD") != 0) {
        exchange_refuse_method(x, "GET, HEAD");
    }
}

static void on_body(exchange *x) {
    const page *found = find_page(x);
    if (found != NULL) {
        found->serve(x);
    } else {
        portal_serve(x);
    }
}

const door plain_door = {"plain", false, false, false, on_head, on_body};
