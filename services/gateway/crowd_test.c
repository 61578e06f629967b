// More clients than there may be, and clients that are slower than they may be.

#include "services/gateway/test_client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEALTH "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
#define PLACES 6
#define PATIENCE_US 12000000

static const ow_channel_kind local = OW_CHANNEL_LOCAL;

static int setup_few(void **state) {
    static const char *const flags[] = {"--gateway.max_connections=6", "--gateway.slow_grace=1s",
                                        "--gateway.header_timeout=1s", NULL};
    *state = platform_start(local, flags);
    return 0;
}

static int setup_one_address(void **state) {
    static const char *const flags[] = {"--gateway.max_connections_per_address=6", NULL};
    *state = platform_start(local, flags);
    return 0;
}

static int teardown(void **state) {
    platform_stop(*state);
    return 0;
}

static int64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static int expect_status(platform *p, int fd, int status) {
    response r;
    if (!client_receive(p, fd, &r)) {
        fail_msg("hung up instead of %d", status);
    }
    assert_int_equal(r.status, status);
    response_deinit(&r);
    return fd;
}

static bool is_closed(int fd) {
    struct pollfd poll_one = {.fd = fd, .events = POLLRDHUP};
    return poll(&poll_one, 1, 0) == 1 && (poll_one.revents & (POLLRDHUP | POLLERR | POLLHUP)) != 0;
}

// µs until the server hangs up; the test fails when it does not.
static int64_t time_to_close(platform *p, int fd) {
    int64_t start = now_us();
    while (!is_closed(fd)) {
        platform_turn(p);
        assert_true(now_us() - start < PATIENCE_US);
    }
    return now_us() - start;
}

// The library closes what has gone a few turns later.
static void some_turns(platform *p) {
    for (int i = 0; i < 100; i++) {
        platform_turn(p);
    }
}

static int call_later(platform *p) {
    char head[1024];
    int fd = client_dial(p, p->public_port);
    int held = p->held_count;
    snprintf(head, sizeof head,
             "POST /v1/call/lab/later HTTP/1.1\r\nHost: a\r\n%sContent-Length: 1\r\n\r\n1",
             BEARER(PLAYER(p)));
    client_send(fd, head, strlen(head));
    WAIT_FOR(p, p->held_count == held + 1);
    return fd;
}

// Only health checks are answered beside those who fill the place.
static void expect_reserve(platform *p) {
    response r;
    EXPECT(p, p->public_port, "GET /healthz", "", "", 200, NULL);
    EXPECT(p, p->public_port, "GET /readyz", "", "", 200, NULL);
    EXPECT(p, p->public_port, "POST /v1/call/lab/echo", BEARER(PLAYER(p)), "1", 503, "overloaded");
    client_ask(p, p->public_port, "GET /healthz", "", "", &r);
    assert_non_null(strstr(r.text, "Connection: close"));
    response_deinit(&r);
}

static void health_is_answered_when_all_connections_work(void **state) {
    platform *p = *state;
    int fds[PLACES];
    for (int i = 0; i < PLACES; i++) {
        fds[i] = call_later(p);
    }
    expect_reserve(p);
    for (int i = 0; i < PLACES; i++) {
        assert_false(is_closed(fds[i]));
        close(fds[i]);
    }
    WAIT_FOR(p, p->cancelled == PLACES);
    some_turns(p);
    EXPECT(p, p->public_port, "POST /v1/call/lab/echo", BEARER(PLAYER(p)), "1", 200, NULL);
}

static void health_is_answered_when_an_address_has_all_its_connections(void **state) {
    platform *p = *state;
    int fds[PLACES];
    for (int i = 0; i < PLACES; i++) {
        fds[i] = client_dial(p, p->public_port);
        client_send(fds[i], HEALTH, strlen(HEALTH));
        expect_status(p, fds[i], 200);
    }
    expect_reserve(p);
    // Those that it had are served on; one that goes makes room.
    client_send(fds[0], HEALTH, strlen(HEALTH));
    expect_status(p, fds[0], 200);
    close(fds[1]);
    some_turns(p);
    EXPECT(p, p->public_port, "POST /v1/call/lab/echo", BEARER(PLAYER(p)), "1", 200, NULL);
    // Far beyond, nobody is listened to.
    int more[40];
    int closed = 0;
    for (int i = 0; i < 40; i++) {
        more[i] = client_dial(p, p->public_port);
        for (int k = 0; k < 10; k++) {
            platform_turn(p);
        }
    }
    for (int i = 0; i < 40; i++) {
        closed += is_closed(more[i]);
        close(more[i]);
    }
    assert_in_range(closed, 40 - 16 - 1, 40 - 16 + 1);
    for (int i = 0; i < PLACES; i++) {
        if (i != 1) {
            close(fds[i]);
        }
    }
}

static void the_longest_idle_makes_room(void **state) {
    platform *p = *state;
    int fds[PLACES];
    for (int i = 0; i < PLACES; i++) {
        fds[i] = client_dial(p, p->public_port);
        client_send(fds[i], HEALTH, strlen(HEALTH));
        expect_status(p, fds[i], 200);
        platform_turn(p);
    }
    // The first is used again: now the second has been idle for longest.
    client_send(fds[0], HEALTH, strlen(HEALTH));
    expect_status(p, fds[0], 200);
    EXPECT(p, p->public_port, "POST /v1/call/lab/echo", BEARER(PLAYER(p)), "1", 200, NULL);
    assert_true(is_closed(fds[1]));
    for (int i = 0; i < PLACES; i++) {
        assert_int_equal(is_closed(fds[i]), i == 1);
        close(fds[i]);
    }
}

static void who_sends_headers_slowly_is_hung_up_on(void **state) {
    platform *p = *state;
    int fd = client_dial(p, p->public_port);
    int64_t start = now_us();
    // The time does not begin anew with the request line, nor with a header.
    client_send(fd, "GET /healthz HTTP/1.1\r\n", 23);
    while (!is_closed(fd) && now_us() - start < PATIENCE_US) {
        if (send(fd, "X: y\r\n", 6, MSG_NOSIGNAL) < 0) {
            break;
        }
        for (int i = 0; i < 50; i++) {
            platform_turn(p);
        }
    }
    assert_in_range(now_us() - start, 900000, 5000000);
    close(fd);
}

static void who_sends_a_body_slowly_is_hung_up_on(void **state) {
    platform *p = *state;
    char head[1024];
    int slow = client_dial(p, p->public_port);
    int steady = client_dial(p, p->public_port);
    snprintf(head, sizeof head,
             "POST /v1/call/lab/echo HTTP/1.1\r\nHost: a\r\n%sContent-Length: 100000\r\n\r\n",
             BEARER(PLAYER(p)));
    client_send(slow, head, strlen(head));
    client_send(steady, head, strlen(head));
    int64_t start = now_us();
    int64_t sent = 0;
    char piece[1000];
    memset(piece, '1', sizeof piece);
    while (!is_closed(slow)) {
        int64_t now = now_us();
        assert_true(now - start < PATIENCE_US);
        send(slow, piece, 1, MSG_NOSIGNAL);
        // 20 KB a second, above the least rate.
        while (sent < (now - start) / 50 && sent + 1000 <= 100000) {
            client_send(steady, piece, sizeof piece);
            sent += 1000;
        }
        for (int i = 0; i < 50; i++) {
            platform_turn(p);
        }
    }
    assert_in_range(now_us() - start, 900000, 5000000);
    for (; sent < 100000; sent += 1000) {
        client_send(steady, piece, sizeof piece);
        platform_turn(p);
    }
    expect_status(p, steady, 200);
    close(slow);
    close(steady);
}

static void who_reads_a_reply_slowly_is_hung_up_on(void **state) {
    platform *p = *state;
    enum { SIZE = 2000000 };
    char head[1024];
    char *body = malloc(SIZE);
    int small = 4096;
    memset(body, '1', SIZE);
    int fd = client_dial(p, p->public_port);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    snprintf(head, sizeof head,
             "POST /v1/call/lab/echo HTTP/1.1\r\nHost: a\r\n%sContent-Length: %d\r\n\r\n",
             BEARER(PLAYER(p)), SIZE);
    client_send(fd, head, strlen(head));
    for (size_t sent = 0; sent < SIZE;) {
        ssize_t n = send(fd, body + sent, SIZE - sent, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        platform_turn(p);
    }
    assert_in_range(time_to_close(p, fd), 900000, 8000000);
    close(fd);
    free(body);
}

#define FEW(name) cmocka_unit_test_setup_teardown(name, setup_few, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        FEW(health_is_answered_when_all_connections_work),
        cmocka_unit_test_setup_teardown(health_is_answered_when_an_address_has_all_its_connections,
                                        setup_one_address, teardown),
        FEW(the_longest_idle_makes_room),
        FEW(who_sends_headers_slowly_is_hung_up_on),
        FEW(who_sends_a_body_slowly_is_hung_up_on),
        FEW(who_reads_a_reply_slowly_is_hung_up_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
