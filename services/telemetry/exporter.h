#pragma once

// Sends spans to an OTLP/HTTP receiver, in batches; what it does not take in time is dropped and
// counted, nothing ever waits for it. Loop thread.

#include "services/telemetry/otlp.h"

#include "core/http/client.h"
#include "core/loop/loop.h"
#include "core/metrics/metrics.h"

typedef struct exporter exporter;

typedef struct exporter_options {
    ow_loop *loop;
    ow_http_client *client;
    ow_metrics *metrics;
    const char *endpoint; // "https://collector:4318"; /v1/traces is added
    const char *header;   // "Name: value"; "": none
    int64_t max_bytes;    // that may wait
} exporter_options;

// Heap. Codes: invalid_argument "bad_header", resource_exhausted.
ow_code exporter_new(const exporter_options *options, exporter **ret_exporter, ow_err *err);
// What still waits is dropped. Accepts NULL; returns NULL.
exporter *exporter_free(exporter *e);

// Copies the spans of a block; drops them when too much waits.
void exporter_take(exporter *e, const otlp_text *text);
