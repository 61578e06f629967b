#include "services/events/failures.h"

#include "services/events/occurrences_store.h"

#include "core/json/writer.h"

#include <string.h>

enum { DATA_MAX = 8192 };

static char *borrow(const char *text) {
    return (char *)(uintptr_t)(text != NULL ? text : "");
}

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for an event");
}

static const char *data_of(const run *ended, size_t *ret_size) {
    const execution_row *row = &ended->claimed->row;
    const new_execution_msg *wanted = row->facts->wanted;
    const struct {
        const char *name, *text;
    } texts[] = {
        {"virtual_server", wanted->virtual_server}, {"function", wanted->function},
        {"execution_id", row->execution_id},        {"source", wanted->source},
        {"reason", ended->settlement.reason},       {"message", ended->settlement.message},
    };
    ow_json_writer w;
    ow_json_writer_init(&w, ended->claimed->arena, DATA_MAX);
    ow_json_object_open(&w);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ow_json_name(&w, texts[i].name);
        ow_json_text(&w, texts[i].text != NULL ? texts[i].text : "");
    }
    ow_json_name(&w, "attempts");
    ow_json_int(&w, ended->settlement.next.attempt);
    ow_json_object_close(&w);
    return ow_json_writer_end(&w, ret_size);
}

static void fill(const run *ended, occurrence_facts *facts, new_event_msg *event,
                 Google__Protobuf__Timestamp *time) {
    const execution_row *row = &ended->claimed->row;
    int64_t now_us = ended->settlement.ended_us;
    overworld__events__v1__occurrence_facts__init(facts);
    overworld__events__v1__new_event__init(event);
    google__protobuf__timestamp__init(time);
    time->seconds = now_us / SECOND_US;
    time->nanos = (int32_t)(now_us % SECOND_US) * 1000;
    event->type = borrow("function.failed");
    event->id = borrow(row->execution_id);
    event->source = borrow("overworld");
    event->content_type = borrow("application/json");
    event->time = time;
    facts->event = event;
    facts->principal_kind = borrow("platform");
    facts->request_id = borrow(row->facts->request_id);
    facts->traceparent = borrow(row->facts->traceparent);
    facts->via = borrow("event");
    facts->depth = row->facts->wanted->depth + 1;
}

ow_code failure_announce(ow_db_conn *db, const run *ended, bool *ret_announced, ow_err *err) {
    const execution_row *row = &ended->claimed->row;
    ow_arena *arena = ended->claimed->arena;
    occurrence_facts facts;
    new_event_msg event;
    Google__Protobuf__Timestamp time;
    char first_id[OW_ID_MAX];
    bool duplicate = false;
    *ret_announced = false;
    if (ended->stale || ended->settlement.next.state != EXECUTION_DEAD ||
        row->facts->wanted->depth >= DEPTH_MAX) {
        return OW_OK;
    }
    fill(ended, &facts, &event, &time);
    event.data.data = (uint8_t *)borrow(data_of(ended, &event.data.len));
    occurrence_row made = {.title_id = row->title_id,
                           .received_us = ended->settlement.ended_us,
                           .spreading = true,
                           .spread_to = "",
                           .facts = &facts};
    ow_id_make(made.trigger_id, "trg_", made.received_us);
    facts.trigger_id = made.trigger_id;
    // The same execution may be set going again, and fail again.
    made.event_key = ow_arena_printf_in(arena, "overworld %s %lld", row->execution_id,
                                        (long long)row->item.epoch);
    if (event.data.len == 0 || made.event_key == NULL) {
        return no_memory(err);
    }
    ow_code code = occurrence_insert(db, &made, arena, &duplicate, first_id, err);
    *ret_announced = code == OW_OK && !duplicate;
    return code;
}
