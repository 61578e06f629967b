#include "core/http_mhd/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

// Per connection: headers must fit. The library wipes what is left of it after every request, so
// more costs time; larger bodies come in pieces of this size.
#define CONNECTION_MEMORY 8192
// While clients wait the library always asks for another turn at once: a busy loop, if obeyed.
#define WAITING_SLEEP_US 10000
#define LAST_TURNS 4
// A turn asks each client that waits, about a tenth of a microsecond each. With many of them the
// turns keep a distance of up to a millisecond, so that each sends many replies and the asking takes
// a small part of the time.
#define PACED_FROM 100
#define PACE_MAX_US 1000
#define PACE_US(asked) ((asked) < PACE_MAX_US / 3 ? (int64_t)(asked)*3 : PACE_MAX_US)
#define USUAL_GRACE_US 5000000
#define USUAL_RATE 4096
// What a recorded connection cannot be read with later (no RSA key exchange), and no CBC.
#define TLS_PRIORITIES                                                                             \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-CIPHER-ALL:"      \
    "+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM:-MAC-ALL:+AEAD"
#define MILLISECOND 1000

// ---- turns ----

static bool oldest_is_slow(const ow_http_server *server, int64_t now) {
    if (list_is_empty(&server->waiting)) {
        return false;
    }
    const ow_http_request *oldest =
        (const void *)((const char *)server->waiting.next - offsetof(ow_http_request, link));
    return now - oldest->waiting_since_us > SUSPEND_AFTER_US;
}

static void on_ready(void *self, uint32_t events) {
    (void)events;
    ow_http_server *server = self;
    server->ready = true;
}

// How long the next turn must wait.
static int64_t pause_left(const ow_http_server *server, int64_t now) {
    return server->earliest_us > now ? server->earliest_us - now : 0;
}

// While a turn must wait, what the library's descriptor reports would only wake the loop.
static void hear(ow_http_server *server, bool on) {
    if (server->deaf == on &&
        ow_loop_rewatch(server->loop, &server->watch, on ? EPOLLIN : 0, NULL) == OW_OK) {
        server->deaf = !on;
    }
}

static int64_t sleep_limit(const ow_http_server *server, int64_t now) {
    if (server->again || server->ready) {
        return pause_left(server, now);
    }
    if (!list_is_empty(&server->waiting)) {
        return WAITING_SLEEP_US;
    }
    if (server->next_timeout_us == INT64_MAX) {
        return -1;
    }
    return server->next_timeout_us > now ? server->next_timeout_us - now : 0;
}

static void run_library(ow_http_server *server, int64_t now) {
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    server->ready = false;
    server->again = false;
    server->partial_bodies = 0;
    server->asked = 0;
    server->turn++;
    hearing_run(server);
    server->earliest_us = server->asked < PACED_FROM ? 0 : now + PACE_US(server->asked);
    // The library reads a body piece by piece, one a turn, and its descriptor stays silent about
    // what it has not read yet.
    server->again = server->again || server->partial_bodies > 0;
    server->next_timeout_us = INT64_MAX;
    if (MHD_get_timeout(server->daemon, &timeout_ms) == MHD_YES) {
        server->next_timeout_us = now + (int64_t)timeout_ms * MILLISECOND;
    }
}

static int64_t on_serve(void *self) {
    ow_http_server *server = self;
    int64_t now = ow_loop_now_us(server->loop);
    bool due = list_is_empty(&server->waiting) && now >= server->next_timeout_us;
    bool wanted = server->ready || server->again || due || oldest_is_slow(server, now);
    int64_t pause = wanted ? pause_left(server, now) : 0;
    hear(server, pause == 0);
    if (wanted && pause == 0) {
        run_library(server, now);
    }
    return sleep_limit(server, now);
}

// Replies that were given later in the turn than libmicrohttpd ran.
static int64_t on_after(void *self) {
    const ow_http_server *server = self;
    return server->ready ? pause_left(server, ow_loop_now_us(server->loop)) : -1;
}

// ---- opening and closing ----

static size_t leave_encoded(void *self, struct MHD_Connection *mhd, char *text) {
    (void)self;
    (void)mhd;
    return strlen(text);
}

static ow_code start_daemon(ow_http_server *server, ow_err *err) {
    const ow_http_options *options = &server->options;
    // Without TLS the list of its options is empty.
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(uintptr_t)tls_give_identity},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem *tls_options = server->tls != NULL ? tls : &tls[2];
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE | MHD_USE_ITC |
            MHD_USE_ERROR_LOG | (server->tls != NULL ? MHD_USE_TLS : 0),
        0, NULL, NULL, on_access, server, MHD_OPTION_EXTERNAL_LOGGER, refusal_on_log, server,
        MHD_OPTION_LISTEN_SOCKET, server->listen_fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)options->max_connections + RESERVE, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)(options->idle_timeout_us / 1000000), MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 0, MHD_OPTION_UNESCAPE_CALLBACK,
        leave_encoded, server, MHD_OPTION_URI_LOG_CALLBACK, on_uri, server,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, server, MHD_OPTION_ARRAY, tls_options, MHD_OPTION_END);
    if (server->daemon == NULL) {
        return ow_fail(err, OW_INTERNAL, "http", "libmicrohttpd does not start: %s",
                       strerror(errno));
    }
    // The socket is the daemon's now.
    server->listen_fd = -1;
    return OW_OK;
}

static ow_code attach(ow_http_server *server, ow_err *err) {
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    server->watch.on_ready = on_ready;
    server->watch.self = server;
    ow_code code = ow_loop_watch(server->loop, &server->watch, info->epoll_fd, EPOLLIN, err);
    if (code != OW_OK) {
        return code;
    }
    server->serve = (ow_turn_hook){.on_turn = on_serve, .self = server};
    server->after = (ow_turn_hook){.on_turn = on_after, .self = server};
    ow_loop_hook_add(server->loop, OW_TURN_SERVE, &server->serve);
    ow_loop_hook_add(server->loop, OW_TURN_FLUSH, &server->after);
    server->sweep = (ow_timer){.on_due = connections_sweep, .self = server};
    connections_sweep(server);
    return OW_OK;
}

ow_code ow_http_server_open(const ow_http_options *options, ow_http_server **ret_server,
                            ow_err *err) {
    ow_http_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        return ow_fail_errno(err, ENOMEM, "http server");
    }
    server->options = *options;
    server->options.grace_us = options->grace_us > 0 ? options->grace_us : USUAL_GRACE_US;
    server->options.min_rate = options->min_rate > 0 ? options->min_rate : USUAL_RATE;
    server->loop = options->loop;
    server->listen_fd = -1;
    server->watch.fd = -1;
    server->ready = true;
    server->next_timeout_us = INT64_MAX;
    list_init(&server->connections);
    list_init(&server->waiting);
    list_init(&server->suspended);
    list_init(&server->others);
    list_init(&server->lingering);
    ow_code code = address_listen(options->address, &server->listen_fd, &server->address,
                                  &server->unix_path, err);
    code = code == OW_OK ? tls_open(server, err) : code;
    server->options.tls = NULL; // the caller's
    code = code == OW_OK ? start_daemon(server, err) : code;
    code = code == OW_OK ? attach(server, err) : code;
    if (code != OW_OK) {
        ow_http_server_close(server);
        return code;
    }
    *ret_server = server;
    return OW_OK;
}

const char *ow_http_server_address(const ow_http_server *server) {
    return server->address;
}

void ow_http_server_drain(ow_http_server *server) {
    if (server->draining) {
        return;
    }
    server->draining = true;
    int fd = MHD_quiesce_daemon(server->daemon);
    if (fd >= 0) {
        close(fd);
    }
    connections_sweep(server);
}

size_t ow_http_server_busy(const ow_http_server *server) {
    return server->request_count - server->carried_count;
}

size_t ow_http_server_sockets(const ow_http_server *server) {
    return server->socket_count;
}

size_t ow_http_server_connections(const ow_http_server *server) {
    return server->connection_count;
}

static void stop_daemon(ow_http_server *server) {
    for (list_link *at = server->connections.next; at != &server->connections; at = at->next) {
        ow_http_request *request =
            ((connection *)(void *)at)->request; // `link` is its first member
        if (request != NULL) {
            request_abandon(request);
        }
    }
    for (int i = 0; i < LAST_TURNS; i++) {
        hearing_run(server);
    }
    MHD_stop_daemon(server->daemon);
    server->daemon = NULL;
}

static void detach(ow_http_server *server) {
    linger_sweep(server, INT64_MAX);
    ow_loop_timer_cancel(server->loop, &server->sweep);
    ow_loop_hook_remove(server->loop, OW_TURN_SERVE, &server->serve);
    ow_loop_hook_remove(server->loop, OW_TURN_FLUSH, &server->after);
    ow_loop_unwatch(server->loop, &server->watch);
}

void server_release(ow_http_server *server) {
    if (server->closing && server->daemon == NULL && server->request_count == 0) {
        tls_close(server);
        free(server->by_fd);
        free(server);
    }
}

ow_http_server *ow_http_server_close(ow_http_server *server) {
    if (server == NULL) {
        return NULL;
    }
    server->closing = true;
    if (server->watch.fd >= 0) {
        detach(server);
    }
    if (server->daemon != NULL) {
        stop_daemon(server);
    }
    if (server->listen_fd >= 0) {
        close(server->listen_fd);
    }
    if (server->unix_path != NULL) {
        unlink(server->unix_path);
    }
    while (server->spare != NULL) {
        ow_http_request *spare = server->spare;
        server->spare = spare->user;
        free(spare);
    }
    free(server->unix_path);
    free(server->address);
    server_release(server);
    return NULL;
}
