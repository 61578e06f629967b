#include "services/timers/announcements.h"

#include "core/json/moment.h"
#include "core/json/writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { DATA_MAX = 2048, TAIL = 16 };

static void add(ow_json_writer *w, const char *name, const char *text) {
    ow_json_name(w, name);
    ow_json_text(w, text);
}

static void add_moment(ow_json_writer *w, const char *name, int64_t at_us) {
    char text[OW_MOMENT_MAX] = "";
    if (ow_moment_print(at_us, text)) {
        add(w, name, text);
    }
}

static const char *data_of(const reader *r, const timer_row *timer, const slot_row *slot) {
    ow_json_writer w;
    ow_json_writer_init(&w, r->arena, DATA_MAX);
    ow_json_object_open(&w);
    add(&w, "timer_id", timer->timer_id);
    add(&w, "virtual_server", timer->virtual_server);
    add(&w, "name", timer->spec->name);
    add(&w, "function", timer->spec->function);
    add(&w, "alias", spec_alias(timer->spec));
    add(&w, "reason", slot->reason);
    ow_json_name(&w, "count");
    ow_json_int(&w, slot->count);
    add_moment(&w, "due", slot->due_us);
    add_moment(&w, "last_due", slot->last_due_us);
    ow_json_object_close(&w);
    return ow_json_writer_end(&w, NULL);
}

ow_code announce_missed(const reader *r, const ow_bus *bus, const timer_row *timer,
                        const slot_row *slot) {
    if (bus == NULL) {
        return OW_OK;
    }
    size_t size = strlen(timer->timer_id);
    ow_bus_event event = {
        .title_id = timer->title_id,
        .type = "timer.missed",
        .at_us = slot->made_us,
        .request_id = "",
        .data_json = data_of(r, timer, slot),
    };
    if (event.data_json == NULL) {
        return ow_fail(r->err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for an event");
    }
    // A slot is its timer and when it was due.
    snprintf(event.event_id, sizeof event.event_id, "mis_%s_%" PRIx64,
             timer->timer_id + (size > TAIL ? size - TAIL : 0), slot->due_us);
    return ow_bus_publish(bus, r->db, &event, r->err);
}
