#include "services/timers/announcements.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TAIL = 16 };

ow_code announce_missed(const reader *r, const ow_bus *bus, const timer_row *timer,
                        const slot_row *slot) {
    size_t size = strlen(timer->timer_id);
    ow_bus_event event = {.title_id = timer->title_id,
                          .type = "timer.missed",
                          .at_us = slot->made_us,
                          .request_id = ""};
    ow_bus_field fields[] = {
        {"timer_id", OW_BUS_TEXT, .text = timer->timer_id},
        {"virtual_server", OW_BUS_TEXT, .text = timer->virtual_server},
        {"name", OW_BUS_TEXT, .text = timer->spec->name},
        {"function", OW_BUS_TEXT, .text = timer->spec->function},
        {"alias", OW_BUS_TEXT, .text = spec_alias(timer->spec)},
        {"reason", OW_BUS_TEXT, .text = slot->reason},
        {"count", OW_BUS_INT, .number = slot->count},
        {"due", OW_BUS_MOMENT, .number = slot->due_us},
        {"last_due", OW_BUS_MOMENT, .number = slot->last_due_us},
        {0},
    };
    // A slot is its timer and when it was due.
    snprintf(event.event_id, sizeof event.event_id, "mis_%s_%" PRIx64,
             timer->timer_id + (size > TAIL ? size - TAIL : 0), slot->due_us);
    return ow_bus_tell(bus, r->db, r->arena, &event, fields, r->err);
}
