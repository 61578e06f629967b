// The rules of heads on raw bytes. They are cut where they lie, as libmicrohttpd does it (bare line
// feeds, folds and NULs included); whatever then passes, and passes those who heard the bytes, must be a
// head that has one reading only, by a second reader that knows nothing of the first.

#include "core/http/strict.h"
#include "core/http/wire.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FIELDS_MAX (OW_HTTP_HEADERS_MAX + 1)

typedef struct cutter {
    char *at, *end;
} cutter;

// The next line, ended by NUL where its end stood; NULL when it is not whole.
static char *next_line(cutter *c, size_t *ret_size) {
    char *line = c->at;
    char *feed = memchr(c->at, '\n', (size_t)(c->end - c->at));
    if (feed == NULL) {
        return NULL;
    }
    c->at = feed + 1;
    *feed = '\0';
    if (feed > line && feed[-1] == '\r') {
        *--feed = '\0';
    }
    *ret_size = (size_t)(feed - line);
    return line;
}

static bool cut_request_line(cutter *c, ow_http_head *head) {
    size_t size;
    char *line = next_line(c, &size);
    char *blank = line != NULL ? memchr(line, ' ', size) : NULL;
    char *last = line != NULL ? memrchr(line, ' ', size) : NULL;
    if (blank == NULL || last == blank) {
        return false;
    }
    *blank = *last = '\0';
    char *uri = blank + 1;
    while (*uri == ' ') {
        uri++;
    }
    head->method = line;
    head->uri = head->uri_at = uri;
    head->version = last + 1;
    return uri < last;
}

static bool cut_field(char *line, ow_http_field *field) {
    char *colon = strchr(line, ':');
    if (colon == NULL) {
        return false;
    }
    *colon = '\0';
    char *value = colon + 1;
    while (*value == ' ' || *value == '\t') {
        value++;
    }
    *field = (ow_http_field){line, value, (uint32_t)strlen(line), (uint32_t)strlen(value)};
    return true;
}

static bool cut(cutter *c, ow_http_head *head, ow_http_field fields[FIELDS_MAX]) {
    size_t size;
    if (!cut_request_line(c, head)) {
        return false;
    }
    for (;;) {
        char *line = next_line(c, &size);
        if (line == NULL || head->field_count == FIELDS_MAX) {
            return false;
        }
        if (line[0] == '\0') {
            head->size = (size_t)(c->at - head->method);
            return true;
        }
        if ((line[0] == ' ' || line[0] == '\t') && head->field_count > 0) {
            continue; // taken into the one before, somewhere else
        }
        if (!cut_field(line, &fields[head->field_count++])) {
            return false;
        }
    }
}

// The second reader: lines of visible characters, each ended by CR LF, none folded, one Host, one
// statement of the length at most.
static bool is_unambiguous(const char *raw, size_t size) {
    int hosts = 0;
    int lengths = 0;
    for (size_t at = 0; at < size;) {
        const char *feed = memchr(raw + at, '\n', size - at);
        if (feed == NULL || feed == raw + at || feed[-1] != '\r') {
            return false;
        }
        size_t length = (size_t)(feed - 1 - (raw + at));
        const char *line = raw + at;
        if (memchr(line, '\0', length) != NULL || memchr(line, '\r', length) != NULL ||
            (length > 0 && (line[0] == ' ' || line[0] == '\t'))) {
            return false;
        }
        hosts += length > 5 && strncasecmp(line, "host:", 5) == 0;
        lengths += length > 15 && strncasecmp(line, "content-length:", 15) == 0;
        lengths += length > 18 && strncasecmp(line, "transfer-encoding:", 18) == 0;
        at += length + 2;
    }
    return hosts <= 1 && lengths <= 1;
}

// The head passes those who hear the bytes, too.
static bool is_heard(const char *raw, size_t size) {
    ow_http_wire wire = {0};
    ow_http_wire_hear(&wire, raw, size);
    return wire.state == OW_HTTP_WIRE_HELD && wire.held == 0;
}

// All requests of these bytes, in pieces of a size.
static ow_http_wire follow(const char *raw, size_t size, size_t piece, int64_t length) {
    ow_http_wire wire = {0};
    for (size_t at = 0; at < size;) {
        size_t more = size - at < piece ? size - at : piece;
        ow_http_wire_hear(&wire, raw + at, more);
        at += more;
        while (ow_http_wire_begin_body(&wire, raw + at - wire.held, length)) {
        }
    }
    return wire;
}

// However the bytes are cut, the same is heard.
static void check_pieces(const char *raw, size_t size) {
    for (int64_t length = -1; length < 2; length++) {
        ow_http_wire whole = follow(raw, size, SIZE_MAX, length);
        for (size_t piece = 1; piece < 8; piece += 3) {
            ow_http_wire cut = follow(raw, size, piece, length);
            if (whole.state != cut.state || whole.fault != cut.fault ||
                (whole.state != OW_HTTP_WIRE_LOST && whole.left != cut.left)) {
                abort();
            }
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ow_http_field fields[FIELDS_MAX];
    ow_http_head head = {.fields = fields};
    ow_http_framing framing = {-2};
    char *raw = malloc(size + 1);
    char *text = malloc(size + 2);
    if (raw == NULL || text == NULL) {
        free(raw);
        free(text);
        return 0;
    }
    if (size > 0) {
        memcpy(raw, data, size);
        memcpy(text, data, size);
    }
    text[size] = text[size + 1] = '\0';
    cutter c = {text, text + size};
    if (cut(&c, &head, fields) && ow_http_strict_check(&head, &framing) == NULL &&
        is_heard(raw, head.size) &&
        (framing.content_length < -1 || !is_unambiguous(raw, head.size))) {
        abort();
    }
    check_pieces(raw, size);
    free(raw);
    free(text);
    return 0;
}
