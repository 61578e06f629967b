#pragma once

// How often somebody may ask: players and server keys by name, everybody else by address. Operators
// and the platform itself are not limited.

#include "core/limit/limit.h"
#include "core/metrics/metrics.h"
#include "core/rpc/call.h"

#include <stdbool.h>

// Each rule: `count` in `window_us`; 0 is no limit.
typedef struct limit_rule {
    int64_t count, window_us;
} limit_rule;

typedef struct limits_config {
    limit_rule player;          // all that one player asks
    limit_rule player_function; // one player's calls of one function
    limit_rule server_key;
    limit_rule address; // requests without a valid token
} limits_config;

typedef struct limits limits;

// Heap. NULL when out of memory. The counters of refusals are registered in `metrics`.
limits *limits_new(const limits_config *config, struct ow_metrics *metrics);
limits *limits_free(limits *all);

// Who asks, and from where: `address` is the client's, in text; an IPv6 client is its /64 network.
typedef struct limits_caller {
    const ow_principal *who;
    const char *address;
    int32_t own_calls; // of a server key that has a limit of its own, in the same window; 0: none
} limits_caller;

// 0: let in; else how long to wait, in µs.
int64_t limits_admit(limits *all, const limits_caller *caller, int64_t now_us);

// The same for a call of a function by somebody who was let in. When it must wait, what
// limits_admit took is given back.
int64_t limits_admit_call(limits *all, const ow_principal *who, const char *virtual_server,
                          const char *function, int64_t now_us);
