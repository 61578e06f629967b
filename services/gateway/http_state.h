#pragma once

// What an exchange of a route remembers between its headers and its reply.

#include "services/gateway/http_cache.h"
#include "services/gateway/messages.h"

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
} http_state;
