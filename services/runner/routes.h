#pragma once

// The runner's copy of the routing table. Pure: changes come in, questions are answered.
//
// What a change replaces is kept for a while: a gateway may be a moment behind and still send calls
// to a revision that is no longer reachable.

#include <stdbool.h>
#include <stdint.h>

#include "core/rpc/call.h"
#include "services/runner/messages.h"

#define ROUTES_KEEP_US 10000000 // what was replaced
#define ROUTES_KEEP_MAX 4       // states of one virtual server, the current one included

struct route_entry {
    struct route_entry *next;               // in its bucket
    server_routes *states[ROUTES_KEEP_MAX]; // newest first; a removed one has NULL in front
    int64_t until_us[ROUTES_KEEP_MAX];      // of the older ones
    bool seen;                              // in the table that is arriving
    char *title_id, *name;
};

struct routes {
    struct route_entry **buckets;
    int64_t sequence;
    bool complete; // a whole table has arrived once
    bool arriving; // between reset and complete
};

struct route {
    const server_routes *server;
    const route_revision *revision;
    const function_info *function;
    bool current; // of the present state, not of one that was replaced
};

// False when out of memory.
bool routes_init(struct routes *routes);
void routes_deinit(struct routes *routes);

// Takes a change in (copied). False when out of memory: the copy is then out of date.
bool routes_apply(struct routes *routes, const route_change *change, int64_t now_us);

// Frees what was kept long enough. Every few seconds.
void routes_sweep(struct routes *routes, int64_t now_us);

// The present state of a virtual server; NULL when there is none. Borrowed until the next change.
const server_routes *routes_server(const struct routes *routes, const char *title_id,
                                   const char *name);

// Who calls, for aliases that split: a routing key, else a player, else chance, which is the
// request's id. Texts are "" when there is none.
struct route_caller {
    const char *routing_key, *player, *request_id;
};

// May whoever sets a function going name it by this qualifier? Players public aliases, server keys any alias,
// operators and the platform also versions and $LATEST.
bool routes_may_name(const server_routes *server, const char *qualifier, ow_principal_kind kind);

// The revision that a qualifier names: an alias, a version number, "$LATEST"; "" = "$DEFAULT". NULL
// when there is none. Borrowed until the next change. The gateway decides by the same rule.
const char *routes_resolve(const server_routes *server, const char *qualifier,
                           const struct route_caller *caller);

struct route_key {
    const char *title_id, *virtual_server, *function, *revision_id;
};

// A function of a revision. False when there is none.
bool routes_find(const struct routes *routes, const struct route_key *key, int64_t now_us,
                 struct route *ret_route);

// True when the revision that the key names is here, whether it has such a function or not.
bool routes_know(const struct routes *routes, const struct route_key *key, int64_t now_us);

// True when a name (alias or $LATEST) leads to the revision now.
bool routes_is_named(const server_routes *server, const char *revision_id);
