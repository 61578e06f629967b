#include "services/telemetry/exporter.h"

#include "core/http/text.h"
#include "core/log/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH_BYTES = 2 << 20,         // a request has about so much at most
    GATHER_US = 1000 * 1000,       // how long the first spans of a batch wait for others
    TIMEOUT_US = 10 * 1000 * 1000, // of a request
    RESPONSE_MAX = 64 * 1024,      // of its answer
    FIRST_DELAY_US = 1000 * 1000,  // before the second attempt; doubled for each more
    LAST_DELAY_US = 60 * 1000 * 1000,
    URL_ROOM = 2048,
};

static const char opening[] = "{\"resourceSpans\":[";
static const char closing[] = "]}";

typedef struct chunk {
    struct chunk *next;
    size_t size;
    int64_t spans;
    char text[];
} chunk;

struct exporter {
    exporter_options options;
    char url[URL_ROOM];
    char *header; // its name, cut off at the colon
    const char *header_value;
    chunk *first, **end;
    int64_t bytes; // waiting, the batch included
    // The batch that is on its way or waits for its next attempt.
    char *batch;
    size_t batch_size;
    int64_t batch_spans, batch_bytes;
    int64_t delay_us;
    ow_http_fetch *fetch;
    ow_timer timer;
    bool failing; // said once
    ow_counter *sent, *dropped, *attempts_failed;
};

static void send_batch(exporter *e);

static void set_timer(exporter *e, int64_t in_us) {
    ow_loop_timer_set(e->options.loop, &e->timer, ow_loop_now_us(e->options.loop) + in_us);
}

// ---- The batch ----

static size_t batch_room(const exporter *e) {
    size_t room = sizeof opening + sizeof closing;
    size_t taken = 0;
    for (const chunk *c = e->first; c != NULL && taken < BATCH_BYTES; c = c->next) {
        taken += c->size + 1;
    }
    return room + taken;
}

static void put(exporter *e, const char *text, size_t size) {
    memcpy(e->batch + e->batch_size, text, size);
    e->batch_size += size;
}

// As many chunks as go into one request. False: no memory, later.
static bool make_batch(exporter *e) {
    e->batch = malloc(batch_room(e));
    if (e->batch == NULL) {
        return false;
    }
    e->batch_size = 0;
    e->batch_spans = 0;
    e->batch_bytes = 0;
    put(e, opening, sizeof opening - 1);
    while (e->first != NULL && (e->batch_spans == 0 || e->batch_bytes < BATCH_BYTES)) {
        chunk *c = e->first;
        if (e->batch_spans > 0) {
            put(e, ",", 1);
        }
        put(e, c->text, c->size);
        e->batch_spans += c->spans;
        e->batch_bytes += (int64_t)c->size + 1;
        e->first = c->next;
        e->end = e->first == NULL ? &e->first : e->end;
        free(c);
    }
    put(e, closing, sizeof closing - 1);
    return true;
}

static void end_batch(exporter *e, ow_counter *as) {
    ow_counter_add(as, (uint64_t)e->batch_spans);
    e->bytes -= e->batch_bytes;
    free(e->batch);
    e->batch = NULL;
    e->delay_us = FIRST_DELAY_US;
    if (e->first != NULL) {
        set_timer(e, 0);
    }
}

// ---- Answers ----

static void say_failing(exporter *e, const char *why) {
    ow_counter_add(e->attempts_failed, 1);
    if (!e->failing) {
        ow_log(OW_LOG_WARN, "traces cannot be exported", "why=%s", why);
    }
    e->failing = true;
}

// The specification's list of what may be tried again.
static bool is_retryable(int status) {
    return status == 429 || status == 502 || status == 503 || status == 504;
}

static void try_again(exporter *e, const ow_http_response *response) {
    const char *after = response != NULL ? ow_http_response_header(response, "Retry-After") : NULL;
    int64_t asked_us = after != NULL ? ow_http_parse_number(after) * 1000000 : 0;
    int64_t delay_us = asked_us > e->delay_us ? asked_us : e->delay_us;
    set_timer(e, delay_us < LAST_DELAY_US ? delay_us : LAST_DELAY_US);
    e->delay_us = e->delay_us * 2 < LAST_DELAY_US ? e->delay_us * 2 : LAST_DELAY_US;
}

static void on_done(void *self, ow_code code, const ow_http_response *response, const ow_err *err) {
    exporter *e = self;
    int status = response != NULL ? ow_http_response_status(response) : 0;
    e->fetch = NULL;
    if (code == OW_OK && status >= 200 && status < 300) {
        if (e->failing) {
            ow_log(OW_LOG_INFO, "traces are exported again", "spans=%" PRId64, e->batch_spans);
        }
        e->failing = false;
        end_batch(e, e->sent);
        return;
    }
    char text[40];
    snprintf(text, sizeof text, "status %d", status);
    say_failing(e, code == OW_OK ? text : err->reason);
    if (code == OW_OK && !is_retryable(status)) {
        end_batch(e, e->dropped); // it would be refused again
    } else {
        try_again(e, response);
    }
}

static void send_batch(exporter *e) {
    ow_http_header_line headers[] = {{"Content-Type", "application/json"},
                                     {e->header, e->header_value}};
    ow_http_fetch_options fetch = {
        .method = "POST",
        .url = e->url,
        .headers = headers,
        .header_count = e->header != NULL ? 2 : 1,
        .body = e->batch,
        .size = e->batch_size,
        .timeout_us = TIMEOUT_US,
        .response_limit = RESPONSE_MAX,
        .on_done = on_done,
        .self = e,
    };
    ow_err err;
    if (ow_http_fetch_start(e->options.client, &fetch, &e->fetch, &err) != OW_OK) {
        say_failing(e, err.reason);
        try_again(e, NULL);
    }
}

static void on_timer(void *self) {
    exporter *e = self;
    if (e->fetch != NULL) {
        return;
    }
    if (e->batch == NULL && (e->first == NULL || !make_batch(e))) {
        return;
    }
    send_batch(e);
}

static chunk *chunk_of(const otlp_text *text) {
    chunk *c = malloc(sizeof *c + text->size);
    if (c != NULL) {
        c->next = NULL;
        c->size = text->size;
        c->spans = text->spans;
        memcpy(c->text, text->text, text->size);
    }
    return c;
}

void exporter_take(exporter *e, const otlp_text *text) {
    int64_t size = (int64_t)text->size + 1;
    if (text->spans == 0) {
        return;
    }
    chunk *c = e->bytes + size <= e->options.max_bytes ? chunk_of(text) : NULL;
    if (c == NULL) {
        ow_counter_add(e->dropped, (uint64_t)text->spans);
        return;
    }
    *e->end = c;
    e->end = &c->next;
    e->bytes += size;
    if (e->batch == NULL && e->timer.index == 0) {
        set_timer(e, GATHER_US);
    }
}

// ---- Opening and closing ----

static ow_code take_header(exporter *e, const char *text, ow_err *err) {
    if (text[0] == 0) {
        return OW_OK;
    }
    e->header = strdup(text);
    char *colon = e->header != NULL ? strchr(e->header, ':') : NULL;
    if (colon == NULL) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_header",
                       "telemetry.otlp_header is written as Name: value");
    }
    *colon = 0;
    e->header_value = colon + 1 + strspn(colon + 1, " ");
    return OW_OK;
}

ow_code exporter_new(const exporter_options *options, exporter **ret_exporter, ow_err *err) {
    exporter *e = calloc(1, sizeof *e);
    if (e == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for the exporter");
    }
    ow_metrics *m = options->metrics;
    e->options = *options;
    e->end = &e->first;
    e->delay_us = FIRST_DELAY_US;
    e->timer = (ow_timer){.on_due = on_timer, .self = e};
    size_t size = strlen(options->endpoint);
    bool slash = size > 0 && options->endpoint[size - 1] == '/';
    snprintf(e->url, sizeof e->url, "%s%sv1/traces", options->endpoint, slash ? "" : "/");
    e->sent = ow_metrics_counter(m, "overworld_telemetry_exported_spans_total",
                                 "Spans that the OTLP receiver took", NULL);
    e->dropped = ow_metrics_counter(m, "overworld_telemetry_export_dropped_spans_total",
                                    "Spans that it did not take, or not in time", NULL);
    e->attempts_failed = ow_metrics_counter(m, "overworld_telemetry_export_failures_total",
                                            "Requests to it that failed", NULL);
    ow_code code = take_header(e, options->header, err);
    if (code != OW_OK) {
        exporter_free(e);
        return code;
    }
    *ret_exporter = e;
    return OW_OK;
}

exporter *exporter_free(exporter *e) {
    if (e == NULL) {
        return NULL;
    }
    ow_http_fetch_cancel(e->fetch);
    ow_loop_timer_cancel(e->options.loop, &e->timer);
    while (e->first != NULL) {
        chunk *c = e->first;
        e->first = c->next;
        free(c);
    }
    free(e->batch);
    free(e->header);
    free(e);
    return NULL;
}
