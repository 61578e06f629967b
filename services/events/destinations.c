#include "services/events/destinations.h"

#include "services/events/announcements.h"
#include "services/events/declarations.h"
#include "services/events/envelope.h"

#include "core/json/check.h"
#include "core/json/writer.h"

#include <string.h>

static char *borrow(const char *text) {
    return (char *)(uintptr_t)text;
}

// ---- The payload ----

// JSON as it is, anything else in base64.
static void write_content(ow_json_writer *w, const char *type, ProtobufCBinaryData content) {
    ow_json_object_open(w);
    ow_json_name(w, "contentType");
    ow_json_text(w, type);
    bool is_json =
        content.len > 0 && strncmp(type, "application/json", strlen("application/json")) == 0 &&
        ow_json_check((const char *)content.data, content.len, OW_JSON_MAX_DEPTH / 2, NULL) ==
            OW_OK;
    ow_json_name(w, is_json ? "body" : "bodyBase64");
    if (is_json) {
        ow_json_raw(w, (const char *)content.data, content.len);
    } else {
        ow_json_bytes(w, content.data, content.len);
    }
    ow_json_object_close(w);
}

static void write_contents(ow_json_writer *w, const run *run, execution_state state) {
    const new_execution_msg *wanted = run->claimed->row.facts->wanted;
    const execution_outcome *outcome = &run->outcome;
    ow_json_name(w, "request");
    write_content(w, wanted->content_type, wanted->payload);
    if (state == EXECUTION_DONE) {
        ow_json_name(w, "response");
        write_content(w, outcome->content_type, outcome->result);
    }
}

static void write_facts(ow_json_writer *w, const run *run, const queue_item *next) {
    const execution_row *row = &run->claimed->row;
    const new_execution_msg *wanted = row->facts->wanted;
    const struct {
        const char *name, *text;
    } facts[] = {
        {"executionId", row->execution_id},
        {"triggerId", wanted->trigger_id},
        {"requestId", row->facts->request_id},
        {"virtualServer", wanted->virtual_server},
        {"function", wanted->function},
        {"qualifier", wanted->qualifier},
        {"source", wanted->source},
        {"state", execution_state_name(next->state)},
        {"reason", run->reason},
        {"message", run->message},
    };
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++) {
        ow_json_name(w, facts[i].name);
        ow_json_text(w, facts[i].text);
    }
    ow_json_name(w, "attempts");
    ow_json_int(w, next->attempt);
}

// What happened, with request and response when they fit.
static const char *text_of(const run *run, const queue_item *next, bool whole, size_t max,
                           size_t *ret_size) {
    ow_json_writer w;
    ow_json_writer_init(&w, run->claimed->arena, max);
    ow_json_object_open(&w);
    write_facts(&w, run, next);
    if (whole) {
        write_contents(&w, run, next->state);
    } else {
        ow_json_name(&w, "contentsDropped");
        ow_json_bool(&w, true);
    }
    ow_json_object_close(&w);
    return ow_json_writer_end(&w, ret_size);
}

static bool fill_payload(const run *run, const queue_item *next, size_t max,
                         ProtobufCBinaryData *ret_payload) {
    size_t size = 0;
    const char *text = text_of(run, next, true, max, &size);
    if (text == NULL) {
        text = text_of(run, next, false, max, &size);
    }
    *ret_payload = (ProtobufCBinaryData){size, (uint8_t *)borrow(text)};
    return text != NULL;
}

// ---- The execution ----

static const destination_msg *destination_of(const run *run, execution_state state) {
    const new_execution_msg *wanted = run->claimed->row.facts->wanted;
    return state == EXECUTION_DONE   ? wanted->on_success
           : state == EXECUTION_DEAD ? wanted->on_failure
                                     : NULL;
}

static ow_code make_successor(run *run, const destination_msg *to, const queue_item *next,
                              int64_t now_us, new_execution *ret_new, ow_err *err) {
    const execution_row *row = &run->claimed->row;
    const new_execution_msg *cause = row->facts->wanted;
    ow_principal principal = execution_principal(row);
    ow_trace trace;
    if (!ow_trace_parse(row->facts->traceparent, &trace)) {
        ow_trace_begin(&trace);
    }
    new_execution_msg wanted = OVERWORLD__EVENTS__V1__NEW_EXECUTION__INIT;
    wanted.virtual_server = to->virtual_server;
    wanted.function = to->function;
    wanted.qualifier = to->qualifier;
    wanted.source = borrow("destination");
    wanted.trigger_id = cause->trigger_id;
    wanted.depth = cause->depth + 1;
    if (!fill_payload(run, next, PAYLOAD_MAX, &wanted.payload)) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for a destination");
    }
    execution_origin origin = {
        .title_id = row->title_id,
        .request_id = row->facts->request_id,
        .client_address = row->facts->client_address,
        .principal = &principal,
        .trace = &trace,
        .now_us = now_us,
    };
    return execution_prepare(&wanted, &origin, &run->place.limits, run->claimed->arena, ret_new,
                             err);
}

static ow_code prepare_successor(run *run, const destination_msg *to, const queue_item *next,
                                 int64_t now_us, ow_err *err) {
    new_execution *new = ow_arena_calloc(run->claimed->arena, 1, sizeof *new);
    ow_code code = new == NULL ? ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory")
                               : make_successor(run, to, next, now_us, new, err);
    if (code == OW_OK) {
        run->place.make_id(run->place.make_id_self, now_us, new->execution_id);
        run->outcome.destination_execution_id = new->execution_id;
        run->successor = new;
    }
    return code;
}

// ---- The event ----

static ow_code check_event(const run *run, const destination_msg *to, ow_err *err) {
    if (run->claimed->row.facts->wanted->depth >= DEPTH_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "chain_too_deep",
                       "executions cause each other %d deep at most", DEPTH_MAX);
    }
    if (platform_type_find(to->event_type) != NULL) {
        return ow_fail(err, OW_PERMISSION_DENIED, "platform_event",
                       "%s is published by the platform alone", to->event_type);
    }
    return run->crowded ? ow_fail(err, OW_RESOURCE_EXHAUSTED, "throttled",
                                  "too many executions of this title wait already")
                        : OW_OK;
}

static ow_code prepare_event(run *run, const destination_msg *to, const queue_item *next,
                             int64_t now_us, ow_err *err) {
    ow_arena *arena = run->claimed->arena;
    announcement *a = ow_arena_calloc(arena, 1, sizeof *a);
    ow_code code = check_event(run, to, err);
    if (code != OW_OK) {
        return code;
    }
    if (a != NULL) {
        a->type = to->event_type;
        a->id = ow_arena_printf_in(arena, "%s.%lld", run->claimed->row.execution_id,
                                   (long long)next->epoch);
        ow_id_make(a->trigger_id, "trg_", now_us);
    }
    if (a == NULL || a->id == NULL || !fill_payload(run, next, EVENT_DATA_MAX, &a->data)) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for a destination");
    }
    run->outcome.destination_trigger_id = a->trigger_id;
    run->told_as = a;
    return OW_OK;
}

ow_code destination_announce(ow_db_conn *db, const run *ended, bool *ret_announced, ow_err *err) {
    *ret_announced = false;
    return ended->stale || ended->told_as == NULL
               ? OW_OK
               : announce(db, ended, ended->told_as, ret_announced, err);
}

// Many may follow from an event, and an event from each of those: such a chain ends where its title's share of the
// queue does.
static bool is_crowded(const run *run) {
    const run_place *place = &run->place;
    return place->has_room != NULL &&
           !place->has_room(place->has_room_self, run->claimed->row.title_id);
}

void destination_prepare(run *run, const queue_item *next, int64_t now_us) {
    const destination_msg *to = destination_of(run, next->state);
    run->crowded = state_is_settled(next->state) && is_crowded(run);
    ow_err err;
    if (to == NULL) {
        return;
    }
    ow_code code = to->event_type[0] != '\0' ? prepare_event(run, to, next, now_us, &err)
                                             : prepare_successor(run, to, next, now_us, &err);
    if (code != OW_OK) {
        const char *reason = ow_arena_strdup_in(run->claimed->arena, err.reason);
        run->outcome.destination_reason = borrow(reason == NULL ? "" : reason);
    }
}
