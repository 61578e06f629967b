// ow fn ...: functions run by people, and payloads that are kept for it.

#include "cli/list.h"
#include "cli/logs.h"

#include "overworld/events/v1/hands.pb-c.h"
#include "sdk/c/overworld_execution.h"

#include <stdio.h>
#include <string.h>

#define HANDS "/overworld.events.v1.Hands/"

enum { PAYLOAD_MAX = 6 << 20 };

typedef Overworld__Events__V1__TestEvent TestEvent;

// {} when none is given.
static cli_exit read_payload(cli *c, size_t index, ProtobufCBinaryData *ret_payload) {
    char *text;
    cli_exit code = cli_content(c, index, PAYLOAD_MAX, &text, &ret_payload->len);
    if (code == CLI_OK && text == NULL) {
        text = (char *)(uintptr_t) "{}";
        ret_payload->len = strlen(text);
    }
    ret_payload->data = (uint8_t *)text;
    return code;
}

// ---- At once, or by the queue ----

static void print_refusal(const cli *c, const ow_client_error *error) {
    if (c->json && error->details != NULL) {
        printf("%s\n", error->details);
    } else if (error->details != NULL) {
        fprintf(stderr, "%s\n", error->details);
    }
}

static cli_exit enqueue(cli *c, const ow_client_function *function) {
    ow_client_accepted accepted;
    ow_client_error error;
    if (!ow_client_call_async(c->client, function, &accepted, &error)) {
        return cli_tell(c, &error);
    }
    if (c->json) {
        printf("{\"executionId\":\"%s\",\"duplicate\":%s}\n", accepted.execution_id,
               accepted.duplicate ? "true" : "false");
    } else {
        printf("%s\n", accepted.execution_id);
    }
    return CLI_OK;
}

static cli_exit cmd_fn_invoke(cli *c) {
    ProtobufCBinaryData payload;
    cli_exit code = read_payload(c, 2, &payload);
    if (code == CLI_OK) {
        code = cli_connect(c);
    }
    if (code != CLI_OK) {
        return code;
    }
    ow_client_function function = {
        .name = ow_arena_printf_in(c->arena, "%s/%s", c->args[0], c->args[1]),
        .payload = (const char *)payload.data,
        .size = payload.len,
        .qualifier = cli_text(c, "qualifier"),
        .content_type = cli_text(c, "content-type"),
        .deduplication_key = cli_text(c, "key"),
    };
    if (cli_bool(c, "async")) {
        return enqueue(c, &function);
    }
    ow_client_reply *reply = NULL;
    ow_client_error error;
    char request_id[48];
    if (ow_client_call(c->client, &function, &reply, &error)) {
        fwrite(reply->data, 1, reply->size, stdout);
        if (c->color && reply->size > 0) {
            putchar('\n');
        }
        fflush(stdout);
        snprintf(request_id, sizeof request_id, "%s", reply->request_id);
        cli_say(c, "request id: %s", request_id);
        ow_client_reply_free(reply);
    } else {
        snprintf(request_id, sizeof request_id, "%s", error.request_id);
        print_refusal(c, &error);
        code = cli_tell(c, &error);
    }
    if (cli_bool(c, "logs") && request_id[0] != '\0') {
        cli_logs_of_request(c, request_id, stderr);
    }
    return code;
}

// ---- For a player, and with kept payloads ----

static cli_exit cmd_fn_event_save(cli *c) {
    Overworld__Events__V1__SaveTestEventRequest request =
        OVERWORLD__EVENTS__V1__SAVE_TEST_EVENT_REQUEST__INIT;
    Overworld__Events__V1__TestEvent event = OVERWORLD__EVENTS__V1__TEST_EVENT__INIT;
    Overworld__Events__V1__SaveTestEventResponse *reply;
    request.event = &event;
    event.virtual_server = (char *)c->args[0];
    event.function = (char *)c->args[1];
    event.name = (char *)c->args[2];
    event.shared = cli_bool(c, "shared");
    event.content_type = cli_text_or(c, "content-type", "");
    cli_exit code = read_payload(c, 3, &event.payload);
    return code == CLI_OK
               ? cli_rpc(c, HANDS "SaveTestEvent", &request.base,
                         &overworld__events__v1__save_test_event_response__descriptor, true, &reply)
               : code;
}

static void add_test_event(cli *c, cli_table *table, const void *entry) {
    const TestEvent *event = entry;
    cli_table_add(c, table, event->name);
    cli_table_add(c, table, event->shared ? "shared" : "mine");
    cli_table_addf(c, table, "%zu", event->payload.len);
    cli_table_add(c, table, cli_ago(c, cli_seconds(event->saved_at)));
}

static cli_exit cmd_fn_event_list(cli *c) {
    static const char *const columns[] = {"NAME", "WHOSE", "BYTES", "SAVED", NULL};
    Overworld__Events__V1__ListTestEventsRequest request =
        OVERWORLD__EVENTS__V1__LIST_TEST_EVENTS_REQUEST__INIT;
    request.virtual_server = (char *)c->args[0];
    request.function = (char *)c->args[1];
    return cli_list_print(
        c, &(cli_list){.path = HANDS "ListTestEvents",
                       .request = &request.base,
                       .reply_type = &overworld__events__v1__list_test_events_response__descriptor,
                       .columns = columns,
                       .add_row = add_test_event});
}

static cli_exit cmd_fn_event_delete(cli *c) {
    Overworld__Events__V1__DeleteTestEventRequest request =
        OVERWORLD__EVENTS__V1__DELETE_TEST_EVENT_REQUEST__INIT;
    Overworld__Events__V1__DeleteTestEventResponse *reply;
    request.virtual_server = (char *)c->args[0];
    request.function = (char *)c->args[1];
    request.name = (char *)c->args[2];
    request.shared = cli_bool(c, "shared");
    return cli_rpc(c, HANDS "DeleteTestEvent", &request.base,
                   &overworld__events__v1__delete_test_event_response__descriptor, true, &reply);
}

static cli_exit cmd_fn_run(cli *c) {
    Overworld__Events__V1__InvokeByHandRequest request =
        OVERWORLD__EVENTS__V1__INVOKE_BY_HAND_REQUEST__INIT;
    Overworld__Events__V1__InvokeByHandResponse *reply;
    request.virtual_server = (char *)c->args[0];
    request.function = (char *)c->args[1];
    request.qualifier = cli_text_or(c, "qualifier", "");
    request.as_player = cli_text_or(c, "as", "");
    request.test_event = cli_text_or(c, "event", "");
    cli_exit code = read_payload(c, 2, &request.payload);
    if (code == CLI_OK) {
        code = cli_rpc(c, HANDS "InvokeByHand", &request.base,
                       &overworld__events__v1__invoke_by_hand_response__descriptor, true, &reply);
    }
    if (code != CLI_OK) {
        return code;
    }
    if (reply->reason[0] != '\0') {
        return cli_fail(c, CLI_FAILED, "%s: %s %s", reply->reason, reply->message,
                        reply->details_json);
    }
    if (!c->json) {
        fwrite(reply->payload.data, 1, reply->payload.len, stdout);
        putchar('\n');
    }
    return CLI_OK;
}

// ---- The table ----

static const cli_flag invoke_flags[] = {
    {"qualifier", CLI_FLAG_TEXT, "Q", "alias, version or $LATEST (default $DEFAULT)"},
    {"file", CLI_FLAG_TEXT, "FILE", "take the payload from a file; - is standard input"},
    {"content-type", CLI_FLAG_TEXT, "TYPE", "of the payload (default application/json)"},
    {"logs", CLI_FLAG_BOOL, NULL, "then print the call's log on standard error"},
    {"async", CLI_FLAG_BOOL, NULL, "put it into the queue and print the execution's id"},
    {"key", CLI_FLAG_TEXT, "KEY", "with --async: the same key is the same execution"},
    {0},
};

static const cli_flag run_flags[] = {
    {"as", CLI_FLAG_TEXT, "PLAYER", "as if this player called"},
    {"event", CLI_FLAG_TEXT, "NAME", "with the payload that is kept under this name"},
    {"qualifier", CLI_FLAG_TEXT, "Q", "alias, version or $LATEST (default $DEFAULT)"},
    {"file", CLI_FLAG_TEXT, "FILE", "take the payload from a file; - is standard input"},
    {0},
};

static const cli_flag event_save_flags[] = {
    {"shared", CLI_FLAG_BOOL, NULL, "for every developer of the title"},
    {"file", CLI_FLAG_TEXT, "FILE", "take the payload from a file; - is standard input"},
    {"content-type", CLI_FLAG_TEXT, "TYPE", "of the payload (default application/json)"},
    {0},
};

static const cli_flag event_delete_flags[] = {
    {"shared", CLI_FLAG_BOOL, NULL, "the one for every developer"},
    {0},
};

const cli_command fn_commands[] = {
    {"fn invoke", "VS FUNCTION [PAYLOAD]", "run a function by hand", 2, 3, invoke_flags,
     cmd_fn_invoke, "ow fn invoke chat moderate '{\"text\": \"damn\"}'"},
    {"fn run", "VS FUNCTION [PAYLOAD]", "run a function for a player, or with a kept payload", 2, 3,
     run_flags, cmd_fn_run, "ow fn run chat moderate --as plr_01... --event rude"},
    {"fn save", "VS FUNCTION NAME [PAYLOAD]", "keep a payload for runs by hand", 3, 4,
     event_save_flags, cmd_fn_event_save, "ow fn save chat moderate rude '{\"text\": \"damn\"}'"},
    {"fn saved", "VS FUNCTION", "payloads that are kept", 2, 2, NULL, cmd_fn_event_list,
     "ow fn saved chat moderate"},
    {"fn forget", "VS FUNCTION NAME", "forget one of them", 3, 3, event_delete_flags,
     cmd_fn_event_delete, "ow fn forget chat moderate rude"},
    {0},
};
