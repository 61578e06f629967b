// ow logs: find what happened, and follow what happens.

#include "cli/logs.h"
#include "cli/rpc.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define QUERY_PATH "/overworld.telemetry.v1.Telemetry/QueryLogs"

enum {
    LONG_POLL_MS = 20000,
    DEFAULT_LIMIT = 100,
    LOG_ROUNDS = 8,
    FIRST_RECORD_MS = 1000,
    FRESH_S = 2,
    BLOCKS_MS = 400, // longer than any process keeps a block of records
};

typedef cli_log_query Query;
typedef Overworld__Telemetry__V1__QueryLogsResponse Page;
typedef Overworld__Telemetry__V1__LogEntry Entry;
typedef Google__Protobuf__Timestamp Timestamp;

static const ProtobufCMessageDescriptor *const page_type =
    &overworld__telemetry__v1__query_logs_response__descriptor;

// ---- Printing ----

static const char *color_of(const cli *c, const Entry *entry) {
    if (!c->color) {
        return "";
    }
    if (strcmp(entry->level, "error") == 0) {
        return "\033[31m";
    }
    if (strcmp(entry->level, "warn") == 0) {
        return "\033[33m";
    }
    return strcmp(entry->kind, "LINE") == 0 ? "" : "\033[2m";
}

static void print_time(const Timestamp *time, FILE *out) {
    time_t seconds = time != NULL ? (time_t)time->seconds : 0;
    struct tm parts;
    char text[32];
    strftime(text, sizeof text, "%H:%M:%S", localtime_r(&seconds, &parts));
    fprintf(out, "%s.%03d ", text, time != NULL ? time->nanos / 1000000 : 0);
}

// One line an entry: time, level, function, text; requests and reports in words.
static void print_entry(cli *c, const Entry *entry, FILE *out) {
    fputs(color_of(c, entry), out);
    print_time(entry->time, out);
    if (entry->function[0] != '\0') {
        fprintf(out, "%s/%s", entry->virtual_server, entry->function);
        if (entry->version > 0) {
            fprintf(out, "@%" PRId64, entry->version);
        }
        fputc(' ', out);
    }
    fprintf(out, "%-7s %s%s\n", entry->kind, entry->text, c->color ? "\033[0m" : "");
}

// ---- Asking ----

static void print_page(cli *c, const Page *page, FILE *out) {
    for (size_t i = 0; i < page->n_entries; i++) {
        print_entry(c, page->entries[i], out);
    }
    if (page->dropped > 0) {
        cli_say(c, "%" PRId64 " records were dropped in this time", page->dropped);
    }
    fflush(out);
}

static cli_exit go_on(cli *c, const Query *query, const char *page_token) {
    cli_follow follow;
    cli_exit code = cli_follow_start(c, &follow, query);
    if (code != CLI_OK) {
        return code;
    }
    snprintf(follow.page_token, sizeof follow.page_token, "%s", page_token);
    cli_catch_interrupt();
    while (!cli_interrupted() && !follow.failed) {
        cli_follow_poll(&follow, 200);
    }
    cli_follow_stop(&follow);
    return follow.failed ? CLI_UNAVAILABLE : CLI_OK;
}

// Each process sends its records in blocks: right after a call there may be none yet, and those of the
// others follow the first.
static cli_exit await_records(cli *c, const Query *wanted) {
    Query newest = *wanted;
    Page *page;
    newest.page_size = 1;
    newest.wait_ms = FIRST_RECORD_MS;
    cli_exit code = cli_rpc(c, QUERY_PATH, &newest.base, page_type, false, &page);
    if (code == CLI_OK && page->n_entries > 0 && page->entries[0]->time != NULL &&
        page->entries[0]->time->seconds + FRESH_S >= (int64_t)time(NULL)) {
        nanosleep(&(struct timespec){.tv_nsec = BLOCKS_MS * 1000000L}, NULL);
    }
    return code;
}

static cli_exit cmd_logs(cli *c) {
    Query query = OVERWORLD__TELEMETRY__V1__QUERY_LOGS_REQUEST__INIT;
    Timestamp since = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    Timestamp until = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    query.request_id = cli_text_or(c, "request", "");
    query.virtual_server = cli_text_or(c, "vs", "");
    query.function = cli_text_or(c, "function", "");
    query.min_level = cli_text_or(c, "level", "");
    query.version = cli_int(c, "version", 0);
    query.text = cli_text_or(c, "text", "");
    query.kind = cli_text_or(c, "kind", "");
    query.invocation_id = cli_text_or(c, "invocation", "");
    query.principal = cli_text_or(c, "principal", "");
    query.client_address = cli_text_or(c, "address", "");
    query.method = cli_text_or(c, "method", "");
    query.status = (int32_t)cli_int(c, "status", 0);
    query.reason = cli_text_or(c, "reason", "");
    query.source = cli_text_or(c, "source", "");
    query.qualifier = cli_text_or(c, "qualifier", "");
    query.min_duration_us = cli_int(c, "slower", 0) * 1000;
    query.page_size = (int32_t)cli_int(c, "limit", DEFAULT_LIMIT);
    query.newest = true;
    cli_exit code = cli_time(c, "since", &since, &query.since);
    if (code == CLI_OK) {
        code = cli_time(c, "until", &until, &query.until);
    }
    // Of a time that is over no more will come.
    if (code == CLI_OK && query.until == NULL) {
        code = await_records(c, &query);
    }
    Page *page;
    if (code == CLI_OK) {
        code = cli_rpc(c, QUERY_PATH, &query.base, page_type, true, &page);
    }
    if (code != CLI_OK) {
        return code;
    }
    if (!c->json) {
        print_page(c, page, stdout);
    }
    fflush(stdout); // before the wait for more
    if (cli_bool(c, "follow")) {
        return go_on(c, &query, page->next_page_token);
    }
    return page->n_entries == 0 && query.request_id[0] != '\0'
               ? cli_fail(
                     c, CLI_NOT_FOUND,
                     "nothing that fits is known of the request %s (yet): records come within a "
                     "second or so",
                     query.request_id)
               : CLI_OK;
}

// What has been seen of one request so far.
typedef struct seen {
    int requests, starts, reports;
} seen;

// Gateway and runner send their records by themselves: complete is what has the gateway's and a
// report for every run that started.
static bool is_complete(const Page *page, seen *so_far) {
    for (size_t i = 0; i < page->n_entries; i++) {
        so_far->requests += strcmp(page->entries[i]->kind, "REQUEST") == 0;
        so_far->starts += strcmp(page->entries[i]->kind, "START") == 0;
        so_far->reports += strcmp(page->entries[i]->kind, "REPORT") == 0;
    }
    return so_far->requests > 0 && so_far->reports > 0 && so_far->reports == so_far->starts;
}

cli_exit cli_logs_of_request(cli *c, const char *request_id, FILE *out) {
    Query query = OVERWORLD__TELEMETRY__V1__QUERY_LOGS_REQUEST__INIT;
    Page *page = NULL;
    seen so_far = {0};
    query.request_id = (char *)request_id;
    query.page_size = 200;
    for (int round = 0; round < LOG_ROUNDS; round++) {
        cli_exit code = cli_rpc(c, QUERY_PATH, &query.base, page_type, false, &page);
        if (code != CLI_OK) {
            return code;
        }
        print_page(c, page, out);
        if (is_complete(page, &so_far)) {
            break;
        }
        query.page_token = page->next_page_token;
        query.wait_ms = 250;
    }
    return CLI_OK;
}

// ---- Following ----

static void ask(cli_follow *follow);

static void print_followed(cli_follow *follow, const ow_client_reply *reply) {
    cli *c = follow->c;
    ow_arena *own = c->arena;
    Page *page;
    c->arena = follow->arena;
    if (c->json) {
        printf("%s\n", (const char *)reply->data);
        fflush(stdout);
    }
    if (cli_read_reply(c, reply, page_type, &page) != CLI_OK) {
        follow->failed = true;
    } else {
        if (!c->json) {
            print_page(c, page, stdout);
        }
        snprintf(follow->page_token, sizeof follow->page_token, "%s", page->next_page_token);
    }
    c->arena = own;
    ow_arena_reset(follow->arena);
}

static void on_followed(void *user, ow_client_reply *reply, const ow_client_error *error) {
    cli_follow *follow = user;
    follow->waiting = false;
    if (reply != NULL) {
        print_followed(follow, reply);
    } else if (strcmp(error->reason, "timeout") != 0) {
        cli_tell(follow->c, error);
        follow->failed = true;
    }
}

static void ask(cli_follow *follow) {
    cli *c = follow->c;
    Query query = follow->query;
    query.page_token = follow->page_token;
    query.newest = false;
    query.page_size = 200;
    query.wait_ms = LONG_POLL_MS;
    ow_arena *own = c->arena;
    c->arena = follow->arena;
    const char *body = cli_request_text(c, &query.base);
    c->arena = own;
    ow_client_request request = {.method = "POST",
                                 .path = QUERY_PATH,
                                 .body = body,
                                 .size = body != NULL ? strlen(body) : 0,
                                 .timeout_ms = LONG_POLL_MS + 10000};
    ow_client_error error;
    follow->waiting = ow_client_send_start(c->client, &request, on_followed, follow, &error);
    if (!follow->waiting) {
        cli_tell(c, &error);
        follow->failed = true;
    }
    ow_arena_reset(follow->arena);
}

cli_exit cli_follow_start(cli *c, cli_follow *follow, const cli_log_query *query) {
    *follow = (cli_follow){.c = c, .query = *query};
    follow->arena = ow_arena_new(64 << 20);
    if (follow->arena == NULL) {
        return cli_fail(c, CLI_FAILED, "out of memory");
    }
    return c->client != NULL ? CLI_OK : cli_connect(c);
}

cli_exit cli_follow_from_now(cli_follow *follow) {
    Query newest = follow->query;
    Page *page;
    newest.newest = true;
    newest.page_size = 1;
    cli_exit code = cli_rpc(follow->c, QUERY_PATH, &newest.base, page_type, false, &page);
    if (code == CLI_OK) {
        snprintf(follow->page_token, sizeof follow->page_token, "%s", page->next_page_token);
    }
    return code;
}

void cli_follow_poll(cli_follow *follow, int wait_ms) {
    if (!follow->waiting && !follow->failed) {
        ask(follow);
    }
    ow_client_poll(follow->c->client, wait_ms);
}

void cli_follow_stop(cli_follow *follow) {
    follow->arena = ow_arena_free(follow->arena);
}

// ---- The table ----

static const cli_flag logs_flags[] = {
    {"request", CLI_FLAG_TEXT, "ID", "everything that one request caused"},
    {"vs", CLI_FLAG_TEXT, "NAME", "of this virtual server"},
    {"function", CLI_FLAG_TEXT, "NAME", "of this function"},
    {"version", CLI_FLAG_INT, "N", "of this version"},
    {"level", CLI_FLAG_TEXT, "LEVEL", "at least debug, info, warn or error"},
    {"text", CLI_FLAG_TEXT, "WORDS",
     "lines and errors with all of these words; wor* is a beginning"},
    {"kind", CLI_FLAG_TEXT, "KIND", "REQUEST, INIT, START, LINE, ERROR, END or REPORT"},
    {"invocation", CLI_FLAG_TEXT, "ID", "of one run"},
    {"principal", CLI_FLAG_TEXT, "WHO", "requests of player:plr_..., server:... or operator:..."},
    {"address", CLI_FLAG_TEXT, "ADDRESS", "requests from there"},
    {"method", CLI_FLAG_TEXT, "METHOD", "requests such as 'POST /v1/call'"},
    {"status", CLI_FLAG_INT, "N", "requests that were answered so"},
    {"reason", CLI_FLAG_TEXT, "REASON", "requests and runs that ended so"},
    {"source", CLI_FLAG_TEXT, "SOURCE", "runs driven by client, server, manual, function ..."},
    {"qualifier", CLI_FLAG_TEXT, "Q", "called by this alias or version"},
    {"slower", CLI_FLAG_INT, "MS", "requests and runs that took so long at least"},
    {"since", CLI_FLAG_TEXT, "TIME", "30s, 5m, 2h, 7d ago, or an RFC 3339 time"},
    {"until", CLI_FLAG_TEXT, "TIME", "likewise"},
    {"limit", CLI_FLAG_INT, "N", "the newest N entries (default 100)"},
    {"follow", CLI_FLAG_BOOL, NULL, "go on with what comes, until Ctrl-C"},
    {0},
};

const cli_command logs_commands[] = {
    {"logs", "", "find what happened", 0, 0, logs_flags, cmd_logs,
     "ow logs --vs chat --since 5m --follow"},
    {0},
};
