#pragma once

// What the rooms of the gateway share. README.md says which room does what.

#include "core/batch/batch.h"
#include "core/clock/clock.h"
#include "core/http/server.h"
#include "core/loop/loop.h"
#include "core/metrics/metrics.h"
#include "core/module/env.h"
#include "core/module/module.h"
#include "core/rpc/directory.h"
#include "core/rpc/service.h"
#include "core/rpc/subscription.h"
#include "services/gateway/failure.h"
#include "services/gateway/http_state.h"
#include "services/gateway/limits.h"
#include "services/gateway/messages.h"
#include "services/gateway/methods.h"
#include "services/gateway/proxies.h"
#include "services/gateway/routes.h"
#include "services/gateway/stages.h"
#include "services/gateway/titles.h"
#include "services/gateway/verifier.h"

#define NAME_TEXT_MAX 64     // of virtual servers, functions, qualifiers; with NUL
#define REVISION_TEXT_MAX 72 // hex SHA-256, with NUL
#define ROUTING_KEY_MAX 128  // with NUL
#define STATUS_CLASSES 6     // 0: gone, 1xx .. 5xx
#define PAYLOAD_RECORD_MAX 1024

typedef struct tls_files {
    char *certificate, *key; // paths; "": plain HTTP
} tls_files;

typedef struct gateway_config {
    char *public_address, *console_address;
    char *trusted_proxies, *stages;
    tls_files public_tls, console_tls;
    int64_t public_port, console_port;
    int64_t plain_http;
    int64_t max_connections, max_connections_per_address;
    int64_t max_payload, max_message, max_bundle, body_memory;
    int64_t idle_timeout, header_timeout, slow_grace, slow_rate;
    int64_t method_timeout, init_limit;
    int64_t token_cache;
    int64_t push_connections, push_queue, push_ping;
    int64_t cache_memory;
    limits_config limits;
    bool records;
} gateway_config;

enum { PLAIN_LOOPBACK, PLAIN_BEHIND_PROXY };

typedef struct gateway gateway;
typedef struct exchange exchange;

// One way in. Its steps end each exchange by exchange_reply or exchange_fail, now or later.
typedef struct door {
    const char *name;             // label of the metrics
    bool authenticates;           // the token is verified before on_head
    bool is_limited;              // how often it may be used
    bool speaks_connect;          // form of its errors
    void (*on_head)(exchange *x); // may end it; sets the limit of the body
    void (*on_body)(exchange *x); // the body is there
} door;

enum {
    DOOR_CALL,
    DOOR_CONNECT,
    DOOR_BUNDLE,
    DOOR_PUSH,
    DOOR_HTTP,
    DOOR_PLAIN,
    DOOR_SIGN_IN,
    DOOR_SIGN_OUT,
    DOOR_EVENTS,
    DOOR_HOOKS,
    DOORS
};

extern const door call_door, connect_door, bundle_door, push_door, http_door, plain_door,
    sign_in_door, sign_out_door, events_door, hooks_door;
// By the numbers above.
extern const door *const gateway_doors[DOORS];

typedef struct door_metrics {
    ow_counter *requests[STATUS_CLASSES];
    ow_histogram *durations;
} door_metrics;

typedef struct listener {
    gateway *gw;
    bool is_public;
    ow_http_server *server;
    const tls_files *files; // NULL: plain HTTP
    uint64_t files_state;   // what they were when read last
} listener;

struct gateway {
    ow_module_env *env;
    const gateway_config *config;
    ow_loop *loop;
    listener public_side, console_side;
    ow_http_budget budget;
    methods *methods;
    routes *routes;
    stages stages;
    titles *titles;
    proxies *proxies;
    verifier *verifier;
    limits *limits;
    struct pushes *pushes;
    http_cache *http_cache;
    ow_subscription watch_routes, watch_verification;
    watch_routes_request routes_request;
    watch_verification_request verification_request;
    ProtobufCService *registry, *runner, *telemetry, *queue, *events;
    ProtobufCService *own_service; // Gateway, offered to the directory
    ow_batch *records;
    ow_arena *scratch; // for bodies of errors; emptied after each
    exchange *live;    // all that have not ended
    exchange *spare;   // to use again, linked by next
    size_t spare_count, live_count;
    uint64_t request_count;
    int64_t started_us;
    bool started, draining, stopping;
    door_metrics metrics[DOORS];
    ow_gauge *connections;
    ow_metrics_collector collector;
    ow_timer tls_timer;
};

typedef struct call_state {
    invoke_request request;
    char routing_key[ROUTING_KEY_MAX]; // "": none was sent
    int64_t timeout_us;
    bool is_async;
} call_state;

typedef struct connect_state {
    const method *method;
    bool is_json;
    bool is_get;
    bool streams;
} connect_state;

typedef struct bundle_state {
    uint8_t *buffer;
    size_t filled;
    int64_t offset; // of what was stored
    int64_t total;
    char sha256[REVISION_TEXT_MAX];
    put_chunk_request request;
} bundle_state;

typedef struct events_state {
    bool is_get;
    char type[NAME_TEXT_MAX * 2]; // of those that are asked for
    int32_t limit;
    char trigger_id[OW_ID_MAX]; // "": a list
} events_state;

typedef struct hook_state {
    char name[NAME_TEXT_MAX];
} hook_state;

// One request from outside and its reply.
struct exchange {
    exchange *next, *previous;
    gateway *gw;
    const listener *from;
    const door *door;
    const stage_rule *stage; // by host or path; NULL: none
    ow_http_request *http;
    ow_call *call;    // NULL before it is made
    bool by_portal;   // the session came in the portal's cookie
    bool streams;     // a reply in pieces has begun
    int64_t streamed; // bytes of it
    bool in_flight;   // a service is working on it: its closure ends the exchange
    ow_principal principal;
    ow_trace trace;
    uint8_t parent_span[8]; // of whoever asked; all 0: none was told
    char request_id[OW_ID_MAX];
    char client_address[OW_ADDRESS_MAX]; // as far as trusted proxies say
    int64_t started_us, started_wall_us;
    // For the record.
    const char *method_text; // static, or of the method's rule
    char virtual_server[NAME_TEXT_MAX], function[NAME_TEXT_MAX], qualifier[NAME_TEXT_MAX];
    char revision_id[REVISION_TEXT_MAX];
    int64_t instance_us;
    int64_t version; // of the function's revision, when it ran; 0: $LATEST; -1: did not run
    bool log_payload;
    union {
        call_state call;
        connect_state connect;
        bundle_state bundle;
        http_state http;
        events_state events;
        hook_state hook;
    } state;
    char tracestate[OW_TRACESTATE_MAX]; // not among what is zeroed for each request
};

// ---- exchange.c ----

extern const ow_http_handler exchange_handler; // its self is a listener

enum { EXCHANGE_MORE_HEADERS = 40 };

typedef struct exchange_answer {
    int status;
    const char *content_type;
    const void *body;
    size_t size;
    const char *reason;                      // for the record; "" when it went well
    int retry_after_s;                       // 0: no such header
    const char *allow;                       // of a 405; else NULL
    const ow_http_header_line *more_headers; // of the door; at most EXCHANGE_MORE_HEADERS
    size_t more_header_count;
    bool is_portal_page; // has a policy of its own, on the console
} exchange_answer;

// Replies, records, and ends the exchange: it is gone afterwards.
void exchange_reply(exchange *x, const exchange_answer *answer);

// A reply in pieces instead: begin, write, and end, which frees the exchange. False: it must end now,
// since memory is short or the client is too far behind.
bool exchange_stream_begin(exchange *x, const char *content_type);
bool exchange_stream_write(exchange *x, const void *bytes, size_t size);
// `whole` false: the client is hung up on.
void exchange_stream_end(exchange *x, const char *reason, bool whole);
// Ends all of them; for the drain, which would wait for them.
void exchange_end_streams(gateway *gw);

// The same with an error in the door's form.
void exchange_fail(exchange *x, const failure *why);
// With headers of its own.
void exchange_fail_with(exchange *x, const failure *why, const ow_http_header_line *more,
                        size_t more_count);
void exchange_fail_err(exchange *x, const ow_err *err);
// `reason` and `message` live on.
void exchange_refuse(exchange *x, int status, ow_code code, const char *reason,
                     const char *message);
// 429 "throttled", try again after that time.
void exchange_throttle(exchange *x, int64_t wait_us);
// 405 with the methods that are allowed.
void exchange_refuse_method(exchange *x, const char *allow);

// Answers 101 and hands the connection over; ends the exchange. When that cannot be, it answers 503 and
// nobody takes the connection.
void exchange_upgrade(exchange *x, const ow_http_upgrade *upgrade);

// Makes x->call. `from_outside` false: the gateway itself calls for the principal. False: it ended
// with 503.
bool exchange_begin_call(exchange *x, int64_t timeout_us, bool from_outside);

// Fills principal.title from the header when the token names none. False: it ended. `needed` false:
// several titles and no header leave it empty.
bool exchange_resolve_title(exchange *x, bool needed);

// Ends every exchange that waits for a service.
void exchange_cancel_all(gateway *gw);
void exchange_free_spares(gateway *gw);

// ---- tls.c ----

// Both files or neither are named; `which` listener. Codes: invalid_argument "bad_tls".
ow_code tls_files_check(const tls_files *files, const char *which, ow_err *err);
// Reads both; to be wiped. Codes as ow_pem_load.
ow_code tls_files_read(const tls_files *files, ow_http_tls *ret_tls, ow_err *err);
void tls_files_wipe(ow_http_tls *tls);
// The listener was opened with what these held.
void tls_remember(listener *at, const tls_files *files);
// Looks at the files of the listeners from time to time.
void tls_watch(gateway *gw);
void tls_unwatch(gateway *gw);
// Reads them now, also when they seem unchanged.
void tls_reload(gateway *gw);

// ---- portal.c ----

// Is this the address of something of the portal's? Then it can be served.
bool portal_has(const exchange *x);
void portal_serve(exchange *x);

// ---- door_http.c ----

// Before anything of its state is looked at; and when the exchange ends, however it does.
void http_door_begin(exchange *x);
void http_door_end(exchange *x);

// ---- records.c ----

ow_code records_open(gateway *gw, ow_err *err);
void records_add(exchange *x, const exchange_answer *answer);

// ---- status.c: the service Gateway ----

ow_code status_service_new(gateway *gw, ow_err *err);
