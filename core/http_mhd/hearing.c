// The library's reads. Its two functions that read requests (of a socket, of a TLS session) are linked to
// the two below (third_party/BUILD), which read for it and follow each byte before it is parsed: what it
// overwrites while it does is known then.

#include "core/http_mhd/internal.h"

#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ROOM_AT_FIRST 64

ssize_t ow_http_mhd_recv(int fd, void *buffer, size_t room, int flags);
ssize_t ow_http_mhd_record_recv(gnutls_session_t session, void *buffer, size_t room);

// Whose turn it is on this thread; the library's reads say of what connection they are by the descriptor alone.
static __thread ow_http_server *running;

void hearing_run(ow_http_server *server) {
    running = server;
    MHD_run(server->daemon);
    running = NULL;
}

bool hearing_begin(ow_http_server *server, connection *made) {
    size_t at = (size_t)made->fd;
    if (at >= server->by_fd_room) {
        size_t room = server->by_fd_room > 0 ? server->by_fd_room : ROOM_AT_FIRST;
        while (room <= at) {
            room *= 2;
        }
        connection **by_fd = realloc(server->by_fd, room * sizeof(connection *));
        if (by_fd == NULL) {
            return false;
        }
        memset(by_fd + server->by_fd_room, 0, (room - server->by_fd_room) * sizeof(connection *));
        server->by_fd = by_fd;
        server->by_fd_room = room;
    }
    server->by_fd[at] = made;
    return true;
}

void hearing_end(ow_http_server *server, const connection *gone) {
    if (server->by_fd[gone->fd] == gone) {
        server->by_fd[gone->fd] = NULL;
    }
}

// A head that was not heard is refused by whoever takes it, so nothing passes this unseen.
static void hear(int fd, const void *bytes, ssize_t size) {
    if (size <= 0 || running == NULL || fd < 0 || (size_t)fd >= running->by_fd_room) {
        return;
    }
    connection *from = running->by_fd[fd];
    if (from != NULL) {
        ow_http_wire_hear(&from->wire, bytes, (size_t)size);
    }
}

ssize_t ow_http_mhd_recv(int fd, void *buffer, size_t room, int flags) {
    ssize_t size = recv(fd, buffer, room, flags);
    hear(fd, buffer, size);
    return size;
}

ssize_t ow_http_mhd_record_recv(gnutls_session_t session, void *buffer, size_t room) {
    ssize_t size = gnutls_record_recv(session, buffer, room);
    hear(gnutls_transport_get_int(session), buffer, size);
    return size;
}
