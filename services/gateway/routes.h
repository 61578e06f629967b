#pragma once

// The gateway's copy of the routing table: title and virtual server → names → revisions →
// functions. Filled from Registry.WatchRoutes; kept while registry is away.

#include "core/rpc/call.h"
#include "services/gateway/http_routes.h"
#include "services/gateway/messages.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct routes routes;

typedef enum route_exposure { EXPOSED_INTERNAL, EXPOSED_SERVER, EXPOSED_CLIENT } route_exposure;

typedef struct route_function {
    const char *name;
    route_exposure exposure;
    int32_t timeout_ms;
    bool log_payload;
} route_function;

typedef struct route_file {
    const char *path, *sha256;
} route_file;

typedef struct route_revision {
    const char *revision_id;
    int64_t version; // 0: only $LATEST
    const route_function *functions;
    size_t function_count;
    const route_file *files; // those that stand in for functions of its routes
    size_t file_count;
} route_revision;

// Heap. NULL when out of memory.
routes *gateway_routes_new(void);
routes *gateway_routes_free(routes *all);

// Applies a change. A `reset` begins a new whole table; what it does not mention is forgotten at
// `complete`, until then the old table serves. Codes: resource_exhausted (the old entry stays).
ow_code gateway_routes_apply(routes *all, const route_change *change, ow_err *err);

// True once a whole table has been received.
bool gateway_routes_are_complete(const routes *all);
size_t gateway_routes_count(const routes *all);

// The HTTP routes of a virtual server; NULL: there is no such. Borrowed until the next
// gateway_routes_apply.
const http_routes *gateway_routes_http(const routes *all, const char *title_id, const char *name);

// What a caller asks for. The texts need not live on.
typedef struct route_query {
    const ow_principal *principal; // its title is the one that is searched
    const char *virtual_server;
    const char *function;
    const char *qualifier;   // "$DEFAULT", another alias, "$LATEST", "3"
    const char *routing_key; // on which side of a split: "": a player's own id
    const char *request_id;
} route_query;

// Finds the function and whether this principal may call it, by the rules of exposure and names
// (players: public aliases and client functions; server keys: any alias, client and server
// functions; operators with the role developer: everything). Outputs are borrowed until the next
// gateway_routes_apply. Codes: not_found "function_not_found", permission_denied "not_exposed",
// unauthenticated "no_token".
ow_code gateway_routes_find(const routes *all, const route_query *query,
                            const route_revision **ret_revision,
                            const route_function **ret_function, ow_err *err);
