#pragma once

// What a request must look like before any handler sees it. Servers that share a connection with a
// proxy must agree with it on where each request ends; whatever two readers could see differently
// is refused (https://www.rfc-editor.org/rfc/rfc9112#section-11.2).

#include "core/http/server.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OW_HTTP_HEADERS_MAX 64

typedef struct ow_http_field {
    const char *name;
    const char *value;
    uint32_t name_size, value_size;
} ow_http_field;

typedef struct ow_http_head {
    const char *method;
    const char *uri;     // with the query
    const char *uri_at;  // where it was received (`uri` may be a copy); of use with `size`
    const char *version; // "HTTP/1.1"
    size_t size;         // of all of it as it came, from the method to the empty line; 0: not known
    const ow_http_field *fields;
    size_t field_count; // OW_HTTP_HEADERS_MAX + 1: there were more
} ow_http_head;

typedef struct ow_http_framing {
    int64_t content_length; // -1: chunked
} ow_http_framing;

// NULL when the head may pass (ret_framing is then filled), else why not; the connection must be
// closed behind that reply. Any thread.
//
// A `size` says that method, address, version and fields lie where they were received, in one piece
// and in their order, with nothing changed but the separators behind each of them. Their distances
// then tell what the separators were, and everything but one blank, a colon and CR LF is refused:
// bare line feeds, folded lines, NUL within a value.
const ow_http_rejection *ow_http_strict_check(const ow_http_head *head,
                                              ow_http_framing *ret_framing);
