// The sockets are our own, not the library's: so the mode of the file is right before it exists, and
// the peer's user is checked before the library sees a byte.

#include "core/rpc_grpc/internal.h"

#include <errno.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { ACCEPTED_A_TURN = 16, BACKLOG = 128 };

static bool is_own_user(int fd) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
}

static void on_connection(void *self, uint32_t events) {
    offer *o = self;
    (void)events;
    for (int i = 0; i < ACCEPTED_A_TURN; i++) {
        int fd = accept4(o->watch.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        if (!is_own_user(fd)) {
            close(fd);
            continue;
        }
        grpc_server_credentials *insecure = grpc_insecure_server_credentials_create();
        grpc_server_add_channel_from_fd(o->grpc->server, fd, insecure);
        grpc_server_credentials_release(insecure);
    }
}

// A socket file stays behind when its process is killed.
static bool is_left_behind(const struct sockaddr_un *address) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool refused = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
                   errno == ECONNREFUSED;
    if (fd >= 0) {
        close(fd);
    }
    return refused;
}

static ow_code bind_socket(int fd, const char *path, ow_err *err) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strnlen(path, sizeof address.sun_path - 1));
    // On Linux the mode of an unbound socket is that of the file to be.
    fchmod(fd, 0600);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0) {
        return OW_OK;
    }
    if (errno != EADDRINUSE) {
        return ow_fail_errno(err, errno, "cannot listen on %s", path);
    }
    if (!is_left_behind(&address)) {
        return ow_fail(err, OW_ALREADY_EXISTS, "socket_in_use",
                       "another process serves on %s; stop it first", path);
    }
    unlink(path);
    return bind(fd, (struct sockaddr *)&address, sizeof address) == 0
               ? OW_OK
               : ow_fail_errno(err, errno, "cannot listen on %s", path);
}

ow_code listener_open(offer *o, ow_err *err) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return ow_fail_errno(err, errno, "cannot make a socket");
    }
    ow_code code = bind_socket(fd, o->path, err);
    if (code == OW_OK && (chmod(o->path, 0600) != 0 || listen(fd, BACKLOG) != 0)) {
        code = ow_fail_errno(err, errno, "cannot listen on %s", o->path);
    }
    if (code == OW_OK) {
        o->watch = (ow_watch){.on_ready = on_connection, .self = o};
        code = ow_loop_watch(o->grpc->loop, &o->watch, fd, EPOLLIN, err);
    }
    if (code != OW_OK) {
        close(fd);
    }
    return code;
}

static void listener_close(offer *o) {
    if (o->watch.watched) {
        int fd = o->watch.fd;
        ow_loop_unwatch(o->grpc->loop, &o->watch);
        unlink(o->path);
        close(fd);
    }
}

void server_close_listeners(ow_grpc *g) {
    for (offer *o = g->offers; o != NULL; o = o->next) {
        listener_close(o);
    }
}
