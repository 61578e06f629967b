#include "services/events/announcements.h"

#include "core/timestamp/timestamp.h"

#include "services/events/occurrences_store.h"

#include <string.h>

static char *borrow(const char *text) {
    return (char *)(uintptr_t)(text != NULL ? text : "");
}

static void fill(const run *ended, const announcement *a, occurrence_facts *facts,
                 new_event_msg *event) {
    const execution_row *row = &ended->claimed->row;
    overworld__events__v1__occurrence_facts__init(facts);
    overworld__events__v1__new_event__init(event);
    event->type = borrow(a->type);
    event->id = borrow(a->id);
    event->source = borrow("overworld");
    event->content_type = borrow("application/json");
    event->data = a->data;
    facts->event = event;
    facts->trigger_id = borrow(a->trigger_id);
    facts->principal_kind = borrow("platform");
    facts->request_id = borrow(row->facts->request_id);
    facts->traceparent = borrow(row->facts->traceparent);
    facts->via = borrow("event");
    facts->depth = row->facts->wanted->depth + 1;
}

ow_code announce(ow_db_conn *db, const run *ended, const announcement *a, bool *ret_announced,
                 ow_err *err) {
    const execution_row *row = &ended->claimed->row;
    ow_arena *arena = ended->claimed->arena;
    occurrence_facts facts;
    new_event_msg event;
    Google__Protobuf__Timestamp time;
    char first_id[OW_ID_MAX];
    bool duplicate = false;
    int64_t now_us = ended->settlement.ended_us;
    fill(ended, a, &facts, &event);
    ow_timestamp_init(&time, now_us);
    event.time = &time;
    occurrence_row made = {.title_id = row->title_id,
                           .received_us = now_us,
                           .spreading = true,
                           .spread_to = "",
                           .facts = &facts};
    memcpy(made.trigger_id, a->trigger_id, OW_ID_MAX);
    // The same execution may be set going again, and end again.
    made.event_key =
        ow_arena_printf_in(arena, "overworld %s %lld", a->id, (long long)row->item.epoch);
    if (made.event_key == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for an event");
    }
    ow_code code = occurrence_insert(db, &made, arena, &duplicate, first_id, err);
    *ret_announced = code == OW_OK && !duplicate;
    return code;
}
