#include "services/timers/execution.h"

#include "core/timestamp/timestamp.h"

#include <inttypes.h>
#include <string.h>

static char *own(const char *text) {
    return (char *)(uintptr_t)text;
}

static bool fill(new_execution *e, const timer_row *timer, const slot_row *slot, ow_arena *arena) {
    const timer_spec *spec = timer->spec;
    size_t size = 0;
    const char *payload = timer_event(spec, slot->due_us, arena, &size);
    bool manual = strcmp(slot->kind, KIND_MANUAL) == 0;
    e->virtual_server = own(timer->virtual_server);
    e->function = spec->function;
    e->qualifier = own(spec_alias(spec));
    e->source = own(manual ? "manual" : "timer");
    e->payload = (ProtobufCBinaryData){size, (uint8_t *)(uintptr_t)payload};
    e->content_type = own("application/json");
    e->due = ow_timestamp_in(arena,
                             manual ? slot->due_us : start_of(spec, timer->timer_id, slot->due_us));
    e->deduplication_key =
        ow_arena_printf_in(arena, "tmr:%s:%" PRId64, timer->timer_id, slot->due_us);
    e->trigger_id = e->deduplication_key;
    if (strcmp(spec->overlap, "queue") == 0) {
        e->ordering_key = own(timer->timer_id);
        e->subscription_key = own(timer->timer_id);
    }
    return payload != NULL && e->due != NULL && e->deduplication_key != NULL;
}

enqueue_request *execution_of(const timer_row *timer, const slot_row *slot, ow_arena *arena) {
    enqueue_request *request = ow_arena_alloc(arena, sizeof *request);
    new_execution *execution = ow_arena_alloc(arena, sizeof *execution);
    new_execution **list = ow_arena_alloc(arena, sizeof *list);
    if (request == NULL || execution == NULL || list == NULL) {
        return NULL;
    }
    overworld__events__v1__enqueue_request__init(request);
    overworld__events__v1__new_execution__init(execution);
    list[0] = execution;
    request->executions = list;
    request->n_executions = 1;
    return fill(execution, timer, slot, arena) ? request : NULL;
}

bool is_for_now(ow_code code) {
    switch (code) {
    case OW_CANCELLED:
    case OW_UNKNOWN:
    case OW_DEADLINE_EXCEEDED:
    case OW_RESOURCE_EXHAUSTED:
    case OW_ABORTED:
    case OW_INTERNAL:
    case OW_UNAVAILABLE:
        return true;
    default:
        return false;
    }
}

bool has_ended(const char *state) {
    return strcmp(state, "waiting") != 0 && strcmp(state, "running") != 0;
}
