// Connections: how many there may be, and how slow.
//
// Beyond the limits there is a reserve, whose connections are told apart: what must always be answered
// (health checks) is, everything else is refused and the connection closed. When all are taken, the one
// that was idle for longest makes room.

#include "core/http_mhd/internal.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define SWEEP_US 1000000
#define LOOKS 64 // connections that are looked at for an idle one
#define NETWORK_BYTES 8
#define MICROSECONDS 1000000

struct peer {
    uint8_t address[16]; // of an IPv6 client its /64
    unsigned connections;
};

static connection *connection_of(list_link *link) {
    return (connection *)(void *)((char *)link - offsetof(connection, link));
}

void connection_set_deadline(ow_http_server *server, connection *connection, int64_t after_us) {
    connection->deadline_us = after_us > 0 ? ow_loop_now_us(server->loop) + after_us : 0;
}

void connection_lower_deadline(ow_http_server *server, connection *connection, int64_t after_us) {
    int64_t deadline_us = ow_loop_now_us(server->loop) + after_us;
    if (connection->deadline_us == 0 || connection->deadline_us > deadline_us) {
        connection->deadline_us = deadline_us;
    }
}

// ---- who has how many ----

static int by_address(const void *a, const void *b) {
    return memcmp(((const peer *)a)->address, ((const peer *)b)->address, 16);
}

static bool address_bytes(const struct sockaddr *from, uint8_t bytes[static 16]) {
    memset(bytes, 0, 16);
    if (from != NULL && from->sa_family == AF_INET) {
        memcpy(bytes + 12, &((const struct sockaddr_in *)from)->sin_addr, 4);
        return true;
    }
    if (from != NULL && from->sa_family == AF_INET6) {
        const struct in6_addr *address = &((const struct sockaddr_in6 *)from)->sin6_addr;
        bool is_v4 = IN6_IS_ADDR_V4MAPPED(address);
        memcpy(bytes, address, is_v4 ? 16 : NETWORK_BYTES);
        memset(bytes, 0, is_v4 ? 12 : 0);
        return true;
    }
    return false;
}

// NULL: a unix socket, or no memory; not counted then.
static peer *peer_join(ow_http_server *server, const struct sockaddr *from) {
    peer wanted;
    if (!address_bytes(from, wanted.address)) {
        return NULL;
    }
    peer **found = tfind(&wanted, &server->peers, by_address);
    peer *joined = found != NULL ? *found : calloc(1, sizeof *joined);
    if (joined != NULL && found == NULL) {
        memcpy(joined->address, wanted.address, sizeof joined->address);
        if (tsearch(joined, &server->peers, by_address) == NULL) {
            free(joined);
            return NULL;
        }
    }
    if (joined != NULL) {
        joined->connections++;
    }
    return joined;
}

peer *peer_hold(peer *held) {
    if (held != NULL) {
        held->connections++;
    }
    return held;
}

void peer_leave(ow_http_server *server, peer *from) {
    if (from != NULL && --from->connections == 0) {
        tdelete(from, &server->peers, by_address);
        free(from);
    }
}

// ---- making room ----

static void hang_up(ow_http_server *server, connection *gone) {
    shutdown(gone->fd, SHUT_RDWR);
    server->leaving_count += !gone->hung_up;
    gone->hung_up = true;
    server->ready = true;
}

// Closes the connection that was idle for longest among the next few.
static void make_room(ow_http_server *server) {
    connection *idle = NULL;
    list_link *at = server->hand != NULL ? server->hand : server->connections.next;
    for (int i = 0; i < LOOKS; i++, at = at->next) {
        if (at == &server->connections) {
            continue;
        }
        connection *each = connection_of(at);
        if (each->request == NULL && !each->hung_up &&
            (idle == NULL || each->since_us < idle->since_us)) {
            idle = each;
        }
    }
    server->hand = at == &server->connections ? NULL : at;
    if (idle != NULL) {
        hang_up(server, idle);
    }
}

// True when it is beyond what the server, or its address, may have.
static bool is_beyond_limits(const ow_http_server *server, const connection *made) {
    const ow_http_options *options = &server->options;
    return server->connection_count - server->leaving_count > (size_t)options->max_connections ||
           (options->max_per_address > 0 && made->from != NULL &&
            made->from->connections > (unsigned)options->max_per_address);
}

static bool is_beyond_the_reserve(const ow_http_server *server, const connection *made) {
    const ow_http_options *options = &server->options;
    return options->max_per_address > 0 && made->from != NULL &&
           made->from->connections > (unsigned)options->max_per_address + RESERVE_PER_ADDRESS;
}

static connection *connection_new(ow_http_server *server, struct MHD_Connection *mhd) {
    connection *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    made->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    if (!hearing_begin(server, made)) {
        free(made);
        return NULL;
    }
    const struct sockaddr *from =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    made->server = server;
    made->mhd = mhd;
    address_of_peer(from, made->peer);
    made->from = peer_join(server, from);
    made->since_us = ow_loop_now_us(server->loop);
    if (server->connection_count - server->leaving_count >=
        (size_t)server->options.max_connections) {
        make_room(server);
    }
    list_append(&server->connections, &made->link);
    server->connection_count++;
    made->is_reserve = is_beyond_limits(server, made);
    connection_set_deadline(server, made, server->options.header_timeout_us);
    if (is_beyond_the_reserve(server, made)) {
        hang_up(server, made);
    }
    return made;
}

static void connection_free(ow_http_server *server, connection *gone) {
    if (gone != NULL) {
        if (gone->lingers && !gone->hung_up) {
            linger_begin(server, gone);
        }
        server->hand = server->hand == &gone->link ? gone->link.next : server->hand;
        server->hand = server->hand == &server->connections ? NULL : server->hand;
        list_remove(&gone->link);
        hearing_end(server, gone);
        peer_leave(server, gone->from);
        server->connection_count--;
        server->leaving_count -= gone->hung_up;
        free(gone);
    }
}

void on_connection(void *self, struct MHD_Connection *mhd, void **context,
                   enum MHD_ConnectionNotificationCode what) {
    ow_http_server *server = self;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = connection_new(server, mhd);
    } else {
        connection_free(server, *context);
        *context = NULL;
    }
}

// ---- who is too slow ----

// Whether a client takes its reply fast enough. What it has confirmed is compared with what it had
// when it was looked at first.
static bool takes_too_long(const ow_http_server *server, connection *to, int64_t now) {
    struct tcp_info info;
    socklen_t size = sizeof info;
    memset(&info, 0, sizeof info);
    if (getsockopt(to->fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) {
        to->sends = false; // a unix socket: the library's timeout has to do
        return false;
    }
    int waiting = 0;
    ioctl(to->fd, SIOCOUTQ, &waiting);
    if (waiting == 0 && to->request == NULL) {
        to->sends = false;
        return false;
    }
    if (to->looked_at_us == 0) {
        to->looked_at_us = now;
        to->taken = info.tcpi_bytes_acked;
        return false;
    }
    int64_t elapsed = now - to->looked_at_us;
    if (elapsed < server->options.grace_us) {
        return false;
    }
    bool slow = (int64_t)(info.tcpi_bytes_acked - to->taken) <
                elapsed / MICROSECONDS * server->options.min_rate;
    to->looked_at_us = now;
    to->taken = info.tcpi_bytes_acked;
    return slow;
}

// What it has not read is not sent any more.
static void drop(ow_http_server *server, connection *slow) {
    struct linger at_once = {.l_onoff = 1};
    setsockopt(slow->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    hang_up(server, slow);
}

void connections_sweep(void *self) {
    ow_http_server *server = self;
    int64_t now = ow_loop_now_us(server->loop);
    for (list_link *at = server->connections.next; at != &server->connections; at = at->next) {
        connection *each = connection_of(at);
        bool late = each->deadline_us != 0 && now >= each->deadline_us;
        bool idle = server->draining && each->request == NULL && !each->is_upgraded;
        if (each->sends && takes_too_long(server, each, now)) {
            drop(server, each);
        } else if (late || idle) {
            hang_up(server, each);
        }
    }
    linger_sweep(server, now);
    if (!server->closing) {
        ow_loop_timer_set(server->loop, &server->sweep, now + SWEEP_US);
    }
}

void connection_expect_reader(connection *connection) {
    connection->sends = true;
    connection->looked_at_us = 0;
}
