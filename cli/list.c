#include "cli/list.h"

enum { PAGE = 200 };

static void *field_of(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
    return (char *)(uintptr_t)message + field->offset;
}

static const ProtobufCFieldDescriptor *named(const ProtobufCMessageDescriptor *type,
                                             const char *name) {
    return protobuf_c_message_descriptor_get_field_by_name(type, name);
}

static const ProtobufCFieldDescriptor *listed_field(const ProtobufCMessageDescriptor *type) {
    for (unsigned i = 0; i < type->n_fields; i++) {
        if (type->fields[i].label == PROTOBUF_C_LABEL_REPEATED &&
            type->fields[i].type == PROTOBUF_C_TYPE_MESSAGE) {
            return &type->fields[i];
        }
    }
    return NULL;
}

static void set_page_size(const cli_list *list, int64_t left) {
    const ProtobufCFieldDescriptor *field = named(list->request->descriptor, "page_size");
    if (field != NULL) {
        *(int32_t *)field_of(list->request, field) = (int32_t)(left < PAGE ? left : PAGE);
    }
}

// True when there is another page to ask for.
static bool turn_page(const cli_list *list, const ProtobufCMessage *reply) {
    const ProtobufCFieldDescriptor *next = named(list->reply_type, "next_page_token");
    const ProtobufCFieldDescriptor *token = named(list->request->descriptor, "page_token");
    if (next == NULL || token == NULL) {
        return false;
    }
    char *value = *(char **)field_of(reply, next);
    *(char **)field_of(list->request, token) = value;
    return value[0] != '\0';
}

static size_t add_rows(cli *c, const cli_list *list, const ProtobufCMessage *reply,
                       cli_table *table) {
    const ProtobufCFieldDescriptor *field = listed_field(list->reply_type);
    if (field == NULL) {
        return 0;
    }
    size_t count = *(const size_t *)((const char *)reply + field->quantifier_offset);
    ProtobufCMessage **entries = *(ProtobufCMessage ***)field_of(reply, field);
    for (size_t i = 0; i < count; i++) {
        list->add_row(c, table, entries[i]);
    }
    return count;
}

cli_exit cli_list_print(cli *c, const cli_list *list) {
    cli_table table = {.columns = list->columns};
    bool limited = list->default_limit > 0;
    int64_t left = limited ? cli_int(c, "limit", list->default_limit) : INT64_MAX;
    ProtobufCMessage *reply;
    if (left <= 0) {
        return cli_fail(c, CLI_USAGE, "--limit is at least 1");
    }
    do {
        set_page_size(list, left);
        cli_exit code = cli_rpc(c, list->path, list->request, list->reply_type, true, &reply);
        if (code != CLI_OK) {
            return code;
        }
        left -= (int64_t)add_rows(c, list, reply, &table);
    } while (turn_page(list, reply) && left > 0);
    if (c->json) {
        return CLI_OK;
    }
    cli_table_print(c, &table);
    if (table.cell_count == 0 && list->if_empty != NULL) {
        cli_say(c, "%s", list->if_empty);
    }
    return CLI_OK;
}
