// ow trace: where the time of one request went, as a waterfall.

#include "cli/rpc.h"

#include "overworld/telemetry/v1/telemetry.pb-c.h"

#include <stdio.h>
#include <string.h>

#define TRACE_PATH "/overworld.telemetry.v1.Telemetry/GetTrace"

enum { BAR_WIDTH = 40, DEPTH_MAX = 32, NAME_WIDTH = 44 };

typedef Overworld__Telemetry__V1__GetTraceRequest Request;
typedef Overworld__Telemetry__V1__GetTraceResponse Trace;
typedef Overworld__Telemetry__V1__Span Span;

static const Span *parent_of(const Trace *trace, const Span *span) {
    for (size_t i = 0; span->parent_span_id[0] != '\0' && i < trace->n_spans; i++) {
        if (strcmp(trace->spans[i]->span_id, span->parent_span_id) == 0) {
            return trace->spans[i];
        }
    }
    return NULL;
}

static int depth_of(const Trace *trace, const Span *span) {
    int depth = 0;
    for (const Span *at = parent_of(trace, span); at != NULL && depth < DEPTH_MAX;
         at = parent_of(trace, at)) {
        depth++;
    }
    return depth;
}

typedef struct extent {
    int64_t start_us, duration_us;
} extent;

static extent extent_of(const Trace *trace) {
    int64_t start_us = INT64_MAX;
    int64_t end_us = INT64_MIN;
    for (size_t i = 0; i < trace->n_spans; i++) {
        const Span *span = trace->spans[i];
        int64_t span_end_us = span->start_us + span->duration_us;
        start_us = span->start_us < start_us ? span->start_us : start_us;
        end_us = span_end_us > end_us ? span_end_us : end_us;
    }
    int64_t duration_us = end_us > start_us ? end_us - start_us : 1;
    return (extent){start_us, duration_us};
}

static void print_bar(const extent *whole, const Span *span) {
    int from = (int)((span->start_us - whole->start_us) * BAR_WIDTH / whole->duration_us);
    int size = (int)(span->duration_us * BAR_WIDTH / whole->duration_us);
    from = from < BAR_WIDTH ? from : BAR_WIDTH - 1;
    size = size < 1 ? 1 : size;
    size = from + size > BAR_WIDTH ? BAR_WIDTH - from : size;
    printf("|%*s", from, "");
    for (int i = 0; i < size; i++) {
        putchar('=');
    }
    printf("%*s|", BAR_WIDTH - from - size, "");
}

static void print_span(const cli *c, const Trace *trace, const extent *whole, const Span *span) {
    int indent = 2 * depth_of(trace, span);
    int width = NAME_WIDTH - indent > 10 ? NAME_WIDTH - indent : 10;
    printf("%*s%-*.*s ", indent, "", width, width, span->name);
    print_bar(whole, span);
    printf(" %9.2f ms", (double)span->duration_us / 1000);
    if (span->reason[0] != '\0') {
        bool red = c->color && span->failed;
        printf("  %s%s%s", red ? "\033[31m" : "", span->reason, red ? "\033[0m" : "");
    }
    putchar('\n');
}

static cli_exit cmd_trace(cli *c) {
    Request request = OVERWORLD__TELEMETRY__V1__GET_TRACE_REQUEST__INIT;
    Trace *trace;
    request.request_id = (char *)c->args[0];
    cli_exit code =
        cli_rpc(c, TRACE_PATH, &request.base,
                &overworld__telemetry__v1__get_trace_response__descriptor, true, &trace);
    if (code != CLI_OK || c->json) {
        return code;
    }
    extent whole = extent_of(trace);
    printf("trace %s\n", trace->trace_id[0] != '\0' ? trace->trace_id : "(none)");
    for (size_t i = 0; i < trace->n_spans; i++) {
        print_span(c, trace, &whole, trace->spans[i]);
    }
    if (trace->truncated) {
        cli_say(c, "there are more spans than are shown");
    }
    return CLI_OK;
}

// ---- The table ----

const cli_command trace_commands[] = {
    {"trace", "REQUEST_ID", "where the time of one request went", 1, 1, NULL, cmd_trace,
     "ow trace req_01..."},
    {0},
};
