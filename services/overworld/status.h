#pragma once

// /healthz, /readyz and /metrics of a process that has no gateway, on a unix socket in the run
// folder (mode 0600).

#include "core/error/error.h"
#include "core/http/server.h"

struct ow_loop;
struct ow_metrics;
struct ow_modules;

typedef struct status_page {
    ow_http_server *server; // NULL: not open
    ow_http_budget budget;
    struct ow_modules *modules;
    struct ow_metrics *metrics;
} status_page;

// Opens `path`; `page` must live until status_close. Codes: as ow_http_server_open.
ow_code status_open(status_page *page, struct ow_loop *loop, struct ow_modules *modules,
                    struct ow_metrics *metrics, const char *path, ow_err *err);
void status_close(status_page *page); // accepts a zeroed one
