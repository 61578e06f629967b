#pragma once

// What an exchange of a route remembers between its headers and its reply.

#include "services/gateway/failure.h"
#include "services/gateway/http_cache.h"
#include "services/gateway/messages.h"

#define HTTP_SHA256_MAX 72 // in hexadecimal digits, with NUL

typedef struct http_state {
    invoke_request request;
    http_waiter waiter;
    char *key; // of the cache, in the call's arena; NULL: nothing is kept
    int64_t cache_us;
    char origin[256]; // that may read the answer; "": none
    bool speaks_cors;
    bool is_personal; // the route is not public
    bool stale;       // a copy may stand in
    bool fills;       // others may wait for what this one fetches
    // The file that stands in.
    char file_sha256[HTTP_SHA256_MAX]; // "": none does
    const char *file_type;
    failure why;    // it is fetched; texts in the call's arena
    ow_call *fetch; // that is under way
} http_state;
