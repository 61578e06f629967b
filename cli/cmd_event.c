// ow event ...: types of events, publishing, what was published.

#include "cli/list.h"

#include "overworld/events/v1/events.pb-c.h"

#include <inttypes.h>
#include <stdio.h>

#define EVENTS_PATH "/overworld.events.v1.Events/"

enum { FILE_MAX = 256 << 10, PAGE = 200 };

typedef Overworld__Events__V1__EventType EventType;
typedef Overworld__Events__V1__Occurrence Occurrence;

// ---- Types ----

static cli_exit event_type_declare(cli *c) {
    Overworld__Events__V1__DeclareEventTypeRequest request =
        OVERWORLD__EVENTS__V1__DECLARE_EVENT_TYPE_REQUEST__INIT;
    EventType *reply;
    size_t size;
    request.name = (char *)(uintptr_t)c->args[0];
    request.description = cli_text_or(c, "description", "");
    request.client = cli_bool(c, "client");
    cli_exit code = cli_flag_file(c, "schema", FILE_MAX, &request.schema_json, &size);
    if (code == CLI_OK) {
        code = cli_rpc(c, EVENTS_PATH "DeclareEventType", &request.base,
                       &overworld__events__v1__event_type__descriptor, true, &reply);
    }
    if (code == CLI_OK && !c->json) {
        printf("%s\n", reply->name);
    }
    return code;
}

static void add_type(cli *c, cli_table *table, const void *entry) {
    const EventType *type = entry;
    cli_table_add(c, table, type->name);
    cli_table_add(c, table, type->platform ? "platform" : type->client ? "clients too" : "servers");
    cli_table_add(c, table, type->schema_json[0] != '\0' ? "yes" : "no");
    cli_table_add(c, table, type->description);
}

static cli_exit event_type_list(cli *c) {
    static const char *const columns[] = {"TYPE", "PUBLISHED BY", "SCHEMA", "DESCRIPTION", NULL};
    Overworld__Events__V1__ListEventTypesRequest request =
        OVERWORLD__EVENTS__V1__LIST_EVENT_TYPES_REQUEST__INIT;
    return cli_list_print(
        c, &(cli_list){.path = EVENTS_PATH "ListEventTypes",
                       .request = &request.base,
                       .reply_type = &overworld__events__v1__list_event_types_response__descriptor,
                       .columns = columns,
                       .add_row = add_type});
}

static cli_exit event_type_delete(cli *c) {
    Overworld__Events__V1__DeleteEventTypeRequest request =
        OVERWORLD__EVENTS__V1__DELETE_EVENT_TYPE_REQUEST__INIT;
    Overworld__Events__V1__DeleteEventTypeResponse *reply;
    request.name = (char *)(uintptr_t)c->args[0];
    return cli_rpc(c, EVENTS_PATH "DeleteEventType", &request.base,
                   &overworld__events__v1__delete_event_type_response__descriptor, true, &reply);
}

// ---- Events ----

static cli_exit read_data(cli *c, ProtobufCBinaryData *ret_data) {
    char *text;
    cli_exit code = cli_content(c, 1, FILE_MAX, &text, &ret_data->len);
    ret_data->data = (uint8_t *)text;
    return code;
}

static cli_exit event_publish(cli *c) {
    Overworld__Events__V1__NewEvent event = OVERWORLD__EVENTS__V1__NEW_EVENT__INIT;
    Overworld__Events__V1__NewEvent *events[] = {&event};
    Overworld__Events__V1__PublishRequest request = OVERWORLD__EVENTS__V1__PUBLISH_REQUEST__INIT;
    Overworld__Events__V1__PublishResponse *reply;
    request.events = events;
    request.n_events = 1;
    event.type = (char *)(uintptr_t)c->args[0];
    event.id = cli_text_or(c, "id", "");
    event.source = cli_text_or(c, "source", "");
    event.subject = cli_text_or(c, "subject", "");
    event.content_type = cli_text_or(c, "content-type", "");
    cli_exit code = read_data(c, &event.data);
    if (code == CLI_OK) {
        code = cli_rpc(c, EVENTS_PATH "Publish", &request.base,
                       &overworld__events__v1__publish_response__descriptor, true, &reply);
    }
    if (code == CLI_OK && !c->json && reply->n_events == 1) {
        const Overworld__Events__V1__Published *told = reply->events[0];
        printf("%s\n", told->trigger_id);
        if (told->duplicate) {
            cli_say(c, "it was published before");
        } else {
            cli_say(c, "%d subscriptions are about it", told->matched);
        }
    }
    return code;
}

static void add_occurrence(cli *c, cli_table *table, const Occurrence *o) {
    cli_table_add(c, table, o->trigger_id);
    cli_table_add(c, table, cli_ago(c, cli_seconds(o->received)));
    cli_table_add(c, table, o->type);
    cli_table_add(c, table, o->source);
    cli_table_addf(c, table, "%" PRId64, o->data_size);
    cli_table_addf(c, table, "%d%s", o->matched, o->spreading ? "+" : "");
}

static cli_exit event_list(cli *c) {
    static const char *const columns[] = {"ID",    "RECEIVED", "TYPE", "SOURCE",
                                          "BYTES", "MATCHED",  NULL};
    Overworld__Events__V1__ListOccurrencesRequest request =
        OVERWORLD__EVENTS__V1__LIST_OCCURRENCES_REQUEST__INIT;
    Overworld__Events__V1__ListOccurrencesResponse *reply;
    Google__Protobuf__Timestamp since, until;
    cli_table table = {.columns = columns};
    int64_t limit = cli_int(c, "limit", 50);
    if (limit < 1 || limit > PAGE) {
        return cli_fail(c, CLI_USAGE, "--limit is 1 to %d", PAGE);
    }
    request.type = cli_text_or(c, "type", "");
    request.page_size = (int32_t)limit;
    cli_exit code = cli_time(c, "since", &since, &request.since);
    code = code == CLI_OK ? cli_time(c, "until", &until, &request.until) : code;
    if (code == CLI_OK) {
        code = cli_rpc(c, EVENTS_PATH "ListOccurrences", &request.base,
                       &overworld__events__v1__list_occurrences_response__descriptor, true, &reply);
    }
    for (size_t i = 0; code == CLI_OK && i < reply->n_occurrences; i++) {
        add_occurrence(c, &table, reply->occurrences[i]);
    }
    if (code == CLI_OK && !c->json) {
        cli_table_print(c, &table);
    }
    return code;
}

static cli_exit event_show(cli *c) {
    Overworld__Events__V1__GetOccurrenceRequest request =
        OVERWORLD__EVENTS__V1__GET_OCCURRENCE_REQUEST__INIT;
    Occurrence *o;
    request.trigger_id = (char *)(uintptr_t)c->args[0];
    cli_exit code = cli_rpc(c, EVENTS_PATH "GetOccurrence", &request.base,
                            &overworld__events__v1__occurrence__descriptor, true, &o);
    if (code == CLI_OK && !c->json) {
        printf("type      %s\nid        %s\nsource    %s\nby        %s\nrequest   %s\n"
               "matched   %d%s\n\n",
               o->type, o->id, o->source, o->principal[0] != '\0' ? o->principal : "the platform",
               o->request_id, o->matched, o->spreading ? ", and still looking" : "");
        fwrite(o->data.data, 1, o->data.len, stdout);
        putchar('\n');
    }
    return code;
}

// ---- The table ----

static const cli_flag declare_flags[] = {
    {"schema", CLI_FLAG_TEXT, "FILE", "JSON Schema of the data"},
    {"client", CLI_FLAG_BOOL, NULL, "players may publish it"},
    {"description", CLI_FLAG_TEXT, "TEXT", "for people"},
    {0},
};

static const cli_flag publish_flags[] = {
    {"file", CLI_FLAG_TEXT, "FILE", "take the data from a file; - is standard input"},
    {"content-type", CLI_FLAG_TEXT, "TYPE", "of the data (default application/json)"},
    {"id", CLI_FLAG_TEXT, "ID", "the same id and source a second time changes nothing"},
    {"source", CLI_FLAG_TEXT, "URI", "where it happened (default: you)"},
    {"subject", CLI_FLAG_TEXT, "TEXT", "what it is about"},
    {0},
};

static const cli_flag list_flags[] = {
    {"type", CLI_FLAG_TEXT, "TYPE", "of this type"},
    {"since", CLI_FLAG_TEXT, "TIME", "30s, 5m, 2h, 7d ago, or an RFC 3339 time"},
    {"until", CLI_FLAG_TEXT, "TIME", "likewise"},
    {"limit", CLI_FLAG_INT, "N", "the newest N (default 50)"},
    {0},
};

const cli_command event_commands[] = {
    {"event declare", "TYPE", "declare a type of events, or change it", 1, 1, declare_flags,
     event_type_declare, "ow event declare match.ended --schema match.json"},
    {"event types", "", "types of events, the platform's own too", 0, 0, NULL, event_type_list,
     "ow event types"},
    {"event undeclare", "TYPE", "delete a type; its subscriptions stay", 1, 1, NULL,
     event_type_delete, "ow event undeclare match.ended"},
    {"event publish", "TYPE [DATA]", "publish an event", 1, 2, publish_flags, event_publish,
     "ow event publish match.ended '{\"winner\":\"red\"}'"},
    {"event list", "", "what was published, newest first", 0, 0, list_flags, event_list,
     "ow event list --type match.ended --since 1h"},
    {"event show", "TRIGGER_ID", "one event with its data", 1, 1, NULL, event_show,
     "ow event show trg_01..."},
    {0},
};
