#pragma once

// The gateway among stand-ins: identity, registry, runner and telemetry are test tables behind the
// real dispatcher and directory; clients come over real sockets. Everything takes turns on one
// thread.

#include "core/clock/clock.h"
#include "core/config/config.h"
#include "core/crypto/token.h"
#include "core/loop/loop.h"
#include "core/metrics/metrics.h"
#include "core/module/env.h"
#include "core/module/module.h"
#include "core/rpc/directory.h"
#include "core/rpc/service.h"
#include "core/testing/ow_test.h"
#include "services/gateway/messages.h"

#define RECORDS_MAX 512
#define HELD_MAX 64

typedef struct seen_record {
    char request_id[OW_ID_MAX];
    char title[OW_ID_MAX];
    char principal[64];
    char method[96];
    char function[64];
    char reason[40];
    int status;
    size_t payload_size, result_size;
} seen_record;

typedef struct platform {
    ow_channel_kind channel;
    char folder[64];
    ow_loop *loop;
    struct ow_pool *pool;
    ow_clock *clock;
    ow_api *api;
    struct ow_metrics *metrics;
    ow_directory *directory;
    ow_config *config;
    ow_config_table tables[8];
    ow_module table[7];
    ow_modules *modules;
    ow_module_env env;
    ProtobufCService *identity, *registry, *runner, *telemetry, *queue;
    ow_key_ring *ring;
    int public_port, console_port;
    // Streams that are open.
    ow_run *verification, *routes;
    int verification_starts, route_starts;
    bool revoke_server_key;
    int32_t server_key_limit; // of key_1; 0: none of its own
    bool silent;              // streams send nothing
    // What the runner saw last, and the calls it holds back ("later").
    char function[64], qualifier[64], source[16], content_type[64], revision[80];
    char principal_id[OW_ID_MAX], title[OW_ID_MAX], request_id[OW_ID_MAX];
    bool had_from_outside;
    int64_t left_us;
    int invocations, cancelled;
    char payload[4096];
    const char *canned;      // what it replies as JSON; NULL: what it was sent
    const char *fail_reason; // instead of a reply; NULL: none
    // Routes of the virtual server "lab", in force with the next platform_send_routes.
    Overworld__Api__Route *http_routes[16];
    size_t http_route_count;
    ow_run *held[HELD_MAX];
    int held_count;
    // What the queue was given.
    char queued_function[64], queued_key[256], queued_payload[64];
    int queued;
    bool queue_is_full;
    ow_run *tail; // a stream of TailLogs that goes on
    int tails_cancelled;
    // What the registry was given.
    size_t uploaded;
    int chunks;
    ow_run *held_chunk;
    bool hold_chunks, known_bundle;
    int files_asked, files_sent; // of those that stand in for functions
    seen_record records[RECORDS_MAX];
    int record_count;
} platform;

// `more_flags` ends with NULL; may be NULL.
platform *platform_start(ow_channel_kind channel, const char *const *more_flags);
void platform_stop(platform *p);
void platform_turn(platform *p);

// Sends the current state on the streams (again).
void platform_send_verification(platform *p);
void platform_send_routes(platform *p);
// Ends a stream as if the service went away.
void platform_break_stream(ow_run **stream);

// A token of a player "plr_1" or of a server key "key_1" of title "ttl_a".
void platform_token(platform *p, ow_token_kind kind, const char *subject, int64_t lifetime_s,
                    char token[static OW_TOKEN_SIZE]);
extern const char platform_operator_token[];
extern const char platform_file[]; // what the registry has as "sorry.html"
extern const char platform_viewer_token[];

#define WAIT_FOR(p, condition)                                                                     \
    do {                                                                                           \
        for (int turns_ = 0; !(condition) && turns_ < 20000; turns_++) {                           \
            platform_turn(p);                                                                      \
        }                                                                                          \
        assert_true(condition);                                                                    \
    } while (0)
