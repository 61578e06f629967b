// The gateway's wiring: configuration, what it is made of, and the order of its life.

#include "services/gateway/gateway.h"

#include "core/json/writer.h"
#include "core/log/log.h"
#include "services/gateway/internal.h"
#include "services/gateway/pushes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRATCH_MAX (1 << 20)
#define PATH_ROOM 512
#define ADDRESS_ROOM 128
#define LIMIT_MAX 1000000000 // tokens of a bucket

static const char *const plain_http_choices[] = {"loopback", "behind_proxy", NULL};

#define KEY(name_, type_, member_, default_, min_, max_, doc_)                                     \
    {                                                                                              \
        .name = name_, .type = OW_CONFIG_##type_, .offset = offsetof(gateway_config, member_),     \
        .default_value = default_, .min = min_, .max = max_, .doc = doc_                           \
    }

static const ow_config_key keys[] = {
    KEY("public_address", STRING, public_address, "127.0.0.1", 0, 0,
        "Numeric address of the public listener: game clients, dedicated servers."),
    KEY("public_port", INT, public_port, "7350", 0, 65535,
        "Port of the public listener; 0 takes any free one (see <data>/run/gateway.json)."),
    KEY("console_address", STRING, console_address, "127.0.0.1", 0, 0,
        "Numeric address of the console listener: portal, command line, metrics."),
    KEY("console_port", INT, console_port, "7351", 0, 65535,
        "Port of the console listener; 0 takes any free one."),
    KEY("stages", STRING, stages, "", 0, 0,
        "Hosts and paths that stand for an alias, bound once: "
        "test.game.example=test, /prehub=prehub. Calls there go to that alias of their virtual "
        "server."),
    {.name = "plain_http",
     .type = OW_CONFIG_CHOICE,
     .offset = offsetof(gateway_config, plain_http),
     .default_value = "loopback",
     .choices = plain_http_choices,
     .doc = "Where plain HTTP may be spoken: only on loopback addresses, or also behind a proxy "
            "that does TLS. Shown in the status."},
    KEY("trusted_proxies", STRING, trusted_proxies, "", 0, 0,
        "Addresses and networks of proxies whose X-Forwarded-For is believed, with commas between: "
        "10.0.0.1, 10.0.0.0/8. Nobody else's is."),
    KEY("public_certificate", STRING, public_tls.certificate, "", 0, 0,
        "PEM file of the public listener's certificate and those that signed it; empty: plain HTTP. "
        "Read again when it changes."),
    KEY("public_key", STRING, public_tls.key, "", 0, 0,
        "PEM file of its private key, which others must not be able to read."),
    KEY("console_certificate", STRING, console_tls.certificate, "", 0, 0,
        "The same for the console listener."),
    KEY("console_key", STRING, console_tls.key, "", 0, 0, "The same for the console listener."),
    KEY("max_connections", INT, max_connections, "10000", 1, 1000000,
        "Connections of each listener; then the one that was idle for longest is closed, and when "
        "none is, only health checks are answered."),
    KEY("max_connections_per_address", INT, max_connections_per_address, "256", 0, 1000000,
        "Connections of one client address (of an IPv6 network /64); on more only health checks are "
        "answered. 0: no limit (behind a proxy, for load tests)."),
    KEY("max_payload", SIZE, max_payload, "6MB", 1024, 8 << 20, "Largest body of a function call."),
    KEY("max_message", SIZE, max_message, "1MB", 1024, 8 << 20, "Largest body of an API method."),
    KEY("max_bundle", SIZE, max_bundle, "50MB", 1024, 1 << 30, "Largest bundle."),
    KEY("body_memory", SIZE, body_memory, "256MB", 1 << 20, INT64_C(1) << 40,
        "Memory for all bodies at a time; more is answered with 503."),
    KEY("idle_timeout", DURATION, idle_timeout, "60s", 1000000, INT64_C(3600000000),
        "A connection on which nothing happens this long is closed."),
    KEY("header_timeout", DURATION, header_timeout, "5s", 1000000, 60000000,
        "Headers must be complete this long after their first byte."),
    KEY("slow_rate", SIZE, slow_rate, "4KB", 1, 1 << 30,
        "Bytes a second: who sends a body or reads a reply slower than that is hung up on."),
    KEY("slow_grace", DURATION, slow_grace, "5s", 1000000, 60000000,
        "How long a client may be slower than gateway.slow_rate."),
    KEY("method_timeout", DURATION, method_timeout, "60s", 100000, INT64_C(900000000),
        "Longest time of an API method; clients may ask for less."),
    KEY("init_limit", DURATION, init_limit, "10s", 0, INT64_C(900000000),
        "Added to a function's timeout for the whole of a call: a cold start fits in."),
    KEY("token_cache", INT, token_cache, "32768", 2, 1 << 24,
        "Verified tokens that are remembered; a power of two."),
    KEY("push_connections", INT, push_connections, "20000", 0, 10000000,
        "WebSockets of players that may be open; more are refused and poll. Each costs about 11 KB."),
    KEY("push_queue", SIZE, push_queue, "64KB", 1 << 14, 1 << 30,
        "What may wait to be read by one player; who is further behind is told so and closed."),
    KEY("push_ping", DURATION, push_ping, "25s", 10000, INT64_C(3600000000),
        "Between pings of a WebSocket; who is silent from one to the next is gone. Each also looks "
        "whether the session has ended."),
    KEY("cache_memory", SIZE, cache_memory, "64MB", 0, INT64_C(1) << 40,
        "Replies of routes that are kept; the one that was used longest ago goes first."),
    KEY("player_calls", INT, limits.player.count, "100", 0, LIMIT_MAX,
        "Requests of one player within gateway.player_window; more are answered with 429. 0: no "
        "limit."),
    KEY("player_window", DURATION, limits.player.window_us, "5s", 100000, INT64_C(3600000000),
        "See gateway.player_calls."),
    KEY("player_function_calls", INT, limits.player_function.count, "50", 0, LIMIT_MAX,
        "One player's calls of one function within gateway.player_function_window; 0: no limit."),
    KEY("player_function_window", DURATION, limits.player_function.window_us, "5s", 100000,
        INT64_C(3600000000), "See gateway.player_function_calls."),
    KEY("server_key_calls", INT, limits.server_key.count, "2500", 0, LIMIT_MAX,
        "Requests of one server key within gateway.server_key_window; 0: no limit."),
    KEY("server_key_window", DURATION, limits.server_key.window_us, "10s", 100000,
        INT64_C(3600000000), "See gateway.server_key_calls."),
    KEY("address_requests", INT, limits.address.count, "300", 0, LIMIT_MAX,
        "Requests without a valid token (logins, mostly) of one client address within "
        "gateway.address_window; 0: no limit (behind a proxy, for load tests)."),
    KEY("address_window", DURATION, limits.address.window_us, "10s", 100000, INT64_C(3600000000),
        "See gateway.address_requests."),
    KEY("records", BOOL, records, "true", 0, 0,
        "Whether a record of each request goes to telemetry; without, its log and traces have only what operators change."),
    {0},
};

// ---- streams ----

static ow_news on_route_change(void *self, const ProtobufCMessage *message) {
    gateway *gw = self;
    const route_change *change = (const route_change *)message;
    ow_err err;
    if (gateway_routes_apply(gw->routes, change, &err) != OW_OK) {
        ow_log(OW_LOG_ERROR, "route not applied", "error=\"%s\"", err.message);
        return OW_NEWS_LOST;
    }
    if (change->title_id[0] != '\0') {
        titles_put(gw->titles, change->title_id, change->title_name);
    }
    return change->complete ? OW_NEWS_WHOLE : OW_NEWS_PART;
}

static ow_news on_verification(void *self, const ProtobufCMessage *message) {
    gateway *gw = self;
    const verification_state *state = (const verification_state *)message;
    ow_err err;
    if (verifier_apply(gw->verifier, state, &err) != OW_OK) {
        ow_log(OW_LOG_ERROR, "token keys not applied", "error=\"%s\"", err.message);
        return OW_NEWS_LOST;
    }
    return OW_NEWS_WHOLE;
}

static void subscribe(gateway *gw) {
    const ProtobufCServiceDescriptor *identity = &overworld__identity__v1__identity__descriptor;
    overworld__registry__v1__watch_routes_request__init(&gw->routes_request);
    overworld__identity__v1__watch_verification_request__init(&gw->verification_request);
    gw->watch_routes = (ow_subscription){.loop = gw->loop,
                                         .name = "routes",
                                         .service = gw->registry,
                                         .method = "WatchRoutes",
                                         .request = &gw->routes_request.base,
                                         .on_message = on_route_change,
                                         .self = gw};
    gw->watch_verification =
        (ow_subscription){.loop = gw->loop,
                          .name = "keys",
                          .service = ow_directory_get(gw->env->directory, identity),
                          .method = "WatchVerification",
                          .request = &gw->verification_request.base,
                          .on_message = on_verification,
                          .self = gw};
    ow_subscription_start(&gw->watch_routes);
    ow_subscription_start(&gw->watch_verification);
}

// ---- metrics ----

static void collect(void *self) {
    gateway *gw = self;
    ow_gauge_set(gw->connections, (int64_t)(ow_http_server_connections(gw->public_side.server) +
                                            ow_http_server_connections(gw->console_side.server)));
}

static void register_metrics(gateway *gw) {
    static const char *const classes[STATUS_CLASSES] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
    ow_metrics *metrics = gw->env->metrics;
    for (int i = 0; i < DOORS; i++) {
        for (int c = 0; c < STATUS_CLASSES; c++) {
            ow_metric_labels labels = {{"door", "status"}, {gateway_doors[i]->name, classes[c]}};
            gw->metrics[i].requests[c] =
                ow_metrics_counter(metrics, "overworld_gateway_requests_total",
                                   "Requests from outside, by door and status", &labels);
        }
        ow_metric_labels labels = {{"door"}, {gateway_doors[i]->name}};
        gw->metrics[i].durations = ow_metrics_histogram(
            metrics, "overworld_gateway_request_seconds",
            "Time from the headers to the reply, by door", &labels, &ow_histogram_of_durations);
    }
    gw->connections = ow_metrics_gauge(metrics, "overworld_gateway_connections",
                                       "Open connections of both listeners", NULL);
    gw->collector = (ow_metrics_collector){.collect = collect, .self = gw};
    ow_metrics_collector_add(metrics, &gw->collector);
}

// ---- listeners ----

typedef struct listener_place {
    const char *name, *address;
    int64_t port;
    const tls_files *tls;
} listener_place;

static bool is_loopback(const char *address) {
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

// Where others could listen, HTTP is spoken with TLS, here or in front.
static ow_code check_plain_http(const gateway_config *config, const listener_place *place,
                                ow_err *err) {
    if (place->tls->certificate[0] != '\0' || config->plain_http != PLAIN_LOOPBACK ||
        is_loopback(place->address)) {
        return OW_OK;
    }
    return ow_fail(
        err, OW_INVALID_ARGUMENT, "plain_http",
        "no plain HTTP on gateway.%s_address %s, which others reach: set gateway.%s_certificate "
        "and gateway.%s_key, or gateway.plain_http=behind_proxy with a proxy that does TLS in "
        "front",
        place->name, place->address, place->name, place->name);
}

static ow_code open_listener(gateway *gw, listener *to, const listener_place *place, ow_err *err) {
    const gateway_config *config = gw->config;
    ow_http_tls tls = {NULL, NULL};
    char text[ADDRESS_ROOM];
    bool secure = place->tls->certificate[0] != '\0';
    ow_code code = tls_files_check(place->tls, place->name, err);
    code = code == OW_OK ? check_plain_http(config, place, err) : code;
    code = code == OW_OK && secure ? tls_files_read(place->tls, &tls, err) : code;
    if (code != OW_OK) {
        return code;
    }
    bool is_v6 = strchr(place->address, ':') != NULL;
    snprintf(text, sizeof text, "%s%s%s:%lld", is_v6 ? "[" : "", place->address, is_v6 ? "]" : "",
             (long long)place->port);
    ow_http_options options = {.loop = gw->loop,
                               .address = text,
                               .handler = exchange_handler,
                               .budget = &gw->budget,
                               .max_connections = (int)config->max_connections,
                               .max_per_address = (int)config->max_connections_per_address,
                               .body_limit = 0,
                               .idle_timeout_us = config->idle_timeout,
                               .header_timeout_us = config->header_timeout,
                               .grace_us = config->slow_grace,
                               .min_rate = config->slow_rate,
                               .tls = secure ? &tls : NULL};
    options.handler.self = to;
    code = ow_http_server_open(&options, &to->server, err);
    tls_files_wipe(&tls);
    if (code == OW_OK && secure) {
        tls_remember(to, place->tls);
    }
    return code;
}

static ow_code open_listeners(gateway *gw, ow_err *err) {
    const gateway_config *config = gw->config;
    const listener_place public_place = {"public", config->public_address, config->public_port,
                                         &config->public_tls};
    const listener_place console_place = {"console", config->console_address, config->console_port,
                                          &config->console_tls};
    ow_code code = open_listener(gw, &gw->public_side, &public_place, err);
    code = code == OW_OK ? open_listener(gw, &gw->console_side, &console_place, err) : code;
    if (code == OW_OK) {
        tls_watch(gw);
    }
    return code;
}

static ow_code write_file(const char *path, const char *text, size_t size, ow_err *err) {
    char temporary[PATH_ROOM + 8];
    snprintf(temporary, sizeof temporary, "%s.new", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return ow_fail_errno(err, errno, "%s", temporary);
    }
    bool written = write(fd, text, size) == (ssize_t)size;
    written = close(fd) == 0 && written;
    if (!written || rename(temporary, path) != 0) {
        return ow_fail_errno(err, errno, "%s", path);
    }
    return OW_OK;
}

static void write_url(ow_json_writer *writer, const char *name, const listener *at) {
    char url[ADDRESS_ROOM + 16];
    snprintf(url, sizeof url, "%s://%s", at->files != NULL ? "https" : "http",
             ow_http_server_address(at->server));
    ow_json_name(writer, name);
    ow_json_text(writer, url);
}

// <data>/run/gateway.json says where the gateway listens, for tools on this machine.
static ow_code announce(gateway *gw, ow_err *err) {
    const char *public_address = ow_http_server_address(gw->public_side.server);
    const char *console_address = ow_http_server_address(gw->console_side.server);
    char path[PATH_ROOM];
    ow_json_writer writer;
    size_t size;
    ow_json_writer_init(&writer, gw->scratch, PATH_ROOM);
    ow_json_object_open(&writer);
    write_url(&writer, "public", &gw->public_side);
    write_url(&writer, "console", &gw->console_side);
    ow_json_object_close(&writer);
    const char *text = ow_json_writer_end(&writer, &size);
    int length = snprintf(path, sizeof path, "%s/run", gw->env->data_folder);
    if (text == NULL || length < 0 || (size_t)length + 20 > sizeof path) {
        return ow_fail(err, OW_INTERNAL, "path", "the data folder's path is too long");
    }
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return ow_fail_errno(err, errno, "%s", path);
    }
    snprintf(path + length, sizeof path - (size_t)length, "/gateway.json");
    ow_code code = write_file(path, text, size, err);
    ow_arena_reset(gw->scratch);
    ow_log(OW_LOG_INFO, "listening", "public=%s console=%s plain_http=%s", public_address,
           console_address, plain_http_choices[gw->config->plain_http]);
    return code;
}

// ---- life ----

static ow_code gateway_init(ow_module_env *env, const void *config, void **ret_self, ow_err *err) {
    gateway *gw = calloc(1, sizeof *gw);
    if (gw == NULL) {
        return ow_fail_errno(err, ENOMEM, "gateway");
    }
    *ret_self = gw;
    gw->env = env;
    gw->config = config;
    gw->loop = env->loop;
    gw->public_side = (listener){.gw = gw, .is_public = true};
    gw->console_side = (listener){.gw = gw, .is_public = false};
    gw->budget.max = gw->config->body_memory;
    size_t cache = 2;
    while (cache * 2 <= (size_t)gw->config->token_cache) {
        cache *= 2;
    }
    gw->routes = gateway_routes_new();
    gw->titles = titles_new();
    gw->verifier = verifier_new(cache);
    gw->limits = limits_new(&gw->config->limits, env->metrics);
    gw->pushes = pushes_new(gw);
    gw->http_cache = http_cache_new((size_t)gw->config->cache_memory);
    gw->scratch = ow_arena_new(SCRATCH_MAX);
    if (gw->routes == NULL || gw->titles == NULL || gw->verifier == NULL || gw->limits == NULL ||
        gw->pushes == NULL || gw->http_cache == NULL || gw->scratch == NULL) {
        return ow_fail_errno(err, ENOMEM, "gateway");
    }
    ow_code code = stages_read(gw->config->stages, &gw->stages, err);
    if (code != OW_OK) {
        return code;
    }
    ow_directory_expect_here(env->directory, &overworld__gateway__v1__gateway__descriptor);
    return proxies_new(gw->config->trusted_proxies, &gw->proxies, err);
}

static ow_code open_rooms(gateway *gw, ow_err *err) {
    ow_directory *directory = gw->env->directory;
    gw->registry = ow_directory_get(directory, &overworld__registry__v1__registry__descriptor);
    gw->runner = ow_directory_get(directory, &overworld__runner__v1__runner__descriptor);
    gw->queue = ow_directory_get(directory, &overworld__events__v1__queue__descriptor);
    gw->events = ow_directory_get(directory, &overworld__events__v1__events__descriptor);
    gw->telemetry = ow_directory_get(directory, &overworld__telemetry__v1__telemetry__descriptor);
    ow_code code = status_service_new(gw, err);
    code = code == OW_OK ? ow_directory_offer(directory, gw->own_service, err) : code;
    code = code == OW_OK ? methods_new(gw->env->api, directory, &gw->methods, err) : code;
    return code == OW_OK ? records_open(gw, err) : code;
}

static ow_code gateway_start(void *self, ow_err *err) {
    gateway *gw = self;
    gw->started_us = ow_loop_now_us(gw->loop);
    ow_code code = open_rooms(gw, err);
    code = code == OW_OK ? open_listeners(gw, err) : code;
    code = code == OW_OK ? announce(gw, err) : code;
    if (code == OW_OK) {
        register_metrics(gw);
        subscribe(gw);
        pushes_start(gw->pushes);
        gw->started = true;
    }
    return code;
}

static bool gateway_ready(void *self, const char **why_not) {
    const gateway *gw = self;
    if (gw->draining) {
        *why_not = "stopping";
        return false;
    }
    if (!verifier_has_state(gw->verifier)) {
        *why_not = "waiting for identity's keys";
        return false;
    }
    if (!gateway_routes_are_complete(gw->routes)) {
        *why_not = "waiting for registry's routes";
        return false;
    }
    return true;
}

static void gateway_drain(void *self) {
    gateway *gw = self;
    gw->draining = true;
    pushes_drain(gw->pushes);
    exchange_end_streams(gw);
    ow_http_server_drain(gw->public_side.server);
    ow_http_server_drain(gw->console_side.server);
}

// Replies first, then the records of them.
static void gateway_reload(void *self) {
    tls_reload(self);
}

static bool gateway_drained(void *self) {
    gateway *gw = self;
    if (ow_http_server_busy(gw->public_side.server) > 0 ||
        ow_http_server_busy(gw->console_side.server) > 0 || gw->live_count > 0 ||
        pushes_count(gw->pushes) > 0) {
        return false;
    }
    ow_batch_flush(gw->records);
    return ow_batch_in_flight(gw->records) == 0;
}

static void remove_announcement(const gateway *gw) {
    char path[PATH_ROOM];
    snprintf(path, sizeof path, "%s/run/gateway.json", gw->env->data_folder);
    unlink(path);
}

static void gateway_stop(void *self) {
    gateway *gw = self;
    gw->draining = true;
    if (gw->started) {
        ow_metrics_collector_remove(gw->env->metrics, &gw->collector);
        remove_announcement(gw);
    }
    tls_unwatch(gw);
    exchange_cancel_all(gw);
    pushes_stop(gw->pushes);
    gw->public_side.server = ow_http_server_close(gw->public_side.server);
    gw->console_side.server = ow_http_server_close(gw->console_side.server);
    ow_subscription_stop(&gw->watch_routes);
    ow_subscription_stop(&gw->watch_verification);
    if (gw->own_service != NULL) {
        ow_directory_withdraw(gw->env->directory, gw->own_service);
    }
    if (gw->records != NULL) {
        ow_batch_flush(gw->records);
    }
}

static void gateway_free(void *self) {
    gateway *gw = self;
    if (gw == NULL) {
        return;
    }
    exchange_free_spares(gw);
    if (gw->records != NULL && ow_batch_in_flight(gw->records) == 0) {
        ow_batch_free(gw->records);
    }
    ow_service_free(gw->own_service);
    methods_free(gw->methods);
    gateway_routes_free(gw->routes);
    stages_deinit(&gw->stages);
    titles_free(gw->titles);
    proxies_free(gw->proxies);
    verifier_free(gw->verifier);
    limits_free(gw->limits);
    pushes_free(gw->pushes);
    http_cache_free(gw->http_cache);
    ow_arena_free(gw->scratch);
    free(gw);
}

static const char *const needs[] = {"events",    "identity", "registry", "runner",
                                    "telemetry", "timers",   NULL};

const ow_module ow_gateway_module = {
    .name = "gateway",
    .doc = "the only ports reached from outside: HTTP, authentication, limits, routing",
    .needs_to_start = needs,
    .config = keys,
    .config_size = sizeof(gateway_config),
    .init = gateway_init,
    .start = gateway_start,
    .ready = gateway_ready,
    .drain = gateway_drain,
    .drained = gateway_drained,
    .reload = gateway_reload,
    .stop = gateway_stop,
    .free = gateway_free,
};
