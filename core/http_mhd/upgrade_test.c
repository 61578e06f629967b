// Connections that go on with another protocol: here one that sends back what it gets.

#include "core/http/server.h"
#include "core/loop/loop.h"
#include "core/testing/ow_test.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURNS 3000
#define SOCKETS_MAX 64
#define UPGRADE "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"

typedef struct fixture fixture;

typedef struct echo {
    fixture *f;
    ow_http_socket *socket;
    ow_watch watch;
} echo;

struct fixture {
    ow_loop *loop;
    ow_http_server *server;
    ow_http_budget budget;
    int port;
    echo echoes[SOCKETS_MAX];
    int opened, broken;
    char early[64];
};

static void on_ready(void *self, uint32_t events) {
    echo *e = self;
    char bytes[256];
    (void)events;
    ssize_t size = recv(ow_http_socket_fd(e->socket), bytes, sizeof bytes, MSG_DONTWAIT);
    if (size > 0) {
        assert_int_equal(send(ow_http_socket_fd(e->socket), bytes, (size_t)size, MSG_NOSIGNAL),
                         size);
    } else if (size == 0) {
        ow_loop_unwatch(e->f->loop, &e->watch);
        e->socket = ow_http_socket_close(e->socket);
    }
}

static void on_socket(void *self, ow_http_socket *socket, const void *early, size_t size) {
    fixture *f = self;
    if (socket == NULL) {
        f->broken++;
        return;
    }
    echo *e = &f->echoes[f->opened++];
    *e = (echo){.f = f, .socket = socket};
    e->watch = (ow_watch){.on_ready = on_ready, .self = e, .fd = -1};
    snprintf(f->early, sizeof f->early, "%.*s", (int)size, size > 0 ? (const char *)early : "");
    assert_int_equal(ow_loop_watch(f->loop, &e->watch, ow_http_socket_fd(socket), EPOLLIN, NULL),
                     OW_OK);
}

static void on_head(void *self, ow_http_request *request) {
    (void)self;
    (void)request;
}

static void on_body(void *self, ow_http_request *request) {
    ow_http_header_line headers[] = {{"Upgrade", "echo"}, {"X-Mine", "yes"}};
    ow_http_upgrade upgrade = {headers, 2, on_socket, self};
    if (strcmp(ow_http_path(request), "/echo") != 0 || !ow_http_upgrade_reply(request, &upgrade)) {
        ow_http_reply(request, &(ow_http_answer){.status = 404});
    }
}

static void on_reject(void *self, ow_http_request *request, const ow_http_rejection *why) {
    (void)self;
    ow_http_reply(request, &(ow_http_answer){.status = why->status});
}

static void on_gone(void *self, ow_http_request *request) {
    (void)self;
    ow_http_reply(request, &(ow_http_answer){.status = 499});
}

static int setup(void **state) {
    fixture *f = calloc(1, sizeof *f);
    *state = f;
    f->budget.max = 1 << 20;
    assert_int_equal(ow_loop_new(&f->loop, NULL), OW_OK);
    ow_http_options options = {.loop = f->loop,
                               .address = "127.0.0.1:0",
                               .handler = {on_head, on_body, on_reject, on_gone, f},
                               .budget = &f->budget,
                               .max_connections = 100,
                               .max_per_address = 10,
                               .body_limit = 1000,
                               .idle_timeout_us = 60000000,
                               .header_timeout_us = 1000000};
    assert_int_equal(ow_http_server_open(&options, &f->server, NULL), OW_OK);
    f->port = (int)strtol(strrchr(ow_http_server_address(f->server), ':') + 1, NULL, 10);
    return 0;
}

static int teardown(void **state) {
    fixture *f = *state;
    for (int i = 0; i < f->opened; i++) {
        if (f->echoes[i].socket != NULL) {
            ow_loop_unwatch(f->loop, &f->echoes[i].watch);
            ow_http_socket_close(f->echoes[i].socket);
        }
    }
    assert_int_equal(ow_http_server_sockets(f->server), 0);
    ow_http_server_close(f->server);
    ow_loop_free(f->loop);
    free(f);
    return 0;
}

static int dial(const fixture *f) {
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)f->port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void say(int fd, const char *text) {
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

// Turns until `wanted` came (NULL: until the server hung up).
static void hear(fixture *f, int fd, const char *wanted) {
    char text[2048];
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < TURNS; i++) {
        assert_int_equal(ow_loop_turn(f->loop, 1000, NULL), OW_OK);
        ssize_t size = recv(fd, text + used, sizeof text - used - 1, 0);
        used += size > 0 ? (size_t)size : 0;
        text[used] = '\0';
        if (wanted != NULL ? strstr(text, wanted) != NULL : size == 0) {
            return;
        }
    }
    fail_msg("no \"%s\" in \"%s\"", wanted != NULL ? wanted : "end", text);
}

static void both_sides_go_on_with_it(void **state) {
    fixture *f = *state;
    int fd = dial(f);
    say(fd, UPGRADE);
    hear(f, fd, "HTTP/1.1 101 Switching Protocols\r\n");
    assert_int_equal(f->opened, 1);
    say(fd, "hello");
    hear(f, fd, "hello");
    assert_int_equal(ow_http_server_sockets(f->server), 1);
    assert_int_equal(ow_http_server_busy(f->server), 0);
    assert_int_equal(ow_http_server_connections(f->server), 0);
    close(fd);
    for (int i = 0; i < TURNS && ow_http_server_sockets(f->server) > 0; i++) {
        ow_loop_turn(f->loop, 1000, NULL);
    }
    assert_int_equal(ow_http_server_sockets(f->server), 0);
}

static void what_came_with_the_request_is_handed_over(void **state) {
    fixture *f = *state;
    int fd = dial(f);
    say(fd, UPGRADE "early");
    hear(f, fd, "X-Mine: yes\r\n");
    assert_string_equal(f->early, "early");
    close(fd);
}

static void a_socket_counts_as_its_addresss_connection(void **state) {
    fixture *f = *state;
    int fds[10];
    for (int i = 0; i < 10; i++) {
        fds[i] = dial(f);
        say(fds[i], UPGRADE);
        hear(f, fds[i], "101");
    }
    // The eleventh is one too many: it is in the reserve and closed behind its reply.
    int fd = dial(f);
    say(fd, "GET /other HTTP/1.1\r\nHost: x\r\n\r\n");
    hear(f, fd, "Connection: close");
    close(fd);
    for (int i = 0; i < 10; i++) {
        close(fds[i]);
    }
}

static int open_descriptors(void) {
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count;
}

static void no_descriptor_is_left_behind(void **state) {
    fixture *f = *state;
    int before = open_descriptors();
    for (int i = 0; i < 50; i++) {
        int fd = dial(f);
        say(fd, i % 2 == 0 ? UPGRADE : UPGRADE "bye");
        if (i % 5 != 4) {
            hear(f, fd, "101");
        }
        close(fd);
        for (int n = 0; n < TURNS && (ow_http_server_sockets(f->server) > 0 ||
                                      ow_http_server_connections(f->server) > 0);
             n++) {
            ow_loop_turn(f->loop, 1000, NULL);
        }
    }
    assert_int_equal(open_descriptors(), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST_WITH(both_sides_go_on_with_it, setup, teardown),
        OW_TEST_WITH(what_came_with_the_request_is_handed_over, setup, teardown),
        OW_TEST_WITH(a_socket_counts_as_its_addresss_connection, setup, teardown),
        OW_TEST_WITH(no_descriptor_is_left_behind, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
