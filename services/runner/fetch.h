#pragma once

// Requests that functions send: one client for each function of each revision, with the rules of the
// manifest inside those of the server's configuration. Loop thread.

#include "core/arena/arena.h"
#include "core/http/client.h"
#include "core/rpc/service.h"
#include "services/runner/messages.h"

struct fetching;

// Part of a pool's entry.
struct fetcher {
    const char *hosts, *networks; // NULL hosts: nothing may be fetched
    bool plain;
    ow_http_client *client; // opened by the first request
    struct fetching *first; // under way
};

// Takes the rules of a revision into the arena; `rules` may be NULL. False when out of memory.
bool fetcher_init(struct fetcher *fetcher, const fetch_rules *rules, ow_arena *arena);

// Ends what is under way with unavailable "stopping".
void fetcher_deinit(struct fetcher *fetcher);

ow_code fetch_step(ow_run *run); // loop: Fetch

// Lives in the state of its call.
struct fetching {
    struct fetching *next, **at; // in its fetcher
    ow_run *run;
    ow_http_fetch *fetch;
};
