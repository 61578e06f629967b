#include "core/cloudevents/cloudevents.h"

#include "core/cloudevents/internal.h"
#include "core/json/check.h"
#include "core/json/moment.h"

#include <string.h>
#include <strings.h>

ow_code event_bad(ow_err *err, const char *what) {
    return ow_fail(err, OW_INVALID_ARGUMENT, "bad_event", "CloudEvents 1.0: %s", what);
}

ow_code event_no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for an event");
}

static bool starts_with(const char *text, const char *prefix) {
    return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

ow_cloudevent_mode ow_cloudevent_mode_of(const char *content_type) {
    static const char batch[] = "application/cloudevents-batch";
    static const char structured[] = "application/cloudevents";
    if (content_type == NULL || !starts_with(content_type, structured)) {
        return OW_CLOUDEVENT_BINARY;
    }
    bool is_batch = starts_with(content_type, batch);
    const char *format = content_type + (is_batch ? sizeof batch : sizeof structured) - 1;
    size_t size = strcspn(format, "; \t");
    if (size != 0 && !(size == 5 && starts_with(format, "+json"))) {
        return OW_CLOUDEVENT_UNKNOWN;
    }
    return is_batch ? OW_CLOUDEVENT_BATCH : OW_CLOUDEVENT_STRUCTURED;
}

bool ow_cloudevent_is_json_type(const char *datacontenttype) {
    size_t size = strcspn(datacontenttype, "; \t");
    const char *slash = memchr(datacontenttype, '/', size);
    if (slash == NULL) {
        return false;
    }
    size_t subtype = size - (size_t)(slash + 1 - datacontenttype);
    return (subtype == 4 && starts_with(slash + 1, "json")) ||
           (subtype > 5 && starts_with(datacontenttype + size - 5, "+json"));
}

const char *ow_cloudevent_extension(const ow_cloudevent *event, const char *name) {
    for (size_t i = 0; i < event->extension_count; i++) {
        if (strcmp(event->extensions[i].name, name) == 0) {
            return event->extensions[i].value;
        }
    }
    return NULL;
}

// ---- Attributes by name ----

typedef struct attribute {
    const char *name;
    size_t offset; // of the member
} attribute;

static const attribute attributes[] = {
    {"id", offsetof(ow_cloudevent, id)},
    {"source", offsetof(ow_cloudevent, source)},
    {"type", offsetof(ow_cloudevent, type)},
    {"subject", offsetof(ow_cloudevent, subject)},
    {"time", offsetof(ow_cloudevent, time)},
    {"dataschema", offsetof(ow_cloudevent, dataschema)},
    {"datacontenttype", offsetof(ow_cloudevent, datacontenttype)},
};

enum { ATTRIBUTES = sizeof attributes / sizeof *attributes };

static const char **member(ow_cloudevent *event, const attribute *a) {
    return (const char **)((char *)event + a->offset);
}

// CloudEvents 1.0, "Naming conventions": data is what the event carries, never an attribute.
static bool is_name(const char *name) {
    size_t size = strlen(name);
    return strcmp(name, "data") != 0 && size > 0 && size <= OW_CLOUDEVENT_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789") == size;
}

// Text without control characters.
static bool is_value(const char *value) {
    size_t size = strlen(value);
    if (size > OW_CLOUDEVENT_VALUE_MAX || !ow_utf8_check(value, size)) {
        return false;
    }
    for (const unsigned char *at = (const unsigned char *)value; *at != 0; at++) {
        if (*at < ' ' || *at == 0x7f || (*at == 0xc2 && at[1] < 0xa0)) {
            return false;
        }
    }
    return true;
}

bool ow_cloudevent_is_extension_name(const char *name) {
    bool sound = is_name(name) && strcmp(name, "specversion") != 0;
    for (int i = 0; sound && i < ATTRIBUTES; i++) {
        sound = strcmp(attributes[i].name, name) != 0;
    }
    return sound;
}

// Of two values readers would believe different ones.
static ow_code twice(const char *name, ow_err *err) {
    return ow_fail(err, OW_INVALID_ARGUMENT, "bad_event", "CloudEvents 1.0: %s comes twice", name);
}

ow_code event_set(ow_cloudevent *event, const char *name, const char *value, ow_err *err) {
    if (!is_name(name)) {
        return event_bad(err, "attributes are named by small letters and digits, at most 40, "
                              "and none is \"data\"");
    }
    if (!is_value(value)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_event",
                       "CloudEvents 1.0: %s has no such value (text of at most %d bytes)", name,
                       OW_CLOUDEVENT_VALUE_MAX);
    }
    if (strcmp(name, "specversion") == 0) {
        return strcmp(value, "1.0") == 0 ? OW_OK : event_bad(err, "specversion is \"1.0\"");
    }
    for (int i = 0; i < ATTRIBUTES; i++) {
        if (strcmp(attributes[i].name, name) == 0) {
            if ((*member(event, &attributes[i]))[0] != '\0') {
                return twice(name, err);
            }
            *member(event, &attributes[i]) = value;
            return OW_OK;
        }
    }
    if (ow_cloudevent_extension(event, name) != NULL) {
        return twice(name, err);
    }
    if (event->extension_count == OW_CLOUDEVENT_EXTENSIONS_MAX) {
        return event_bad(err, "at most 16 extensions");
    }
    event->extensions[event->extension_count++] = (ow_cloudevent_pair){name, value};
    return OW_OK;
}

void event_init(ow_cloudevent *event) {
    *event = (ow_cloudevent){.data = ""};
    for (int i = 0; i < ATTRIBUTES; i++) {
        *member(event, &attributes[i]) = "";
    }
}

static bool has_required(const ow_cloudevent *event) {
    return event->id[0] != '\0' && event->source[0] != '\0' && event->type[0] != '\0';
}

ow_code event_check(const ow_cloudevent *event, bool has_version, ow_err *err) {
    int64_t us;
    if (!has_version) {
        return event_bad(err, "specversion is missing");
    }
    if (!has_required(event)) {
        return event_bad(err, "id, source and type are wanted and not empty");
    }
    if (strchr(event->source, ' ') != NULL || strchr(event->dataschema, ' ') != NULL) {
        return event_bad(err, "source and dataschema are URIs");
    }
    if (event->time[0] != '\0' && !ow_moment_parse(event->time, &us)) {
        return event_bad(err, "time is as RFC 3339 writes it");
    }
    if (event->has_data && ow_cloudevent_is_json_type(event->datacontenttype)) {
        return ow_json_check(event->data, event->size, OW_JSON_MAX_DEPTH - 2, err);
    }
    return OW_OK;
}

void event_each(const ow_cloudevent *event,
                void (*take)(void *self, const char *name, const char *value), void *self) {
    take(self, "specversion", "1.0");
    for (int i = 0; i < ATTRIBUTES; i++) {
        const char *value = *member((ow_cloudevent *)(uintptr_t)event, &attributes[i]);
        if (value[0] != '\0') {
            take(self, attributes[i].name, value);
        }
    }
    for (size_t i = 0; i < event->extension_count; i++) {
        take(self, event->extensions[i].name, event->extensions[i].value);
    }
}
