#pragma once

// A runner module in a loop of its own, with a registry and a telemetry that tests steer. The real
// runtimes do the running.

#include "services/runner/messages.h"

#include "core/rpc/call.h"
#include "core/rpc/directory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORLD_TITLE "ttl_01HXG3K5N8Q2Z4V6B8D0F2H4J6"

typedef struct world world;

struct world_function {
    const char *name;
    int timeout_ms, memory_mb; // 0: default
};

struct world_revision {
    const char *source;                     // path of the C file, from the workspace's root
    const char *salt;                       // makes the revision another one
    const char *data_file;                  // words.txt's content; NULL: none
    const char *env_mood;                   // MOOD; NULL: none
    const struct world_function *functions; // ends with name NULL
    int64_t version;
};

struct world_reply {
    ow_code code; // of the call
    char err_reason[OW_REASON_MAX];
    char reason[OW_REASON_MAX];
    char message[512], refusal_code[64], details[256], stack[2048];
    char *payload; // NUL-terminated; freed with world_reply_deinit
    size_t length;
    char content_type[96];
    bool cold;
    int retry_after_s;
    int64_t instance_us;
};

// `flags`: NULL-ended "--runner.x=y". Fails the test when something does not start.
world *world_open(ow_channel_kind kind, const char *const *flags);
void world_close(world *w);

// One turn; sleeps at most 10 ms.
void world_turn(world *w);
// Turns until *flag, or fails the test after 20 s.
void world_until(world *w, const bool *flag);
void world_turn_for(world *w, int ms);

// Builds through the runner and makes the revision the virtual server's $LATEST and $DEFAULT. The
// revision id goes to `ret_id` (65 bytes, may be NULL).
void world_deploy(world *w, const char *server, const struct world_revision *revision,
                  char *ret_id);
// The same without a build: fails when it does not compile; diagnostics as text go to `ret_text`.
bool world_build(world *w, const char *source_text, const char *symbols, char *ret_text,
                 size_t size);
void world_remove(world *w, const char *server);

// A call to the end. `timeout_ms` 0: 20 s.
struct world_reply world_call(world *w, const char *server, const char *function,
                              const char *payload, int timeout_ms);
void world_reply_deinit(struct world_reply *reply);

// The same without waiting: `done` is set, `reply` filled in.
struct world_pending {
    world *world;
    ow_call *call;
    invoke_request request;
    struct world_reply reply;
    bool done;
    char *payload;
};
void world_begin(world *w, struct world_pending *pending, const char *server, const char *function,
                 const char *payload, int timeout_ms);

status_response *world_status(world *w); // free with world_status_free
void world_status_free(status_response *status);

// What telemetry got: "line ID level printed text" and "run function reason" ...; waits until one
// contains all of `parts` (NULL-ended).
bool world_recorded(world *w, const char *const *parts);
const char *world_records(const world *w); // all of them so far, in order
const char *world_last_request_id(const world *w);

// The streams of the routing table end; new ones are refused until it is back.
void world_registry_away(world *w, bool away);
void world_clock_advance(world *w, int64_t us);

// Whether the metrics have a line that begins so.
bool world_shows(const world *w, const char *line);
void world_drain(world *w);
bool world_drained(world *w);
void world_end_zygotes(world *w); // as if they had died
