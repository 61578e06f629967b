#pragma once

// CloudEvents 1.0 over HTTP in its three modes: binary (attributes in ce-* headers), structured and
// batch (JSON). https://github.com/cloudevents/spec. Any thread. What is read lives in the arena that
// is passed and in the texts that were passed.

#include "core/arena/arena.h"
#include "core/error/error.h"

#include <stdbool.h>
#include <stddef.h>

#define OW_CLOUDEVENT_EXTENSIONS_MAX 16
#define OW_CLOUDEVENT_NAME_MAX 40    // characters of an extension's name
#define OW_CLOUDEVENT_VALUE_MAX 1024 // bytes of an attribute
#define OW_CLOUDEVENT_JSON "application/cloudevents+json"
#define OW_CLOUDEVENTS_JSON "application/cloudevents-batch+json"

typedef struct ow_cloudevent_pair {
    const char *name, *value;
} ow_cloudevent_pair;

typedef struct ow_cloudevent {
    const char *id, *source, *type;                            // never empty
    const char *subject, *time, *dataschema, *datacontenttype; // "": absent
    ow_cloudevent_pair extensions[OW_CLOUDEVENT_EXTENSIONS_MAX];
    size_t extension_count;
    bool has_data;
    const void *data; // JSON text, when datacontenttype is JSON
    size_t size;
} ow_cloudevent;

typedef enum ow_cloudevent_mode {
    OW_CLOUDEVENT_BINARY,
    OW_CLOUDEVENT_STRUCTURED,
    OW_CLOUDEVENT_BATCH,
    OW_CLOUDEVENT_UNKNOWN, // structured or batch in a format that is not JSON
} ow_cloudevent_mode;

// By the Content-Type of a request; NULL: binary.
ow_cloudevent_mode ow_cloudevent_mode_of(const char *content_type);

// "application/json", "text/json", "application/x+json", with parameters or without.
bool ow_cloudevent_is_json_type(const char *datacontenttype);

// Whether an extension may have this name: 1 to OW_CLOUDEVENT_NAME_MAX small letters and digits that name neither one of
// CloudEvents' own attributes nor the data.
bool ow_cloudevent_is_extension_name(const char *name);

// The value of an extension; NULL when it is absent.
const char *ow_cloudevent_extension(const ow_cloudevent *event, const char *name);

// Everything that is read is checked: required attributes, names, times, that nothing comes twice, and data that say
// they are JSON. Codes of all: invalid_argument "bad_event" (names the attribute), "invalid_json";
// resource_exhausted "memory".

// Binary mode. `headers`: all of the request, names in any case; others than ce-* and Content-Type
// are ignored.
ow_code ow_cloudevent_from_headers(const ow_cloudevent_pair *headers, size_t header_count,
                                   const void *body, size_t size, ow_arena *arena,
                                   ow_cloudevent *ret_event, ow_err *err);

// Structured mode.
ow_code ow_cloudevent_from_json(const char *json, size_t size, ow_arena *arena,
                                ow_cloudevent *ret_event, ow_err *err);

// Batch mode: at most `max` events ("too_many_events" otherwise), perhaps none.
ow_code ow_cloudevents_from_json(const char *json, size_t size, size_t max, ow_arena *arena,
                                 ow_cloudevent **ret_events, size_t *ret_count, ow_err *err);

// The JSON of structured mode; NULL: longer than `max`, or the arena is full.
const char *ow_cloudevent_json_in(ow_arena *arena, const ow_cloudevent *event, size_t max,
                                  size_t *ret_size);

// The headers of binary mode, Content-Type among them; the body is the event's data.
#define OW_CLOUDEVENT_HEADERS_MAX (OW_CLOUDEVENT_EXTENSIONS_MAX + 8)
ow_code ow_cloudevent_headers_in(ow_arena *arena, const ow_cloudevent *event,
                                 ow_cloudevent_pair headers[static OW_CLOUDEVENT_HEADERS_MAX],
                                 size_t *ret_count, ow_err *err);
