// ow fn save, saved, forget, run: payloads that are kept for runs by hand, and runs for a player.

#include "cli/rpc.h"

#include "overworld/events/v1/hands.pb-c.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HANDS "/overworld.events.v1.Hands/"

enum { PAYLOAD_MAX = 6 << 20 };

// Of the argument at `index` or of --file; {} when there is neither.
static cli_exit read_payload(cli *c, size_t index, ProtobufCBinaryData *ret_payload) {
    const char *file = cli_text(c, "file");
    const char *text = c->arg_count > index ? c->args[index] : "{}";
    size_t size = strlen(text);
    if (file != NULL) {
        text = cli_read_file(c, file, PAYLOAD_MAX, &size);
        if (text == NULL) {
            return cli_fail(c, CLI_USAGE, "cannot read the payload from %s: %s", file,
                            errno == EFBIG ? "it is larger than 6 MB" : strerror(errno));
        }
    }
    *ret_payload = (ProtobufCBinaryData){size, (uint8_t *)(uintptr_t)text};
    return CLI_OK;
}

cli_exit cmd_fn_event_save(cli *c) {
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

cli_exit cmd_fn_event_list(cli *c) {
    static const char *const columns[] = {"NAME", "WHOSE", "BYTES", "SAVED", NULL};
    Overworld__Events__V1__ListTestEventsRequest request =
        OVERWORLD__EVENTS__V1__LIST_TEST_EVENTS_REQUEST__INIT;
    Overworld__Events__V1__ListTestEventsResponse *reply;
    cli_table table = {.columns = columns};
    request.virtual_server = (char *)c->args[0];
    request.function = (char *)c->args[1];
    cli_exit code =
        cli_rpc(c, HANDS "ListTestEvents", &request.base,
                &overworld__events__v1__list_test_events_response__descriptor, true, &reply);
    for (size_t i = 0; code == CLI_OK && i < reply->n_events; i++) {
        const Overworld__Events__V1__TestEvent *event = reply->events[i];
        cli_table_add(c, &table, event->name);
        cli_table_add(c, &table, event->shared ? "shared" : "mine");
        cli_table_addf(c, &table, "%zu", event->payload.len);
        cli_table_add(c, &table,
                      cli_ago(c, event->saved_at != NULL ? event->saved_at->seconds : 0));
    }
    if (code == CLI_OK && !c->json) {
        cli_table_print(c, &table);
    }
    return code;
}

cli_exit cmd_fn_event_delete(cli *c) {
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

cli_exit cmd_fn_run(cli *c) {
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
