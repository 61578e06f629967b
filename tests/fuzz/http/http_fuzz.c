// Readers of request lines and headers: whatever comes, they stay within bounds, and a head that
// passes can be read in one way only.

#include "core/http/strict.h"
#include "core/http/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LINES_MAX 8
#define VALUE_ROOM 64

static void look_up(const char *query) {
    char value[VALUE_ROOM];
    long size = ow_http_query_find(query, "a", value, sizeof value);
    if (size >= (long)sizeof value || (size >= 0 && strlen(value) != (size_t)size)) {
        abort();
    }
    ow_http_is_media_type(query, "application/json");
    if (ow_http_is_header_value(query, VALUE_ROOM) && strpbrk(query, "\r\n") != NULL) {
        abort();
    }
    if (ow_http_parse_number(query) < -1) {
        abort();
    }
}

// Ends the line at `text` and returns the next one; NULL after the last.
static char *end_line(char *text) {
    char *end = strchr(text, '\n');
    if (end != NULL) {
        *end++ = '\0';
    }
    return end;
}

static ow_http_field field_of(char *line) {
    char *colon = strchr(line, ':');
    size_t name_size = colon != NULL ? (size_t)(colon - line) : strlen(line);
    char *value = colon != NULL ? colon + 1 : line + strlen(line);
    return (ow_http_field){line, value, (uint32_t)name_size, (uint32_t)strlen(value)};
}

// Lines: method, address, version, then "Name:value" each.
static void check_head(char *text) {
    char *parts[3] = {(char *)"", (char *)"", (char *)""};
    ow_http_field fields[LINES_MAX];
    ow_http_framing framing = {-2};
    size_t count = 0;
    int hosts = 0;
    for (size_t i = 0; i < 3 + LINES_MAX && text != NULL; i++) {
        char *line = text;
        text = end_line(line);
        if (i < 3) {
            parts[i] = line;
            continue;
        }
        fields[count] = field_of(line);
        hosts += fields[count].name_size == 4 && strncasecmp(line, "host", 4) == 0;
        count++;
    }
    ow_http_head head = {.method = parts[0],
                         .uri = parts[1],
                         .version = parts[2],
                         .fields = fields,
                         .field_count = count};
    if (ow_http_strict_check(&head, &framing) == NULL &&
        (framing.content_length < -1 || hosts > 1)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    if (text == NULL) {
        return 0;
    }
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    look_up(text);
    check_head(text);
    free(text);
    return 0;
}
