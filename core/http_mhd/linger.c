// What a client goes on sending behind a refusal is read and thrown away for a while. Closed with
// unread bytes, a connection is reset, and many a client then never sees what it was answered.

#include "core/http_mhd/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINGER_MAX 64 // at a time; further ones are closed at once
#define LINGER_US 5000000
#define LINGER_BYTES (8 << 20)
#define PIECE (64 * 1024)

typedef struct lingering {
    list_link link; // first
    ow_http_server *server;
    ow_watch watch;
    int64_t deadline_us;
    size_t bytes; // that were thrown away
} lingering;

static void end(lingering *gone) {
    ow_http_server *server = gone->server;
    int fd = gone->watch.fd;
    ow_loop_unwatch(server->loop, &gone->watch);
    close(fd);
    list_remove(&gone->link);
    server->lingering_count--;
    free(gone);
}

static void on_bytes(void *self, uint32_t events) {
    (void)events;
    lingering *each = self;
    // TCP throws them away by itself; a unix socket does not know that, and is closed.
    // cppcheck-suppress nullPointer
    ssize_t n = recv(each->watch.fd, NULL, PIECE, MSG_DONTWAIT | MSG_TRUNC);
    each->bytes += n > 0 ? (size_t)n : 0;
    bool more = n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
    if (!more || each->bytes > LINGER_BYTES) {
        end(each);
    }
}

void linger_begin(ow_http_server *server, const connection *left) {
    if (server->lingering_count >= LINGER_MAX || server->closing) {
        return;
    }
    lingering *made = calloc(1, sizeof *made);
    int fd = made != NULL ? fcntl(left->fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (fd < 0) {
        free(made);
        return;
    }
    made->server = server;
    made->deadline_us = ow_loop_now_us(server->loop) + LINGER_US;
    made->watch = (ow_watch){.on_ready = on_bytes, .self = made};
    if (ow_loop_watch(server->loop, &made->watch, fd, EPOLLIN | EPOLLRDHUP, NULL) != OW_OK) {
        close(fd);
        free(made);
        return;
    }
    list_append(&server->lingering, &made->link);
    server->lingering_count++;
    shutdown(fd, SHUT_WR);
}

void linger_sweep(ow_http_server *server, int64_t now_us) {
    list_link *next;
    for (list_link *at = server->lingering.next; at != &server->lingering; at = next) {
        lingering *each = (lingering *)(void *)at; // `link` is its first member
        next = at->next;
        if (now_us >= each->deadline_us) {
            end(each);
        }
    }
}
