// Binary mode: attributes in headers.

#include "core/cloudevents/internal.h"
#include "core/http/text.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { ENCODED_MAX = OW_CLOUDEVENT_VALUE_MAX * 3 };

// Undoes double quotes: "a \"b\"" is what stands between them. Returns the length; -1: malformed.
static long unquote(const char *text, char *out, size_t room) {
    size_t size = strlen(text);
    size_t length = 0;
    bool quoted = size >= 2 && text[0] == '"' && text[size - 1] == '"';
    size_t end = quoted ? size - 1 : size;
    for (size_t i = quoted; i < end; i++) {
        if (quoted && text[i] == '\\' && ++i == end) {
            return -1;
        }
        if (length + 1 >= room) {
            return -1;
        }
        out[length++] = text[i];
    }
    out[length] = '\0';
    return (long)length;
}

// A header's value: quotes first, then percent-encoding. NULL: malformed or no memory.
static const char *decode(const char *text, ow_arena *arena) {
    size_t room = strlen(text) + 1;
    char *plain = room <= ENCODED_MAX ? ow_arena_alloc(arena, room) : NULL;
    char *value = plain != NULL ? ow_arena_alloc(arena, room) : NULL;
    long size = value != NULL ? unquote(text, plain, room) : -1;
    size = size >= 0 ? ow_http_percent_decode(plain, (size_t)size, false, value, room) : -1;
    return size >= 0 ? value : NULL;
}

static ow_code take_header(ow_cloudevent *event, const ow_cloudevent_pair *header, ow_arena *arena,
                           bool *has_version, ow_err *err) {
    char *name = ow_arena_strdup_in(arena, header->name + 3);
    const char *value = decode(header->value, arena);
    if (name == NULL || value == NULL) {
        return event_bad(err, "a header is malformed");
    }
    for (char *at = name; *at != '\0'; at++) {
        *at = (char)tolower((unsigned char)*at);
    }
    if (strcmp(name, "datacontenttype") == 0) {
        return event_bad(err, "the type of data is Content-Type, not a header of its own");
    }
    *has_version |= strcmp(name, "specversion") == 0;
    return event_set(event, name, value, err);
}

ow_code ow_cloudevent_from_headers(const ow_cloudevent_pair *headers, size_t header_count,
                                   const void *body, size_t size, ow_arena *arena,
                                   ow_cloudevent *ret_event, ow_err *err) {
    ow_cloudevent event;
    bool has_version = false;
    ow_code code = OW_OK;
    event_init(&event);
    for (size_t i = 0; i < header_count && code == OW_OK; i++) {
        if (strncasecmp(headers[i].name, "ce-", 3) == 0) {
            code = take_header(&event, &headers[i], arena, &has_version, err);
        } else if (strcasecmp(headers[i].name, "Content-Type") == 0) {
            code = event_set(&event, "datacontenttype", headers[i].value, err);
        }
    }
    event.has_data = size > 0;
    event.data = size > 0 ? body : "";
    event.size = size;
    code = code == OW_OK ? event_check(&event, has_version, err) : code;
    if (code == OW_OK) {
        *ret_event = event;
    }
    return code;
}

// ---- Writing ----

typedef struct heads {
    ow_arena *arena;
    ow_cloudevent_pair *headers;
    size_t count;
    bool failed;
} heads;

static const char *encode(const char *value, ow_arena *arena) {
    static const char digits[] = "0123456789ABCDEF";
    char *out = ow_arena_alloc(arena, strlen(value) * 3 + 1);
    size_t size = 0;
    for (; out != NULL && *value != '\0'; value++) {
        unsigned char c = (unsigned char)*value;
        if (c > ' ' && c < 0x7f && c != '"' && c != '%') {
            out[size++] = (char)c;
        } else {
            out[size++] = '%';
            out[size++] = digits[c >> 4];
            out[size++] = digits[c & 15];
        }
    }
    if (out != NULL) {
        out[size] = '\0';
    }
    return out;
}

static void add_header(void *self, const char *name, const char *value) {
    heads *h = self;
    bool is_type = strcmp(name, "datacontenttype") == 0;
    const char *key = is_type ? "Content-Type" : ow_arena_printf_in(h->arena, "ce-%s", name);
    const char *text = is_type ? value : encode(value, h->arena);
    h->failed |= key == NULL || text == NULL || h->count == OW_CLOUDEVENT_HEADERS_MAX;
    if (!h->failed) {
        h->headers[h->count++] = (ow_cloudevent_pair){key, text};
    }
}

ow_code ow_cloudevent_headers_in(ow_arena *arena, const ow_cloudevent *event,
                                 ow_cloudevent_pair headers[static OW_CLOUDEVENT_HEADERS_MAX],
                                 size_t *ret_count, ow_err *err) {
    heads h = {.arena = arena, .headers = headers};
    event_each(event, add_header, &h);
    if (h.failed) {
        return event_no_memory(err);
    }
    *ret_count = h.count;
    return OW_OK;
}
