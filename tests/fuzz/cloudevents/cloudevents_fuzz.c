// Any text as an event in each mode; what is read is written and read again as the same. The first
// byte chooses the mode: 'h' for headers, one "name: value" a line up to an empty one.

#include "core/cloudevents/cloudevents.h"
#include "core/testing/scarce.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { HEADERS_MAX = 32, BATCH_MAX = 8, JSON_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Whoever is out of memory may say so instead.
static void must(bool holds) {
    if (!holds && !ow_scarce_has_failed()) {
        abort();
    }
}

// A JSON value as the structured format holds it: what stands around it is not part of it.
static const char *value_of(const ow_cloudevent *event, size_t *size) {
    static const char space[] = " \t\r\n";
    const char *at = event->data;
    const char *end = at + event->size;
    if (ow_cloudevent_is_json_type(event->datacontenttype)) {
        while (at < end && strchr(space, *at) != NULL) {
            at++;
        }
        while (end > at && strchr(space, end[-1]) != NULL) {
            end--;
        }
    }
    *size = (size_t)(end - at);
    return at;
}

static bool same(const ow_cloudevent *a, const ow_cloudevent *b) {
    size_t a_size, b_size;
    const char *a_data = value_of(a, &a_size);
    const char *b_data = value_of(b, &b_size);
    return strcmp(a->id, b->id) == 0 && strcmp(a->type, b->type) == 0 &&
           strcmp(a->source, b->source) == 0 && a->extension_count == b->extension_count &&
           a_size == b_size && memcmp(a_data, b_data, a_size) == 0;
}

static void round_trip(ow_arena *arena, const ow_cloudevent *event) {
    ow_cloudevent_pair headers[OW_CLOUDEVENT_HEADERS_MAX];
    ow_cloudevent again;
    size_t count, size;
    const char *json = ow_cloudevent_json_in(arena, event, JSON_MAX, &size);
    if (json != NULL) {
        bool is_read = ow_cloudevent_from_json(json, size, arena, &again, NULL) == OW_OK;
        must(is_read && same(event, &again));
    }
    if (ow_cloudevent_headers_in(arena, event, headers, &count, NULL) == OW_OK) {
        bool is_read = ow_cloudevent_from_headers(headers, count, event->data, event->size, arena,
                                                  &again, NULL) == OW_OK;
        must(is_read && same(event, &again));
    }
}

static void read_headers(ow_arena *arena, char *text, size_t size) {
    ow_cloudevent_pair headers[HEADERS_MAX];
    ow_cloudevent event;
    size_t count = 0;
    char *end = text + size;
    char *at = text;
    while (count < HEADERS_MAX && at < end && *at != '\n') {
        char *line_end = memchr(at, '\n', (size_t)(end - at));
        char *colon = strchr(at, ':');
        if (line_end == NULL || colon == NULL || colon > line_end) {
            return;
        }
        *colon = *line_end = '\0';
        headers[count++] = (ow_cloudevent_pair){at, colon + 1};
        at = line_end + 1;
    }
    at += at < end;
    if (ow_cloudevent_from_headers(headers, count, at, (size_t)(end - at), arena, &event, NULL) ==
        OW_OK) {
        round_trip(arena, &event);
    }
}

static void read_json(ow_arena *arena, const char *text, size_t size) {
    ow_cloudevent event;
    ow_cloudevent *events;
    size_t count;
    if (ow_cloudevent_from_json(text, size, arena, &event, NULL) == OW_OK) {
        round_trip(arena, &event);
    }
    if (ow_cloudevents_from_json(text, size, BATCH_MAX, arena, &events, &count, NULL) == OW_OK) {
        must(count <= BATCH_MAX);
        for (size_t i = 0; i < count; i++) {
            round_trip(arena, &events[i]);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ow_arena *arena = ow_arena_new((size_t)16 << 20);
    char *text = arena != NULL && size > 0 ? ow_arena_memdup_in(arena, data, size) : NULL;
    if (text != NULL && text[0] == 'h') {
        read_headers(arena, text + 1, size - 1);
    } else if (text != NULL) {
        read_json(arena, text, size);
    }
    ow_arena_free(arena);
    return 0;
}
