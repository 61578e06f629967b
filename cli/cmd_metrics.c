// ow metrics: what functions did over a time, a line for each function, version and alias.

#include "cli/rpc.h"

#include "overworld/telemetry/v1/telemetry.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define SERIES_PATH "/overworld.telemetry.v1.Telemetry/QuerySeries"

enum { BUCKETS_MAX = 64, DEFAULT_SINCE_S = 900, FIRST_BOUND_US = 100 };

typedef Overworld__Telemetry__V1__QuerySeriesRequest Request;
typedef Overworld__Telemetry__V1__QuerySeriesResponse Reply;
typedef Overworld__Telemetry__V1__Series Series;
typedef Overworld__Telemetry__V1__SeriesPoint Point;

typedef struct totals {
    int64_t calls, errors, throttled, cold_starts;
    int64_t instances_peak, waiting_peak;
    int64_t durations[BUCKETS_MAX];
} totals;

static totals sum(const Series *series) {
    totals all = {0};
    for (size_t i = 0; i < series->n_points; i++) {
        const Point *p = series->points[i];
        all.calls += p->calls;
        all.errors += p->errors;
        all.throttled += p->throttled;
        all.cold_starts += p->cold_starts;
        all.instances_peak =
            p->instances_peak > all.instances_peak ? p->instances_peak : all.instances_peak;
        all.waiting_peak = p->waiting_peak > all.waiting_peak ? p->waiting_peak : all.waiting_peak;
        for (size_t k = 0; k < p->n_durations && k < BUCKETS_MAX; k++) {
            all.durations[k] += p->durations[k];
        }
    }
    return all;
}

// The bound of the bucket in which this share of the calls ends, in milliseconds.
static double quantile_ms(const totals *all, double share) {
    int64_t seen = 0;
    double bound = FIRST_BOUND_US;
    for (int i = 0; i < BUCKETS_MAX; i++) {
        seen += all->durations[i];
        if (seen > 0 && (double)seen >= share * (double)all->calls) {
            return bound / 1000;
        }
        bound *= 2;
    }
    return 0;
}

static void print_series(const Series *series, double seconds) {
    totals all = sum(series);
    char name[140];
    char version[24] = "-";
    snprintf(name, sizeof name, "%s/%s", series->virtual_server, series->function);
    if (series->version > 0) {
        snprintf(version, sizeof version, "%" PRId64, series->version);
    }
    printf("%-32s %7s %-12s %8" PRId64 " %8.2f %7.2f%% %8.1f %8.1f %6" PRId64 " %9" PRId64
           " %9" PRId64 " %5" PRId64 "\n",
           name, version, series->qualifier[0] != '\0' ? series->qualifier : "-", all.calls,
           (double)all.calls / seconds,
           all.calls > 0 ? 100.0 * (double)all.errors / (double)all.calls : 0.0,
           quantile_ms(&all, 0.5), quantile_ms(&all, 0.95), all.cold_starts, all.throttled,
           all.instances_peak, all.waiting_peak);
}

static void print_all(cli *c, const Reply *reply, double seconds) {
    printf("%-32s %7s %-12s %8s %8s %8s %8s %8s %6s %9s %9s %5s\n", "FUNCTION", "VERSION",
           "CALLED AS", "CALLS", "PER S", "ERRORS", "P50 MS", "P95 MS", "COLD", "THROTTLED",
           "INSTANCES", "QUEUE");
    for (size_t i = 0; i < reply->n_series; i++) {
        print_series(reply->series[i], seconds);
    }
    if (reply->truncated) {
        cli_say(c, "there is more than fits into an answer: ask for less");
    }
}

static cli_exit cmd_metrics(cli *c) {
    Request request = OVERWORLD__TELEMETRY__V1__QUERY_SERIES_REQUEST__INIT;
    Google__Protobuf__Timestamp since = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    Google__Protobuf__Timestamp until = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    Reply *reply;
    since.seconds = (int64_t)time(NULL) - DEFAULT_SINCE_S;
    until.seconds = (int64_t)time(NULL) + 1;
    request.since = &since;
    request.until = &until;
    request.virtual_server = cli_text_or(c, "vs", "");
    request.function = cli_text_or(c, "function", "");
    request.qualifier = cli_text_or(c, "qualifier", "");
    request.version = cli_int(c, "version", 0);
    request.step_s = (int32_t)cli_int(c, "step", 0);
    cli_exit code = cli_time(c, "since", &since, &request.since);
    code = code == CLI_OK ? cli_time(c, "until", &until, &request.until) : code;
    if (code == CLI_OK) {
        code = cli_rpc(c, SERIES_PATH, &request.base,
                       &overworld__telemetry__v1__query_series_response__descriptor, true, &reply);
    }
    if (code == CLI_OK && !c->json) {
        double seconds = (double)(until.seconds - since.seconds);
        print_all(c, reply, seconds > 0 ? seconds : 1);
    }
    return code;
}

// ---- The table ----

static const cli_flag metrics_flags[] = {
    {"vs", CLI_FLAG_TEXT, "NAME", "of this virtual server"},
    {"function", CLI_FLAG_TEXT, "NAME", "of this function"},
    {"version", CLI_FLAG_INT, "N", "of this version"},
    {"qualifier", CLI_FLAG_TEXT, "Q", "called by this alias or version"},
    {"since", CLI_FLAG_TEXT, "TIME", "30s, 5m, 2h, 7d ago, or an RFC 3339 time (default 15m)"},
    {"until", CLI_FLAG_TEXT, "TIME", "likewise"},
    {"step", CLI_FLAG_INT, "S", "points of 10 or 60 seconds, with --json"},
    {0},
};

const cli_command metrics_commands[] = {
    {"metrics", "", "rate, errors and durations of functions, by version and alias", 0, 0,
     metrics_flags, cmd_metrics, "ow metrics --vs chat --since 1h"},
    {0},
};
