// ow exec ..., ow dead ...: executions of the queue, and those that were given up.

#include "cli/list.h"

#include "overworld/events/v1/queue.pb-c.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define QUEUE "/overworld.events.v1.Queue/"

enum { PAGE = 200, DEFAULT_LIMIT = 50, PAYLOAD_MAX = 256 << 10, IDS_MAX = 4 << 20 };

typedef Overworld__Events__V1__Execution Execution;
typedef Overworld__Events__V1__ExecutionFilter Filter;

static Filter filter_of(const cli *c, const char *state) {
    Filter filter = OVERWORLD__EVENTS__V1__EXECUTION_FILTER__INIT;
    filter.state = state != NULL ? (char *)state : cli_text_or(c, "state", "");
    filter.virtual_server = cli_text_or(c, "vs", "");
    filter.function = cli_text_or(c, "function", "");
    filter.source = cli_text_or(c, "source", "");
    filter.reason = cli_text_or(c, "reason", "");
    filter.trigger_id = cli_text_or(c, "event", "");
    filter.subscription_key = cli_text_or(c, "subscription", "");
    return filter;
}

// ---- Lists ----

static void add_row(cli *c, cli_table *table, const void *entry) {
    const Execution *e = entry;
    cli_table_add(c, table, e->execution_id);
    cli_table_addf(c, table, "%s/%s", e->virtual_server, e->function);
    cli_table_add(c, table, e->source);
    cli_table_add(c, table, e->state);
    cli_table_addf(c, table, "%d", e->attempt);
    cli_table_add(c, table, cli_ago(c, cli_seconds(e->created)));
    cli_table_add(c, table, e->reason[0] != '\0' ? e->reason : NULL);
}

static cli_exit print_list(cli *c, const char *state, const char *if_empty) {
    static const char *const columns[] = {"EXECUTION", "FUNCTION", "SOURCE", "STATE",
                                          "ATTEMPT",   "ACCEPTED", "REASON", NULL};
    Overworld__Events__V1__ListExecutionsRequest request =
        OVERWORLD__EVENTS__V1__LIST_EXECUTIONS_REQUEST__INIT;
    Filter filter = filter_of(c, state);
    request.filter = &filter;
    return cli_list_print(
        c, &(cli_list){.path = QUEUE "ListExecutions",
                       .request = &request.base,
                       .reply_type = &overworld__events__v1__list_executions_response__descriptor,
                       .columns = columns,
                       .add_row = add_row,
                       .default_limit = DEFAULT_LIMIT,
                       .if_empty = if_empty});
}

static cli_exit cmd_exec_list(cli *c) {
    return print_list(c, NULL,
                      "No executions fit. ow fn invoke VS FUNCTION --async makes one, and so do "
                      "timers, events and webhooks.");
}

static cli_exit cmd_dead_list(cli *c) {
    return print_list(c, "dead",
                      "No dead letters fit. An execution whose attempts all failed becomes one; "
                      "ow exec list shows those on the way.");
}

// ---- One ----

static void print_content(const char *name, const char *type, ProtobufCBinaryData content) {
    if (content.len == 0) {
        return;
    }
    printf("%s (%s, %zu bytes):\n", name, type, content.len);
    fwrite(content.data, 1, content.len, stdout);
    putchar('\n');
}

static void print_execution(cli *c, const Execution *e) {
    printf("%s  %s/%s:%s  %s\n", e->execution_id, e->virtual_server, e->function, e->qualifier,
           e->state);
    printf("source %s, for %s %s, request %s\n", e->source,
           e->principal != NULL ? e->principal->kind : "nobody",
           e->principal != NULL ? e->principal->id : "", e->request_id);
    printf("accepted %s, attempt %d of %d\n", cli_ago(c, cli_seconds(e->created)), e->attempt,
           e->retry != NULL ? e->retry->max_attempts : 0);
    if (e->reason[0] != '\0') {
        printf("%s: %s %s\n", e->reason, e->message, e->details_json);
    }
    for (size_t i = 0; i < e->n_attempts; i++) {
        const Overworld__Events__V1__Attempt *a = e->attempts[i];
        printf("  attempt %d, %s: %s: %s  %s\n", a->number, cli_ago(c, cli_seconds(a->ended)),
               a->reason, a->message, a->invocation_id);
    }
    if (e->destination_execution_id[0] != '\0') {
        printf("told by %s\n", e->destination_execution_id);
    }
    print_content("payload", e->content_type, e->payload);
    print_content("result", e->result_content_type, e->result);
}

static cli_exit cmd_exec_show(cli *c) {
    Overworld__Events__V1__GetExecutionRequest request =
        OVERWORLD__EVENTS__V1__GET_EXECUTION_REQUEST__INIT;
    Execution *found;
    request.execution_id = (char *)c->args[0];
    request.payload = true;
    cli_exit code = cli_rpc(c, QUEUE "GetExecution", &request.base,
                            &overworld__events__v1__execution__descriptor, true, &found);
    if (code == CLI_OK && !c->json) {
        print_execution(c, found);
    }
    return code;
}

static cli_exit cmd_exec_cancel(cli *c) {
    Overworld__Events__V1__CancelExecutionRequest request =
        OVERWORLD__EVENTS__V1__CANCEL_EXECUTION_REQUEST__INIT;
    Execution *found;
    request.execution_id = (char *)c->args[0];
    return cli_rpc(c, QUEUE "CancelExecution", &request.base,
                   &overworld__events__v1__execution__descriptor, true, &found);
}

static cli_exit read_payload(cli *c, ProtobufCBinaryData *ret_payload) {
    char *text;
    cli_exit code = cli_content(c, 1, PAYLOAD_MAX, &text, &ret_payload->len);
    ret_payload->data = (uint8_t *)text;
    return code;
}

static cli_exit cmd_exec_rerun(cli *c) {
    Overworld__Events__V1__RerunExecutionRequest request =
        OVERWORLD__EVENTS__V1__RERUN_EXECUTION_REQUEST__INIT;
    Overworld__Events__V1__RerunExecutionResponse *reply;
    request.execution_id = (char *)c->args[0];
    request.qualifier = cli_text_or(c, "qualifier", "");
    cli_exit code = read_payload(c, &request.payload);
    request.other_payload = request.payload.data != NULL;
    if (code == CLI_OK) {
        code = cli_rpc(c, QUEUE "RerunExecution", &request.base,
                       &overworld__events__v1__rerun_execution_response__descriptor, true, &reply);
    }
    if (code == CLI_OK && !c->json) {
        printf("%s\n", reply->execution_id);
    }
    return code;
}

// ---- Dead letters ----

static cli_exit cmd_dead_edit(cli *c) {
    Overworld__Events__V1__EditExecutionRequest request =
        OVERWORLD__EVENTS__V1__EDIT_EXECUTION_REQUEST__INIT;
    Execution *edited;
    request.execution_id = (char *)c->args[0];
    request.content_type = cli_text_or(c, "content-type", "");
    cli_exit code = read_payload(c, &request.payload);
    if (code == CLI_OK && request.payload.data == NULL) {
        code = cli_fail(c, CLI_USAGE, "give the new payload as an argument or with --file");
    }
    return code == CLI_OK ? cli_rpc(c, QUEUE "EditExecution", &request.base,
                                    &overworld__events__v1__execution__descriptor, true, &edited)
                          : code;
}

// Which dead ones: all that fit, or those that are named, so many a call.
typedef struct choice {
    bool all;
    char **ids;
    size_t count, at;
} choice;

// "-": what stands on standard input, with white space between them.
static cli_exit read_ids(cli *c, choice *which) {
    size_t size = 0;
    char *text = cli_read_file(c, "-", IDS_MAX, &size);
    if (text == NULL) {
        return cli_fail(c, CLI_USAGE, "cannot read executions from standard input: %s",
                        errno == EFBIG ? "it is larger than 4 MB" : strerror(errno));
    }
    which->ids = ow_arena_calloc(c->arena, size / 2 + 1, sizeof *which->ids);
    which->count = 0;
    if (which->ids == NULL) {
        return cli_fail(c, CLI_FAILED, "out of memory");
    }
    for (char *rest = NULL, *id = strtok_r(text, " \t\r\n", &rest); id != NULL;
         id = strtok_r(NULL, " \t\r\n", &rest)) {
        which->ids[which->count++] = id;
    }
    return which->count > 0 ? CLI_OK
                            : cli_fail(c, CLI_USAGE, "no executions came from standard input");
}

// One that is not used must not look as if it were.
static bool has_filter(const cli *c) {
    static const char *const filters[] = {"vs",     "function", "source",
                                          "reason", "event",    "subscription"};
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        if (cli_text(c, filters[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static cli_exit choose(cli *c, choice *which) {
    *which = (choice){
        .all = cli_bool(c, "all"), .ids = (char **)(uintptr_t)c->args, .count = c->arg_count};
    if (which->all == (c->arg_count > 0)) {
        return cli_fail(c, CLI_USAGE,
                        "name executions (- reads them from standard input), or --all with or "
                        "without a filter");
    }
    if (!which->all && has_filter(c)) {
        return cli_fail(c, CLI_USAGE, "filters go with --all: these executions are named");
    }
    return c->arg_count == 1 && strcmp(c->args[0], "-") == 0 ? read_ids(c, which) : CLI_OK;
}

// The next ones to ask for; with `all` none are named.
static char **next_ids(choice *which, size_t *ret_count) {
    char **ids = which->ids + which->at;
    size_t left = which->all ? 0 : which->count - which->at;
    *ret_count = left < PAGE ? left : PAGE;
    which->at += *ret_count;
    return ids;
}

// Is there more to ask for? Those of an answer are gone on from, whoever is named.
static bool goes_on(const choice *which, bool more) {
    return which->all ? more : which->at < which->count;
}

// What came of it also when it ends early: what was done before stays done.
static cli_exit told(const cli *c, cli_exit code, int count, const char *what) {
    if (!c->json && (code == CLI_OK || count > 0)) {
        printf("%d %s\n", count, what);
    }
    return code;
}

static cli_exit cmd_dead_redrive(cli *c) {
    Overworld__Events__V1__RedriveExecutionsRequest request =
        OVERWORLD__EVENTS__V1__REDRIVE_EXECUTIONS_REQUEST__INIT;
    Overworld__Events__V1__RedriveExecutionsResponse *reply = NULL;
    Filter filter = filter_of(c, NULL);
    choice which;
    int count = 0;
    request.filter = &filter;
    request.per_second = (int32_t)cli_int(c, "rate", 0);
    cli_exit code = choose(c, &which);
    request.all = code == CLI_OK && which.all;
    bool more = code == CLI_OK;
    while (more) {
        request.execution_ids = next_ids(&which, &request.n_execution_ids);
        code =
            cli_rpc(c, QUEUE "RedriveExecutions", &request.base,
                    &overworld__events__v1__redrive_executions_response__descriptor, true, &reply);
        if (code == CLI_OK) {
            count += reply->count;
            request.begin = reply->next;
            request.page_token = reply->next_page_token;
        }
        more = code == CLI_OK && goes_on(&which, reply->more);
    }
    return told(c, code, count, "set going");
}

static cli_exit cmd_dead_discard(cli *c) {
    Overworld__Events__V1__DiscardExecutionsRequest request =
        OVERWORLD__EVENTS__V1__DISCARD_EXECUTIONS_REQUEST__INIT;
    Overworld__Events__V1__DiscardExecutionsResponse *reply = NULL;
    Filter filter = filter_of(c, NULL);
    choice which;
    int count = 0;
    request.filter = &filter;
    request.reason = cli_text_or(c, "because", "");
    cli_exit code = choose(c, &which);
    if (code == CLI_OK && request.reason[0] == '\0') {
        code = cli_fail(c, CLI_USAGE, "say why they are thrown away: --because TEXT");
    }
    if (code == CLI_OK && which.all) {
        code = cli_confirm(c, "all", NULL, "throws all dead letters that fit away for good");
    }
    request.all = code == CLI_OK && which.all;
    bool more = code == CLI_OK;
    while (more) {
        request.execution_ids = next_ids(&which, &request.n_execution_ids);
        code =
            cli_rpc(c, QUEUE "DiscardExecutions", &request.base,
                    &overworld__events__v1__discard_executions_response__descriptor, true, &reply);
        if (code == CLI_OK) {
            count += reply->count;
            request.page_token = reply->next_page_token;
        }
        more = code == CLI_OK && goes_on(&which, reply->more);
    }
    return told(c, code, count, "discarded");
}

// ---- The table ----

// What every command that is about many of them chooses by: one name means one thing.
// clang-format off
#define FILTER_FLAGS                                                                               \
    {"vs", CLI_FLAG_TEXT, "NAME", "of this virtual server"},                                       \
    {"function", CLI_FLAG_TEXT, "NAME", "of this function"},                                       \
    {"source", CLI_FLAG_TEXT, "SOURCE", "client, timer, event, webhook, manual ..."},              \
    {"reason", CLI_FLAG_TEXT, "REASON", "that failed for this"}
// clang-format on

static const cli_flag exec_list_flags[] = {
    {"state", CLI_FLAG_TEXT, "STATE", "waiting, running, done, dead or discarded"},
    FILTER_FLAGS,
    {"event", CLI_FLAG_TEXT, "TRIGGER_ID", "that follow from this event, oldest first"},
    {"subscription", CLI_FLAG_TEXT, "ID", "of this subscription"},
    {"limit", CLI_FLAG_INT, "N", "at most so many (default 50)"},
    {0},
};

static const cli_flag rerun_flags[] = {
    {"file", CLI_FLAG_TEXT, "FILE", "take another payload from a file; - is standard input"},
    {"qualifier", CLI_FLAG_TEXT, "Q", "alias or version (default: the same)"},
    {0},
};

static const cli_flag dead_edit_flags[] = {
    {"file", CLI_FLAG_TEXT, "FILE", "take the payload from a file; - is standard input"},
    {"content-type", CLI_FLAG_TEXT, "TYPE", "of the payload (default: as it is)"},
    {0},
};

static const cli_flag redrive_flags[] = {
    {"all", CLI_FLAG_BOOL, NULL, "all that fit"},
    FILTER_FLAGS,
    {"event", CLI_FLAG_TEXT, "TRIGGER_ID", "that follow from this event"},
    {"subscription", CLI_FLAG_TEXT, "ID", "of this subscription"},
    {"rate", CLI_FLAG_INT, "N", "so many a second (default: all at once)"},
    {0},
};

static const cli_flag discard_flags[] = {
    {"all", CLI_FLAG_BOOL, NULL, "all that fit"},
    FILTER_FLAGS,
    {"event", CLI_FLAG_TEXT, "TRIGGER_ID", "that follow from this event"},
    {"subscription", CLI_FLAG_TEXT, "ID", "of this subscription"},
    {"because", CLI_FLAG_TEXT, "TEXT", "why they are thrown away (needed)"},
    {"yes", CLI_FLAG_TEXT, "all", "with --all: instead of being asked"},
    {0},
};

const cli_command exec_commands[] = {
    {"exec list", "", "executions of the queue, newest first", 0, 0, exec_list_flags, cmd_exec_list,
     "ow exec list --vs chat --state waiting"},
    {"exec show", "EXECUTION", "an execution with its payload, result and failed attempts", 1, 1,
     NULL, cmd_exec_show, "ow exec show exe_01..."},
    {"exec cancel", "EXECUTION", "end one that waits or runs", 1, 1, NULL, cmd_exec_cancel,
     "ow exec cancel exe_01..."},
    {"exec rerun", "EXECUTION [PAYLOAD]", "run a past one again as a new one", 1, 2, rerun_flags,
     cmd_exec_rerun, "ow exec rerun exe_01..."},
    {"dead list", "", "executions that were given up", 0, 0, exec_list_flags, cmd_dead_list,
     "ow dead list --vs chat --reason user_error"},
    {"dead show", "EXECUTION", "one of them with its payload and every attempt", 1, 1, NULL,
     cmd_exec_show, "ow dead show exe_01..."},
    {"dead edit", "EXECUTION [PAYLOAD]", "change what it was called with", 1, 2, dead_edit_flags,
     cmd_dead_edit, "ow dead edit exe_01... '{\"room\": 7}'"},
    {"dead redrive", "[EXECUTION ...|-]", "let them begin anew", 0, CLI_ARGS_ANY, redrive_flags,
     cmd_dead_redrive, "ow dead redrive --all --reason user_error --rate 10"},
    {"dead discard", "[EXECUTION ...|-]", "throw them away", 0, CLI_ARGS_ANY, discard_flags,
     cmd_dead_discard, "ow dead discard exe_01... --because 'of a test'"},
    {0},
};
