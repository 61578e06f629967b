// Relay: events of the platform's own services, from their outboxes.

#include "services/events/event_reply.h"
#include "services/events/events_rpc.h"

#include <string.h>

static new_event_msg *to_event(const bus_event_msg *from, ow_arena *arena) {
    new_event_msg *to = ow_arena_alloc(arena, sizeof *to);
    if (to != NULL) {
        overworld__events__v1__new_event__init(to);
        to->type = from->type;
        to->id = from->event_id;
        to->time = from->time;
        to->data = (ProtobufCBinaryData){strlen(from->data_json), (uint8_t *)from->data_json};
    }
    return to;
}

// What follows from an event belongs to the request that caused it.
static void keep_request_ids(publication *p, const relay_request *request) {
    for (size_t i = 0; i < p->count; i++) {
        if (request->events[i]->request_id[0] != '\0') {
            p->rows[i].facts->request_id = request->events[i]->request_id;
        }
    }
}

ow_code relay_check(ow_run *run) {
    const events *e = run->self;
    const relay_request *request = run->request;
    const ow_call *call = run->call;
    publish_state *s = run->state;
    ow_arena *arena = call->arena;
    s->now_us = ow_clock_wall_us(e->env->clock);
    s->platform = (ow_principal){.kind = OW_PLATFORM};
    s->by = (publisher){.title_id = call->principal->title,
                        .principal = &s->platform,
                        .request_id = call->request_id,
                        .client_address = "",
                        .trace = &call->trace,
                        .now_us = s->now_us,
                        .via = "event",
                        .any_type = true};
    ow_code code = events_check_title(run);
    code = code == OW_OK ? events_check_room(run, 1) : code; // it stays in the outbox meanwhile
    new_event_msg **list =
        code == OW_OK ? ow_arena_calloc(arena, request->n_events + 1, sizeof *list) : NULL;
    for (size_t i = 0; list != NULL && i < request->n_events; i++) {
        list[i] = to_event(request->events[i], arena);
        if (list[i] == NULL) {
            list = NULL;
        }
    }
    if (code == OW_OK && list == NULL) {
        return events_no_memory(run->err);
    }
    code = code == OW_OK ? publication_prepare(&s->publication, &s->by, list, request->n_events,
                                               arena, run->err)
                         : code;
    if (code == OW_OK) {
        keep_request_ids(&s->publication, request);
    }
    return code;
}
