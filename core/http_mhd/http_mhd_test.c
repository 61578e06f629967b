// The server over real sockets: a raw client and the server take turns on one thread.

#include "core/http/server.h"

#include "core/loop/loop.h"
#include "core/testing/ow_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_US 5000000
#define HELD_MAX 512

// A handler that does what the path says:
//   /now      replies in on_body      /head    replies in on_head
//   /later    keeps the request       /tiny    sets a body limit of 10
//   /stream   takes the body as a stream
typedef struct fixture {
    ow_loop *loop;
    ow_http_server *server;
    ow_http_budget budget;
    int port;
    ow_http_request *held[HELD_MAX];
    int held_count;
    int heads, bodies, gones, rejects;
    size_t streamed;
    bool sink_blocked;
    ow_http_request *streaming;
} fixture;

static void answer(ow_http_request *request, int status, const char *text) {
    ow_http_header_line headers[] = {{"Content-Type", "text/plain"}, {"X-Empty", ""}};
    ow_http_reply(request, &(ow_http_answer){.status = status,
                                             .headers = headers,
                                             .header_count = 2,
                                             .body = text,
                                             .size = strlen(text)});
}

static size_t on_bytes(void *self, ow_http_request *request, const void *bytes, size_t size) {
    (void)request;
    (void)bytes;
    fixture *f = self;
    if (f->sink_blocked) {
        return 0;
    }
    f->streamed += size;
    return size;
}

static void on_head(void *self, ow_http_request *request) {
    fixture *f = self;
    f->heads++;
    const char *path = ow_http_path(request);
    if (strcmp(path, "/head") == 0) {
        answer(request, 401, "no");
    } else if (strcmp(path, "/tiny") == 0) {
        ow_http_set_body_limit(request, 10);
    } else if (strcmp(path, "/stream") == 0) {
        ow_http_set_body_limit(request, 1 << 20);
        ow_http_stream_body(request, &(ow_http_sink){on_bytes, f});
        f->streaming = request;
    }
}

static void on_body(void *self, ow_http_request *request) {
    fixture *f = self;
    f->bodies++;
    const char *path = ow_http_path(request);
    if (strcmp(path, "/later") == 0) {
        f->held[f->held_count++] = request;
        return;
    }
    if (strcmp(path, "/owned") == 0) {
        ow_http_reply(request,
                      &(ow_http_answer){
                          .status = 200, .body = strdup("owned"), .size = 5, .free_body = free});
        return;
    }
    size_t size;
    const char *body = ow_http_body(request, &size);
    char text[4096];
    snprintf(text, sizeof text, "%s %s?%s %s [%.*s]", ow_http_method(request), path,
             ow_http_query(request), ow_http_peer(request), size < 2000 ? (int)size : 0, body);
    answer(request, 200, text);
}

static void on_reject(void *self, ow_http_request *request, const ow_http_rejection *why) {
    fixture *f = self;
    f->rejects++;
    answer(request, why->status, why->reason);
}

// Requests that the test holds are answered by it; those whose body never came end here.
static void on_gone(void *self, ow_http_request *request) {
    fixture *f = self;
    f->gones++;
    for (int i = 0; i < f->held_count; i++) {
        if (f->held[i] == request) {
            return;
        }
    }
    answer(request, 499, "");
}

static void open_server(fixture *f, const char *address) {
    ow_http_options options = {
        .loop = f->loop,
        .address = address,
        .handler = {on_head, on_body, on_reject, on_gone, f},
        .budget = &f->budget,
        .max_connections = 600,
        .max_per_address = 0,
        .body_limit = 100000,
        .idle_timeout_us = 60000000,
        .header_timeout_us = 1000000,
        .grace_us = 1000000,
        .min_rate = 4096,
    };
    ow_err err;
    if (ow_http_server_open(&options, &f->server, &err) != OW_OK) {
        fail_msg("%s", err.message);
    }
}

static int setup(void **state) {
    fixture *f = calloc(1, sizeof *f);
    *state = f;
    f->budget.max = 1 << 20;
    assert_int_equal(ow_loop_new(&f->loop, NULL), OW_OK);
    open_server(f, "127.0.0.1:0");
    f->port = (int)strtol(strrchr(ow_http_server_address(f->server), ':') + 1, NULL, 10);
    return 0;
}

static int teardown(void **state) {
    fixture *f = *state;
    ow_http_server_close(f->server);
    for (int i = 0; i < f->held_count; i++) {
        if (f->held[i] != NULL) {
            answer(f->held[i], 200, "late");
        }
    }
    assert_int_equal(f->budget.used, 0);
    ow_loop_free(f->loop);
    free(f);
    return 0;
}

static int64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static void turn(fixture *f) {
    assert_int_equal(ow_loop_turn(f->loop, 1000, NULL), OW_OK);
}

static int dial(fixture *f) {
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)f->port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void send_text(int fd, const char *text, size_t size) {
    assert_int_equal(send(fd, text, size, MSG_NOSIGNAL), (ssize_t)size);
}

// Reads until `wanted` is in what came, the server hung up, or patience ends. False: hung up.
static bool receive(fixture *f, int fd, const char *wanted, char *text, size_t room) {
    size_t used = 0;
    int64_t until = now_us() + PATIENCE_US;
    text[0] = '\0';
    while (now_us() < until) {
        turn(f);
        ssize_t more = recv(fd, text + used, room - used - 1, 0);
        if (more == 0 || (more < 0 && errno != EAGAIN)) {
            return false;
        }
        used += more > 0 ? (size_t)more : 0;
        text[used] = '\0';
        if (wanted != NULL && strstr(text, wanted) != NULL) {
            return true;
        }
    }
    fail_msg("no \"%s\" in: %s", wanted != NULL ? wanted : "hang-up", text);
    return false;
}

#define WAIT_FOR(f, condition)                                                                     \
    do {                                                                                           \
        int64_t until_ = now_us() + PATIENCE_US;                                                   \
        while (!(condition) && now_us() < until_) {                                                \
            turn(f);                                                                               \
        }                                                                                          \
        assert_true(condition);                                                                    \
    } while (0)

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

static void replies_at_once(void **state) {
    fixture *f = *state;
    char text[8192];
    int fd = dial(f);
    send_text(fd, GET("/now?a=1"), strlen(GET("/now?a=1")));
    assert_true(receive(f, fd, "GET /now?a=1 127.0.0.1 []", text, sizeof text));
    assert_non_null(strstr(text, "HTTP/1.1 200"));
    assert_null(strstr(text, "X-Empty"));
    // The same connection again, with a body in pieces.
    static const char post[] = "POST /now HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
    for (size_t i = 0; i < sizeof post - 1; i++) {
        send_text(fd, post + i, 1);
        turn(f);
    }
    assert_true(receive(f, fd, "POST /now? 127.0.0.1 [hello]", text, sizeof text));
    send_text(fd, GET("/owned"), strlen(GET("/owned")));
    assert_true(receive(f, fd, "owned", text, sizeof text));
    close(fd);
}

static void takes_chunked_bodies(void **state) {
    fixture *f = *state;
    char text[8192];
    int fd = dial(f);
    static const char post[] = "POST /now HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    send_text(fd, post, sizeof post - 1);
    assert_true(receive(f, fd, "[abcde]", text, sizeof text));
    close(fd);
}

static void answers_pipelined_requests_in_order(void **state) {
    fixture *f = *state;
    char text[16384];
    int fd = dial(f);
    static const char five[] =
        GET("/now?1") GET("/now?2") GET("/now?3") GET("/now?4") GET("/now?5");
    send_text(fd, five, sizeof five - 1);
    assert_true(receive(f, fd, "/now?5 127", text, sizeof text));
    assert_true(strstr(text, "now?1") < strstr(text, "now?2"));
    assert_true(strstr(text, "now?4") < strstr(text, "now?5"));
    close(fd);
}

static void replies_later(void **state) {
    fixture *f = *state;
    char text[8192];
    int fd = dial(f);
    for (int round = 0; round < 3; round++) {
        // Without a wait, after a few turns, and after it was certainly suspended.
        send_text(fd, GET("/later"), strlen(GET("/later")));
        WAIT_FOR(f, f->held_count == round + 1);
        int64_t until = now_us() + round * 60000;
        while (now_us() < until) {
            turn(f);
        }
        answer(f->held[round], 200, "finally");
        f->held[round] = NULL;
        assert_true(receive(f, fd, "finally", text, sizeof text));
    }
    close(fd);
}

static void serves_others_while_many_wait(void **state) {
    fixture *f = *state;
    char text[8192];
    int fds[400];
    for (int i = 0; i < 400; i++) {
        fds[i] = dial(f);
        send_text(fds[i], GET("/later"), strlen(GET("/later")));
        turn(f);
    }
    WAIT_FOR(f, f->held_count == 400);
    int fd = dial(f);
    send_text(fd, GET("/now"), strlen(GET("/now")));
    assert_true(receive(f, fd, "GET /now", text, sizeof text));
    close(fd);
    for (int i = 0; i < 400; i++) {
        answer(f->held[i], 200, "done");
        f->held[i] = NULL;
    }
    for (int i = 0; i < 400; i++) {
        assert_true(receive(f, fds[i], "done", text, sizeof text));
        close(fds[i]);
    }
    WAIT_FOR(f, ow_http_server_busy(f->server) == 0);
}

// An upload goes on at full speed while somebody else waits for a reply.
static void uploads_while_another_waits(void **state) {
    fixture *f = *state;
    char text[8192];
    int waiting = dial(f);
    send_text(waiting, GET("/later"), strlen(GET("/later")));
    WAIT_FOR(f, f->held_count == 1);
    int fd = dial(f);
    static const char head[] = "PUT /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n";
    send_text(fd, head, sizeof head - 1);
    char *piece = calloc(1, 1000000);
    size_t sent = 0;
    int64_t until = now_us() + PATIENCE_US;
    while (sent < 1000000 && now_us() < until) {
        ssize_t n = send(fd, piece, 1000000 - sent, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        turn(f);
    }
    assert_true(receive(f, fd, "PUT /stream", text, sizeof text));
    assert_int_equal(f->streamed, 1000000);
    f->streaming = NULL;
    free(piece);
    close(fd);
    answer(f->held[0], 200, "done");
    f->held[0] = NULL;
    assert_true(receive(f, waiting, "done", text, sizeof text));
    close(waiting);
}

static void holds_a_stream_back(void **state) {
    fixture *f = *state;
    char text[8192];
    int fd = dial(f);
    static const char put[] =
        "PUT /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789";
    f->sink_blocked = true;
    send_text(fd, put, sizeof put - 1);
    int64_t until = now_us() + 20000;
    while (now_us() < until) {
        turn(f);
    }
    assert_int_equal(f->streamed, 0);
    f->sink_blocked = false;
    ow_http_sink_ready(f->streaming);
    assert_true(receive(f, fd, "PUT /stream", text, sizeof text));
    assert_int_equal(f->streamed, 10);
    f->streaming = NULL;
    close(fd);
}

static void tells_of_clients_that_hang_up(void **state) {
    fixture *f = *state;
    // One that was suspended, one that was not yet.
    for (int round = 0; round < 2; round++) {
        int fd = dial(f);
        send_text(fd, GET("/later"), strlen(GET("/later")));
        WAIT_FOR(f, f->held_count == round + 1);
        int64_t until = now_us() + (round == 0 ? 80000 : 0);
        while (now_us() < until) {
            turn(f);
        }
        close(fd);
        WAIT_FOR(f, f->gones == round + 1);
        answer(f->held[round], 200, "nobody hears it");
        f->held[round] = NULL;
        WAIT_FOR(f, ow_http_server_busy(f->server) == 0);
    }
}

static void keeps_the_connection_after_a_refusal_with_a_short_body(void **state) {
    fixture *f = *state;
    char text[8192];
    int fd = dial(f);
    static const char post[] = "POST /head HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
    for (int i = 0; i < 3; i++) {
        send_text(fd, post, sizeof post - 1);
        assert_true(receive(f, fd, "no", text, sizeof text));
        assert_non_null(strstr(text, "HTTP/1.1 401"));
        assert_null(strstr(text, "close"));
    }
    assert_int_equal(f->bodies, 0);
    close(fd);
}

static void refuses_large_bodies(void **state) {
    fixture *f = *state;
    char text[8192];
    static const char *const posts[] = {
        "POST /tiny HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n0123456789a",
        ("POST /tiny HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
         "b\r\n0123456789a\r\n0\r\n\r\n"),
        "POST /now HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n",
    };
    for (int i = 0; i < 3; i++) {
        int fd = dial(f);
        send_text(fd, posts[i], strlen(posts[i]));
        assert_true(receive(f, fd, "payload_too_large", text, sizeof text));
        assert_non_null(strstr(text, "HTTP/1.1 413"));
        close(fd);
    }
    static const char exact[] =
        "POST /tiny HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789";
    int fd = dial(f);
    send_text(fd, exact, sizeof exact - 1);
    assert_true(receive(f, fd, "[0123456789]", text, sizeof text));
    close(fd);
}

// Sends up to `size` bytes while the server turns; true when all were taken.
static bool pour(fixture *f, int fd, size_t size) {
    static const char piece[32768];
    int64_t end = now_us() + 4 * PATIENCE_US;
    while (size > 0 && now_us() < end) {
        size_t part = size < sizeof piece ? size : sizeof piece;
        ssize_t n = send(fd, piece, part, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN) {
            return false;
        }
        size -= n > 0 ? (size_t)n : 0;
        turn(f);
    }
    return size == 0;
}

static void listens_to_those_it_refused(void **state) {
    fixture *f = *state;
    char text[8192];
    static const char head[] = "POST /tiny HTTP/1.1\r\nHost: x\r\nContent-Length: 90000000\r\n\r\n";
    int fd = dial(f);
    send_text(fd, head, sizeof head - 1);
    assert_true(receive(f, fd, "payload_too_large", text, sizeof text));
    WAIT_FOR(f, ow_http_server_connections(f->server) == 0);
    assert_true(pour(f, fd, 4 << 20));
    close(fd);
    // But not for ever: more than 8 MB are not listened to.
    fd = dial(f);
    send_text(fd, head, sizeof head - 1);
    assert_true(receive(f, fd, "payload_too_large", text, sizeof text));
    assert_false(pour(f, fd, 64 << 20));
    close(fd);
    // Nor is silence longer than some seconds.
    fd = dial(f);
    send_text(fd, head, sizeof head - 1);
    assert_true(receive(f, fd, "payload_too_large", text, sizeof text));
    int64_t end = now_us() + 5 * PATIENCE_US;
    while (send(fd, "x", 1, MSG_NOSIGNAL) == 1) {
        assert_true(now_us() < end);
        turn(f);
    }
    close(fd);
}

static void keeps_its_budget(void **state) {
    fixture *f = *state;
    char text[8192];
    static const char head[] = "POST /now HTTP/1.1\r\nHost: x\r\nContent-Length: 16000\r\n\r\n";
    static char body[16000];
    int fds[12];
    f->budget.max = 11 * 16000 + 1000;
    for (int i = 0; i < 11; i++) {
        fds[i] = dial(f);
        send_text(fds[i], head, sizeof head - 1);
        WAIT_FOR(f, f->heads == i + 1);
    }
    assert_int_equal(f->budget.used, 11 * 16000);
    fds[11] = dial(f);
    send_text(fds[11], head, sizeof head - 1);
    send_text(fds[11], body, sizeof body); // a short body is read before its refusal
    assert_true(receive(f, fds[11], "overloaded", text, sizeof text));
    assert_non_null(strstr(text, "HTTP/1.1 503"));
    for (int i = 0; i < 12; i++) {
        close(fds[i]);
    }
    WAIT_FOR(f, f->gones == 11);
}

// Twenty who say that they will send more than there is room for, and send next to nothing.
static void large_promises_take_nothing_from_others(void **state) {
    enum { LIARS = 20, SENT = 40000 };
    fixture *f = *state;
    static char body[SENT];
    char text[8192];
    static const char head[] = "POST /now HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n";
    int fds[LIARS];
    for (int i = 0; i < LIARS; i++) {
        fds[i] = dial(f);
        send_text(fds[i], head, sizeof head - 1);
        send_text(fds[i], "[1,", 3);
        WAIT_FOR(f, f->heads == i + 1);
    }
    assert_true(f->budget.used <= LIARS * 16384);
    // An honest body is larger than what is believed, and comes whole.
    memset(body, 'x', sizeof body);
    int fd = dial(f);
    int length = snprintf(text, sizeof text,
                          "POST /now HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", SENT);
    send_text(fd, text, (size_t)length);
    send_text(fd, body, sizeof body);
    assert_true(receive(f, fd, "POST /now?", text, sizeof text));
    assert_non_null(strstr(text, "HTTP/1.1 200"));
    close(fd);
    for (int i = 0; i < LIARS; i++) {
        close(fds[i]);
    }
    WAIT_FOR(f, f->gones == LIARS);
}

// What is refused before any handler sees it, and the status.
static const struct {
    const char *head;
    const char *status;
} malformed[] = {
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", " 400 "},
    {"GET / HTTP/1.1\r\n\r\n", " 400 "},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", " 400 "},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", " 400 "},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
     "0\r\n\r\n",
     " 400 "},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", " 501 "},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", " 501 "},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", " 400 "},
    {"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", " 501 "},
    {"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", " 501 "},
    {"GET / HTTP/1.9\r\nHost: a\r\n\r\n", " 505 "},
    {"GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n", " 400 "},
    {"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", " 400 "},
    {"POST / HTTP/1.1\r\nHost: a\r\nExpect: 200\r\nContent-Length: 1\r\n\r\n", " 417 "},
    {"GET / HTTP/1.1\r\nHost: a\r\nX y: b\r\n\r\n", " 400 "},
};

static void refuses_malformed_heads(void **state) {
    fixture *f = *state;
    char text[8192];
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        int fd = dial(f);
        send_text(fd, malformed[i].head, strlen(malformed[i].head));
        receive(f, fd, NULL, text, sizeof text);
        if (strstr(text, malformed[i].status) == NULL) {
            fail_msg("%s gave: %s", malformed[i].head, text);
        }
        close(fd);
    }
    assert_int_equal(f->heads, 0);
}

static void refuses_nul_in_the_address(void **state) {
    fixture *f = *state;
    char text[8192];
    int fd = dial(f);
    send_text(fd, "GET /a\0b HTTP/1.1\r\nHost: x\r\n\r\n", 30);
    receive(f, fd, NULL, text, sizeof text);
    assert_non_null(strstr(text, " 400 "));
    assert_int_equal(f->heads, 0);
    close(fd);
}

static void survives_oversized_heads(void **state) {
    fixture *f = *state;
    char text[8192];
    char *head = malloc(20000);
    int fd = dial(f);
    int used = snprintf(head, 20000, "GET / HTTP/1.1\r\nHost: x\r\nX: ");
    memset(head + used, 'a', 12000);
    memcpy(head + used + 12000, "\r\n\r\n", 4);
    send_text(fd, head, (size_t)used + 12004);
    receive(f, fd, NULL, text, sizeof text);
    close(fd);
    free(head);
    assert_int_equal(f->heads, 0);
    WAIT_FOR(f, ow_http_server_busy(f->server) == 0);
}

static void closes_clients_that_drip(void **state) {
    fixture *f = *state;
    char text[8192];
    int fd = dial(f);
    send_text(fd, "GET / HT", 8);
    assert_false(receive(f, fd, NULL, text, sizeof text));
    close(fd);
    assert_int_equal(f->heads, 0);
}

static void waits_for_100_continue(void **state) {
    fixture *f = *state;
    char text[8192];
    int fd = dial(f);
    static const char head[] =
        "POST /now HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    send_text(fd, head, sizeof head - 1);
    assert_true(receive(f, fd, " 100 ", text, sizeof text));
    send_text(fd, "ab", 2);
    assert_true(receive(f, fd, "[ab]", text, sizeof text));
    close(fd);
}

static void drains(void **state) {
    fixture *f = *state;
    char text[8192];
    int idle = dial(f);
    send_text(idle, GET("/now"), strlen(GET("/now")));
    assert_true(receive(f, idle, "GET /now", text, sizeof text));
    int fd = dial(f);
    send_text(fd, GET("/later"), strlen(GET("/later")));
    WAIT_FOR(f, f->held_count == 1);
    ow_http_server_drain(f->server);
    assert_false(receive(f, idle, NULL, text, sizeof text));
    assert_int_equal(ow_http_server_busy(f->server), 1);
    answer(f->held[0], 200, "last");
    f->held[0] = NULL;
    assert_false(receive(f, fd, NULL, text, sizeof text));
    assert_non_null(strstr(text, "last"));
    assert_non_null(strstr(text, "close"));
    assert_int_equal(ow_http_server_busy(f->server), 0);
    close(idle);
    close(fd);
}

static void answers_503_to_those_who_still_wait_when_it_closes(void **state) {
    fixture *f = *state;
    char text[8192];
    int fds[2];
    for (int i = 0; i < 2; i++) {
        fds[i] = dial(f);
        send_text(fds[i], GET("/later"), strlen(GET("/later")));
        WAIT_FOR(f, f->held_count == i + 1);
        int64_t until = now_us() + (i == 0 ? 80000 : 0);
        while (now_us() < until) {
            turn(f);
        }
    }
    f->server = ow_http_server_close(f->server);
    assert_int_equal(f->gones, 2);
    for (int i = 0; i < 2; i++) {
        receive(f, fds[i], " 503 ", text, sizeof text);
        assert_non_null(strstr(text, " 503 "));
        close(fds[i]);
    }
}

static void listens_on_a_unix_socket(void **state) {
    fixture *f = *state;
    char text[8192];
    char path[64];
    snprintf(path, sizeof path, "/tmp/ow_http_test.%d", getpid());
    char address[80];
    snprintf(address, sizeof address, "unix:%s", path);
    ow_http_server_close(f->server);
    open_server(f, address);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    memcpy(name.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    send_text(fd, GET("/now"), strlen(GET("/now")));
    assert_true(receive(f, fd, "GET /now? unix []", text, sizeof text));
    close(fd);
}

static void an_ipv4_client_of_an_ipv6_socket_is_ipv4(void **state) {
    fixture *f = *state;
    char text[8192];
    static const char ask[] = "GET /now HTTP/1.1\r\nHost: x\r\n\r\n";
    ow_http_server_close(f->server);
    open_server(f, "[::ffff:127.0.0.1]:0");
    f->port = (int)strtol(strrchr(ow_http_server_address(f->server), ':') + 1, NULL, 10);
    int fd = dial(f);
    send_text(fd, ask, sizeof ask - 1);
    assert_true(receive(f, fd, "GET /now? 127.0.0.1 [", text, sizeof text));
    close(fd);
}

static void refuses_bad_addresses(void **state) {
    fixture *f = *state;
    static const char *const bad[] = {"",    "localhost:1",     "127.0.0.1", "127.0.0.1:",
                                      ":80", "127.0.0.1:99999", "::1:80",    "unix:relative"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ow_http_options options = {.loop = f->loop, .address = bad[i], .budget = &f->budget};
        ow_http_server *server;
        ow_err err;
        if (ow_http_server_open(&options, &server, &err) != OW_INVALID_ARGUMENT) {
            fail_msg("accepted %s", bad[i]);
        }
    }
    ow_http_options options = {
        .loop = f->loop, .address = ow_http_server_address(f->server), .budget = &f->budget};
    ow_http_server *server;
    ow_err err;
    assert_int_equal(ow_http_server_open(&options, &server, &err), OW_UNAVAILABLE);
    assert_string_equal(err.reason, "address_in_use");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(replies_at_once),
        CASE(takes_chunked_bodies),
        CASE(answers_pipelined_requests_in_order),
        CASE(replies_later),
        CASE(serves_others_while_many_wait),
        CASE(uploads_while_another_waits),
        CASE(holds_a_stream_back),
        CASE(tells_of_clients_that_hang_up),
        CASE(keeps_the_connection_after_a_refusal_with_a_short_body),
        CASE(refuses_large_bodies),
        CASE(keeps_its_budget),
        CASE(large_promises_take_nothing_from_others),
        CASE(listens_to_those_it_refused),
        CASE(refuses_malformed_heads),
        CASE(refuses_nul_in_the_address),
        CASE(survives_oversized_heads),
        CASE(closes_clients_that_drip),
        CASE(waits_for_100_continue),
        CASE(drains),
        CASE(answers_503_to_those_who_still_wait_when_it_closes),
        CASE(listens_on_a_unix_socket),
        CASE(an_ipv4_client_of_an_ipv6_socket_is_ipv4),
        CASE(refuses_bad_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
