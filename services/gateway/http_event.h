#pragma once

// What a function of a route gets and gives: the API gateway's event, as JSON, and its reply.

#include "services/gateway/http_routes.h"
#include "services/gateway/internal.h"

#define HTTP_REPLY_HEADERS_MAX 30
#define HTTP_QUERY_PARTS_MAX 100

// Each name of a query is compared with all others: false for one of more than HTTP_QUERY_PARTS_MAX parts.
bool http_event_fits_query(const char *query);

// The event of a request that fits a route, in the call's arena. NULL: too large.
const char *http_event_write(exchange *x, const http_match *match, const char *path,
                             size_t *ret_size);

typedef struct http_reply {
    int status;
    const char *content_type;
    ow_http_header_line headers[HTTP_REPLY_HEADERS_MAX];
    size_t header_count;
    const void *body;
    size_t size;
    bool storable; // nothing in it says that it is for one alone, or not to be kept
} http_reply;

// Reads {statusCode, headers, body, isBase64Encoded}; anything else is the body itself. What it says lives in
// the arena, or is borrowed from `from`. Codes: invalid_argument "bad_reply".
ow_code http_reply_read(const invoke_response *from, ow_arena *arena, http_reply *ret_reply,
                        ow_err *err);

// The headers of a reply as a text, and back (`text` must outlive what is read). NULL: no memory.
const char *http_head_write(const http_reply *reply, ow_arena *arena, size_t *ret_size);
bool http_head_read(const char *text, size_t size, ow_arena *arena, http_reply *to);
