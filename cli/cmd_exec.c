// ow exec ..., ow dead ...: executions of the queue, and those that were given up.

#include "cli/rpc.h"

#include "overworld/events/v1/queue.pb-c.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define QUEUE "/overworld.events.v1.Queue/"

enum { PAGE = 200, DEFAULT_LIMIT = 50, PAYLOAD_MAX = 256 << 10, IDS_MAX = 4 << 20 };

typedef Overworld__Events__V1__Execution Execution;
typedef Overworld__Events__V1__ExecutionFilter Filter;
typedef Overworld__Events__V1__ListExecutionsResponse Page;

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

static void add_row(cli *c, cli_table *table, const Execution *e) {
    cli_table_add(c, table, e->execution_id);
    cli_table_addf(c, table, "%s/%s", e->virtual_server, e->function);
    cli_table_add(c, table, e->source);
    cli_table_add(c, table, e->state);
    cli_table_addf(c, table, "%d", e->attempt);
    cli_table_add(c, table, cli_ago(c, cli_seconds(e->created)));
    cli_table_add(c, table, e->reason[0] != '\0' ? e->reason : NULL);
}

static cli_exit list(cli *c, const char *state) {
    static const char *const columns[] = {"EXECUTION", "FUNCTION", "SOURCE", "STATE",
                                          "ATTEMPT",   "ACCEPTED", "REASON", NULL};
    Overworld__Events__V1__ListExecutionsRequest request =
        OVERWORLD__EVENTS__V1__LIST_EXECUTIONS_REQUEST__INIT;
    Filter filter = filter_of(c, state);
    cli_table table = {.columns = columns};
    int64_t left = cli_int(c, "limit", DEFAULT_LIMIT);
    if (left <= 0) {
        return cli_fail(c, CLI_USAGE, "--limit is at least 1");
    }
    request.filter = &filter;
    do {
        Page *page;
        request.page_size = (int32_t)(left < PAGE ? left : PAGE);
        cli_exit code =
            cli_rpc(c, QUEUE "ListExecutions", &request.base,
                    &overworld__events__v1__list_executions_response__descriptor, true, &page);
        if (code != CLI_OK) {
            return code;
        }
        for (size_t i = 0; i < page->n_executions; i++) {
            add_row(c, &table, page->executions[i]);
        }
        left -= (int64_t)page->n_executions;
        request.page_token = page->next_page_token;
    } while (left > 0 && request.page_token[0] != '\0');
    if (!c->json) {
        cli_table_print(c, &table);
    }
    return CLI_OK;
}

cli_exit cmd_exec_list(cli *c) {
    return list(c, NULL);
}

cli_exit cmd_dead_list(cli *c) {
    return list(c, "dead");
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

cli_exit cmd_exec_show(cli *c) {
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

cli_exit cmd_exec_cancel(cli *c) {
    Overworld__Events__V1__CancelExecutionRequest request =
        OVERWORLD__EVENTS__V1__CANCEL_EXECUTION_REQUEST__INIT;
    Execution *found;
    request.execution_id = (char *)c->args[0];
    return cli_rpc(c, QUEUE "CancelExecution", &request.base,
                   &overworld__events__v1__execution__descriptor, true, &found);
}

// The payload of --file or of the argument at `index`; *ret_given false: neither.
static cli_exit read_payload(cli *c, size_t index, ProtobufCBinaryData *ret_payload,
                             bool *ret_given) {
    const char *file = cli_text(c, "file");
    const char *text = c->arg_count > index ? c->args[index] : NULL;
    size_t size = text != NULL ? strlen(text) : 0;
    if (file != NULL && text != NULL) {
        return cli_fail(c, CLI_USAGE, "give the payload as an argument or with --file, not both");
    }
    if (file != NULL) {
        text = cli_read_file(c, file, PAYLOAD_MAX, &size);
        if (text == NULL) {
            return cli_fail(c, CLI_USAGE, "cannot read the payload from %s: %s", file,
                            errno == EFBIG ? "it is larger than 256 KB" : strerror(errno));
        }
    }
    *ret_given = text != NULL;
    *ret_payload = (ProtobufCBinaryData){size, (uint8_t *)(uintptr_t)text};
    return CLI_OK;
}

cli_exit cmd_exec_rerun(cli *c) {
    Overworld__Events__V1__RerunExecutionRequest request =
        OVERWORLD__EVENTS__V1__RERUN_EXECUTION_REQUEST__INIT;
    Overworld__Events__V1__RerunExecutionResponse *reply;
    bool given = false;
    request.execution_id = (char *)c->args[0];
    request.qualifier = cli_text_or(c, "qualifier", "");
    cli_exit code = read_payload(c, 1, &request.payload, &given);
    request.other_payload = given;
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

cli_exit cmd_dead_edit(cli *c) {
    Overworld__Events__V1__EditExecutionRequest request =
        OVERWORLD__EVENTS__V1__EDIT_EXECUTION_REQUEST__INIT;
    Execution *edited;
    bool given = false;
    request.execution_id = (char *)c->args[0];
    request.content_type = cli_text_or(c, "content-type", "");
    cli_exit code = read_payload(c, 1, &request.payload, &given);
    if (code == CLI_OK && !given) {
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

static cli_exit choose(cli *c, choice *which) {
    *which = (choice){
        .all = cli_bool(c, "all"), .ids = (char **)(uintptr_t)c->args, .count = c->arg_count};
    if (which->all == (c->arg_count > 0)) {
        return cli_fail(c, CLI_USAGE,
                        "name executions (- reads them from standard input), or --all with or "
                        "without a filter");
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

cli_exit cmd_dead_redrive(cli *c) {
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

cli_exit cmd_dead_discard(cli *c) {
    Overworld__Events__V1__DiscardExecutionsRequest request =
        OVERWORLD__EVENTS__V1__DISCARD_EXECUTIONS_REQUEST__INIT;
    Overworld__Events__V1__DiscardExecutionsResponse *reply = NULL;
    Filter filter = filter_of(c, NULL);
    choice which;
    int count = 0;
    // --reason is why they go, --dead-of which ones.
    filter.reason = cli_text_or(c, "dead-of", "");
    request.filter = &filter;
    request.reason = cli_text_or(c, "reason", "");
    cli_exit code = choose(c, &which);
    if (code == CLI_OK && which.all) {
        code = cli_confirm(c, "all", "throws dead executions away for good:");
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
