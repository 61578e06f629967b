// Structured and batch mode: the JSON event format.

#include "core/cloudevents/internal.h"
#include "core/json/check.h"
#include "core/json/walk.h"
#include "core/json/writer.h"

#include <string.h>

#define JSON "application/json"

// One event being read.
typedef struct reading {
    ow_arena *arena;
    ow_cloudevent *event;
    bool has_version;
    ow_json_slice data, base64; // text NULL: not there
} reading;

// Booleans and integers of extensions become the text that CloudEvents gives them, which is JSON's.
static ow_code set_attribute(reading *r, const char *name, const ow_json_slice *value,
                             ow_err *err) {
    const char *text = NULL;
    switch (ow_json_slice_kind(value)) {
    case OW_JSON_NULL:
        return OW_OK;
    case OW_JSON_STRING:
        text = ow_json_slice_string_in(r->arena, value, NULL);
        break;
    case OW_JSON_BOOL:
    case OW_JSON_NUMBER:
        text = ow_arena_memdup_in(r->arena, value->text, value->size);
        break;
    default:
        return event_bad(err, "attributes are texts, numbers, true or false");
    }
    if (text == NULL) {
        return event_no_memory(err);
    }
    r->has_version |= strcmp(name, "specversion") == 0;
    return event_set(r->event, name, text, err);
}

static ow_code take_member(reading *r, const ow_json_slice *name, const ow_json_slice *value,
                           ow_err *err) {
    const char *text = ow_json_slice_string_in(r->arena, name, NULL);
    if (text == NULL) {
        return event_no_memory(err);
    }
    if (strcmp(text, "data") == 0) {
        r->data = *value;
        return OW_OK;
    }
    if (strcmp(text, "data_base64") == 0) {
        r->base64 = *value;
        return OW_OK;
    }
    return set_attribute(r, text, value, err);
}

static ow_code take_base64(reading *r, ow_err *err) {
    uint8_t *bytes;
    if (!ow_json_slice_base64_in(r->arena, &r->base64, &bytes, &r->event->size)) {
        return event_bad(err, "data_base64 is base64");
    }
    r->event->data = bytes;
    r->event->has_data = true;
    return OW_OK;
}

static ow_code take_data(reading *r, ow_err *err) {
    ow_cloudevent *event = r->event;
    event->has_data = true;
    if (event->datacontenttype[0] == '\0') {
        event->datacontenttype = JSON;
    }
    bool is_text = ow_json_slice_kind(&r->data) == OW_JSON_STRING;
    if (is_text && !ow_cloudevent_is_json_type(event->datacontenttype)) {
        event->data = ow_json_slice_string_in(r->arena, &r->data, &event->size);
        return event->data != NULL ? OW_OK : event_no_memory(err);
    }
    event->data = r->data.text;
    event->size = r->data.size;
    return OW_OK;
}

static bool is_there(const ow_json_slice *slice) {
    return slice->text != NULL && ow_json_slice_kind(slice) != OW_JSON_NULL;
}

static ow_code take_either(reading *r, ow_err *err) {
    bool data = is_there(&r->data);
    bool base64 = is_there(&r->base64);
    if (data && base64) {
        return event_bad(err, "data or data_base64, not both");
    }
    if (base64) {
        return take_base64(r, err);
    }
    return data ? take_data(r, err) : OW_OK;
}

// `json` was checked.
static ow_code read_event(const ow_json_slice *json, ow_arena *arena, ow_cloudevent *event,
                          ow_err *err) {
    reading r = {.arena = arena, .event = event};
    ow_json_walk walk;
    ow_json_slice name, value;
    ow_code code = OW_OK;
    event_init(event);
    if (!ow_json_walk_begin(&walk, json->text, json->size) || !walk.is_object) {
        return event_bad(err, "an event is an object");
    }
    while (code == OW_OK && ow_json_walk_next(&walk, &name, &value)) {
        code = take_member(&r, &name, &value, err);
    }
    code = code == OW_OK ? take_either(&r, err) : code;
    return code == OW_OK ? event_check(event, r.has_version, err) : code;
}

ow_code ow_cloudevent_from_json(const char *json, size_t size, ow_arena *arena,
                                ow_cloudevent *ret_event, ow_err *err) {
    ow_code code = ow_json_check(json, size, OW_JSON_MAX_DEPTH, err);
    ow_json_slice whole = {json, size};
    ow_cloudevent event;
    code = code == OW_OK ? read_event(&whole, arena, &event, err) : code;
    if (code == OW_OK) {
        *ret_event = event;
    }
    return code;
}

static ow_code count_events(const char *json, size_t size, size_t max, size_t *ret_count,
                            ow_err *err) {
    ow_json_walk walk;
    ow_json_slice value;
    size_t count = 0;
    if (!ow_json_walk_begin(&walk, json, size) || walk.is_object) {
        return event_bad(err, "a batch is an array");
    }
    while (ow_json_walk_next(&walk, NULL, &value)) {
        count++;
    }
    *ret_count = count;
    return count <= max ? OW_OK
                        : ow_fail(err, OW_INVALID_ARGUMENT, "too_many_events",
                                  "a batch has at most %zu events", max);
}

ow_code ow_cloudevents_from_json(const char *json, size_t size, size_t max, ow_arena *arena,
                                 ow_cloudevent **ret_events, size_t *ret_count, ow_err *err) {
    ow_json_walk walk;
    ow_json_slice value;
    size_t count = 0;
    ow_code code = ow_json_check(json, size, OW_JSON_MAX_DEPTH, err);
    code = code == OW_OK ? count_events(json, size, max, &count, err) : code;
    if (code != OW_OK) {
        return code;
    }
    ow_cloudevent *events = ow_arena_calloc(arena, count + 1, sizeof *events);
    if (events == NULL) {
        return event_no_memory(err);
    }
    ow_json_walk_begin(&walk, json, size);
    for (size_t i = 0; code == OW_OK && ow_json_walk_next(&walk, NULL, &value); i++) {
        code = read_event(&value, arena, &events[i], err);
        if (code != OW_OK) {
            ow_err_context(err, "event %zu", i);
        }
    }
    if (code == OW_OK) {
        *ret_events = events;
        *ret_count = count;
    }
    return code;
}

// ---- Writing ----

static void write_attribute(void *self, const char *name, const char *value) {
    ow_json_name(self, name);
    ow_json_text(self, value);
}

static void write_data(ow_json_writer *w, const ow_cloudevent *event) {
    if (ow_cloudevent_is_json_type(event->datacontenttype)) {
        ow_json_name(w, "data");
        ow_json_raw(w, event->data, event->size);
    } else if (strncmp(event->datacontenttype, "text/", 5) == 0 &&
               ow_utf8_check(event->data, event->size)) {
        ow_json_name(w, "data");
        ow_json_text_n(w, event->data, event->size);
    } else {
        ow_json_name(w, "data_base64");
        ow_json_bytes(w, event->data, event->size);
    }
}

const char *ow_cloudevent_json_in(ow_arena *arena, const ow_cloudevent *event, size_t max,
                                  size_t *ret_size) {
    ow_json_writer w;
    ow_json_writer_init(&w, arena, max);
    ow_json_object_open(&w);
    event_each(event, write_attribute, &w);
    if (event->has_data) {
        write_data(&w, event);
    }
    ow_json_object_close(&w);
    return ow_json_writer_end(&w, ret_size);
}
