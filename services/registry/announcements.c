#include "services/registry/registry_store.h"

#include "core/json/writer.h"

#include <stdio.h>

enum { DATA_MAX = 4096 };

typedef struct announcement {
    const char *prefix; // of the id: a change makes one of each kind
    const char *type, *names[3], *texts[3];
} announcement;

static ow_code publish(tx *t, const announcement *a) {
    ow_json_writer w;
    if (t->bus == NULL) {
        return OW_OK;
    }
    ow_json_writer_init(&w, t->arena, DATA_MAX);
    ow_json_object_open(&w);
    for (int i = 0; i < 3 && a->names[i] != NULL; i++) {
        ow_json_name(&w, a->names[i]);
        ow_json_text(&w, a->texts[i]);
    }
    ow_json_object_close(&w);
    ow_bus_event event = {.title_id = t->title,
                          .type = a->type,
                          .at_us = t->now_us,
                          .request_id = t->request_id,
                          .data_json = ow_json_writer_end(&w, NULL)};
    if (event.data_json == NULL) {
        return ow_fail(t->err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for an event");
    }
    snprintf(event.event_id, sizeof event.event_id, "%s%.30s", a->prefix, t->fresh_id);
    return ow_bus_publish(t->bus, t->db, &event, t->err);
}

ow_code store_announce_deployed(tx *t, const char *server, const char *alias,
                                const char *revision_id) {
    bool latest = revision_id[0] != '\0';
    announcement a = {latest ? "dpl_" : "als_",
                      "virtualserver.deployed",
                      {"virtual_server", "alias", latest ? "revision_id" : NULL},
                      {server, alias, revision_id}};
    return publish(t, &a);
}

ow_code store_announce_failed_build(tx *t, const char *server, const char *message) {
    announcement a = {"bld_",
                      "virtualserver.build_failed",
                      {"virtual_server", "message", NULL},
                      {server, message, NULL}};
    return publish(t, &a);
}
