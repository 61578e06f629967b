// Connections that go on with another protocol.
//
// Of a plain one we take a copy of the descriptor and let libmicrohttpd forget the rest: what it keeps
// of an upgraded connection is kilobytes, and each slows down all that are resumed. Behind TLS it must
// stay, decrypts, and gives us one end of a pair of sockets.

#include "core/http_mhd/internal.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct ow_http_socket {
    ow_http_server *server;
    peer *from;
    struct MHD_UpgradeResponseHandle *tls; // NULL: plain
    connection *carrier;                   // of TLS: lives until this is closed
    int fd;
    void (*on_socket)(void *self, ow_http_socket *socket, const void *early, size_t size);
    void *self;
};

// Small frames must not wait for more.
static void send_at_once(int fd) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static bool take_descriptor(ow_http_socket *taken, int fd, struct MHD_UpgradeResponseHandle *handle,
                            connection *from) {
    send_at_once(from->fd);
    if (taken->server->tls != NULL) {
        taken->tls = handle;
        taken->carrier = from;
        taken->fd = fd;
    } else {
        taken->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
    }
    return taken->fd >= 0 && fcntl(taken->fd, F_SETFL, fcntl(taken->fd, F_GETFL) | O_NONBLOCK) == 0;
}

static void on_upgraded(void *self, struct MHD_Connection *mhd, void *request_at, const char *early,
                        size_t early_size, MHD_socket fd,
                        struct MHD_UpgradeResponseHandle *handle) {
    (void)mhd;
    ow_http_socket *taken = self;
    ow_http_request *request = request_at;
    connection *from = request->connection;
    ow_http_server *server = request->server;
    request->upgrade = NULL;
    from->is_upgraded = true;
    from->sends = false;
    connection_set_deadline(server, from, 0);
    server->ready = true; // the library has to clean up
    taken->from = peer_hold(from->from);
    server->socket_count++;
    server->carried_count++;
    bool ok = take_descriptor(taken, fd, handle, from) && !server->closing;
    void (*on_socket)(void *, ow_http_socket *, const void *, size_t) = taken->on_socket;
    void *owner = taken->self;
    if (!ok) {
        taken = ow_http_socket_close(taken);
    }
    on_socket(owner, taken, early, ok ? early_size : 0);
}

struct MHD_Response *upgrade_response(ow_http_request *request, const ow_http_upgrade *upgrade) {
    ow_http_socket *made = calloc(1, sizeof *made);
    struct MHD_Response *response =
        made != NULL ? MHD_create_response_for_upgrade(on_upgraded, made) : NULL;
    if (response == NULL) {
        free(made);
        return NULL;
    }
    made->server = request->server;
    made->fd = -1;
    made->on_socket = upgrade->on_socket;
    made->self = upgrade->self;
    request->upgrade = made;
    for (size_t i = 0; i < upgrade->header_count; i++) {
        MHD_add_response_header(response, upgrade->headers[i].name, upgrade->headers[i].value);
    }
    return response;
}

void upgrade_abandon(ow_http_request *request) {
    ow_http_socket *unused = request->upgrade;
    request->upgrade = NULL;
    if (unused != NULL) {
        unused->on_socket(unused->self, NULL, NULL, 0);
        free(unused);
    }
}

int ow_http_socket_fd(const ow_http_socket *socket) {
    return socket->fd;
}

ow_http_socket *ow_http_socket_close(ow_http_socket *socket) {
    if (socket == NULL) {
        return NULL;
    }
    ow_http_server *server = socket->server;
    if (socket->tls != NULL) {
        // The library keeps the connection until the client has read what is left, or for ever.
        connection_lower_deadline(server, socket->carrier, server->options.grace_us);
        MHD_upgrade_action(socket->tls, MHD_UPGRADE_ACTION_CLOSE);
        server->ready = true;
        ow_loop_wake(server->loop);
    } else if (socket->fd >= 0) {
        close(socket->fd);
    }
    peer_leave(server, socket->from);
    server->socket_count--;
    free(socket);
    return NULL;
}
