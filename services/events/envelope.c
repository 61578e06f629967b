#include "services/events/envelope.h"

#include "core/cloudevents/cloudevents.h"
#include "core/crypto/hash.h"
#include "core/json/moment.h"
#include "core/json/pointer.h"
#include "core/json/writer.h"
#include "core/timestamp/timestamp.h"

#include <stdio.h>
#include <string.h>

// What is larger than a payload may be is refused where it becomes an execution, and not for lack of room here.
enum { PAYLOAD_ROOM = 256 << 10, CLOUDEVENT_ROOM = 512 << 10 };

bool event_is_json(const new_event_msg *event) {
    return event->data.len > 0 && ow_cloudevent_is_json_type(event->content_type);
}

static void write_data(ow_json_writer *w, const new_event_msg *event) {
    ow_json_name(w, "event_data");
    if (event->data.len == 0) {
        ow_json_text(w, NULL);
    } else if (event_is_json(event)) {
        ow_json_raw(w, (const char *)event->data.data, event->data.len);
    } else {
        ow_json_object_open(w);
        ow_json_name(w, "content_type");
        ow_json_text(w, event->content_type);
        ow_json_name(w, "base64");
        ow_json_bytes(w, event->data.data, event->data.len);
        ow_json_object_close(w);
    }
}

static int64_t milliseconds(const Google__Protobuf__Timestamp *time) {
    return time != NULL ? time->seconds * 1000 + time->nanos / 1000000 : 0;
}

static void write_event(ow_json_writer *w, const occurrence_facts *facts) {
    ow_json_name(w, "event_name");
    ow_json_text(w, facts->event->type);
    ow_json_name(w, "event_time");
    ow_json_int(w, milliseconds(facts->event->time));
    write_data(w, facts->event);
}

static void write_member(ow_json_writer *w, const char *name, const char *text) {
    ow_json_name(w, name);
    ow_json_text(w, text);
}

static void write_args(ow_json_writer *w, const char *args) {
    ow_json_name(w, "args");
    ow_json_raw(w, args[0] != '\0' ? args : "null", args[0] != '\0' ? strlen(args) : 4);
}

const char *envelope_in(ow_arena *arena, const occurrence_facts *facts, const char *execution_id,
                        const char *args, size_t *ret_size) {
    ow_json_writer w;
    ow_json_writer_init(&w, arena, PAYLOAD_ROOM);
    ow_json_object_open(&w);
    write_member(&w, "trigger_id", facts->trigger_id);
    write_member(&w, "execution_id", execution_id);
    write_event(&w, facts);
    write_args(&w, args);
    ow_json_object_close(&w);
    return ow_json_writer_end(&w, ret_size);
}

const char *envelope_item_in(ow_arena *arena, const occurrence_facts *facts, size_t *ret_size) {
    ow_json_writer w;
    ow_json_writer_init(&w, arena, PAYLOAD_ROOM);
    ow_json_object_open(&w);
    write_member(&w, "trigger_id", facts->trigger_id);
    write_event(&w, facts);
    ow_json_object_close(&w);
    return ow_json_writer_end(&w, ret_size);
}

const char *envelope_batch_in(ow_arena *arena, const envelope_items *items,
                              const char *execution_id, const char *args, size_t *ret_size) {
    ow_json_writer w;
    ow_json_writer_init(&w, arena, PAYLOAD_ROOM);
    ow_json_object_open(&w);
    write_member(&w, "execution_id", execution_id);
    ow_json_name(&w, "events");
    ow_json_array_open(&w);
    for (size_t i = 0; i < items->count; i++) {
        ow_json_raw(&w, items->texts[i], items->sizes[i]);
    }
    ow_json_array_close(&w);
    write_args(&w, args);
    ow_json_object_close(&w);
    return ow_json_writer_end(&w, ret_size);
}

// ---- CloudEvents ----

const char *envelope_cloudevent_in(ow_arena *arena, const occurrence_facts *facts,
                                   size_t *ret_size) {
    const new_event_msg *from = facts->event;
    char time[OW_MOMENT_MAX] = "";
    if (from->time != NULL) {
        ow_moment_print(ow_timestamp_us(from->time), time);
    }
    ow_cloudevent event = {.id = from->id,
                           .source = from->source,
                           .type = from->type,
                           .subject = from->subject,
                           .time = time,
                           .dataschema = "",
                           .datacontenttype = from->content_type,
                           .has_data = from->data.len > 0,
                           .data = from->data.data,
                           .size = from->data.len};
    for (size_t i = 0; i < from->n_extensions && i < OW_CLOUDEVENT_EXTENSIONS_MAX; i++) {
        const extension_msg *x = from->extensions[i];
        if (strcmp(x->name, "dataschema") == 0) {
            event.dataschema = x->value;
        } else {
            event.extensions[event.extension_count++] = (ow_cloudevent_pair){x->name, x->value};
        }
    }
    return ow_cloudevent_json_in(arena, &event, CLOUDEVENT_ROOM, ret_size);
}

const char *envelope_list_in(ow_arena *arena, const envelope_items *items, size_t *ret_size) {
    ow_json_writer w;
    ow_json_writer_init(&w, arena, PAYLOAD_ROOM);
    ow_json_array_open(&w);
    for (size_t i = 0; i < items->count; i++) {
        ow_json_raw(&w, items->texts[i], items->sizes[i]);
    }
    ow_json_array_close(&w);
    return ow_json_writer_end(&w, ret_size);
}

// ---- Order ----

static bool is_short_and_printable(const char *text) {
    size_t size = 0;
    for (; text[size] != '\0'; size++) {
        if ((unsigned char)text[size] < ' ' || text[size] == 0x7f || size == ORDERING_KEY_MAX) {
            return false;
        }
    }
    return true;
}

void ordering_key_of(const ow_json *data, const char *pointer,
                     char key[static ORDERING_KEY_MAX + 1]) {
    const ow_json *value = pointer[0] != '\0' ? ow_json_pointer_get(data, pointer) : NULL;
    const char *text = ow_json_string(value);
    double number;
    bool truth;
    key[0] = '\0';
    if (text != NULL && is_short_and_printable(text)) {
        snprintf(key, ORDERING_KEY_MAX + 1, "%s", text);
    } else if (text != NULL) {
        uint8_t digest[OW_SHA256_SIZE];
        ow_sha256(text, strlen(text), digest);
        ow_hex_encode(digest, sizeof digest, key);
    } else if (ow_json_as_double(value, &number)) {
        snprintf(key, ORDERING_KEY_MAX + 1, "%.17g", number);
    } else if (ow_json_as_bool(value, &truth)) {
        snprintf(key, ORDERING_KEY_MAX + 1, "%s", truth ? "true" : "false");
    }
}
