#include "services/events/publication.h"

#include "services/events/queue_logic.h"

#include "core/cloudevents/cloudevents.h"
#include "core/json/check.h"
#include "core/json/schema.h"
#include "core/timestamp/timestamp.h"

#include <string.h>

enum {
    DATA_DEPTH_MAX = OW_JSON_MAX_DEPTH - 2,
    WRITTEN_MAX = 248 << 10, // with its attributes still the payload of an execution
};

// 0001 to 9999: what JSON can say.
#define TIME_MIN_S INT64_C(-62135596800)
#define TIME_MAX_S INT64_C(253402300799)

static char *borrow(const char *text) {
    return (char *)(uintptr_t)text;
}

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for events");
}

static ow_code bad_event(ow_err *err, const char *why) {
    return ow_fail(err, OW_INVALID_ARGUMENT, "bad_event", "%s", why);
}

// ---- Completing ----

static const char *const kinds[] = {[OW_NOBODY] = "nobody",
                                    [OW_PLAYER] = "player",
                                    [OW_SERVER] = "server",
                                    [OW_OPERATOR] = "operator",
                                    [OW_PLATFORM] = "platform"};

static bool is_text(const char *text, size_t max) {
    size_t size = strlen(text);
    bool sound = size <= max && ow_utf8_check(text, size);
    for (size_t i = 0; sound && i < size; i++) {
        sound = (unsigned char)text[i] >= ' ' && text[i] != 0x7f;
    }
    return sound;
}

// One that had the name of an attribute, "source" say, would stand beside it in every CloudEvent that is written.
static bool is_extension(const new_event_msg *event, size_t nth) {
    const extension_msg *x = event->extensions[nth];
    bool sound = (ow_cloudevent_is_extension_name(x->name) || strcmp(x->name, "dataschema") == 0) &&
                 is_text(x->value, OW_CLOUDEVENT_VALUE_MAX);
    for (size_t i = 0; sound && i < nth; i++) {
        sound = strcmp(event->extensions[i]->name, x->name) != 0;
    }
    return sound;
}

static ow_code check_extensions(const new_event_msg *event, ow_err *err) {
    bool sound = event->n_extensions <= EXTENSIONS_MAX;
    for (size_t i = 0; sound && i < event->n_extensions; i++) {
        sound = is_extension(event, i);
    }
    return sound ? OW_OK
                 : bad_event(err, "at most 16 extensions, each once, named by small letters and "
                                  "digits and not as an attribute, with values of at most 1 KB");
}

// An event that could be stored but not written as a CloudEvent would hold up all behind it.
static size_t written_size(const new_event_msg *event) {
    size_t size = event_is_json(event) ? event->data.len : event->data.len / 3 * 4 + 4;
    for (size_t i = 0; i < event->n_extensions; i++) {
        size += strlen(event->extensions[i]->name) + 2 * strlen(event->extensions[i]->value) + 6;
    }
    return size;
}

static bool is_time(const Google__Protobuf__Timestamp *time) {
    return time == NULL || (time->seconds >= TIME_MIN_S && time->seconds <= TIME_MAX_S &&
                            time->nanos >= 0 && time->nanos < 1000000000);
}

static ow_code check_size(const new_event_msg *event, ow_err *err) {
    size_t max = event_is_json(event) || event->data.len == 0 ? EVENT_DATA_MAX : OTHER_DATA_MAX;
    if (written_size(event) > WRITTEN_MAX && event->data.len <= max) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "event_too_large",
                       "data and extensions together have at most %d KB", WRITTEN_MAX >> 10);
    }
    return event->data.len <= max ? OW_OK
                                  : ow_fail(err, OW_INVALID_ARGUMENT, "event_too_large",
                                            "the data of an event have at most %zu KB", max >> 10);
}

static ow_code check_event(const publisher *by, const new_event_msg *event, ow_err *err) {
    if (!event_type_is_name(event->type)) {
        return bad_event(err, "type: 1 to 128 letters, digits, '.', '_' and '-'");
    }
    if (!by->any_type && platform_type_find(event->type) != NULL) {
        return ow_fail(err, OW_PERMISSION_DENIED, "platform_event",
                       "%s is published by the platform alone", event->type);
    }
    if (!is_text(event->id, EVENT_TEXT_MAX) || !is_text(event->source, EVENT_TEXT_MAX) ||
        !is_text(event->subject, EVENT_TEXT_MAX) || !is_text(event->content_type, EVENT_TEXT_MAX)) {
        return bad_event(err,
                         "id, source, subject and content_type are texts of at most 256 bytes");
    }
    if (!is_time(event->time)) {
        return bad_event(err, "time: from the year 1 to 9999");
    }
    ow_code code = check_extensions(event, err);
    return code == OW_OK ? check_size(event, err) : code;
}

static const char *source_of(const publisher *by, ow_arena *arena) {
    const ow_principal *who = by->principal;
    return who->kind == OW_PLATFORM ? "overworld"
                                    : ow_arena_printf_in(arena, "%s/%s", kinds[who->kind], who->id);
}

// A player is the source of what it publishes, whatever it says.
static bool complete_event(const publisher *by, new_event_msg *event, ow_arena *arena) {
    bool player = by->outside && by->principal->kind == OW_PLAYER;
    bool named = event->source[0] != '\0' && !player;
    if (!named) {
        event->source = borrow(source_of(by, arena));
    }
    if (event->content_type[0] == '\0') {
        event->content_type = borrow("application/json");
    }
    if (event->time == NULL) {
        event->time = ow_timestamp_in(arena, by->now_us);
    }
    return event->source != NULL && event->time != NULL;
}

static bool complete_facts(const publisher *by, occurrence_facts *facts, ow_arena *arena) {
    char traceparent[OW_TRACEPARENT_MAX];
    ow_trace_format(traceparent, by->trace);
    facts->trigger_id = ow_arena_calloc(arena, 1, OW_ID_MAX);
    facts->principal_kind = borrow(kinds[by->principal->kind]);
    facts->principal_id = ow_arena_strdup_in(arena, by->principal->id);
    facts->request_id = ow_arena_strdup_in(arena, by->request_id);
    facts->client_address = ow_arena_strdup_in(arena, by->client_address);
    facts->traceparent = ow_arena_strdup_in(arena, traceparent);
    facts->via = borrow(by->via);
    facts->depth = by->depth;
    return facts->trigger_id != NULL && facts->principal_id != NULL && facts->request_id != NULL &&
           facts->client_address != NULL && facts->traceparent != NULL;
}

static ow_code prepare_one(const publisher *by, const new_event_msg *from, ow_arena *arena,
                           occurrence_row *row, ow_err *err) {
    new_event_msg *event = ow_arena_memdup_in(arena, from, sizeof *from);
    occurrence_facts *facts = ow_arena_alloc(arena, sizeof *facts);
    if (event == NULL || facts == NULL) {
        return no_memory(err);
    }
    overworld__events__v1__occurrence_facts__init(facts);
    facts->event = event;
    *row = (occurrence_row){.title_id = by->title_id,
                            .received_us = by->now_us,
                            .spreading = true,
                            .spread_to = "",
                            .facts = facts};
    if (!complete_event(by, event, arena) || !complete_facts(by, facts, arena)) {
        return no_memory(err);
    }
    return check_event(by, event, err);
}

static ow_code make_told(publication *p, ow_arena *arena, ow_err *err) {
    published_msg *told = ow_arena_calloc(arena, p->count, sizeof *told);
    p->told = ow_arena_calloc(arena, p->count, sizeof *p->told);
    if (told == NULL || p->told == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < p->count; i++) {
        overworld__events__v1__published__init(&told[i]);
        told[i].trigger_id = ow_arena_calloc(arena, 1, OW_ID_MAX);
        p->told[i] = &told[i];
        if (told[i].trigger_id == NULL) {
            return no_memory(err);
        }
    }
    return OW_OK;
}

static ow_code check_count(const publisher *by, new_event_msg *const *events, size_t count,
                           ow_err *err) {
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += events[i]->data.len;
    }
    if (count == 0 || count > PUBLISH_EVENTS_MAX || bytes > PUBLISH_BYTES_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "too_many_events",
                       "1 to %d events and %d MB at once", PUBLISH_EVENTS_MAX,
                       PUBLISH_BYTES_MAX >> 20);
    }
    return by->depth >= 0 && by->depth <= DEPTH_MAX
               ? OW_OK
               : ow_fail(err, OW_INVALID_ARGUMENT, "chain_too_deep",
                         "executions cause each other %d deep at most", DEPTH_MAX);
}

ow_code publication_prepare(publication *p, const publisher *by, new_event_msg *const *events,
                            size_t count, ow_arena *arena, ow_err *err) {
    ow_code code = check_count(by, events, count, err);
    *p = (publication){.count = count};
    p->rows = code == OW_OK ? ow_arena_calloc(arena, count, sizeof *p->rows) : NULL;
    if (code == OW_OK && p->rows == NULL) {
        code = no_memory(err);
    }
    for (size_t i = 0; code == OW_OK && i < count; i++) {
        code = prepare_one(by, events[i], arena, &p->rows[i], err);
        if (code != OW_OK) {
            ow_err_context(err, "event %zu", i);
        }
    }
    return code == OW_OK ? make_told(p, arena, err) : code;
}

// ---- Checking ----

ow_code publication_check_json(const publication *p, ow_err *err) {
    ow_code code = OW_OK;
    for (size_t i = 0; i < p->count && code == OW_OK; i++) {
        const new_event_msg *event = p->rows[i].facts->event;
        if (event_is_json(event)) {
            code =
                ow_json_check((const char *)event->data.data, event->data.len, DATA_DEPTH_MAX, err);
        }
        if (code != OW_OK) {
            ow_err_context(err, "event %zu", i);
        }
    }
    return code;
}

static ow_code check_data(const type_rule *type, const new_event_msg *event, ow_err *err) {
    ow_json *data = NULL;
    if (type->schema == NULL) {
        return OW_OK;
    }
    if (!event_is_json(event)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "schema_violation",
                       "%s has a schema: its data are JSON", type->name);
    }
    ow_code code =
        ow_json_parse((const char *)event->data.data, event->data.len, DATA_DEPTH_MAX, &data, err);
    code = code == OW_OK ? ow_json_schema_validate(type->schema, data, err) : code;
    ow_json_free(data);
    return code;
}

static ow_code check_type(const publisher *by, const rules *rules, const new_event_msg *event,
                          ow_err *err) {
    const type_rule *type = rules_find_type(rules, event->type);
    if (type == NULL) {
        return by->any_type ? OW_OK
                            : ow_fail(err, OW_NOT_FOUND, "no_event_type",
                                      "the title declares no event type %s", event->type);
    }
    if (by->outside && by->principal->kind == OW_PLAYER && !type->client) {
        return ow_fail(err, OW_PERMISSION_DENIED, "not_for_clients",
                       "%s is not published by clients", event->type);
    }
    return check_data(type, event, err);
}

ow_code publication_check_types(const publication *p, const publisher *by, const rules *rules,
                                ow_err *err) {
    ow_code code = OW_OK;
    for (size_t i = 0; i < p->count && code == OW_OK; i++) {
        code = check_type(by, rules, p->rows[i].facts->event, err);
        if (code != OW_OK) {
            ow_err_context(err, "event %zu", i);
        }
    }
    return code;
}

// ---- Storing ----

void publication_number(publication *p, const char *base_id) {
    for (size_t i = 0; i < p->count; i++) {
        occurrence_row *row = &p->rows[i];
        spread_id(base_id, (uint32_t)i, "trg_", row->trigger_id);
        memcpy(row->facts->trigger_id, row->trigger_id, OW_ID_MAX);
        if (row->facts->event->id[0] == '\0') {
            row->facts->event->id = row->facts->trigger_id;
        }
    }
}

static ow_code write_one(publication *p, size_t i, const publication_store *to, ow_err *err) {
    occurrence_row *row = &p->rows[i];
    const new_event_msg *event = row->facts->event;
    bool duplicate = false;
    memcpy(p->told[i]->trigger_id, row->trigger_id, OW_ID_MAX);
    p->told[i]->matched = 0;
    row->event_key = ow_arena_printf_in(to->arena, "%s %s", event->source, event->id);
    if (row->event_key == NULL) {
        return no_memory(err);
    }
    ow_code code =
        occurrence_insert(to->db, row, to->arena, &duplicate, p->told[i]->trigger_id, err);
    p->told[i]->duplicate = duplicate;
    return code;
}

static ow_code check_now(const publication *p, const publisher *by, const publication_store *to,
                         ow_err *err) {
    const rules *rules = NULL;
    ow_code code = rules_current(to->cache, to->db, by->title_id, &rules, err);
    if (code == OW_OK && (p->checked[0] == '\0' || strcmp(rules->version, p->checked) != 0)) {
        code = publication_check_types(p, by, rules, err);
    }
    rules_put_back(to->cache, rules);
    return code;
}

ow_code publication_write(publication *p, const publisher *by, const publication_store *to,
                          ow_err *err) {
    ow_code code = check_now(p, by, to, err);
    for (size_t i = 0; i < p->count && code == OW_OK; i++) {
        code = write_one(p, i, to, err);
    }
    if (code != OW_OK) {
        return code;
    }
    p->spread = (spread){.cache = to->cache,
                         .arena = to->arena,
                         .limits = to->limits,
                         .now_us = to->now_us,
                         .base_id = to->base_id,
                         .told = p->told,
                         .told_count = p->count};
    spread_begin(&p->spread, SPREAD_PUBLISHER_MAX);
    return spread_occurrences(to->db, &p->spread, by->title_id, err);
}
