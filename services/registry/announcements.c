#include "services/registry/registry_store.h"

static ow_code tell(tx *t, const char *prefix, const char *type, const ow_bus_field *fields) {
    ow_bus_event event = {
        .title_id = t->title, .type = type, .at_us = t->now_us, .request_id = t->request_id};
    ow_bus_event_about(&event, prefix, t->fresh_id); // a change makes one of each kind
    return ow_bus_tell(t->bus, t->db, t->arena, &event, fields, t->err);
}

ow_code store_announce_deployed(tx *t, const char *server, const char *alias,
                                const char *revision_id) {
    bool latest = revision_id[0] != '\0';
    ow_bus_field fields[] = {{"virtual_server", OW_BUS_TEXT, .text = server},
                             {"alias", OW_BUS_TEXT, .text = alias},
                             {"revision_id", OW_BUS_TEXT, .text = latest ? revision_id : NULL},
                             {0}};
    return tell(t, latest ? "dpl_" : "als_", "virtualserver.deployed", fields);
}

ow_code store_announce_failed_build(tx *t, const char *server, const char *message) {
    ow_bus_field fields[] = {{"virtual_server", OW_BUS_TEXT, .text = server},
                             {"message", OW_BUS_TEXT, .text = message},
                             {0}};
    return tell(t, "bld_", "virtualserver.build_failed", fields);
}
